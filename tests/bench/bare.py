"""The bare machine: the shortest shell scripts that do what a network and a domain need.

A bridge with an address, NAT, DHCP and DNS; a tap and QEMU. They keep no definition, check nothing
and filter nothing.
"""

from __future__ import annotations

from pathlib import Path

from tests.bench import tiny

BRIDGE = "bare0"
ADDRESS = "10.73.0.2"
"""Of the guest."""
_MAC = "52:54:00:77:00:03"
LEASES = Path("/run/bench/bare.leases")
_NETWORK_PID = "/run/bench/bare.dnsmasq.pid"
_DOMAIN_PID = "/run/bench/bare.qemu.pid"


def network_start() -> list[str]:
    """Returns once DHCP is served: dnsmasq goes into the background then."""
    return _script(f"""
        ip link add {BRIDGE} type bridge
        ip addr add 10.73.0.1/24 dev {BRIDGE}
        ip link set {BRIDGE} up
        echo 1 >/proc/sys/net/ipv4/ip_forward
        nft 'table ip bare {{ chain out {{ type nat hook postrouting priority srcnat
            ip saddr 10.73.0.0/24 ip daddr != 10.73.0.0/24 masquerade
            }}
            }}'
        dnsmasq --conf-file=/dev/null --user=root --no-hosts --no-resolv --no-ping \\
            --interface={BRIDGE} --except-interface=lo --bind-interfaces \\
            --dhcp-range=10.73.0.10,10.73.0.250 --dhcp-host={_MAC},{ADDRESS} \\
            --dhcp-leasefile={LEASES} --pid-file={_NETWORK_PID}
    """)


def network_stop() -> list[str]:
    """Take it all away."""
    return _script(f"""
        kill $(cat {_NETWORK_PID})
        nft delete table ip bare
        ip link delete {BRIDGE}
    """)


def domain_start() -> list[str]:
    """Returns once QEMU runs in the background."""
    return _script(f"""
        ip tuntap add bare1 mode tap
        ip link set bare1 master {BRIDGE} up
        qemu-system-x86_64 -nodefaults -no-user-config -display none -machine q35 -accel tcg \\
            -cpu max -m {tiny.MEMORY} -kernel {tiny.kernel()} -initrd {tiny.initrd()} \\
            -append '{tiny.APPEND}' -netdev tap,id=net,ifname=bare1,script=no,downscript=no \\
            -device virtio-net-pci,netdev=net,mac={_MAC},romfile= \\
            -daemonize -pidfile {_DOMAIN_PID}
    """)


def domain_stop() -> list[str]:
    """Returns once QEMU is gone; it removes its pid file at the very end."""
    return _script(f"""
        kill $(cat {_DOMAIN_PID})
        while [ -e {_DOMAIN_PID} ]; do sleep 0.002; done
        ip link delete bare1
    """)


def has_lease() -> bool:
    """Whether the guest has its address."""
    return LEASES.exists() and ADDRESS in LEASES.read_text()


def _script(text: str) -> list[str]:
    return ["sh", "-ec", text]
