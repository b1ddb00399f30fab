"""How a table fits a terminal: what is left out, and where a row goes on."""

from __future__ import annotations

import pytest

from nss_pyvirt.terminal import table

LONG = "a" * 58
HOSTS = {
    "name": ("NAME", "web1", LONG, "wpad"),
    "network": ("NETWORK", "lab", "lab", "office"),
    "address": ("ADDRESS", "fd1f:fafc:6937:0:5054:ff:fe17:8d70", "10.77.0.8", "10.9.0.32"),
    "mac": ("MAC", *("52:54:00:17:8d:70",) * 3),
    "state": ("STATE", "published", "-", 'refused: "wpad" is reserved'),
}
SPARE = ("mac", "network")


def fitted(columns: table.Table, terminal: int) -> list[str]:
    return table.fitted(columns, SPARE, terminal).splitlines()


def test_a_pipe_gets_every_column_in_one_line_a_row() -> None:
    head, *rows = table.plain(HOSTS).splitlines()
    assert head.split() == ["NAME", "NETWORK", "ADDRESS", "MAC", "STATE"]
    assert [row.split()[2] for row in rows] == list(HOSTS["address"][1:])


def test_an_overlong_name_has_a_line_of_its_own_and_takes_no_column_from_the_others() -> None:
    assert fitted(HOSTS, 92) == [
        "NAME  NETWORK  ADDRESS                             MAC                STATE",
        "web1  lab      fd1f:fafc:6937:0:5054:ff:fe17:8d70  52:54:00:17:8d:70  published",
        LONG,
        "      lab      10.77.0.8                           52:54:00:17:8d:70  -",
        "wpad  office   10.9.0.32                           52:54:00:17:8d:70",
        '    refused: "wpad" is reserved',
    ]


def test_spare_columns_go_where_the_rest_does_not_fit() -> None:
    assert [fitted(HOSTS, width)[0].split() for width in (79, 78, 60, 59)] == [
        ["NAME", "NETWORK", "ADDRESS", "MAC", "STATE"],
        ["NAME", "NETWORK", "ADDRESS", "STATE"],
        ["NAME", "NETWORK", "ADDRESS", "STATE"],
        ["NAME", "ADDRESS", "STATE"],
    ]


def test_a_row_that_fits_in_no_way_goes_on_between_two_cells_like_its_heading() -> None:
    times = {
        "address": HOSTS["address"],
        "since": ("SINCE", *("2026-11-27 10:44:45",) * 3),
        "until": ("UNTIL", "2026-11-27 10:46:14", "-", "-"),
        "state": ("STATE", "gone", "holds", "holds"),
    }
    assert fitted(times, 60)[:3] == [
        "ADDRESS                             SINCE",
        "    UNTIL                STATE",
        "fd1f:fafc:6937:0:5054:ff:fe17:8d70  2026-11-27 10:44:45",
    ]
    assert "    -                    holds" in fitted(times, 60)


def test_what_says_nothing_takes_no_room() -> None:
    files = {
        "source": ("SOURCE", "libvirt", "incus"),
        "path": ("PATH", "/var/lib/libvirt/dnsmasq/virbr0.status", "-"),
        "error": ("ERROR", "-", "-"),
    }
    assert fitted(files, 80)[0].split() == ["SOURCE", "PATH"]
    files["error"] = ("ERROR", "Permission denied; run it as its unit does", "-")
    assert fitted(files, 50) == [
        "SOURCE   PATH",
        "    ERROR",
        "libvirt  /var/lib/libvirt/dnsmasq/virbr0.status",
        "    Permission denied; run it as its unit does",
        "incus    -",
    ]
    empty = {key: column[:1] for key, column in HOSTS.items()}
    assert fitted(empty, 80)[0].split() == [key.upper() for key in HOSTS]


def test_a_sentence_with_room_goes_on_below_itself() -> None:
    why = {"name": ("NAME", "web1"), "why": ("WHY", "domain web1 owns 52:54:00:17:8d:70")}
    assert fitted(why, 34) == [
        "NAME  WHY",
        "web1  domain web1 owns",
        "      52:54:00:17:8d:70",
    ]


@pytest.mark.parametrize("terminal", [1, 4, 20, 40, 61, 80, 92, 120, 200])
def test_no_word_that_is_shown_is_ever_cut(terminal: int) -> None:
    words = {word for column in HOSTS.values() for cell in column for word in cell.split()}
    shown = set(" ".join(fitted(HOSTS, terminal)).split())
    assert shown <= words
    assert {LONG, "10.9.0.32", "published", "reserved"} <= shown
