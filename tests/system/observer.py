"""Reads the published table for as long as something happens, and holds what it says against truth.

It knows neither what happens nor how names are made: what may stand in a table is the truth's to
say. Each table is read whole once, and between two of them names are looked up as programs do it,
through the module's own C code.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from leasewatch.files.reading import Signature, signature
from nss_pyvirt import snapshot
from nss_pyvirt.snapshot import Host, SnapshotError

_TOLD = 5
"""Faults to tell; the first ones matter."""
_PAUSE = 0.002
"""Seconds between looks: a table stays longer, and the machine has more to do."""


class Truth(Protocol):
    """What the sources of a table have ever held."""

    @property
    def always(self) -> Sequence[str]:
        """The names that must answer at every moment."""

    def fault(self, host: Host) -> str:
        """What is wrong with a host of the table: something that no source ever held. "": nothing.

        Of a lookup, `host` has the addresses that are answered.
        """


class Observer:
    """`with Observer(table, truth) as seen:` fails at its end if at any moment the table lied.

    Lost: a name of `truth.always` that is not found. Invented: what `truth.fault` refuses. Broken:
    a table that cannot be read, or one that is older than the one before it.
    """

    def __init__(self, table: Path, truth: Truth) -> None:
        self._table = table
        self._truth = truth
        self._names = cycle(truth.always)
        self._faults: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="observer")
        self._began = 0.0
        self._read: Signature | None = None
        self._sound: set[Host] = set()
        self.generation = 0
        """Of the last table that was read."""
        self.generations = 0
        """How many tables were read."""
        self.lookups = 0

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(60)
        told = "\n".join(self._faults[:_TOLD])
        if error is not None:
            error.add_note(f"{self.summary}\n{told}")
            return
        assert not self._faults, f"{self.summary}\n{told}"
        assert self.generations, "no table was read"
        assert self.lookups, "no name was looked up"

    @property
    def summary(self) -> str:
        """How much was looked at."""
        return (
            f"{self.generations} tables and {self.lookups} lookups in"
            f" {time.monotonic() - self._began:.1f} s: {len(self._faults)} faults"
        )

    def _run(self) -> None:
        try:
            while not self._stop.wait(_PAUSE):
                self._look()
            self._look()
        except Exception as error:  # noqa: BLE001  # an observer that died has seen nothing
            self._say(f"observer: {error!r}")

    def _look(self) -> None:
        """A new table whole, else some names of the one that is there."""
        try:
            found = signature(self._table)
            if self._read != found:
                self._read = found
                self._check_table(snapshot.read(self._table))
                return
            for _, name in zip(range(20), self._names, strict=False):
                self._check_name(name)
        except (OSError, SnapshotError) as error:
            self._say(f"broken: {error}")

    def _check_table(self, table: snapshot.Snapshot) -> None:
        self.generations += 1
        if table.generation < self.generation:
            self._say(f"broken: generation {table.generation} after {self.generation}")
        self.generation = table.generation
        names = {name for host in table.hosts for name in host.names}
        for name in self._truth.always:
            if name not in names:
                self._say(f"lost: {name} from generation {table.generation}")
        for host in table.hosts:
            self._judge(host, f"in generation {table.generation}")

    def _check_name(self, name: str) -> None:
        self.lookups += 1
        answer = snapshot.lookup(self._table, name)
        if answer.status != "found":
            self._say(f"lost: {name} is {answer.status} after generation {self.generation}")
        else:
            self._judge(Host(answer.names, answer.addresses), "answered")

    def _judge(self, host: Host, where: str) -> None:
        if host in self._sound:
            return
        if why := self._truth.fault(host):
            self._say(f"invented: {show(host)} {where}: {why}")
        else:
            self._sound.add(host)

    def _say(self, what: str) -> None:
        if len(self._faults) < 10_000:
            self._faults.append(f"{time.monotonic() - self._began:.3f} s: {what}")


class Said:
    """A truth in words: which addresses each name may have, and which names must answer.

    Of IPv6 addresses only what is another name's is wrong: a guest may use any that nobody has.
    """

    def __init__(self, allowed: Mapping[str, set[str]], *, always: Iterable[str]) -> None:
        self._allowed = allowed
        self._given = {address for given in allowed.values() for address in given}
        self.always: Sequence[str] = tuple(always)

    def fault(self, host: Host) -> str:
        """A name or an address of its own that no source held."""
        bare = host.names[0].partition(".")[0]
        if bare not in self._allowed:
            return "there is no such name"
        strange = set(addresses(host)) - self._allowed[bare]
        wrong = sorted(a for a in strange if ":" not in a or a in self._given)
        return f"it never had {', '.join(wrong)}" if wrong else ""


def addresses(host: Host) -> Iterator[str]:
    """A host's addresses as text."""
    return (socket.inet_ntop(a.family, a.packed) for a in host.addresses)


def show(host: Host) -> str:
    """A host in a few words."""
    ends = [
        f"{text} until {a.expires}" for text, a in zip(addresses(host), host.addresses, strict=True)
    ]
    return f"{host.names[0]} = {', '.join(ends) or 'nothing'}"
