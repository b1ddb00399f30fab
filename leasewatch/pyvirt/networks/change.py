"""Change the definition of a network: all of the change or nothing.

A started network takes over at once what its guests need not notice; the rest waits for a restart.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from leasewatch.files import locks
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.domain import DomainDefinition, parse_address, parse_mac
from leasewatch.pyvirt.defined.network import Network, Reservation
from leasewatch.pyvirt.networks import hosts_entries, stops
from leasewatch.pyvirt.networks.free_address import check_free
from leasewatch.pyvirt.networks.networks import Networks, mend
from nss_pyvirt import replacing
from nss_pyvirt.errors import UserError

_PATIENCE = 30.0  # seconds that another command on networks may take
_RESTART = ("bridge", "subnet", "subnet6")
"""Keys that a started network does not take over."""


class Changed(NamedTuple):
    """A change that was made."""

    old: Network | None
    """None: it could not be read."""
    new: Network
    waiting: tuple[str, ...]
    """The keys whose new value a started network has only after a restart."""


class NetworkChanges(Networks):
    """All networks below one root."""

    def change(self, name: str, make: Callable[[Network], Network]) -> Changed:
        """Put what `make` returns in place of the definition; UserError changes nothing."""
        with self._changing(name):
            old = self.get(name)
            return self._apply(old, make(old))

    def replace(self, name: str, before: bytes, after: bytes) -> Changed:
        """Put the text `after` in place of the file's content `before`; UserError changes nothing.

        The text stays as it is, with its comments. StaleError if it was changed since `before`.
        """
        file = self._files(name).definition
        with self._changing(name):
            new = store.decode(file, after, Network)
            store.check_same(file, before)
            if new.name != name:
                raise UserError("name: a network keeps its name", "make another one", "invalid")
            old = None
            with contextlib.suppress(UserError):
                old = self.get(name)
            return self._apply(old, new, after)

    @contextlib.contextmanager
    def _changing(self, name: str) -> Iterator[None]:
        """Keep other commands off this network, and off what others have of addresses."""
        store.check_defined(self._paths.network_definitions, name, "network")
        with (
            locks.exclusive(self._paths.locks / "domains", _PATIENCE),
            locks.exclusive(self._paths.locks / "networks", _PATIENCE),
            locks.exclusive(self._files(name).commands, _PATIENCE),
        ):
            store.check_defined(self._paths.network_definitions, name, "network")
            yield

    def _apply(self, old: Network | None, new: Network, text: bytes | None = None) -> Changed:
        """Check, write and have the network's process take over."""
        new = new.checked()
        self._check(old, new)
        files = self._files(new.name)
        before = files.definition.read_bytes()
        if text is not None:
            replacing.replace(files.definition, text)
        elif new != old:
            store.write(self._paths.network_definitions, new)
        started = locks.holder(files.lock) is not None
        try:
            hosts_entries.reserve(files, new)
            if started and not new.bridge:
                mend(files)
        except (OSError, UserError):
            replacing.replace(files.definition, before)
            with contextlib.suppress(OSError, UserError):
                hosts_entries.reserve(files, old or new)
                mend(files)
            raise
        waiting = [
            key for key in _RESTART if started and getattr(old, key, None) != getattr(new, key)
        ]
        return Changed(old, new, tuple(waiting))

    def _check(self, old: Network | None, new: Network) -> None:
        """UserError where this host cannot have the network like this."""
        if old is not None and bool(old.bridge) != bool(new.bridge):
            hint = f"sudo pyvirt network create NAME {'' if old.bridge else '--bridge BRIDGE'}"
            raise UserError("mode: a network does not change its kind", hint.strip(), "invalid")
        moved = [key for key in _RESTART if getattr(old, key, None) != getattr(new, key)]
        if moved and (users := stops.users(self._paths, new.name)):
            raise UserError(
                f"{moved[0]}: guests are on network {new.name}: {', '.join(users)}",
                f"sudo pyvirt domain stop {' '.join(users)}",
                "running",
            )
        if moved and new.bridge:
            self._check_bridge(new)
        if new.subnet and (old is None or old.subnet != new.subnet):
            self._check_subnet(new, say=lambda _: None)
        domains = store.readable(self._paths.domain_definitions, DomainDefinition)
        for each in new.reserved:
            if old is None or each not in old.reserved or moved:
                check_free(self._paths, new, each.address, each.mac, domains)
        for domain in domains if moved else ():
            for nic in domain.nics:
                if nic.network == new.name and nic.address:
                    others = (one for one in domains if one is not domain)
                    check_free(self._paths, new, nic.address, nic.mac, others)

    def reserve(self, network: str, name: str, mac: str, address: str) -> Changed:
        """Reserve an address for a machine that is no domain, under this name."""
        mac, address = parse_mac(mac), parse_address(address)
        for domain in store.readable(self._paths.domain_definitions, DomainDefinition):
            if any(nic.mac == mac for nic in domain.nics):
                hint = f"sudo pyvirt network reserve {network} {domain.name} --address {address}"
                raise UserError(f"MAC {mac} belongs to domain {domain.name}", hint, "exists")

        def make(defined: Network) -> Network:
            others = tuple(each for each in defined.reserved if each.name != name)
            new = Reservation(name=name, mac=mac, address=address)
            return msgspec.structs.replace(defined, reserved=(*others, new))

        return self.change(network, make)

    def forget(self, network: str, name: str) -> Changed:
        """Remove a reservation; UserError without one of this name."""

        def make(defined: Network) -> Network:
            others = tuple(each for each in defined.reserved if each.name != name)
            if others == defined.reserved:
                what = f"network {network} has no reservation for {name}"
                raise UserError(what, f"pyvirt network show {network}", "not-found")
            return msgspec.structs.replace(defined, reserved=others)

        return self.change(network, make)
