"""A row's fields under the words that tables have for them, so that JSON and CSV have the same.

The Varlink interface keeps its own words.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from leasewatch.history.rows import Holding

_WORDS: Final = {"verdict": "state", "ended": "state", "kind": "event", "origin": "from"}


def row(shown: msgspec.Struct) -> dict[str, Any]:
    """The fields of an Entry, Address, Holding or Event. A holding that has not ended `holds`."""
    fields = {_WORDS.get(key, key): value for key, value in msgspec.structs.asdict(shown).items()}
    if isinstance(shown, Holding):
        fields["state"] = shown.ended or "holds"
    return fields
