"""What `pyvirt` tells the person who waits, beside what was asked for; knows no command."""

from __future__ import annotations

from nss_pyvirt.terminal import frame


def say(sentence: str) -> None:
    """One line on stderr."""
    frame.print_note("pyvirt", sentence)
