"""One change of a definition's key, as `set` reads it. Pure."""

from __future__ import annotations

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


class Setting:
    """The key, its sign (`=`, `+=` or `-=`) and its value; that of a list is a tuple."""

    def __init__(self, key: str, sign: str, value: Any) -> None:
        self.key, self.sign, self.value = key, sign, value

    def of(self, present: Sequence[Any]) -> tuple[Any, ...]:
        """The list `present` after this change; ValueError names a value that it lacks."""
        if self.sign == "=":
            return tuple(self.value)
        if self.sign == "+=":
            return (*present, *(one for one in self.value if one not in present))
        for one in self.value:
            if one not in present:
                raise ValueError(one)
        return tuple(one for one in present if one not in self.value)
