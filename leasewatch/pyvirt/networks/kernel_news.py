"""Changes of nftables, links, addresses and forwarding, as the kernel reports them by netlink.

See rtnetlink(7), linux/netfilter/nfnetlink.h and linux/netfilter/nf_tables.h. A change means that
something may be lost; the caller checks.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from collections.abc import Callable
from typing import Literal

from leasewatch.neighbours import kernel

INET, BRIDGE = 1, 7
"""Families of nftables."""
Table = tuple[int, str]
"""Family and name."""
Change = Literal["made", "less", "gone"]
"""The last change of a table; `less`: a chain or a rule was deleted since it was made."""

_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_NETLINK_NETFILTER, _NFNLGRP_NFTABLES, _NFTABLES = 12, 7, 10
_CHANGES: dict[int, Change] = {0: "made", 2: "gone", 5: "less", 8: "less"}
"""NFT_MSG_NEWTABLE, NFT_MSG_DELTABLE, NFT_MSG_DELCHAIN, NFT_MSG_DELRULE."""
_NAME = 1  # NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_RULE_TABLE
_GENMSG = struct.Struct("=BBH")

_LINK, _IFADDR4, _IFADDR6, _NETCONF4, _NETCONF6 = 1, 5, 9, 24, 25  # RTNLGRP_…
_BUFFER = 1 << 20
_MUCH = 32 << 20
"""Bytes: a transaction may change all leases of a large network, 100 bytes each."""
_SO_RCVBUFFORCE = 33


class KernelNews:
    """The changes since it was made. Raises OSError."""

    def __init__(self) -> None:
        self._nftables = _listen(_NETLINK_NETFILTER, _NFNLGRP_NFTABLES)
        groups = (_LINK, _IFADDR4, _IFADDR6, _NETCONF4, _NETCONF6)
        self._routing = _listen(socket.NETLINK_ROUTE, *groups)

    def close(self) -> None:
        """Stop listening."""
        self._nftables.close()
        self._routing.close()

    def filenos(self) -> tuple[int, int]:
        """Descriptors that become readable on a change."""
        return self._nftables.fileno(), self._routing.fileno()

    def tables(self) -> dict[Table, Change] | None:
        """The tables that were changed; None: too many changes at once, the kernel dropped some."""
        _drain(self._routing, lambda _kind, _payload: None)  # the caller looks anyway
        found: dict[Table, Change] = {}
        whole = _drain(self._nftables, lambda kind, payload: note(found, kind, payload))
        return found if whole else None


def note(found: dict[Table, Change], kind: int, payload: bytes) -> None:
    """Add one message of nftables to `found`, which `tables` returns."""
    subsystem, message = divmod(kind, 256)
    if subsystem == _NFTABLES and message in _CHANGES:
        family, _version, _id = _GENMSG.unpack_from(payload)
        name = kernel.attributes(payload, _GENMSG.size).get(_NAME, b"")
        found[family, name.rstrip(b"\0").decode(errors="replace")] = _CHANGES[message]


def _listen(protocol: int, *groups: int) -> socket.socket:
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    sock = socket.socket(socket.AF_NETLINK, kind, protocol)
    with contextlib.suppress(OSError):  # not root of the machine: as large as it is
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _MUCH)
    sock.bind((0, 0))
    for group in groups:
        sock.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
    return sock


def _drain(sock: socket.socket, take: Callable[[int, bytes], None]) -> bool:
    """Take all messages that are waiting; False: the kernel dropped some."""
    try:
        while True:
            for kind, payload in kernel.messages(sock.recv(_BUFFER)):
                take(kind, payload)
    except BlockingIOError:
        return True
    except OSError as error:
        if error.errno != errno.ENOBUFS:
            raise
        return False
