"""What `pyvirt` tells the person who waits, beside what was asked for; knows no command."""

from __future__ import annotations

import click


def say(sentence: str) -> None:
    """One line on stderr."""
    click.echo(f"pyvirt: {sentence}", err=True)
