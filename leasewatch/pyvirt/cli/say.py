"""Notes of `pyvirt` for the person who waits."""

from __future__ import annotations

from nss_pyvirt.terminal import frame


def say(sentence: str) -> None:
    """Print one line on stderr."""
    frame.print_note("pyvirt", sentence)
