"""The table in memory: after any changes its file holds the hosts and each of their keys."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nss_pyvirt import snapshot
from nss_pyvirt.snapshot import RANK_BELOW, Address, DuplicateNameError, Host, SnapshotError, Table
from tests.nss_pyvirt.oracle import Oracle, Record, siphash

LATER = 4_000_000_000
NAMES = [f"web{i}" for i in range(12)]


def v4(number: int, expires: int = LATER) -> Address:
    return Address(socket.AF_INET, bytes([10, 0, number >> 8, number & 255]), expires)


def file_of(table: Table) -> bytes:
    return b"".join(table.parts(generation=1, published=1))


host = st.builds(
    lambda names, numbers, expires, rank: Host(
        tuple(names), tuple(v4(number, expires) for number in numbers), rank=rank
    ),
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True),
    st.lists(st.integers(1, 6), max_size=3, unique=True),
    st.integers(1, LATER),
    st.integers(0, 3),
)
change = host | st.tuples(st.sampled_from(NAMES), st.booleans()) | st.none()


class Model:
    """Hosts in the order of their records: what a table holds, worked out slowly."""

    def __init__(self) -> None:
        self.hosts: list[Host] = []

    def find(self, name: str, *, below: bool) -> int | None:
        for i, host in enumerate(self.hosts):
            if host.names[0] == name and (host.rank >= RANK_BELOW) == below:
                return i
        return None

    def remove(self, name: str, *, below: bool) -> bool:
        found = self.find(name, below=below)
        if found is not None:
            del self.hosts[found]
        return found is not None

    def put(self, host: Host) -> bool:
        """Whether that changes the table; DuplicateNameError."""
        former = None if host.rank >= RANK_BELOW else self.find(host.names[0], below=False)
        others = [other for i, other in enumerate(self.hosts) if i != former]
        if any(set(host.names) & set(other.names) for other in others):
            raise DuplicateNameError
        if former is None:
            self.hosts.append(host)
            return True
        before = self.hosts[former]
        if _keys(before) == _keys(host):
            self.hosts[former] = host
        else:
            del self.hosts[former]
            self.hosts.append(host)
        return before != host


def _keys(host: Host) -> tuple[object, ...]:
    return host.names, [address.packed for address in host.addresses], host.rank


def hold_the_slots(oracle: Oracle, records: list[Record]) -> None:
    """Each key has one slot, within its window, in the order of the tags, with no gap before it."""
    keys: dict[bytes, list[Record]] = {}
    for record in records:
        for name in record.names:
            keys.setdefault(name.encode(), []).append(record)
        for family, packed, *_ in record.addresses:
            keys.setdefault(bytes([family]) + packed, []).append(record)
    slots = oracle.all_slots()
    tags = {siphash(oracle.seed, key) >> 32: key for key in keys}
    assert [tag for _, tag, _ in slots] == sorted(tags)
    taken = {number for number, _, _ in slots}
    for number, tag, off in slots:
        home = tag * oracle.buckets >> 32
        assert taken.issuperset(range(home, number + 1))
        assert home <= number < home + 16
        holders = keys[tags[tag]]
        lowest = min(record.rank for record in holders)
        assert oracle.record(off) == next(r for r in holders if r.rank == lowest)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(change, max_size=60), st.binary(min_size=16, max_size=16))
def test_after_any_changes_the_file_holds_the_hosts_and_the_slots_are_in_order(
    changes: list[Host | tuple[str, bool] | None], seed: bytes
) -> None:
    table, model = Table(seed), Model()
    for one in [*changes, None]:
        if isinstance(one, Host):
            try:
                expected = model.put(one)
            except DuplicateNameError:
                with pytest.raises(DuplicateNameError):
                    table.put(snapshot.pack(one))
            else:
                assert table.put(snapshot.pack(one)) == expected
        elif one is not None:
            assert table.remove(one[0], below=one[1]) == model.remove(one[0], below=one[1])
        else:
            oracle = Oracle(file_of(table))
            records = oracle.walk()
            assert [tuple(record.names) for record in records] == [h.names for h in model.hosts]
            assert table.hosts() == model.hosts
            assert oracle.records == len(table) == len(model.hosts)
            hold_the_slots(oracle, records)


def test_a_change_touches_only_its_record_and_its_slots() -> None:
    table = Table(bytes(16))
    for i in range(1000):
        table.put(snapshot.pack(Host((f"web{i}",), (v4(i),))))
    before = file_of(table)
    assert table.put(snapshot.pack(Host(("web500",), (v4(500, LATER + 1),))))
    after = file_of(table)
    assert len(before) == len(after)
    assert sum(a != b for a, b in zip(before, after, strict=True)) < 16


def test_a_table_shrinks_when_its_hosts_go(tmp_path: Path) -> None:
    table = Table()
    for i in range(3000):
        table.put(snapshot.pack(Host((f"web{i}",), (v4(i),))))
    large = len(file_of(table))
    for i in range(2990):
        assert table.remove(f"web{i}")
    path = tmp_path / "table"
    path.write_bytes(file_of(table))
    assert path.stat().st_size < large / 100
    assert snapshot.check(path).hosts == 10
    assert snapshot.lookup(path, "web2999", now=0).addresses == (v4(2999),)


def test_a_table_that_changes_for_ever_does_not_grow() -> None:
    table = Table()
    sizes = []
    for i in range(20_000):
        table.put(snapshot.pack(Host((f"web{i}",), (v4(i),))))
        if i >= 100:
            table.remove(f"web{i - 100}")
            sizes.append(len(file_of(table)))
    assert max(sizes) < 2 * min(sizes)


def test_a_file_with_any_other_byte_is_not_read_back(tmp_path: Path) -> None:
    table = Table()
    for i in range(3000):
        table.put(snapshot.pack(Host((f"web{i}",), (v4(i),))))
    path = tmp_path / "table"
    good = file_of(table)
    path.write_bytes(good)
    table.read_back(path)
    for at in (0, 50, 110, len(good) // 3, len(good) - 70_000, len(good) - 1):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        with pytest.raises(SnapshotError, match="damaged"):
            table.read_back(path)
    for other in (good[:-8], good + bytes(8), b""):
        path.write_bytes(other)
        with pytest.raises(SnapshotError, match="damaged"):
            table.read_back(path)
