"""The driver on the source: it moves a running guest to another host.

The guest goes on here after any failure, until it is handed over. Then only the other host may let
it run. The driver writes that down first, so it holds also if the driver is killed.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from leasewatch.files import holders, locks
from leasewatch.paths import Paths
from leasewatch.pyvirt import process
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.domains import live, moving, probe, qemu_process
from leasewatch.pyvirt.domains.domains import Domains
from leasewatch.pyvirt.domains.qemu import Chosen
from leasewatch.pyvirt.domains.qemu_process import MIGRATION, migration_folder, qemu_root
from leasewatch.pyvirt.domains.qmp_session import QmpSession
from leasewatch.pyvirt.files import DomainFiles, domain_state
from leasewatch.pyvirt.migration import (
    channel,
    disks,
    ends,
    images,
    lost_answer,
    mirror,
    modes,
    names,
    side,
    tls,
)
from leasewatch.pyvirt.migration.doors import Door
from leasewatch.pyvirt.migration.memory import Memory, NotMovedError
from leasewatch.pyvirt.migration.modes import Modes
from leasewatch.pyvirt.migration.progress import Progress
from leasewatch.pyvirt.migration.protocol import (
    MAIN,
    NBD,
    Ask,
    Attach,
    Condition,
    Done,
    Finish,
    LostError,
    Offer,
    Prepare,
    Publish,
    Published,
    Settle,
    Welcome,
)
from leasewatch.pyvirt.migration.remote import Remote
from leasewatch.pyvirt.migration.wanted import Moved, Resumable, Wanted
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal.status_line import StatusLine

_PATIENCE: Final = 5.0  # seconds that another command on the domain may take
_ANSWER: Final = 20.0  # seconds for QEMU to answer
_PREPARES: Final = 120.0  # seconds for the destination to make disks and start QEMU
_ENDS: Final = 20.0  # seconds for the source's parent to end
_SAYS: Final = 3.0  # seconds for the destination to say why it failed


class Source(Domains):
    """All domains below one root."""

    def migrate(self, name: str, wanted: Wanted, line: StatusLine) -> Moved:
        """Move a running domain; UserError if its guest stays, and says so if it does not run."""
        try:
            return self._migrate(name, wanted, line)
        except KeyboardInterrupt:  # Ctrl-C, or `--cancel` on another terminal
            what = f"the move of {name} was cancelled: it goes on here"
            raise UserError(what, exit_code=130) from None

    def _migrate(self, name: str, wanted: Wanted, line: StatusLine) -> Moved:
        begun = time.monotonic()
        modes.check_options(wanted.options)
        files = self._files(name)
        with contextlib.ExitStack() as held:
            held.enter_context(locks.exclusive(files.commands, _PATIENCE))
            domain = self._running(name)
            remote = self.connect(held, files, wanted.host, line)
            move = Move(held, self._paths, domain, wanted, remote)
            move.prepare(self.choose_accel(domain.accel, domain.arch, line.note), line)
            downtime = self._run(move, files, Progress(line, name, wanted.host))
            line(f"{name} runs on {wanted.host}")
            problem = move.settle()
            move.end_here()
            self._remove(files, domain, shared=move.shared)
            return Moved(downtime, time.monotonic() - begun, move.postcopy, problem)

    def _run(self, move: Move, files: DomainFiles, progress: Progress) -> float:
        try:
            return move.run(progress)
        except UserError as error:
            gone = error.code == "unavailable" and not files.handed_over.exists()
            if gone and self.wait_for_end(files.name, _PATIENCE):
                what = f"the guest of {files.name} ended while it moved"
                hint = f"sudo pyvirt domain start {files.name}"
                raise UserError(what, hint, "not-running") from None
            raise

    def connect(
        self, held: contextlib.ExitStack, files: DomainFiles, host: str, line: StatusLine
    ) -> Remote:
        """Connect to the other host, as the driver of this domain until `held` ends."""
        driver = locks.ProcessLock(files.driver)
        driver.acquire()
        held.callback(driver.release)
        line(f"connecting to {host}")
        remote = Remote(host, paths=self._paths)
        remote.open()
        held.callback(remote.close)
        return remote

    def _running(self, name: str) -> DomainDefinition:
        """The definition of a domain whose guest runs, with the machine type that it has."""
        domain = self.get(name)
        self.check_running(name)
        _check_unchanged(self._files(name), domain)
        state = domain_state(self._files(name))
        if state is None or state.state != "running":
            why = f"is {state.state} ({state.why})" if state else "has just ended"
            hint = f"let it go on first: sudo pyvirt domain resume {name}"
            raise UserError(f"domain {name} {why}", hint, "not-running")
        machine = domain.machine or probe.look(self._paths, domain.arch).machine
        return msgspec.structs.replace(domain, machine=machine)

    def _remove(self, files: DomainFiles, domain: DomainDefinition, *, shared: bool) -> None:
        """Remove all of a domain that runs elsewhere; UserError if its parent does not end."""
        holders.stop(files.lock, _ENDS)
        files.definition.unlink(missing_ok=True)
        names.retire(files)
        disks.remove(self._paths, domain, shared=shared)
        files.ended.unlink(missing_ok=True)
        shutil.rmtree(files.run, ignore_errors=True)


class Move:
    """One migration. All that must end with it is in `held`."""

    def __init__(
        self,
        held: contextlib.ExitStack,
        paths: Paths,
        domain: DomainDefinition,
        wanted: Wanted,
        remote: Remote,
        *options: str,
    ) -> None:
        """`options` are for the agent."""
        self._held, self._paths, self._domain, self._wanted = held, paths, domain, wanted
        self._remote = remote
        self._files = DomainFiles(paths, domain.name)
        self._agent = lost_answer.agent(remote, domain.name, *options)
        self._cards: tuple[names.Card, ...] = ()
        self._mirror: mirror.Mirror | None = None
        self._modes = Modes((), {}, {})
        self.shared = True
        self.postcopy = False
        """The guest went before its memory."""

    def prepare(self, accel: Chosen, line: StatusLine) -> None:
        """Have both hosts agree, and the destination make all that the guest needs."""
        host = self._wanted.host
        line(f"asking {host}")
        here = side.look(self._paths, "this host", accel, self._domain.arch)
        with disks.offered(self._paths, self._domain) as offer:
            question = Offer(
                definition=self._domain,
                side=here,
                cards=names.cards(self._paths, self._domain),
                disks=offer,
                networks=dict(self._wanted.networks),
            )
            welcome = self._agent.ask(question, Welcome, _PREPARES)
        self._cards, self.shared = welcome.cards, welcome.disks.shared or not offer.marker
        there = msgspec.structs.replace(welcome.side, host=host)
        copied = bool(self._domain.disks or self._domain.volumes) and not self.shared
        options = msgspec.structs.replace(self._wanted.options, tls_hostname=self._certified_name())
        self._modes = modes.choose(options, here, there, self._domain.machine, disks=copied)
        progress = Progress(line, self._domain.name, host)
        missing = welcome.disks.missing
        self._held.enter_context(
            images.sent(self._remote, self._paths, offer, missing, progress.disks)
        )
        line(f"{host} makes ready")
        content = disks.DisksContent()
        if not self.shared:
            content = disks.content(self._paths, self._domain)
        request = Prepare(
            capabilities=self._modes.capabilities,
            parameters=self._modes.destination,
            accel=accel,
            content=content,
            secrets={key: bytes(secret) for key, secret in (self._wanted.secrets or {}).items()},
            mirrored=copied,
        )
        self._agent.ask(request, Done, _PREPARES)
        self._join(copied=copied)

    def _certified_name(self) -> str:
        """The name that the destination's certificate is for."""
        host, address, options = self._wanted.host, self._wanted.address, self._wanted.options
        if options.tls_hostname:
            return options.tls_hostname
        return channel.parse_address(address).host if address else tls.name_of(host)

    def open_session(self) -> QmpSession:
        """Connect to the QEMU here, until the end of the migration."""
        opened = contextlib.closing(_session(self._files))
        self._session = self._held.enter_context(opened)
        return self._session

    def _join(self, *, copied: bool) -> None:
        """Connect both QEMUs, and set up the one here."""
        session = self.open_session()
        self._files.handed_over.unlink(missing_ok=True)
        way = channel.choose(
            self._remote, self._wanted.address, lambda door: self._agent.ask(door, Door, _ANSWER)
        )
        self._held.callback(way.close)
        kept = Resumable(shared=self.shared, cards=self._cards)
        self._files.resumable.write_bytes(msgspec.json.encode(kept))
        if copied:
            way.connect(migration_folder(self._files), NBD)
        self._uri = self._main(session, way)
        if self._wanted.options.tls:
            tls.add(session, qemu_root(self._files), self._paths, "client")
            self._held.callback(tls.forget, session)
        ends.set_up(session, self._modes.capabilities, self._modes.source)
        if copied:
            self._mirror = mirror.Mirror(session, self._wanted.host, f"/{MIGRATION}/{NBD}")

    def _main(self, session: QmpSession, way: channel.Channel) -> str:
        """Make the way of memory and devices; returns what the QEMU here calls it."""
        if "multifd" in self._modes.capabilities:  # QEMU makes several connections itself
            way.connect(migration_folder(self._files), MAIN)
            return ends.uri(MAIN)
        with way.connection(MAIN) as made:
            self._agent.ask(Attach(), Done, _ANSWER)
            return ends.give(session, MAIN, made)

    def run(self, progress: Progress) -> float:
        """Move disks and memory, and hand the guest over; returns its downtime in seconds."""
        try:
            return self._run(progress)
        except UserError as error:
            explained = tls.explain(error.what, self._wanted.host, self._certified_name())
            if explained is None:
                raise self._explained(error) from None
            what = f"{explained.what}; {self._domain.name} goes on here"
            raise UserError(what, explained.hint, explained.code) from None

    def _explained(self, error: UserError) -> UserError:
        """With what the destination's QEMU has printed, if that has ended."""
        if isinstance(error, NotMovedError):
            with contextlib.suppress(UserError):
                said = self._agent.ask(Ask(), Condition, _SAYS).complaint
                if said:
                    return UserError(f"{error.what}; {self._wanted.host}: {said}", error.hint)
        return error

    def _run(self, progress: Progress) -> float:
        process.hurry()
        memory = Memory(self._session, self._modes, self._watched(progress), self._hand_over)
        with self._mirrored(progress):
            finish = self._mirror.finish if self._mirror else None
            stopped = memory.move(self._uri, finish)
            self._finish(memory)
        downtime = time.time() - stopped
        self.postcopy = memory.went_first
        memory.complete()
        return downtime

    def _watched(self, progress: Progress) -> Callable[[Mapping[str, Any]], None]:
        """Shows how far the memory is; UserError once the copy of a disk has failed meanwhile."""

        def report(answer: Mapping[str, Any]) -> None:
            if self._mirror is not None:
                self._mirror.look()
            progress.memory(answer)

        return report

    @contextlib.contextmanager
    def _mirrored(self, progress: Progress) -> Iterator[None]:
        """Copy the disks first; a failure leaves nothing of that."""
        if self._mirror is None:
            yield
            return
        try:
            self._mirror.start(self._nbd_credentials())
            self._mirror.wait(progress.disks)
            yield
        except BaseException:
            if not self._files.handed_over.exists():
                with contextlib.suppress(UserError):
                    self._mirror.cancel()
            raise

    def _nbd_credentials(self) -> dict[str, str]:
        """How QEMU's NBD client encrypts."""
        names = ("tls-creds", "tls-hostname")
        given = self._modes.source
        return {name: str(given[name]) for name in names if given.get(name)}

    def _hand_over(self, *, really: bool = True) -> None:
        """From now on only the destination may let the guest run.

        Ctrl-C would come too late then: the guest is not called back.
        """
        signal.signal(signal.SIGINT, signal.SIG_IGN if really else signal.default_int_handler)
        if really:
            self._files.handed_over.write_text(self._wanted.host)
        else:
            self._files.handed_over.unlink(missing_ok=True)

    def _finish(self, memory: Memory) -> None:
        """Have the destination let the guest run. UserError if it does not; it goes on here then.

        Post-copy has no way back, and needs no word: the destination sees by itself that it runs.
        """
        try:
            self._agent.ask(Finish(cards=self._cards), Done, lost_answer.FINISHES)
        except LostError as error:
            host, name = self._wanted.host, self._domain.name
            agent = None
            if not (memory.went_first and self._remote.lost()):
                agent = lost_answer.ask_again(self._held, self._paths, host, name, self._cards)
            if agent is None and memory.went_first:
                hint = moving.to_resume(name, host)
                raise UserError(error.what, hint, error.code) from None
            if agent is None:
                memory.take_back()
                what = f"{host} has not let the guest run: {error.what}"
                raise UserError(what, "it goes on here; try again") from None
            self._agent = agent
        except UserError as error:
            memory.take_back()
            what = f"{self._wanted.host} has not let the guest run: {error.what}"
            raise UserError(what, error.hint or "it goes on here; try again") from None

    def end_here(self) -> None:
        """End the QEMU that the guest has left."""
        with contextlib.suppress(UserError):
            self._session.ask("quit")

    def settle(self) -> str:
        """Wait until it is a domain of the destination; returns what is wrong with its name."""
        try:
            self._agent.ask(Settle(), Done, lost_answer.FINISHES)
        except UserError as error:
            name, host = self._domain.name, self._wanted.host
            what = f"{name} runs on {host}, and is still defined here: {error.what}"
            hint = f"finish it: sudo pyvirt domain migrate {name} {host} --resume"
            raise UserError(what, hint, error.code) from None
        try:
            asked = Publish(cards=self._cards)
            return self._agent.ask(asked, Published, names.PATIENCE + _ANSWER).problem
        except LostError as error:
            return error.what


def _check_unchanged(files: DomainFiles, domain: DomainDefinition) -> None:
    """UserError for a guest that the definition no longer describes: it would not fit there."""
    waiting = live.waiting(qemu_process.definition(files), domain)
    if changed := [key for key in waiting if key != "address"]:
        what = f"{' and '.join(changed)} of {files.name} changed since its start"
        hint = f"restart it, or change it back: sudo pyvirt domain restart {files.name}"
        raise UserError(what, hint, "pending")


def _session(files: DomainFiles) -> QmpSession:
    if not files.migration_qmp.exists():
        what = f"domain {files.name} was started by an earlier version of pyvirt"
        raise UserError(what, f"restart it first: sudo pyvirt domain restart {files.name}")
    return QmpSession(files.migration_qmp, _ANSWER)
