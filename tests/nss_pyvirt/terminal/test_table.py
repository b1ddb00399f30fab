"""How a table fits a terminal: which columns it has, and where a long cell continues."""

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
WIDE = {"mac": 100, "network": 60}


def fitted(columns: table.Table, terminal: int) -> list[str]:
    return table.fitted(columns, WIDE, terminal).splitlines()


def test_a_pipe_gets_every_column_in_one_line_a_row() -> None:
    head, *rows = table.plain(HOSTS).splitlines()
    assert head.split() == ["NAME", "NETWORK", "ADDRESS", "MAC", "STATE"]
    assert [row.split()[2] for row in rows] == list(HOSTS["address"][1:])


def test_an_overlong_name_moves_its_own_row_alone_and_a_sentence_has_room() -> None:
    assert fitted(HOSTS, 104) == [
        "NAME  NETWORK  ADDRESS                             MAC                STATE",
        "web1  lab      fd1f:fafc:6937:0:5054:ff:fe17:8d70  52:54:00:17:8d:70  published",
        f"{LONG}  lab      10.77.0.8                           52:54:00:17:8d:70",
        "wpad  office   10.9.0.32" + 27 * " " + '52:54:00:17:8d:70  refused: "wpad" is reserved',
    ]


@pytest.mark.parametrize(
    ("terminal", "head"),
    [
        (100, ["NAME", "NETWORK", "ADDRESS", "MAC", "STATE"]),
        (99, ["NAME", "NETWORK", "ADDRESS", "STATE"]),
        (59, ["NAME", "ADDRESS", "STATE"]),
    ],
)
def test_the_columns_depend_on_the_terminal_and_not_on_what_they_hold(
    terminal: int, head: list[str]
) -> None:
    assert fitted(HOSTS, terminal)[0].split() == head
    nothing = {key: (column[0], "-") for key, column in HOSTS.items()}
    assert fitted(nothing, terminal)[0].split() == head


def test_a_sentence_with_room_goes_on_below_itself() -> None:
    why = {"name": ("NAME", "web1"), "why": ("WHY", "domain web1 owns 52:54:00:17:8d:70")}
    assert fitted(why, 34) == [
        "NAME  WHY",
        "web1  domain web1 owns",
        "      52:54:00:17:8d:70",
    ]


def test_a_sentence_without_room_has_the_next_line_for_itself() -> None:
    files = {
        "source": ("SOURCE", "libvirt", "incus"),
        "path": ("PATH", "/var/lib/libvirt/dnsmasq/virbr0.status", "-"),
        "error": ("ERROR", "Permission denied; run it as its unit does", "-"),
    }
    assert fitted(files, 48) == [
        "SOURCE   PATH",
        "    ERROR",
        "libvirt  /var/lib/libvirt/dnsmasq/virbr0.status",
        "    Permission denied; run it as its unit does",
        "incus    -",
    ]


@pytest.mark.parametrize("terminal", [1, 4, 20, 40, 61, 80, 92, 120, 200])
def test_no_word_that_is_shown_is_ever_cut(terminal: int) -> None:
    words = {word for column in HOSTS.values() for cell in column for word in cell.split()}
    shown = set(" ".join(fitted(HOSTS, terminal)).split())
    assert shown <= words
    assert {LONG, "10.9.0.32", "published", "reserved"} <= shown
