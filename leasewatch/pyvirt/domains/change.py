"""Change the definition of a domain: all of the change or nothing, checked as `create` does.

In: a function from the old definition to the new one. The definition is written in one step. What
a running domain can take over, it takes over at once (`live`); the rest waits for a restart.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from leasewatch.files import locks
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.domains import disk_changes, live, restores
from leasewatch.pyvirt.domains.checks import check
from leasewatch.pyvirt.domains.known import KnownDomains
from nss_pyvirt import replacing
from nss_pyvirt.errors import UserError

_PATIENCE = 60.0  # seconds that other commands on domains may take

Make = Callable[[DomainDefinition], DomainDefinition]
"""Makes the new definition of the old one; raises UserError."""


class Changed(NamedTuple):
    """A change that was made."""

    old: DomainDefinition | None
    """None: it could not be read."""
    new: DomainDefinition
    waiting: tuple[str, ...]
    """The keys whose new value a running domain has only after a restart."""


class DomainChanges(KnownDomains):
    """All domains below one root."""

    def change(self, name: str, make: Make) -> Changed:
        """Put what `make` returns in place of the definition; UserError changes nothing.

        Equal definitions are no error: a running domain that lacks a part takes it over.
        """
        with self._changing(name):
            old = self.get(name)
            return self._apply(name, old, make(old))

    def replace(self, name: str, before: bytes, after: bytes) -> Changed:
        """Put the text `after` in place of the file's content `before`; UserError changes nothing.

        The text stays as it is, with its comments. StaleError if it was changed since `before`.
        """
        file = self._files(name).definition
        with self._changing(name):
            new = store.decode(file, after, DomainDefinition)
            store.check_same(file, before)
            old = None
            with contextlib.suppress(UserError):
                old = self.get(name)
            if old and {disk.file for disk in new.disks} - {disk.file for disk in old.disks}:
                hint = f"sudo pyvirt domain set {name} disk+=FILE"
                raise UserError("disks: only set adds one", hint, "invalid")
            return self._apply(name, old, new, after)

    @contextlib.contextmanager
    def _changing(self, name: str) -> Iterator[None]:
        """Keep other commands off this domain, and off what every other domain is called."""
        store.check_defined(self._paths.domain_definitions, name, "domain")
        with (
            locks.exclusive(self._paths.locks / "domains", _PATIENCE),
            locks.exclusive(self._files(name).commands, _PATIENCE),
        ):
            store.check_defined(self._paths.domain_definitions, name, "domain")
            yield

    def _apply(
        self,
        name: str,
        old: DomainDefinition | None,
        new: DomainDefinition,
        text: bytes | None = None,
    ) -> Changed:
        """Check, write and publish; `text` is the definition as its owner wrote it."""
        if new.name != name:
            hint = f"sudo pyvirt domain rename {name} {shlex.quote(new.name)}"
            raise UserError("name: only rename changes it", hint, "invalid")
        defined = store.readable(self._paths.domain_definitions, DomainDefinition)
        new = check(self._paths, new, [one for one in defined if one.name != new.name], old)
        running = self.is_running(name)
        disk_changes.check(old or new, new, running=running)
        if not running:
            restores.check_unsaved(self._files(name), old or new, new)
        try:
            with disk_changes.made(self._paths, old or new, new):
                waiting = self._write(old, new, text)
            if not running:
                disk_changes.tidy(self._paths, new)
        except OSError as error:
            raise UserError(f"cannot change domain {name}: {error}") from error
        return Changed(old, new, waiting)

    def _write(
        self, old: DomainDefinition | None, new: DomainDefinition, text: bytes | None
    ) -> tuple[str, ...]:
        """Write the definition and publish it, or put the former one back; what waits."""
        files = self._files(new.name)
        before = _content(files.definition)
        if text is not None:
            replacing.replace(files.definition, text)
        elif new != old:
            store.write(self._paths.domain_definitions, new)
        try:
            return live.take_over(files, old, new)
        except (OSError, UserError):
            replacing.replace(files.definition, before)
            with contextlib.suppress(OSError, UserError):
                live.take_over(files, new, old or new, patience=0)
            raise


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from error
