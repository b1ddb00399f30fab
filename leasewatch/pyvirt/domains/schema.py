"""What a QEMU's own description of QMP (`query-qmp-schema`) says about migration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

Schema = Iterable[Mapping[str, Any]]


class Migration(msgspec.Struct, frozen=True):
    """What a QEMU knows of migration, in its own words."""

    capabilities: tuple[str, ...] = ()
    """E.g. postcopy-ram, multifd, mapped-ram."""
    methods: tuple[str, ...] = ()
    """Values of multifd-compression, e.g. zstd."""
    parameters: tuple[str, ...] = ()


def migration(schema: Schema) -> Migration:
    """What is empty, the schema does not describe."""
    entries = {each["name"]: each for each in schema}

    def members(name: str) -> dict[str, str]:
        """The members of a command's arguments, or of an object: name -> type."""
        entry = entries.get(name, {})
        found = entries.get(entry.get("arg-type", name), {}).get("members", ())
        return {each["name"]: each.get("type", "") for each in found}

    parameters = members("migrate-set-parameters")
    several = members("migrate-set-capabilities").get("capabilities", "")
    one = members(entries.get(several, {}).get("element-type", ""))
    return Migration(
        tuple(entries.get(one.get("capability", ""), {}).get("values", ())),
        tuple(entries.get(parameters.get("multifd-compression", ""), {}).get("values", ())),
        tuple(parameters),
    )
