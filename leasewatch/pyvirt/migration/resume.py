"""`domain migrate --resume`: finish a migration whose link was lost once the guest had gone over.

The guest is the destination's then. It stands still for want of memory that is still here, or it
runs there, and the source does not know it yet.
"""

from __future__ import annotations

import contextlib
import time
from typing import Final

import msgspec

from leasewatch.files import locks
from leasewatch.pyvirt.domains.moving import REST
from leasewatch.pyvirt.domains.qemu_process import migration_folder
from leasewatch.pyvirt.domains.qmp_session import RefusedError
from leasewatch.pyvirt.files import DomainFiles
from leasewatch.pyvirt.migration import channel, ends
from leasewatch.pyvirt.migration.doors import Door
from leasewatch.pyvirt.migration.memory import Memory
from leasewatch.pyvirt.migration.progress import Progress
from leasewatch.pyvirt.migration.protocol import Done, Finish, Recover
from leasewatch.pyvirt.migration.source import Move, Source
from leasewatch.pyvirt.migration.wanted import Moved, Resumable, Wanted
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal.status_line import StatusLine

_PATIENCE: Final = 5.0  # seconds that another command on the domain may take
_ANSWER: Final = 20.0  # seconds for the destination to answer
_RECOVERS: Final = 40.0  # seconds for its QEMU to notice that the link was lost, and to listen
_NOTICES: Final = 20.0  # seconds for the QEMU here to notice it


class Resumption(Source):
    """All domains below one root."""

    def resume_migration(self, name: str, wanted: Wanted, line: StatusLine) -> Moved:
        """Finish what was begun; UserError if nothing was, or the destination has no such guest."""
        begun = time.monotonic()
        files = self._files(name)
        with contextlib.ExitStack() as held:
            held.enter_context(locks.exclusive(files.commands, _PATIENCE))
            domain = self.get(name)
            self.check_running(name)
            _check_handed_over(files, wanted.host)
            remote = self.connect(held, files, wanted.host, line)
            move = _Rest(held, self._paths, domain, wanted, remote, "--again")
            move.resume(Progress(line, name, wanted.host))
            problem = move.settle()
            move.end_here()
            self._remove(files, domain, shared=move.shared)
            return Moved(0, time.monotonic() - begun, postcopy=True, problem=problem)


class _Rest(Move):
    """What is left of a migration."""

    def resume(self, progress: Progress) -> None:
        """Send the rest of the memory, or have the guest run whose memory is there."""
        self.open_session()
        kept = _kept(self._files)
        self._cards, self.shared = kept.cards, kept.shared
        if self._state() != "completed":
            self._recover(progress)
        self._agent.ask(Finish(cards=self._cards), Done, _RECOVERS)

    def _recover(self, progress: Progress) -> None:
        self._await_pause()
        way = channel.choose(
            self._remote, self._wanted.address, lambda door: self._agent.ask(door, Door, _ANSWER)
        )
        self._held.callback(way.close)
        self._agent.ask(Recover(), Done, _RECOVERS)
        way.connect(migration_folder(self._files), REST)
        limit = {"max-postcopy-bandwidth": (self._wanted.options.bandwidth or 0) << 20}
        self._session.ask("migrate-set-parameters", limit)
        self._session.ask("migrate", {"uri": ends.uri(REST), "resume": True})
        memory = Memory(self._session, self._modes, progress.memory, self._hand_over)
        memory.complete(after_pause=True)

    def _await_pause(self) -> None:
        """Wait until QEMU here has noticed that the link is lost."""
        deadline = time.monotonic() + _NOTICES
        while (state := self._state()) != "postcopy-paused":
            with contextlib.suppress(RefusedError):
                self._session.ask("migrate-pause")
            if time.monotonic() > deadline or not state.startswith("postcopy"):
                raise UserError(f"there is no memory to send (QEMU: {state})", code="timeout")
            time.sleep(0.05)

    def _state(self) -> str:
        return str(self._session.ask("query-migrate").get("status", "none"))


def _check_handed_over(files: DomainFiles, host: str) -> None:
    try:
        there = files.handed_over.read_text()
    except FileNotFoundError:
        what = f"no migration of {files.name} waits to be resumed"
        hint = f"sudo pyvirt domain migrate {files.name} {host}"
        raise UserError(what, hint, "not-running") from None
    if there != host:
        hint = f"sudo pyvirt domain migrate {files.name} {there} --resume"
        raise UserError(f"{files.name} was handed over to {there}, not to {host}", hint, "usage")


def _kept(files: DomainFiles) -> Resumable:
    """Without it, disks stay: they might be the destination's, too."""
    try:
        return msgspec.json.decode(files.resumable.read_bytes(), type=Resumable)
    except (FileNotFoundError, msgspec.MsgspecError):
        return Resumable(shared=True, cards=())
