"""The part of rtnetlink(7) that we need: messages to values, dumps, a socket filter.

pyroute2 can do all of this, but its import costs the service 12 MiB and 200 ms.
"""

from __future__ import annotations

import array
import os
import socket
import struct
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from typing import Final, NamedTuple

from leasewatch.addresses import Address, octets
from leasewatch.neighbours.table import FAILED, PERMANENT, PROBE, REACHABLE, STALE, Sighting

# linux/rtnetlink.h, linux/netlink.h, linux/if_addr.h, linux/neighbour.h, asm/socket.h
NEWLINK, DELLINK, NEWADDR, DELADDR, NEWNEIGH, DELNEIGH = 16, 17, 20, 21, 28, 29
_GETLINK, _SETLINK, _GETADDR, _GETNEIGH, _DONE, _ERROR = 18, 19, 22, 30, 3, 2
_REQUEST, _ACK, _DUMP, _REPLACE, _CREATE = 0x1, 0x4, 0x300, 0x100, 0x400
_NTF_USE = 0x01
"""As if a packet were sent there."""
_GROUPS: Final = 0x1 | 0x4 | 0x10 | 0x100
"""Links, neighbours, IPv4 and IPv6 addresses."""
_NDA_DST, _NDA_LLADDR, _NDA_CACHEINFO, _NDA_IFINDEX = 1, 2, 3, 8
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MASTER = 1, 3, 10
_IFLA_LINKINFO, _IFLA_INFO_KIND = 18, 1
_IFLA_PROTINFO, _IFLA_BRPORT_GROUP_FWD_MASK, _NESTED = 12, 31, 0x8000
_IFF_UP = 0x1
_SO_ATTACH_FILTER: Final = 26
_TICKS: Final = 100.0
"""USER_HZ: ages are in hundredths of a second."""

_HEADER: Final = struct.Struct("=IHHII")
_NEIGHBOUR: Final = struct.Struct("=BxxxiHBB")
_ADDRESS: Final = struct.Struct("=BBBBi")
_INTERFACE: Final = struct.Struct("=BxHiII")
_ATTRIBUTE: Final = struct.Struct("=HH")
_BUFFER: Final = 1 << 18
_MAX_FILTERED: Final = 400
"""Interfaces. The kernel takes no filter much longer than this, so with more there is none."""


class Interface(NamedTuple):
    """A network interface of this network namespace."""

    number: int
    """Its index."""
    mac: str
    """Empty where it has none."""
    is_up: bool
    """As an administrator set it."""
    master: int
    """The index of the bridge that it is a port of; 0: none."""
    kind: str
    """`bridge`, `veth`, … (ip-link(8)); empty: a network card."""


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and payload of each message."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, *_ = _HEADER.unpack_from(data, at)
        if length < _HEADER.size:
            return
        yield kind, data[at + _HEADER.size : at + length]
        at += length + 3 & ~3


def sighting(kind: int, payload: bytes) -> Sighting | None:
    """The entry of a NEWNEIGH or DELNEIGH message; None: it is not about an IP address."""
    family, ifindex, state, _flags, _type = _NEIGHBOUR.unpack_from(payload)
    found = attributes(payload, _NEIGHBOUR.size)
    address, lladdr = found.get(_NDA_DST, b""), found.get(_NDA_LLADDR, b"")
    if len(address) != {socket.AF_INET: 4, socket.AF_INET6: 16}.get(family):
        return None
    confirmed = struct.unpack_from("=I", found.get(_NDA_CACHEINFO, bytes(4)))[0] / _TICKS
    mac = lladdr.hex(":") if len(lladdr) == 6 else ""
    return Sighting(ifindex, address, 0 if kind == DELNEIGH else state, mac, confirmed)


def interface(payload: bytes) -> int:
    """The index of the interface of a message about a link, an address or a neighbour."""
    return int(struct.unpack_from("=i", payload, 4)[0])


def neighbours(ifindex: int) -> list[Sighting]:
    """The kernel's entries of one interface, of both families; raises OSError."""
    request = _NEIGHBOUR.pack(0, 0, 0, 0, 0)
    request += _ATTRIBUTE.pack(8, _NDA_IFINDEX) + struct.pack("=I", ifindex)
    found = (sighting(kind, payload) for kind, payload in _ask(_GETNEIGH, request))
    return [one for one in found if one is not None and one.ifindex == ifindex]


def forget(entry: Sighting) -> None:
    """Delete the kernel's entry. Needs root. Raises OSError, also if it is gone already."""
    family = socket.AF_INET6 if len(entry.address) == 16 else socket.AF_INET
    request = _NEIGHBOUR.pack(family, entry.ifindex, 0, 0, 0)
    request += _ATTRIBUTE.pack(4 + len(entry.address), _NDA_DST) + entry.address
    list(_ask(DELNEIGH, request, _REQUEST | _ACK))


def believe(ifindex: int, address: Address, mac: str) -> None:
    """Enter who has an address on a link, and have the kernel ask that machine at once.

    For what another host of the link has just seen. Needs root. Raises OSError.
    """
    family = socket.AF_INET6 if len(address) == 16 else socket.AF_INET
    attributes = _ATTRIBUTE.pack(4 + len(address), _NDA_DST) + address
    attributes += _ATTRIBUTE.pack(10, _NDA_LLADDR) + octets(mac) + bytes(2)
    # An entry that is reachable already would say nothing. `set_filter` drops the last one.
    for state in (STALE, REACHABLE, PROBE):
        request = _NEIGHBOUR.pack(family, ifindex, state, 0, 0) + attributes
        list(_ask(NEWNEIGH, request, _REQUEST | _ACK | _CREATE | _REPLACE))


def seek(ifindex: int, address: Address) -> None:
    """Have the kernel find out who has an IPv4 address on a link. Needs root. Raises OSError."""
    request = _NEIGHBOUR.pack(socket.AF_INET, ifindex, 0, _NTF_USE, 0)
    request += _ATTRIBUTE.pack(4 + len(address), _NDA_DST) + address
    list(_ask(NEWNEIGH, request, _REQUEST | _ACK | _CREATE))


def links() -> dict[str, Interface]:
    """Every interface by its name; raises OSError.

    /sys/class/net may show those of another network namespace.
    """
    by_name = {}
    for _, payload in _ask(_GETLINK, _INTERFACE.pack(0, 0, 0, 0, 0)):
        _family, _type, index, flags, _change = _INTERFACE.unpack_from(payload)
        found = attributes(payload, _INTERFACE.size)
        name = _text(found[_IFLA_IFNAME])
        mac = found.get(_IFLA_ADDRESS, b"").hex(":")
        (master,) = struct.unpack_from("=i", found.get(_IFLA_MASTER, bytes(4)))
        kind = attributes(found.get(_IFLA_LINKINFO, b""), 0).get(_IFLA_INFO_KIND, b"")
        by_name[name] = Interface(index, mac, bool(flags & _IFF_UP), master, _text(kind))
    return by_name


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")


def forward_groups(ifindex: int, mask: int) -> None:
    """Set group_fwd_mask of a bridge's port (ip-link(8)); raises OSError. Needs root."""
    option = _ATTRIBUTE.pack(6, _IFLA_BRPORT_GROUP_FWD_MASK) + struct.pack("=Hxx", mask)
    request = _INTERFACE.pack(socket.AF_BRIDGE, 0, ifindex, 0, 0)
    request += _ATTRIBUTE.pack(4 + len(option), _IFLA_PROTINFO | _NESTED) + option
    list(_ask(_SETLINK, request, _REQUEST | _ACK))


def addresses() -> dict[int, list[tuple[Address, int]]]:
    """The host's own addresses and the lengths of their prefixes, by interface; raises OSError."""
    by_interface: dict[int, list[tuple[Address, int]]] = {}
    for _, payload in _ask(_GETADDR, _ADDRESS.pack(0, 0, 0, 0, 0)):
        _family, length, _flags, _scope, ifindex = _ADDRESS.unpack_from(payload)
        found = attributes(payload, _ADDRESS.size)
        address = found.get(_IFA_LOCAL) or found.get(_IFA_ADDRESS)
        if address:
            by_interface.setdefault(ifindex, []).append((address, length))
    return by_interface


def listen() -> socket.socket:
    """A socket that gets each change of a link, an address or a neighbour."""
    sock = _socket()
    sock.setblocking(False)
    sock.bind((0, _GROUPS))
    return sock


def set_filter(sock: socket.socket, ifindexes: Iterable[int], *, new_links: bool) -> None:
    """Have the kernel pass on only what matters, so that other interfaces do not wake us.

    Passed for `ifindexes`: links, addresses, and lasting changes of neighbours. With `new_links`
    also any other interface that comes or goes.
    """
    code = array.array("B", b"".join(_filter(sorted(ifindexes), new_links=new_links)))
    program = struct.pack("HP", len(code) // 8, code.buffer_info()[0])
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


# Classic BPF (linux/filter.h): it loads numbers in network byte order.
_HALF, _BYTE, _WORD = 0x28, 0x30, 0x20
_EQUAL, _ANY_BIT, _RETURN = 0x15, 0x45, 0x06
_PASS, _DROP = 0xFFFFFFFF, 0


def _filter(ifindexes: list[int], *, new_links: bool) -> Iterator[bytes]:
    """Instructions; jumps count from the next one."""
    lasting = REACHABLE | STALE | FAILED | PERMANENT

    def op(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
        return struct.pack("=HBBI", code, if_true, if_false, value)

    yield op(_HALF, 4)  # nlmsg_type
    if new_links:
        yield op(_EQUAL, socket.htons(NEWLINK), 0, 1)
        yield op(_RETURN, _PASS)
        yield op(_EQUAL, socket.htons(DELLINK), 0, 1)
        yield op(_RETURN, _PASS)
    yield op(_EQUAL, socket.htons(NEWNEIGH), 0, 3)
    yield op(_HALF, 24)  # ndm_state
    yield op(_ANY_BIT, socket.htons(lasting), 1, 0)
    yield op(_RETURN, _DROP)
    yield op(_BYTE, 16)  # the family, of each kind of message; 7 is a bridge's forwarding table
    yield op(_EQUAL, socket.AF_BRIDGE, 0, 1)
    yield op(_RETURN, _DROP)
    if len(ifindexes) > _MAX_FILTERED:
        yield op(_RETURN, _PASS)
        return
    yield op(_WORD, 20)  # the interface, of each kind of message
    for ifindex in ifindexes:
        yield op(_EQUAL, socket.htonl(ifindex), 0, 1)
        yield op(_RETURN, _PASS)
    yield op(_RETURN, _DROP)


def _socket() -> socket.socket:
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    return socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)


def _ask(kind: int, request: bytes, flags: int = _REQUEST | _DUMP) -> Iterator[tuple[int, bytes]]:
    """The answers; raises OSError."""
    with _socket() as sock:
        sock.settimeout(5)  # the kernel answers at once
        sock.bind((0, 0))
        sock.send(_HEADER.pack(_HEADER.size + len(request), kind, flags, 1, 0) + request)
        while True:
            for answer, payload in messages(sock.recv(_BUFFER)):
                number = -struct.unpack_from("=i", payload)[0] if answer == _ERROR else 0
                if number:
                    raise OSError(number, os.strerror(number))
                if answer in {_DONE, _ERROR}:
                    return
                yield answer, payload


def attributes(payload: bytes, at: int) -> dict[int, bytes]:
    """The attributes of a message from offset `at` on, by type."""
    found: dict[int, bytes] = {}
    while at + _ATTRIBUTE.size <= len(payload):
        length, kind = _ATTRIBUTE.unpack_from(payload, at)
        if length < _ATTRIBUTE.size:
            break
        found[kind & 0x3FFF] = payload[at + _ATTRIBUTE.size : at + length]
        at += length + 3 & ~3
    return found


def indexes(bridges: Iterable[str]) -> dict[str, int]:
    """The index of each bridge that exists."""
    found = {}
    for bridge in bridges:
        try:
            found[bridge] = socket.if_nametoindex(bridge)
        except OSError:
            continue
    return found


def ipv6(device: str) -> dict[Address, str]:
    """MAC by IPv6 address, from the kernel's neighbour table; empty without the device."""
    found = _entries(device)
    v6 = (one for one in found if one.mac and len(one.address) == 16)
    return {one.address: one.mac for one in v6}


def forget_macs(device: str, macs: Collection[str]) -> None:
    """Delete the kernel's entries of these MACs, so that their next owners prove themselves."""
    for one in _entries(device):
        if one.mac in macs:
            with suppress(OSError):
                forget(one)


def _entries(device: str) -> list[Sighting]:
    return [one for index in indexes([device]).values() for one in neighbours(index)]
