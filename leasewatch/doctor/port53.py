"""Who else listens on port 53, where dnsmasq of each network has to. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final, NamedTuple

from nss_pyvirt.checks import Row, State

if TYPE_CHECKING:
    from leasewatch.doctor.host import Host

SUBJECT: Final = "port 53"
_LISTENS: Final = {"udp": "07", "tcp": "0A"}
"""The state of a socket that waits for anybody (net/tcp_states.h)."""
_REMEDIES: Final = {
    "dnsmasq": "add bind-dynamic to its configuration, and restart it",
    "named": "add listen-on { 127.0.0.1; }; to its options, and restart it",
    "unbound": "add interface: 127.0.0.1 to its configuration, and restart it",
}


class Listener(NamedTuple):
    """A socket on port 53."""

    address: IPv4Address | IPv6Address
    inode: int
    program: str = ""
    """`NAME (pid N)`; empty: not known."""


def listeners(text: str, table: str) -> Iterator[Listener]:
    """Those of a table of /proc/net: udp, udp6, tcp or tcp6 (proc_pid_net(5))."""
    for line in text.splitlines()[1:]:
        fields = line.split()
        where, _, port = fields[1].partition(":")
        if int(port, 16) == 53 and fields[3] == _LISTENS[table[:3]]:
            yield Listener(_address(where), int(fields[9]))


def _address(text: str) -> IPv4Address | IPv6Address:
    """The address of 32-bit words, each in the host's byte order, which is taken as little."""
    packed = b"".join(bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8))
    return IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)


def check(host: Host) -> Iterator[Row]:
    """A program on every address keeps dnsmasq of a network from starting."""
    greedy = [one for one in host.port53 if one.address.is_unspecified]
    if not greedy:
        yield Row("ok", SUBJECT, "no program listens on every address")
        return
    ours = [each.name for each in host.networks if each.definition.mode != "bridged"]
    yield from judge(greedy, ours)


def judge(greedy: Sequence[Listener], networks: Sequence[str]) -> Iterator[Row]:
    """One row for each program in `greedy`; `networks`: those that have a dnsmasq."""
    state: State = "bad" if networks else "warn"
    whose = f"dnsmasq of network {networks[0]}" if networks else "dnsmasq of a network"
    for program in dict.fromkeys(one.program for one in greedy):
        detail = f"{program or 'a program'} listens on every address: {whose} cannot start"
        name = program.partition(" ")[0]
        fix = _REMEDIES.get(name, "have it listen on 127.0.0.1 alone, and restart it")
        yield Row(state, SUBJECT, detail, fix if program else "sudo ss -lnptu sport = 53")
