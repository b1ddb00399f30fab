"""How pyvirt reports something to the person who typed the command."""

from __future__ import annotations

from collections.abc import Callable

Say = Callable[[str], None]
"""Takes a sentence."""
