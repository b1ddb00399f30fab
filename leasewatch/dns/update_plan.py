"""What the exporter has to change in the flat zone: names wanted, names known to be ours. Pure.

Each name of ours has a TXT record that says whose it is and which addresses we wrote. A change is
made only while that record is what we know (a prerequisite, RFC 2136 2.4). So only our own records
are replaced or deleted. Time to live never matters: two writers cannot fight over it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from leasewatch import addresses
from leasewatch.dns.update_names import Addresses, Wanted

_HERITAGE: Final = b"leasewatch"
_MOST_TRIES: Final = 3
"""Of one name whose records in the zone are other than we knew, before it waits."""
RETRY: Final = 60.0
"""Seconds until a refused name is tried again."""


class Owner(NamedTuple):
    """Whose records they are. `id` tells hosts of the same name apart."""

    host: str
    id: str


class Held(NamedTuple):
    """What the TXT record at `_pyvirt.NAME` says: whose NAME is, and its addresses."""

    owner: Owner
    addresses: Addresses


class Change(NamedTuple):
    """One name. `before` is what our TXT record says, `after` what it should; None: no record.

    Both are the same if the records are to be there again, in case somebody has lost them.
    """

    name: str
    before: Held | None
    after: Held | None


class Refusal(NamedTuple):
    """Why a name is not in the zone, and when it is tried again (seconds, as `now`)."""

    why: str
    hint: str
    at: float


def texts(held: Held) -> tuple[bytes, ...]:
    """The strings of the TXT record."""
    head = _HERITAGE, f"host={held.owner.host}".encode(), f"id={held.owner.id}".encode()
    return (*head, *(one.encode() for one in held.addresses))


def parse_texts(strings: Sequence[bytes]) -> Held | None:
    """What a TXT record says; None: it is none of leasewatch's."""
    if len(strings) < 3 or strings[0] != _HERITAGE:
        return None
    shown = [one.decode("ascii", "replace") for one in strings[1:]]
    if not (shown[0].startswith("host=") and shown[1].startswith("id=")):
        return None
    owner = Owner(shown[0].removeprefix("host="), shown[1].removeprefix("id="))
    try:
        found = tuple(addresses.text(addresses.parse(one)) for one in shown[2:])
    except ValueError:
        return None
    return Held(owner, found)


class UpdatePlan:
    """Which names to change next. Only the last wish for a name counts."""

    def __init__(self, owner: Owner, wanted: Wanted) -> None:
        self.owner = owner
        self.wanted = wanted
        self.known: dict[str, Held] = {}
        """What our TXT records in the zone say, as far as we know."""
        self.refused: dict[str, Refusal] = {}
        self._due: dict[str, None] = {}
        """Names to look at, the longest waiting first."""
        self._again: set[str] = set()
        """Names whose records are to be written even if they are known to be there."""
        self._tries: dict[str, int] = {}
        """How often a name was found other than known since it was last changed."""

    def touch(self, names: Iterable[str]) -> None:
        """Look at these names: what they should have has changed."""
        for name in names:
            if name not in self.refused:
                self._due[name] = None
            elif not self.wanted.get(name):
                del self.refused[name]
                self._due[name] = None

    def compared(self, there: Mapping[str, Held], now: float) -> list[tuple[str, Refusal]]:
        """`there` is what each TXT record in the zone says. Looks at every name again.

        Returns the refusals that are new.
        """
        self.known = {name: one for name, one in there.items() if self._is_ours(one)}
        self.refused = {name: one for name, one in self.refused.items() if name in self.wanted}
        self._tries.clear()
        self._again = set(self.known)
        self._due = dict.fromkeys((*self.wanted, *self.known))
        taken = [
            (name, self._refuse_for(name, one, now))
            for name, one in there.items()
            if self.wanted.get(name) and not self._is_ours(one)
        ]
        return [(name, refusal) for name, refusal in taken if refusal is not None]

    def waiting(self) -> int:
        """How many names are to be looked at."""
        return len(self._due)

    def names(self) -> set[str]:
        """Every name that is, or should be, in the zone."""
        return {*self.wanted, *self.known}

    def next_changes(self, most: int) -> list[Change]:
        """The next changes, each of a name; none: nothing is left to do."""
        found: list[Change] = []
        for name in list(self._due):
            change = Change(name, self.known.get(name), self._wish(name))
            if change.before == change.after and name not in self._again:
                del self._due[name]
            else:
                found.append(change)
                if len(found) == most:
                    break
        return found

    def done(self, changes: Iterable[Change]) -> list[str]:
        """The server made these changes; returns the names that were refused until now."""
        accepted = []
        for name, _, after in changes:
            self._again.discard(name)
            self._tries.pop(name, None)
            self._set_known(name, after)
            if self.refused.pop(name, None) is not None:
                accepted.append(name)
        return accepted

    def found(self, change: Change, there: Held | None, now: float) -> Refusal | None:
        """The server did not make the change, because its records are other than we knew.

        `there` is what the TXT record says now. Returns a refusal that is new.
        """
        name = change.name
        tries = self._tries[name] = self._tries.get(name, 0) + 1
        ours = there if there is not None and self._is_ours(there) else None
        self._set_known(name, ours)
        if ours != change.before and tries < _MOST_TRIES:
            return None
        if change.after is None and ours is None:
            return None
        if there is not None and ours is None:
            return self._refuse_for(name, there, now)
        what = "has records in the zone that leasewatch did not make"
        return self.refuse(name, what, "delete them on the server, or use another name", now)

    def refuse(self, name: str, why: str, hint: str, now: float) -> Refusal | None:
        """Leave a name alone until `RETRY` seconds from now; returns a refusal that is new."""
        former = self.refused.get(name)
        self.refused[name] = refusal = Refusal(why, hint, now + RETRY)
        self._due.pop(name, None)
        self._tries.pop(name, None)
        return refusal if former is None or former.why != why else None

    def allow(self, names: Iterable[str]) -> None:
        """Forget why these names were refused."""
        for name in names:
            self.refused.pop(name, None)

    def to_retry(self, now: float, most: int) -> list[str]:
        """Refused names whose time has come, the longest waiting first."""
        due = sorted((one.at, name) for name, one in self.refused.items() if one.at <= now)
        return [name for _, name in due[:most]]

    def retry(self, names: Iterable[str], there: Mapping[str, Held], now: float) -> None:
        """Try these refused names again, except those that another host still has."""
        for name in names:
            held = there.get(name)
            if held is not None and not self._is_ours(held):
                self._refuse_for(name, held, now)
            else:
                self._due[name] = None

    def _wish(self, name: str) -> Held | None:
        found = self.wanted.get(name)
        return Held(self.owner, found) if found else None

    def _set_known(self, name: str, ours: Held | None) -> None:
        if ours is not None:
            self.known[name] = ours
        else:
            self.known.pop(name, None)
            self._again.discard(name)

    def _is_ours(self, held: Held) -> bool:
        return held.owner.id == self.owner.id

    def _refuse_for(self, name: str, held: Held, now: float) -> Refusal | None:
        host, number = held.owner
        hint = f"rename one; if that host is gone: sudo leasewatch dns withdraw --id {number}"
        return self.refuse(name, f"belongs to host {host} (id {number})", hint, now)
