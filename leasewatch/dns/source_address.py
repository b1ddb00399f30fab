"""The address that our messages to another host come from: one where we listen."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from ipaddress import ip_address

from leasewatch.daemon.dns_settings import Place


def choose(target: Place, listens: Sequence[Place]) -> str:
    """The address to send from: one where we listen, and the kernel's choice if that is one.

    Empty: the kernel chooses. Raises OSError if no listening address is of the target's family.
    """
    family = ip_address(target.address).version
    ours = [ip_address(one.address) for one in listens]
    ours = [one for one in ours if one.version == family]
    if not ours:
        raise OSError(f"[dns] listen has no IPv{family} address")
    if any(one.is_unspecified for one in ours):
        return ""
    with udp(target) as trial, contextlib.suppress(OSError):
        trial.connect(target)
        if (chosen := ip_address(trial.getsockname()[0])) in ours:
            return str(chosen)
    is_local = ip_address(target.address).is_loopback
    return str(next((one for one in ours if one.is_loopback == is_local), ours[0]))


def udp(target: Place) -> socket.socket:
    """A UDP socket of the target's family."""
    family = socket.AF_INET6 if ":" in target.address else socket.AF_INET
    return socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
