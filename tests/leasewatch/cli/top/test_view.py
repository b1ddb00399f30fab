"""Keys of `leasewatch top`, and the rows that they choose."""

from __future__ import annotations

import functools

import pytest

from leasewatch.api.interface import SourceEntry
from leasewatch.cli.top.view import PAGE, View, chosen, keys, press
from tests.leasewatch.cli.top.replies import NOW, entry, reply, state


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"q", ["q"]),
        (b"\x1b[A\x1b[B\x1b[5~j", ["up", "down", "page up", "j"]),
        (b"\x1bOA", ["up"]),
        (b"\x1b", ["escape"]),
        (b"\r\x7f", ["enter", "back"]),
        (b"\x1b[15~q", ["q"]),
        (b"\x1b[1;5Cq", ["q"]),
        ("ü/".encode(), ["ü", "/"]),
        (b"\xc3", []),
        (b"\x01\x02q", ["q"]),
    ],
)
def test_bytes_of_a_terminal_are_keys(data: bytes, found: list[str]) -> None:
    assert keys(data) == found


@pytest.mark.parametrize(
    ("typed", "view"),
    [
        ("s", View(order="name")),
        ("sssss", View()),
        ("r", View(reverse=True)),
        ("n", View(network="lab")),
        ("nn", View(network="office")),
        ("nnn", View()),
        ("jjk", View(offset=1)),
        ("k", View()),
        (" ", View(offset=PAGE)),
        ("jjs", View(order="name")),
        ("/", View(is_typing=True)),
        ("/q", View(is_typing=True, filter="q")),
        ("/web\r", View(filter="web")),
        ("/web\x7f\r", View(filter="we")),
        ("/web\x1b", View()),
        ("/web\r\x1b", View()),
        ("/web\rn\x1b", View()),
        ("x", View()),
    ],
)
def test_keys_change_the_view(typed: str, view: View) -> None:
    def after(before: View, key: str) -> View:
        pressed = press(before, key, ["lab", "office"])
        assert pressed is not None
        return pressed

    assert functools.reduce(after, keys(typed.encode()), View()) == view


def test_q_leaves() -> None:
    assert press(View(), "q", []) is None


def test_a_network_that_is_gone_is_followed_by_all() -> None:
    assert press(View(network="gone"), "n", ["lab"]) == View()


SHOWN = state(
    entry("web10", "10.77.0.9", expires=int(NOW) + 60),
    entry("web2", "10.77.0.20", expires=None, mac="52:54:00:00:00:02"),
    entry("wpad", "10.77.0.3", verdict="refused"),
    entry("db", "10.78.0.3", network="office"),
)
SHOWN.apply(reply("added", entry("web1", "10.77.0.1"), first_seen=NOW, renewed=NOW - 3))
SHOWN.sources = [
    SourceEntry(source="pyvirt", state="watched", path=f"/{name}", network=name)
    for name in ("lab", "idle")
]


@pytest.mark.parametrize(
    ("view", "found"),
    [
        (View(), "idle: | lab: web1 web2 web10 wpad | office: db"),
        (View(order="name", reverse=True), "idle: | lab: wpad web10 web2 web1 | office: db"),
        (View(order="address"), "idle: | lab: web1 wpad web10 web2 | office: db"),
        (View(order="left"), "idle: | lab: web10 web1 wpad web2 | office: db"),
        (View(order="lag"), "idle: | lab: web1 web2 web10 wpad | office: db"),
        (View(network="office"), "office: db"),
        (View(filter="WEB1"), "lab: web1 web10"),
        (View(filter="00:02"), "lab: web2"),
        (View(filter="refused"), "lab: wpad"),
        (View(filter=".0.3"), "lab: wpad | office: db"),
        (View(filter="nothing"), ""),
    ],
)
def test_a_view_chooses_rows_and_their_order(view: View, found: str) -> None:
    texts = (
        " ".join([f"{network}:", *(str(row.entry.name) for row in rows)])
        for network, rows in chosen(SHOWN, view).items()
    )
    assert " | ".join(texts) == found
