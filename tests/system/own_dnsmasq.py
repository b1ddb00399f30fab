"""A bridge whose dnsmasq a person starts, and clients on it."""

from __future__ import annotations

from tests.system.world import Client, World

BRIDGE = "br9"
FILE = "/var/lib/misc/dnsmasq.leases"
RANGES = ("--dhcp-range=10.9.0.10,10.9.0.99,1h", "--dhcp-range=fd09::10,fd09::ff,1h")
MAC = "02:00:00:00:00:{:02x}".format
CLONE_ID = "ff:00:00:00:01:00:02:00:00:ab:11:a1:b2:c3:d4:e5:f6:07:18"
"""A client id that systemd makes of the machine-id (RFC 4361), as each clone has it."""
CLONE = ("-x", f"0x3d:{CLONE_ID.replace(':', '')}")
DUID = CLONE_ID[15:]
NETWORK = f"""
ip link add {BRIDGE} type bridge
ip address add 10.9.0.1/24 dev {BRIDGE}
ip address add fd09::1/64 dev {BRIDGE} nodad
ip link set {BRIDGE} up
"""


def dnsmasq(*options: str) -> list[str]:
    """A dnsmasq as a person starts it, with a fixed IPv4 address for the client of each MAC."""
    return [
        *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root"),
        *("--port=0", f"--interface={BRIDGE}", "--bind-dynamic", "--no-ping", "--pid-file="),
        *("--dhcp-authoritative", f"--dhcp-leasefile={FILE}", "--enable-ra"),
        *(f"--dhcp-host={MAC(n)},10.9.0.{n + 100}" for n in range(9)),
        *(options or RANGES),
    ]


def client(world: World, number: int) -> Client:
    return world.client(f"c{number}", BRIDGE, MAC(number))
