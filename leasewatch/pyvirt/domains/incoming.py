"""What the parent of an arriving guest must know: /run/pyvirt/domains/NAME/incoming.json.

The guest comes from another host or from a file. Its QEMU waits, paused, and the run state says
`arriving`. When the guest first runs, it is a domain like any other.
"""

from __future__ import annotations

import msgspec

from leasewatch.errors import UNDECODABLE
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.domains.qemu import Chosen
from leasewatch.pyvirt.files import DomainFiles
from nss_pyvirt import replacing
from nss_pyvirt.errors import UserError


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """A guest that is to arrive."""

    definition: DomainDefinition | None = None
    """What is written once the guest runs; None: it is defined already."""
    accel: Chosen
    """That of the QEMU that it leaves."""
    why: str
    """Of the run state, e.g. "it comes from kvm1"."""
    postcopy: bool = False
    """Whether QEMU must be able to fetch memory while the guest runs."""
    asks: bool = False
    """Whether the guest asks for a lease here: once it runs, lookups of its name wait for that."""


def write(files: DomainFiles, incoming: Incoming) -> None:
    """Leave it to the parent that is started next."""
    files.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    replacing.replace(files.incoming, msgspec.json.encode(incoming), mode=0o600)


def take(files: DomainFiles) -> Incoming | None:
    """Read and remove it; None: no guest is to arrive."""
    try:
        content = files.incoming.read_bytes()
        files.incoming.unlink()
        return msgspec.json.decode(content, type=Incoming)
    except FileNotFoundError:
        return None
    except (OSError, *UNDECODABLE) as error:
        raise UserError(f"cannot read {files.incoming}: {error}") from error
