"""Signed transfers whose records were changed at random: no peer ends the task that follows it."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator

import dns.flags
import dns.message
import pytest

from leasewatch import addresses
from leasewatch.daemon.dns_settings import Place
from leasewatch.dns import replies
from leasewatch.dns.peer_zone import PeerZone
from leasewatch.dns.pull import PullError, Source, pull
from tests.leasewatch.dns.asking_zones import KEY
from tests.leasewatch.dns.hosts import Host, in_loop

ROUNDS = int(os.environ.get("PEER_ROUNDS", "300"))
NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")


class Garbler(Host):
    """Changes bytes of its records, and then signs them."""

    def __init__(self, host: str, **names: str) -> None:
        super().__init__(host, **names)
        self.random = random.Random()

    def reply(self, wire: bytes) -> Iterator[bytes]:
        query = dns.message.from_wire(wire, keyring=KEY)
        frame = replies.reply_to(query)
        frame.flags |= dns.flags.AA
        records = [bytes(one) for one in self.zone.axfr().records]
        context = None
        for part in self._parts([self._garbled(one) for one in records]):
            data, _, context = replies.sealed(frame, part, query.mac or b"", context, multi=True)
            yield data

    def _parts(self, records: list[bytes]) -> Iterator[list[bytes]]:
        while records:
            count = self.random.randrange(1, 5)
            part, records = records[:count], records[count:]
            yield part

    def _garbled(self, record: bytes) -> bytes:
        changed = bytearray(record)
        for _ in range(self.random.choice((0, 0, 0, 1, 1, 3))):
            changed[self.random.randrange(len(changed))] = self.random.choice(
                (0, 1, 2, 6, 12, 28, 63, 0x2E, 0x7F, 0xC0, 0xFF, self.random.randrange(256))
            )
        return bytes(changed)


@in_loop
async def test_changed_records_are_an_error_or_sound_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("leasewatch.dns.pull.IDLE_SECONDS", 0.5)
    names = {f"web{n}__lab": f"10.1.0.{n} fd00::{n}" for n in range(1, 6)}
    sound = 0
    async with Garbler("hostb", **names) as host:
        source = Source(Place("127.0.0.1", host.port), KEY)
        for seed in range(ROUNDS):
            host.random = random.Random(seed)
            zone = PeerZone(host.apex)
            try:
                await pull(zone, source)
                sound += 1
            except PullError:
                assert not zone.names
            for name, held in zone.names.items():
                assert NAME.fullmatch(name), seed
                assert all(addresses.is_host(one) for one in held), seed
                assert not any(addresses.is_link_local(one) for one in held), seed
    assert 0 < sound < ROUNDS
