"""How the manager reaches the person who waits for it; it prints nothing and knows no words."""

from __future__ import annotations

from collections.abc import Callable

Say = Callable[[str], None]
"""Takes a sentence."""
