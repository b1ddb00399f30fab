"""A row's fields under the words that tables have for them, so that JSON and CSV have the same.

The Varlink interface keeps its own words.
"""

from __future__ import annotations

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

_WORDS: Final = {"verdict": "state", "ended": "state", "kind": "event", "origin": "from"}


def row(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an Entry, Address, Holding or Event. A holding that has not ended `holds`."""
    shown = {_WORDS.get(key, key): value for key, value in fields.items()}
    if "ended" in fields:
        shown["state"] = fields["ended"] or "holds"
    return shown
