"""Change the definition of a domain: all of the change or nothing, checked as `create` does.

In: a function from the old definition to the new one. The definition is written in one step. What
a running domain can take over, it takes over at once (`live`); the rest waits for a restart.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import NamedTuple

import msgspec

from leasewatch.files import locks
from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.domain import DomainDefinition, parse_address
from leasewatch.pyvirt.defined.network import Network
from leasewatch.pyvirt.domains import live
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

        The text stays as it is, with its comments. Another change since `before` is an error.
        """
        file = self._files(name).definition
        with self._changing(name):
            new = store.decode(file, after, DomainDefinition)
            if _content(file) != before:
                what = f"{file} was changed by another command meanwhile"
                raise UserError(what, "keep your text, and start again from theirs", "exists")
            old = None
            with contextlib.suppress(UserError):
                old = self.get(name)
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
        files = self._files(new.name)
        before = _content(files.definition)
        if text is not None:
            replacing.replace(files.definition, text)
        elif new != old:
            store.write(self._paths.domain_definitions, new)
        try:
            waiting = live.take_over(files, old, new)
        except (OSError, UserError) as error:
            replacing.replace(files.definition, before)
            with contextlib.suppress(OSError, UserError):
                live.take_over(files, new, old or new)
            if isinstance(error, UserError):
                raise
            raise UserError(f"cannot change domain {new.name}: {error}") from error
        return Changed(old, new, waiting)


def reserved(paths: Paths, domain: DomainDefinition, address: str) -> DomainDefinition:
    """The domain with a fixed address, on the first of its networks that has it.

    The card's former address is free again. UserError names the domain's subnets if none fits.
    """
    address = parse_address(address)
    there = []
    for network in dict.fromkeys(nic.network for nic in domain.nics):
        subnet = store.read(paths.network_definitions, network, Network).subnet
        if IPv4Address(address) in IPv4Network(subnet):
            return with_address(domain, network, address)
        there.append(f"{network} has {subnet}")
    what = f"{address} is on no network of domain {domain.name}"
    raise UserError(what, f"use an address of one of them: {', '.join(there)}", "invalid")


def with_address(domain: DomainDefinition, network: str, address: str | None) -> DomainDefinition:
    """The domain whose first card on `network` has the fixed `address`; None: any address.

    UserError if it has no card there. `DomainChanges.change` checks the address.
    """
    nics = list(domain.nics)
    for number, nic in enumerate(nics):
        if nic.network == network:
            nics[number] = msgspec.structs.replace(nic, address=address)
            return msgspec.structs.replace(domain, nics=tuple(nics))
    what = f"domain {domain.name} is not on network {network}"
    raise UserError(what, f"pyvirt domain show {domain.name}", "invalid")


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from error
