"""A zone and its journal, as a secondary takes them."""

from __future__ import annotations

import itertools

import dns.rdatatype
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leasewatch.dns import wire
from leasewatch.dns.wire import Data, Name
from leasewatch.dns.zone import MAX_STEPS, Head, Zone, is_newer, next_serial
from tests.leasewatch.dns import transferring

HEAD = Head(("ns1.example.org",))
NOW = 1_800_000_000.0

_NAMES = [wire.relative(name) for name in ("", "web1", "web1.lab", "a.b.lab", "b.lab", "lab")]
_DATA = [wire.address(bytes([10, 0, 0, n])) for n in range(3)]
_DATA += [wire.address(bytes(15) + b"\1"), wire.txt("x")]
_CHANGES = st.dictionaries(st.sampled_from(_NAMES), st.lists(st.sampled_from(_DATA)), max_size=4)


def _zone() -> Zone:
    return Zone("hosta.vm.example.org", HEAD)


def _change(zone: Zone, wanted: dict[Name, list[Data]], now: float = NOW) -> bool:
    step = zone.plan(wanted, now)
    if step is not None:
        zone.apply(step)
    return step is not None


def _web(last: int) -> dict[Name, list[Data]]:
    return {wire.relative("web1"): [wire.address(bytes([10, 0, 0, last]))]}


@settings(max_examples=25, deadline=None)
@given(st.lists(_CHANGES, min_size=1, max_size=6))
def test_a_secondary_of_any_serial_gets_the_new_content(
    changes: list[dict[Name, list[Data]]],
) -> None:
    zone = _zone()
    _change(zone, {})
    content: dict[Name, set[Data]] = {}
    former = [transferring.axfr(zone)]
    for wanted in changes:
        changed = _change(zone, wanted)
        before = dict(content)
        content |= {name: set(data) for name, data in wanted.items()}
        content = {name: data for name, data in content.items() if data}
        assert changed == (content != before)
        former.append(transferring.axfr(zone))
    for secondary in former:
        transferring.take(
            secondary, zone.apex, dns.rdatatype.IXFR, zone.ixfr(secondary.get_soa().serial)
        )
        assert secondary == former[-1]
    known = {b"", *content, *(parent for name in content for parent in wire.parents(name))}
    for name in _NAMES:
        found = {(kind, rest[12:]) for kind in (1, 16, 28) for rest in zone.find(name, kind)}
        assert found == content.get(name, set())
        assert zone.has_name(name) == (name in known)
    assert zone.size == sum(len(record) for name in zone.names() for record in zone.at(name))


def test_the_old_soa_of_each_step_is_the_one_that_was_served() -> None:
    zone = _zone()
    served = []
    for last in range(5):
        _change(zone, _web(last), NOW + last * 10)
        served.append(zone.soa())
    records = list(zone.ixfr(int(NOW)).records)
    assert [r for r in records if r in served] == [
        served[4],
        *(soa for pair in itertools.pairwise(served) for soa in pair),
        served[4],
    ]


def test_a_burst_is_one_step_and_no_change_is_none() -> None:
    zone = _zone()
    assert _change(zone, {})
    assert not _change(zone, {})
    many = {wire.relative(f"web{n}"): [wire.address(bytes([10, 0, n, 1]))] for n in range(200)}
    assert _change(zone, many)
    assert not _change(zone, many, NOW + 99)
    assert len(zone.journal) == 1


def test_the_journal_keeps_1000_steps_and_an_older_secondary_gets_the_whole_zone() -> None:
    zone = _zone()
    for n in range(MAX_STEPS + 2):
        _change(zone, _web(n % 250))
    oldest = zone.serial - MAX_STEPS
    assert zone.ixfr(oldest).kind == "steps"
    assert zone.ixfr(oldest - 1).kind == "whole"
    assert zone.ixfr(zone.serial).kind == zone.ixfr(zone.serial + 9).kind == "current"


def test_a_transfer_stays_as_it_is_while_the_zone_changes() -> None:
    zone = _zone()
    for n in range(3):
        _change(zone, _web(n))
    transfers = [zone.axfr(), zone.ixfr(int(NOW)), zone.axfr(), zone.ixfr(int(NOW))]
    expected = [list(transfer.records) for transfer in transfers[:2]]
    _change(zone, {**_web(9), wire.relative("new"): [wire.txt("x")]})
    assert [list(transfer.records) for transfer in transfers[2:]] == expected


@pytest.mark.parametrize(
    ("last", "now", "serial"),
    [
        (0, NOW, int(NOW)),
        (int(NOW), NOW, int(NOW) + 1),
        (int(NOW) + 500, NOW, int(NOW) + 501),
        (int(NOW) - 500, NOW, int(NOW)),
        (0xFFFFFFFF, 0xFFFFFFFF, 1),
        (0xFFFFFFF0, 2**32 + 5, 5),
        (0, 2**32, 1),
    ],
)
def test_a_serial_is_the_unix_time_or_one_more_than_the_last(
    last: int, now: float, serial: int
) -> None:
    assert next_serial(last, now) == serial


def test_serials_are_compared_as_rfc_1982_says() -> None:
    assert is_newer(1, 0)
    assert is_newer(5, 0xFFFFFFF0)
    assert not is_newer(7, 7)
    assert not is_newer(0x80000000, 0)
    assert not is_newer(0, 0x80000000)


def test_an_unknown_name_differs_from_a_name_without_such_records() -> None:
    zone = _zone()
    _change(zone, {wire.relative("web1.lab"): [wire.address(bytes([10, 0, 0, 1]))]})
    assert zone.has_name(wire.relative("lab"))
    assert zone.find(wire.relative("web1.lab"), wire.AAAA) == []
    assert not zone.has_name(wire.relative("web1"))
    assert not zone.has_name(wire.relative("x.web1.lab"))
    assert len(zone.find(b"", wire.SOA)) == len(zone.find(b"", wire.NS)) == 1


@pytest.mark.parametrize("name", ["a..b", "x" * 64, "a b", "caf\u00e9", ".a", "a\n", "*", "\u212a"])
def test_a_text_that_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no DNS name"):
        wire.relative(name)


def test_a_name_has_at_most_255_bytes_in_its_zone() -> None:
    zone = _zone()
    room = wire.MAX_NAME - len(wire.absolute(zone.apex))
    longest = ".".join(["x" * 63] * 3 + ["x" * (room - 3 * 64 - 1)])
    assert zone.fits(wire.relative(longest))
    assert not zone.fits(wire.relative(longest + "y"))
    assert wire.absolute(f"{longest}.{zone.apex}")
    with pytest.raises(ValueError, match="longer than 255"):
        wire.absolute(f"{longest}y.{zone.apex}")


def test_names_go_to_wire_form_and_back() -> None:
    assert wire.relative("Web1.Lab.") == b"\4web1\3lab"
    assert wire.text(b"\4web1\3lab\0") == wire.text(b"\4web1\3lab") == "web1.lab"
    assert list(wire.parents(b"\1a\1b\1c")) == [b"\1b\1c", b"\1c"]
