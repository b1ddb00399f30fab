"""When name servers have a new answer: questions over UDP until each has it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import dns.message
import dns.rdatatype

from tests.bench.timing import BenchError

_PAUSE = 0.0005
_SECONDS = 60


class Place(NamedTuple):
    """Where a name server answers."""

    address: str
    port: int


class Askers:
    """Sockets that are connected to name servers, by the servers' labels."""

    def __init__(self, sockets: Mapping[str, socket.socket]) -> None:
        self._sockets = sockets

    def until_answered(
        self, name: str, since: float, rdtype: str = "A", *, answered: bool = True
    ) -> dict[str, float]:
        """Seconds from `since` (time.perf_counter) until each server has an answer.

        Not `answered`: until none of them has one any more.
        """
        query = dns.message.make_query(name, rdtype, flags=0, use_edns=False).to_wire()
        waiting = dict(self._sockets)
        seconds: dict[str, float] = {}
        while waiting:
            for label, asker in list(waiting.items()):
                if _has_answer(asker, query) == answered:
                    seconds[label] = time.perf_counter() - since
                    del waiting[label]
            if waiting and time.perf_counter() - since > _SECONDS:
                raise BenchError(f"{name}: no news at {', '.join(waiting)} in {_SECONDS} s")
            time.sleep(_PAUSE)
        return seconds


def _has_answer(asker: socket.socket, query: bytes) -> bool:
    try:
        asker.send(query)
        reply = asker.recv(4096)
    except (TimeoutError, ConnectionRefusedError):
        return False
    return int.from_bytes(reply[6:8], "big") > 0


@contextmanager
def asking(places: Mapping[str, Place]) -> Iterator[Askers]:
    """Ask these name servers while the block runs."""
    with ExitStack() as stack:
        sockets = {}
        for label, place in places.items():
            family = socket.AF_INET6 if ":" in place.address else socket.AF_INET
            asker = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            asker.settimeout(0.2)
            asker.connect(place)
            sockets[label] = asker
        yield Askers(sockets)
