"""A line of /etc/hosts that hides a name: `files` is asked first. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from leasewatch.addresses import queried
from leasewatch.names import labels
from nss_pyvirt.checks import Row, State

if TYPE_CHECKING:
    from leasewatch.doctor.host import Host

SUBJECT: Final = "hosts file"
_FILE: Final = "/etc/hosts"


def check(host: Host) -> Iterator[Row]:
    """Lines that give a name of ours another address."""
    known: dict[str, set[bytes]] = {labels.fold(name): set() for name in host.domain_names}
    for record in host.table:
        found = {address.packed for address in record.addresses}
        known |= dict.fromkeys(record.names, found)
    rows = [row for _, row in hiding(host.hosts_file, known)]
    yield from rows or [Row("ok", SUBJECT, f"no line of {_FILE} hides a name")]


def hiding(lines: Sequence[str], known: Mapping[str, Iterable[bytes]]) -> Iterator[tuple[str, Row]]:
    """Each hidden name with its row. `known`: the addresses of each name, in lower case."""
    for number, line in enumerate(lines, 1):
        address, *names = line.partition("#")[0].split() or [""]
        packed = queried(address)
        for name in dict.fromkeys(map(labels.fold, names)):
            if packed is None or name not in known or packed in known[name]:
                continue
            where = f"line {number} of {_FILE}"
            detail = f"{where} gives {name}, which has no address now, {address}"
            if known[name]:
                detail = f"{where} hides {name} behind {address}"
            state: State = "bad" if known[name] else "warn"
            alone = f"sudo sed -i {number}d {_FILE}"
            fix = f"remove {name} from {where}" if names[1:] else alone
            yield name, Row(state, SUBJECT, detail, fix)
