"""Give a stopped domain another name.

Definition, folder and dnsmasq's entries are called like their domain. A journal says what is to be
renamed: each step may be repeated, so the next command of root finishes what a killed one began.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator

import msgspec

from leasewatch.errors import UNDECODABLE
from leasewatch.files import locks
from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.domains.checks import check, check_name
from leasewatch.pyvirt.domains.known import KnownDomains
from leasewatch.pyvirt.files import DomainFiles
from leasewatch.pyvirt.login import known_hosts
from leasewatch.pyvirt.networks import hosts_entries
from nss_pyvirt import replacing
from nss_pyvirt.errors import UserError

_PATIENCE = 60.0  # seconds that other commands on domains may take


class _Journal(msgspec.Struct):
    """A rename that has begun."""

    old: str
    new: str


def rename(paths: Paths, old: str, new: str) -> DomainDefinition:
    """Rename the stopped domain `old`; UserError changes nothing."""
    known = KnownDomains(paths)
    known.get(old)
    check_name(new, "a domain's name")
    known.clear_up(old, _PATIENCE)
    with _locked(paths, old, new):
        domain = known.get(old)
        if known.is_running(old):
            hint = f"sudo pyvirt domain stop {old}"
            raise UserError(f"domain {old} is running", hint, "running")
        if new in known.names():
            raise UserError(f"domain {new} already exists", f"pyvirt domain show {new}", "exists")
        others = store.readable(paths.domain_definitions, DomainDefinition)
        renamed = check(paths, _renamed(domain, new), [d for d in others if d.name != old], domain)
        data = DomainFiles(paths, new).data
        if data.exists():
            hint = "move it away: no domain owns it"
            raise UserError(f"{data} already exists", hint, "exists")
        journal = _Journal(old, new)
        try:
            replacing.replace(paths.domain_rename, msgspec.json.encode(journal))
            _carry_out(paths, journal)
        except (OSError, UserError) as error:
            with contextlib.suppress(OSError, UserError):
                _undo(paths, journal)
            if isinstance(error, UserError):
                raise
            raise UserError(f"cannot rename domain {old}: {error}") from error
    return renamed


def finish(paths: Paths) -> None:
    """Finish a rename whose command was killed, if there is one."""
    journal = _journal(paths)
    if journal is not None:
        with _locked(paths, journal.old, journal.new):
            if _journal(paths) == journal:
                try:
                    _carry_out(paths, journal)
                except OSError as error:
                    what = f"cannot finish renaming domain {journal.old} to {journal.new}: {error}"
                    raise UserError(what) from error


def _journal(paths: Paths) -> _Journal | None:
    try:
        return msgspec.json.decode(paths.domain_rename.read_bytes(), type=_Journal)
    except FileNotFoundError:
        return None
    except (OSError, *UNDECODABLE) as error:
        hint = f"remove it: sudo rm {paths.domain_rename}"
        raise UserError(f"cannot read {paths.domain_rename}: {error}", hint) from error


@contextlib.contextmanager
def _locked(paths: Paths, *names: str) -> Iterator[None]:
    """Keep other commands off these domains, and off all names."""
    with contextlib.ExitStack() as held:
        held.enter_context(locks.exclusive(paths.locks / "domains", _PATIENCE))
        for name in dict.fromkeys(names):
            store.check_name(name, "domain")
            held.enter_context(locks.exclusive(DomainFiles(paths, name).commands, _PATIENCE))
        yield


def _renamed(domain: DomainDefinition, name: str) -> DomainDefinition:
    """The domain with another name, which it may have had as an alias."""
    aliases = tuple(alias for alias in domain.aliases if alias != name)
    return msgspec.structs.replace(domain, name=name, aliases=aliases)


def _carry_out(paths: Paths, journal: _Journal) -> None:
    """Do what is left to do."""
    old, new = DomainFiles(paths, journal.old), DomainFiles(paths, journal.new)
    if old.data.exists():
        old.data.rename(new.data)
    if old.definition.exists():
        domain = store.read(paths.domain_definitions, old.name, DomainDefinition)
        store.write(paths.domain_definitions, _renamed(domain, new.name))
        old.definition.unlink()
    known_hosts.forget(paths, old.name)
    hosts_entries.remove(paths, old.name)
    hosts_entries.reduce(paths, new.name)
    if old.ended.exists():
        old.ended.rename(new.ended)
    shutil.rmtree(old.run, ignore_errors=True)
    paths.domain_rename.unlink()


def _undo(paths: Paths, journal: _Journal) -> None:
    """Take the first steps back, as long as the former definition is there."""
    old, new = DomainFiles(paths, journal.old), DomainFiles(paths, journal.new)
    if old.definition.exists():
        new.definition.unlink(missing_ok=True)
        if new.data.exists():
            new.data.rename(old.data)
        paths.domain_rename.unlink(missing_ok=True)
