"""How durations are shown, and that no output can drive the terminal."""

from __future__ import annotations

import pytest

from nss_pyvirt.terminal import frame, show

NOW = 1_800_000_000

# (expires - now, what is shown)
EXPIRIES = [
    (None, "never"), (-1, "ended"), (0, "ended"), (1, "1s"), (61, "1m 1s"), (3600, "1h 0m"),
    (86399, "23h 59m"), (86400, "1d 0h"), (604799, "6d 23h"),
]  # fmt: skip


@pytest.mark.parametrize(("left", "shown"), EXPIRIES)
def test_expiry_is_shown_in_its_two_largest_units(left: int | None, shown: str) -> None:
    assert show.expiry(None if left is None else NOW + left, NOW) == shown


def test_ages_have_two_units() -> None:
    assert [show.age(1000, now) for now in (1000, 1001, 1061, 4661)] == [
        "now",
        "1s",
        "1m 1s",
        "1h 1m",
    ]


HOSTILE = ("\x1b]0;owned\x07", "a\nb", "\u202eevil", "\udcff", "\x7f")


@pytest.mark.parametrize("output", ["table", "csv", "json", "name"])
@pytest.mark.parametrize("value", HOSTILE, ids=ascii)
def test_what_guests_say_never_reaches_the_terminal_raw(value: str, output: frame.Format) -> None:
    text = frame.render([{"name": value}], ["name"], output, name="name")
    assert value not in text
    assert text.isascii()
