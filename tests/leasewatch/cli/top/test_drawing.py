"""What `leasewatch top` draws."""

from __future__ import annotations

import io

import pytest
from rich.console import Console, Group

from leasewatch.api.interface import SourceEntry
from leasewatch.cli.top import drawing
from leasewatch.cli.top.state import State
from leasewatch.cli.top.view import View
from tests.leasewatch.cli.top.replies import NOW, entry, reply, state

SOURCE = "/var/lib/pyvirt/leases/lab.leases"
IPV6 = "fd12:3456:789a:0:5054:ff:fe00:7"


def drawn(of: State, view: View | None = None, width: int = 80, height: int = 24) -> list[str]:
    """The lines as a terminal shows them."""
    lines = drawing.lines(of, view or View(), now=NOW, width=width, height=height)
    assert len(lines) == height
    assert max((line.cell_len for line in lines), default=0) <= width
    console = Console(file=io.StringIO(), width=width, height=height, color_system=None)
    console.print(Group(*lines))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def busy() -> State:
    made = state(
        entry(),
        entry("db", IPV6, family=6, expires=None),
        entry("wpad", "10.77.0.9", verdict="refused", reason='"wpad" is reserved'),
        entry("new", None, verdict="pending", origin=None, reason="no lease yet"),
    )
    made.sources = [SourceEntry(source="pyvirt", state="watched", path=SOURCE, network="lab")]
    fresh = entry("mail", "10.77.0.6", origin="lease")
    made.apply(reply("added", fresh, first_seen=NOW - 5, renewed=NOW - 0.004))
    gone = entry("old", "10.77.0.8", verdict="ended", reason="the lease was given back")
    made.apply(reply("removed", gone))
    return made


def test_80_columns_have_all_that_matters() -> None:
    title, status, head, *rows = drawn(busy())
    assert title.startswith("leasewatch top   1 network, 3 names, 4 addresses")
    assert status == "live, 2 events   lease to name: last 4 ms, median 4 ms, longest 4 ms"
    assert head.split() == ["NAME", "ADDRESS", "AGE*", "LEFT", "LAG", "STATE"]
    assert rows[0] == f"lab  5 names, 4 addresses  {SOURCE}"
    assert rows[1].split() == ["mail", "10.77.0.6", "5s", "11m", "4", "ms", "published"]
    assert rows[2].split() == ["db", IPV6, "1m", "never", "-", "published"]
    assert "refused: " in "".join(rows)
    at = rows.index("EVENTS")
    assert rows[at + 1].endswith("  added    mail 10.77.0.6 lab  published in 4 ms")
    assert rows[at + 2].endswith("  removed  old 10.77.0.8 lab  the lease was given back")
    assert rows[-1] == "q quit   / filter   s sort: age   r reverse   n network: all   j k scroll"


def test_120_columns_have_mac_addresses_and_reasons() -> None:
    lines = drawn(busy(), width=120)
    assert lines[2].split() == ["NAME", "ADDRESS", "MAC", "AGE*", "LEFT", "LAG", "STATE"]
    assert any("52:54:00:00:00:01" in line for line in lines)
    assert any(line.endswith('refused: "wpad" is reserved') for line in lines)
    assert any(" 11m 30s " in line for line in lines)


def test_a_filter_chooses_events_too() -> None:
    lines = drawn(busy(), View(filter="mail"))
    assert [line.split()[1:3] for line in lines[lines.index("EVENTS") + 1 : -1]] == [
        ["added", "mail"]
    ]
    assert drawn(busy(), View(network="office"))[-2] == "EVENTS"


def test_a_time_that_is_too_long_for_its_column_has_one_unit() -> None:
    years = state(entry(expires=int(NOW) + 2360 * 86400 + 43200))
    assert " 2360d " in drawn(years, width=120)[4]


@pytest.mark.parametrize(("width", "height"), [(20, 5), (1, 1), (80, 3), (300, 100), (40, 0)])
def test_any_size_of_terminal_is_filled_and_no_more(width: int, height: int) -> None:
    assert len(drawing.lines(busy(), View(), now=NOW, width=width, height=height)) == height
    assert len(drawing.lines(State(), View(), now=NOW, width=width, height=height)) == height
    for line in drawing.lines(busy(), View(), now=NOW, width=width, height=height):
        assert line.cell_len <= width


def test_what_a_guest_sends_is_neither_markup_nor_a_control() -> None:
    name = "[red]x[/red]\x1b[2J\u202e"
    of = state(entry(name, hostname=name))
    of.apply(reply("renewed", entry(name)))
    shown = drawn(of, width=120)
    assert sum("[red]x[/red]\\x1b[2J\\u202e" in line for line in shown) == 2
    assert "\x1b" not in "".join(shown)


def test_a_lost_service_is_shown_above_what_was_known_last() -> None:
    of = busy()
    of.lost("the service is not running: sudo systemctl start leasewatch")
    lines = drawn(of)
    assert lines[1] == "the service is not running: sudo systemctl start leasewatch"
    assert any("web1" in line for line in lines)


def test_a_source_that_cannot_be_read_is_shown_beside_its_network() -> None:
    of = State()
    of.sources = [
        SourceEntry(
            source="pyvirt", state="unreadable", path=SOURCE, network="lab", error="not UTF-8"
        )
    ]
    assert "lab  0 names, 0 addresses  unreadable: not UTF-8" in drawn(of)


def test_a_long_list_scrolls_up_to_its_end_and_events_keep_their_third() -> None:
    of = state(*(entry(f"web{number}", f"10.77.0.{number}") for number in range(1, 101)))
    for number in range(1, 101):
        of.apply(reply("renewed", entry(f"web{number}", f"10.77.0.{number}"), first_seen=NOW - 60))
    lines = drawn(of)
    assert [line.split()[0] for line in lines[3:6]] == ["lab", "web1", "web2"]
    assert lines.index("EVENTS") == 16
    assert drawn(of, View(offset=3))[3].split()[0] == "web3"
    assert drawn(of, View(offset=9999))[15].split()[0] == "web100"


def test_the_foot_says_what_is_chosen_or_typed() -> None:
    view = View(filter="web", order="name", network="lab")
    assert drawn(busy(), view)[-1].startswith("q quit   / filter: web   s sort: name   r reverse")
    typing = drawn(busy(), View(filter="web", is_typing=True))[-1]
    assert typing == "filter: web_   enter keep   esc clear"
