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


class Place(NamedTuple):
    """Where a name server answers."""

    address: str
    port: int


class Askers:
    """Sockets that are connected to name servers, by the servers' labels."""

    def __init__(self, sockets: Mapping[str, socket.socket]) -> None:
        self._sockets = sockets

    def until_answered(self, name: str, since: float, *, seconds: float = 60) -> dict[str, float]:
        """Seconds from `since` (time.perf_counter) until each server has an answer.

        BenchError after so many `seconds`.
        """
        query = _query(name)
        waiting = dict(self._sockets)
        lags: dict[str, float] = {}
        while waiting:
            for label, asker in list(waiting.items()):
                if _has_answer(asker, query):
                    lags[label] = time.perf_counter() - since
                    del waiting[label]
            if waiting and time.perf_counter() - since > seconds:
                raise BenchError(f"{name}: no news at {', '.join(waiting)} in {seconds:g} s")
            time.sleep(_PAUSE)
        return lags

    def without_answer(self, name: str) -> list[str]:
        """The labels of the servers that have no answer now."""
        query = _query(name)
        return [label for label, asker in self._sockets.items() if not _has_answer(asker, query)]


def _query(name: str) -> bytes:
    return dns.message.make_query(name, "A", flags=0, use_edns=False).to_wire()


def _has_answer(asker: socket.socket, query: bytes) -> bool:
    try:
        asker.send(query)
        reply = asker.recv(4096)
        while reply[:2] != query[:2]:  # a late one, to an earlier question
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
