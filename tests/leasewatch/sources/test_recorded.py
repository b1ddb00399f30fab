"""Files that real programs wrote, each in the newest versions we could run: what they say.

`recorded/README.md` tells how they were made. Each folder there is a host's root, with `expected`:
the leases and owners that we are to find in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from leasewatch.addresses import text
from leasewatch.model import Domain, Lease
from leasewatch.sources import registry
from leasewatch.sources.discovery import Discovery
from leasewatch.sources.source import parse

RECORDED = Path(__file__).parents[1] / "recorded"
RECORDINGS = sorted(folder.name for folder in RECORDED.iterdir() if folder.is_dir())


def shown_lease(kind: str, lease: Lease) -> str:
    end = str(lease.expires) if lease.expires else "never"
    who = f"{lease.hwaddr or '-'} {lease.client_id or '-'} {lease.iaid or '-'}"
    return f"{kind} {lease.network}: {text(lease.address)} {lease.hostname or '-'} {end} {who}"


def shown_owner(domain: Domain) -> str:
    nics = " ".join(f"{nic.mac}@{nic.network}" for nic in domain.nics)
    names = " ".join((domain.name, *domain.aliases))
    return f"owner {names}: {nics}{' runs' if domain.runs else ''}"


def found(root: Path) -> Iterator[str]:
    """Every lease and owner below `root`, and every fault."""
    scanned = Discovery(root, lambda _path: True).scan((), "internal", (), 0.0)
    for file in scanned.lease_files:
        source = registry.BY_NAME[file.kind]
        leases, errors = parse(source, source.reader(file.path)(b"").data, file)
        yield from (shown_lease(file.kind, lease) for lease in leases)
        yield from (f"fault: {error}" for error in errors)
    yield from map(shown_owner, scanned.domains)
    yield from (f"problem: {problem.why}" for problem in scanned.problems)


@pytest.mark.parametrize("recording", RECORDINGS)
def test_what_a_real_program_wrote_is_read_as_what_it_leased(recording: str) -> None:
    expected = (RECORDED / recording / "expected").read_text().splitlines()
    assert sorted(found(RECORDED / recording)) == expected


def test_every_program_that_is_followed_by_itself_is_recorded_but_those_that_run_dnsmasq() -> None:
    """multipass, LXC and NetworkManager start a plain dnsmasq, as recorded under that name."""
    plain = {"multipass", "lxc", "networkmanager"}
    assert {name.partition("-")[0] for name in RECORDINGS} == registry.FOREIGN - plain
