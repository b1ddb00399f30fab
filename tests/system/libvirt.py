"""libvirtd in a world, with a network and a domain of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from tests.system.world import World

BRIDGE = "virbr7"
MAC = "02:00:00:00:00:{:02x}".format
RESERVED = "".join(
    f"<host mac='{MAC(n)}' ip='10.71.0.{n + 100}'>{lease}</host>"
    for n, lease in ((1, "<lease expiry='0'/>"), (2, ""), (3, ""), (4, ""), (5, ""))
)


# Without no-ping dnsmasq probes each address for 3 s, and clients that ask again each second wait
# in its queue.
NETWORK = f"""
<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>
  <name>labnat</name><forward mode='nat'/><bridge name='{BRIDGE}' stp='off' delay='0'/>
  <ip address='10.71.0.1' netmask='255.255.255.0'>
    <dhcp><range start='10.71.0.10' end='10.71.0.99'/>{RESERVED}</dhcp></ip>
  <ip family='ipv6' address='fd71::1' prefix='64'>
    <dhcp><range start='fd71::100' end='fd71::1ff'/></dhcp></ip>
  <dnsmasq:options><dnsmasq:option value='no-ping'/></dnsmasq:options></network>
"""


@dataclass(frozen=True, slots=True)
class Libvirt:
    """A world with libvirtd, its started network `labnat`, and our service."""

    world: World
    daemon: subprocess.Popen[str]

    def virsh(self, *words: str, input: str | None = None) -> str:  # noqa: A002 (as World.run)
        argv = ["virsh", "-q", "-c", "qemu:///system", *words]
        return self.world.run(argv, timeout=60, input=input).stdout

    def theirs(self, module: str, name: str) -> set[str]:
        """What getaddrinfo says with that module alone."""
        argv = ["getent", "-s", f"hosts:{module}", "ahosts", name]
        shown = self.world.run(argv, check=False).stdout
        # Without an IPv4 address of the host's own getent shows mapped ones.
        return {line.split()[0].removeprefix("::ffff:") for line in shown.splitlines()}

    def ours(self, name: str) -> set[str]:
        """With our module."""
        return self.theirs("pyvirt", name)

    def link_local(self, name: str) -> set[str]:
        """The link-local addresses that we know, unlike libvirt's modules."""
        known = self.world.run(["leasewatch", "ip", name], check=False).stdout.split()
        return {address for address in known if address.startswith("fe80:")}

    def wait(self, what: str, predicate: Callable[[], bool], timeout: float = 60) -> None:
        self.world.wait_for(what, predicate, timeout)

    def await_answer(self, name: str, addresses: set[str]) -> None:
        """Wait until our module gives these addresses."""
        self.wait(f"{name} = {addresses}", lambda: self.ours(name) == addresses)

    def leased(self, mac: str) -> set[str]:
        """The addresses that libvirt has leased to a MAC."""
        rows = self.virsh("net-dhcp-leases", "labnat", mac).split()
        return {word.partition("/")[0] for word in rows if "/" in word}


def start_libvirtd(world: World) -> Libvirt:
    """libvirtd, once it answers."""
    made = Libvirt(world, world.spawn(["libvirtd"], stderr=subprocess.DEVNULL))
    probe = ["virsh", "-c", "qemu:///system", "version"]
    made.wait("libvirtd", lambda: not world.run(probe, check=False).returncode)
    return made
