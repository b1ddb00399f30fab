"""The agent on the destination: it makes ready for a guest, and lets it run.

The source starts it by ssh (`pyvirt domain receive NAME`). It holds the domain's lock for the whole
migration. If the source goes away before the guest was handed over, nothing of it is left here.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable
from typing import Final

from leasewatch.files import holders, locks
from leasewatch.model import ARRIVING
from leasewatch.paths import Paths
from leasewatch.pyvirt import process
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.domains import restores
from leasewatch.pyvirt.domains.domains import Domains
from leasewatch.pyvirt.domains.incoming import Incoming
from leasewatch.pyvirt.domains.moving import REST
from leasewatch.pyvirt.domains.qemu_process import MIGRATION, migration_folder, qemu_root
from leasewatch.pyvirt.domains.qmp_session import QmpSession
from leasewatch.pyvirt.files import DomainFiles, domain_state
from leasewatch.pyvirt.migration import disks, ends, mirror, names, protocol, side, tls
from leasewatch.pyvirt.migration.doors import Door, DoorRequest, Doors
from leasewatch.pyvirt.migration.protocol import (
    MAIN,
    NBD,
    SILENCE,
    Ask,
    Attach,
    Condition,
    Done,
    Failed,
    Finish,
    Message,
    Offer,
    Prepare,
    Publish,
    Published,
    Recover,
    Request,
    Settle,
    Welcome,
)
from leasewatch.pyvirt.volumes.secrets import Secret
from nss_pyvirt import pidfds
from nss_pyvirt.errors import UserError

_PATIENCE: Final = 5.0  # seconds that another command on the domain may take
_ANSWER: Final = 20.0  # seconds for QEMU to answer
_ARRIVES: Final = 30.0  # seconds from the source's word to the guest's arrival
_DEFINED: Final = 20.0  # seconds for the parent to write the definition
_ENDS: Final = 10.0  # seconds for the parent to end
_NOTICES: Final = 20.0  # seconds for QEMU to notice that the link was lost
_AGAIN: Final = 0.3  # seconds between signals
_RUNS: Final = ("postcopy-active", "postcopy-paused", "postcopy-recover", "completed")
"""States of an incoming migration in which the guest may run here."""


def serve(
    paths: Paths, name: str, source: int, write: Callable[[bytes], object], *, again: bool
) -> None:
    """Answer requests that come from the descriptor `source`, until that ends or is silent.

    `again`: take over from an earlier agent, whose source has lost its connection.
    UserError if another command works on the domain.
    """
    receiver = Receiver(paths, name)
    files = receiver.files
    if again:
        _end_former(files)
    with locks.exclusive(files.commands, _PATIENCE), contextlib.closing(receiver):
        held = locks.ProcessLock(files.receiver)
        held.acquire()
        files.run.chmod(0o700)
        try:
            _answer(receiver, source, write)
        finally:
            held.release()


def _end_former(files: DomainFiles) -> None:
    """End the agent of a source whose connection was cut, if it does not end by itself."""
    deadline = time.monotonic() + _PATIENCE
    while locks.holder(files.receiver) is not None:
        if time.monotonic() > deadline:
            holders.stop(files.receiver, 0)
        time.sleep(0.02)


def _answer(receiver: Receiver, source: int, write: Callable[[bytes], object]) -> None:
    poll = select.poll()
    poll.register(source, select.POLLIN)
    received, heard = b"", time.monotonic()
    while True:
        if receiver.session is not None:
            poll.register(receiver.session, select.POLLIN)
        ready = {fd for fd, _ in poll.poll(max(0.0, heard + SILENCE - time.monotonic()) * 1000)}
        if receiver.session is not None:
            poll.unregister(receiver.session)
            receiver.hear()
        if source not in ready:
            if not ready and time.monotonic() >= heard + SILENCE:
                return
            continue
        more = os.read(source, 1 << 16)
        if not more:
            return
        received += more
        while b"\n" in received:
            line, _, received = received.partition(b"\n")
            if line:  # else it only says that it is there
                write(protocol.encode(_answered(receiver, line)))
                receiver.hear()
        heard = time.monotonic()


def _answered(receiver: Receiver, line: bytes) -> Message | Door:
    try:
        return receiver.answer(protocol.decode_request(line))
    except UserError as error:
        return Failed(what=error.what, hint=error.hint, code=error.code)
    except OSError as error:
        return Failed(what=f"the destination failed: {error}")


class Receiver(Domains):
    """One domain that is to come. Close it in the end."""

    def __init__(self, paths: Paths, name: str) -> None:
        super().__init__(paths)
        self.files = self._files(name)
        self.session: QmpSession | None = None
        """A connection to the QEMU that waits for the guest."""
        self._held = contextlib.ExitStack()
        owner = int(os.environ.get("SUDO_UID", "0"))  # sshd runs as that user
        self._doors = self._held.enter_context(contextlib.closing(Doors(paths, owner)))
        self._definition: DomainDefinition | None = None
        self._offer = disks.DisksOffer()
        self._cards: tuple[names.Card, ...] = ()
        self._mirrored = True
        """The source may write to the disks: an earlier agent may have let it."""
        self._is_started = self._runs = False
        self._may_have_come = True
        """The source may have handed the guest over without a word from here (post-copy)."""

    def answer(self, request: Request) -> Message | Door:
        """Do what is asked; UserError where that cannot be done."""
        match request:
            case Offer():
                return self._welcome(request)
            case Prepare():
                self._prepare(request)
            case Attach():
                self._attach()
            case Finish():
                self._cards = request.cards
                self._finish_or_end()
            case Recover():
                self._recover()
            case Settle():
                self._settle()
            case Publish():
                return self._publish(request)
            case DoorRequest():
                return self._doors.open(request, migration_folder(self.files))
            case Ask():
                return self._condition()
        return Done()

    def hear(self) -> None:
        """Let a guest run whose source cannot go on any more (post-copy)."""
        session = self.session
        try:
            while session is not None and (event := session.next_event(time.monotonic())):
                if event.event == "MIGRATION" and event.data.get("status") == "postcopy-active":
                    self._let_run()
        except UserError:  # QEMU has ended
            self.session = None

    def close(self) -> None:
        """Remove what was made unless the guest runs here."""
        if self._is_started and not self._runs:
            try:
                self._runs = self._must_stay()
            except UserError:  # QEMU may wait for memory of a guest that is here
                self._runs = self._may_have_come
        if self.session is not None:
            self.session.close()
        if self._is_started and not self._runs:
            self._end_parent()
        if self._definition is not None and not self._runs:
            disks.discard(self._paths, self._definition)
        self._held.close()
        if self.files.name not in self.names() and domain_state(self.files) is None:
            import shutil  # noqa: PLC0415  start-up time

            shutil.rmtree(self.files.run, ignore_errors=True)
            self.files.ended.unlink(missing_ok=True)

    def _welcome(self, offer: Offer) -> Welcome:
        definition, cards = names.check(self._paths, offer.definition, offer.cards, offer.networks)
        self._offer = offer.disks
        answer = disks.answer(self._held, self._paths, definition, offer.disks)
        accel = self.choose_accel("auto", definition.arch, lambda _: None)
        host = os.uname().nodename
        self._definition, self._cards = definition, cards
        here = side.look(self._paths, host, accel, definition.arch)
        return Welcome(side=here, definition=definition, cards=cards, disks=answer)

    def _prepare(self, request: Prepare) -> None:
        definition = self._definition
        if definition is None:
            raise UserError("nothing was offered before", code="usage")
        if request.mirrored or request.content.files:
            volumes = self._offer.volumes if request.mirrored else ()
            disks.make(
                self._held, self._paths, definition, request.content, volumes, request.secrets
            )
        self._is_started = True
        self._may_have_come = "postcopy-ram" in request.capabilities
        incoming = Incoming(
            definition=definition,
            accel=request.accel,
            why="its guest comes from another host",
            postcopy=self._may_have_come,
            asks=not all(card.joined for card in self._cards),
        )
        secrets = {key: Secret(given) for key, given in request.secrets.items()}
        self.receive(definition.name, incoming, lambda _: None, secrets)
        migration_folder(self.files)
        process.hurry()  # from here on it starts no program
        session = self.session = QmpSession(self.files.migration_qmp, _ANSWER)
        credentials = str(request.parameters.get("tls-creds", ""))
        if credentials:
            tls.add(session, qemu_root(self.files), self._paths, "server")
        ends.set_up(session, request.capabilities, request.parameters)
        self._mirrored = request.mirrored
        if self._mirrored:
            mirror.export(session, credentials, f"/{MIGRATION}/{NBD}")
        if "multifd" in request.capabilities:
            session.ask("migrate-incoming", {"uri": ends.uri(MAIN)})

    def _attach(self) -> None:
        """Have QEMU read the guest from the connection that was made."""
        session = self._connected()
        with self._doors.connection() as come:
            session.ask("migrate-incoming", {"uri": ends.give(session, MAIN, come)})

    def _finish_or_end(self) -> None:
        """Let the guest run. UserError: it never will here, so that the source may go on."""
        try:
            self._finish()
        except UserError:
            if not self._may_run():
                self._end_parent()
            raise

    def _finish(self) -> None:
        """Let the guest run once it has come."""
        session = self._connected()
        deadline = time.monotonic() + _ARRIVES
        while not self._has_come():
            session.next_event(time.monotonic() + 0.02)
            if time.monotonic() > deadline:
                raise UserError("the guest has not arrived", code="timeout")
        self._let_run()

    def _recover(self) -> None:
        """Listen for the rest of the memory; UserError if the guest does not wait for it.

        QEMU may wait for that memory itself and answer nothing. Only its parent can reach it then.
        """
        socket = migration_folder(self.files) / REST
        deadline = time.monotonic() + _NOTICES
        while not socket.exists():
            with process.holder(self.files.lock) as pidfd:
                if pidfd is None or time.monotonic() > deadline:
                    what = f"the guest of {self.files.name} waits here for no memory"
                    raise UserError(what, code="not-running")
                pidfds.send(pidfd, signal.SIGUSR2)
            time.sleep(_AGAIN)

    def _has_come(self) -> bool:
        """Whether the guest can run here; UserError if it never can."""
        state = self._moved()
        if state == "failed":
            raise UserError("QEMU could not take the guest")
        return state in _RUNS

    def _may_run(self) -> bool:
        """Whether the guest runs here, or has nowhere else to go (post-copy)."""
        state = domain_state(self.files)
        if state is not None and state.state != ARRIVING:
            return True
        if self._moved().startswith("postcopy"):
            self._let_run()
        return self._runs

    def _must_stay(self) -> bool:
        """Whether to leave it alone: it may run, or a source may wait for it to be resumed."""
        return self._may_run() or (self._moved() == "completed" and self._definition is None)

    def _moved(self) -> str:
        """The state of the incoming migration."""
        return str(self._connected().ask("query-migrate").get("status", "none"))

    def _let_run(self) -> None:
        if self._runs:
            return
        session = self._connected()
        if self._mirrored:
            mirror.close(session)
        session.ask("cont")
        self._runs = True
        names.announce(self._paths, self._cards)

    def _settle(self) -> None:
        """Wait until its parent has made it a domain of this host."""
        definition = self.get_known()
        deadline = time.monotonic() + _DEFINED
        while not self.files.definition.exists() or not self.is_running(definition.name):
            if time.monotonic() > deadline:
                raise UserError(f"domain {definition.name} is not defined here", code="timeout")
            time.sleep(0.01)
        disks.keep(self._paths, definition)
        disks.name_images(self._paths, self._offer)

    def get_known(self) -> DomainDefinition:
        """The definition that was offered, or that is here already."""
        return self._definition or self.get(self.files.name)

    def _publish(self, request: Publish) -> Published:
        name = self.files.name
        names.bounce(self._connected(), request.cards)
        return Published(problem=names.await_name(self._paths, name, request.cards))

    def _condition(self) -> Condition:
        try:
            if self.is_running(self.files.name):
                guest = self._connected().ask("query-status")["status"]
                return Condition(guest=guest, migration=self._moved())
        except UserError as error:
            if error.code != "unavailable":
                raise
        return Condition(complaint=restores.last_words(self.files))

    def _connected(self) -> QmpSession:
        """The connection to QEMU, which an earlier agent may have started."""
        if self.session is None:
            if not self.files.migration_qmp.exists():
                raise UserError(f"domain {self.files.name} has not come", code="not-running")
            self.session = QmpSession(self.files.migration_qmp, _ANSWER)
            self._is_started = True
        return self.session

    def _end_parent(self) -> None:
        with process.holder(self.files.lock) as pidfd:
            if pidfd is not None:
                pidfds.send(pidfd, signal.SIGQUIT)
                if not pidfds.wait(pidfd, _ENDS):
                    pidfds.end(pidfd, 0)
        self._sweep(self.files)
