"""The messages of the Varlink interface `io.systemd.Resolve.Hook`. Pure.

systemd defines it (259 and later); here is what a hook needs of it. `raw` alone counts in an
answer, so the field `rr` is omitted. Fields that are null are not sent: systemd refuses some.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

HOOK: Final = "io.systemd.Resolve.Hook"
QUERY_FILTER: Final = f"{HOOK}.QueryFilter"
RESOLVE_RECORD: Final = f"{HOOK}.ResolveRecord"

_MOST_QUESTIONS: Final = 16
"""systemd asks for A and AAAA at once, perhaps in two spellings of a name."""
_LONGEST: Final = 1024
"""Characters of a name: more than a name of 255 bytes has in any spelling."""

_Number = Annotated[int, msgspec.Meta(ge=0, le=65535)]


class ResourceKey(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked up. Class null: IN."""

    class_: int | None = msgspec.field(name="class", default=None)
    type: _Number
    name: Annotated[str, msgspec.Meta(max_length=_LONGEST)]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One key."""

    key: ResourceKey


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A resource record in wire form, in Base64."""

    VARLINK = "Answer"

    raw: str


class QueryFilterReply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Reply of `QueryFilter`: a name must pass both tests."""

    filterDomains: Annotated[  # noqa: N815  systemd's names
        list[str] | None, "the name, or one that it is below; empty: no name; null: any"
    ] = None
    filterLabelsMin: Annotated[int | None, "how many labels a name has at least"] = None  # noqa: N815
    filterLabelsMax: Annotated[int | None, "how many labels a name has at most"] = None  # noqa: N815


class ResolveRecordParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `ResolveRecord`."""

    question: Annotated[
        list[Question], msgspec.Meta(max_length=_MOST_QUESTIONS), "closely related keys"
    ]


class ResolveRecordReply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Reply of `ResolveRecord`."""

    rcode: Annotated[int | None, "of DNS; null: not our name, so go on with DNS"] = None
    answer: Annotated[list[Record] | None, "the records, if rcode is 0"] = None
