"""What `pyvirt domain` does: create, list, start, shut down, stop and delete domains.

Each running domain has one `pyvirt domain run` process (`domains.run`). Prints nothing.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from leasewatch.files import locks
from leasewatch.model import ARRIVING
from leasewatch.pyvirt import process
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.architectures import Arch
from leasewatch.pyvirt.defined.domain import Accel, DiskDefinition, DomainDefinition
from leasewatch.pyvirt.domains.known import KnownDomains
from leasewatch.pyvirt.domains.listing import lookup
from leasewatch.pyvirt.domains.machines import Chosen
from leasewatch.pyvirt.files import UNFINISHED, DomainFiles, domain_state, started_network
from leasewatch.pyvirt.process import Say
from nss_pyvirt.errors import UserError

if TYPE_CHECKING:
    from leasewatch.pyvirt.domains.incoming import Incoming
    from leasewatch.pyvirt.domains.plan import DomainRequest
    from leasewatch.pyvirt.domains.secrets import Secrets

_READY = 30.0  # seconds for `domain run` to say READY=1
_PUBLISHED = 1.0  # seconds for the service to publish the name
_ENDS = 10.0  # seconds that a parent needs at most from removing its run state to its end
_PATIENCE = 60.0  # seconds that another command on the same domain may take


class Domains(KnownDomains):
    """All domains below one root."""

    def create(self, request: DomainRequest) -> DomainDefinition:
        """Define a domain and make its disk; a failure leaves nothing."""
        from leasewatch.pyvirt.domains import hardware, plan  # noqa: PLC0415  start-up time

        hardware.settled(self._paths, request, ())  # before a long copy
        lock = self._paths.locks / "domains"
        with contextlib.ExitStack() as held:
            if request.disks:  # copying takes long, and other commands need not wait for it
                plan.plan(self._paths, request)
            disks: tuple[DiskDefinition, ...] = ()
            if request.image is not None or request.disks or request.size is not None:
                from leasewatch.pyvirt.domains.disk import take_images  # noqa: PLC0415  likewise

                disks = take_images(held, self._paths, request)
            request = hardware.settled(self._paths, request, disks)
            held.enter_context(locks.exclusive(lock, _PATIENCE))
            domain = plan.plan(self._paths, request, disks)
            files = self._files(domain.name)
            try:
                self._clear_unfinished()
                with contextlib.suppress(OSError):
                    files.data.rmdir()  # empty
                if files.data.exists():
                    hint = "move it away: no domain owns it"
                    raise UserError(f"{files.data} already exists", hint, "exists")
                self._make(domain, files, request)
            except OSError as error:
                raise UserError(f"cannot define domain {domain.name}: {error}") from error
        return domain

    def start(
        self,
        name: str,
        say: Say,
        secrets: Callable[[DomainDefinition], Secrets] | None = None,
        *,
        saved: bool = False,
    ) -> bool:
        """Return once QMP answers and the name is published; False: it was running already.

        A guest that was saved or paused goes on. `saved`: UserError where none is saved. `secrets`
        collects those of a domain that may be encrypted and does not run; None: its `secret_file`
        has them.
        """
        domain = self.get(name)
        files = self._files(name)
        given: Secrets = {}
        if secrets is not None and domain.may_be_encrypted and not self.is_running(name):
            given = secrets(domain)  # before the lock: somebody may have to type them
        with locks.exclusive(files.commands, _PATIENCE):
            _await_run_state(files)
            self._end_arriving(files)
            fresh = not self.is_running(name)
            if fresh:
                from leasewatch.pyvirt.domains.moving import check_not_elsewhere  # noqa: PLC0415

                check_not_elsewhere(files)
                store.check_defined(self._paths.domain_definitions, name, "domain")
                domain = self._adopt_image(domain)
                for nic in domain.nics:
                    started_network(self._paths, nic.network)
                if saved or files.saved.exists():
                    self._restore(domain, files, say, given)
                else:
                    fresh = self._start(domain, files, say, given)
        if not fresh:
            self._let_go_on(name, say)
        if not _is_published(self._paths.text("snapshot"), name):
            from nss_pyvirt.installer.pieces import start_command  # noqa: PLC0415  20 ms

            say(f"the name {name} is not published: is the service running? ({start_command()})")
        return fresh

    def _start(
        self, domain: DomainDefinition, files: DomainFiles, say: Say, secrets: Secrets
    ) -> bool:
        """Start a guest; False: a `start` that was killed has started it."""
        self.choose_accel(domain.accel, domain.arch, say)
        files.log.unlink(missing_ok=True)
        files.incoming.unlink(missing_ok=True)  # a killed command's
        try:
            self._start_parent(domain, files, say, secrets)
        except UserError:
            if not self.is_running(domain.name):
                raise
            return False
        return True

    def _restore(
        self, domain: DomainDefinition, files: DomainFiles, say: Say, secrets: Secrets
    ) -> None:
        """Let the saved guest go on."""
        from leasewatch.pyvirt.domains import restores, saved  # noqa: PLC0415  start-up time

        kept = saved.read(files)
        if kept is None:
            hint = f"sudo pyvirt domain start {domain.name}"
            raise UserError(f"no guest of domain {domain.name} is saved", hint, "not-found")
        self.choose_accel(kept.accel, domain.arch, say)
        files.log.unlink(missing_ok=True)
        receive = partial(self.receive, secrets=secrets)
        restores.restore(self._paths, domain, kept, receive, say)

    def _end_arriving(self, files: DomainFiles) -> None:
        """End a parent whose command was killed before its guest had arrived."""
        state = domain_state(files)
        if state is not None and state.state == ARRIVING:
            from leasewatch.pyvirt.domains import restores  # noqa: PLC0415  start-up time

            restores.end_arriving(files)

    def _start_parent(
        self, domain: DomainDefinition, files: DomainFiles, say: Say, secrets: Secrets
    ) -> None:
        timeout = _READY
        if domain.may_be_encrypted:
            from leasewatch.pyvirt.domains import secrets as handed  # noqa: PLC0415  start-up time

            timeout += handed.PATIENCE * len(handed.needed(self._paths, domain))
            handed.put(files, secrets)
        try:
            said = process.start_detached(
                ["domain", "run", domain.name],
                lambda: self.run(domain.name, process.say),
                unit=f"pyvirt-domain@{domain.name}.service",
                log=files.log,
                timeout=timeout,
                meanwhile=lambda: lookup(self._paths.text("snapshot"), domain.name),
            )
        finally:
            files.secrets.unlink(missing_ok=True)
        for sentence in said:
            say(sentence.removeprefix("pyvirt: "))

    def _let_go_on(self, name: str, say: Say) -> None:
        """Resume a domain that is paused; UserError if it has no guest that can go on."""
        state = domain_state(self._files(name))
        if state is None or state.state not in {"paused", "panicked"}:
            return
        from leasewatch.pyvirt.domains.pauses import DomainPauses  # noqa: PLC0415  seldom needed

        if DomainPauses(self._paths).resume(name):
            say(f"{name} was paused ({state.why}) and goes on")

    def run(self, name: str, say: Say) -> None:
        """Be the domain's parent until its guest ends."""
        from leasewatch.pyvirt.domains import incoming  # noqa: PLC0415  # only here
        from leasewatch.pyvirt.domains import run as domain_run  # noqa: PLC0415  # likewise

        arriving = incoming.take(self._files(name))
        if arriving is not None:
            domain = arriving.definition or self.get(name)
            domain_run.run(self._paths, domain, arriving.accel, say, arriving)
            return
        if self._files(name).saved.exists():  # it must not start anew
            raise UserError(f"domain {name} is saved", f"sudo pyvirt domain start {name}", "exists")
        domain = self._adopt_image(self.get(name))
        accel = self.choose_accel(domain.accel, domain.arch, say)
        domain_run.run(self._paths, domain, accel, say)

    def receive(
        self, name: str, incoming: Incoming, say: Say, secrets: Secrets | None = None
    ) -> None:
        """Start the parent of an arriving guest; return once its QEMU waits for it.

        The caller holds `files.commands`, moves the guest, and lets it run (`cont`). `secrets` are
        those of its encrypted disks.
        """
        from leasewatch.pyvirt.domains.incoming import write  # noqa: PLC0415  start-up time

        files = self._files(name)
        write(files, incoming)
        try:
            self._start_parent(incoming.definition or self.get(name), files, say, secrets or {})
        finally:
            files.incoming.unlink(missing_ok=True)

    def _adopt_image(self, domain: DomainDefinition) -> DomainDefinition:
        """The same, with a copy of the image that a former version left where it was."""
        if domain.disk is None:
            return domain
        from leasewatch.pyvirt.domains import disk  # noqa: PLC0415  # rarely needed

        return disk.adopt(self._paths, domain)

    def choose_accel(self, wanted: Accel, arch: Arch, say: Say) -> Chosen:
        """What `auto` means here; reports it when KVM has just been found not to work."""
        if wanted == "tcg":
            return wanted
        from leasewatch.pyvirt.domains import kvm  # noqa: PLC0415  start-up time

        if wanted == "kvm":
            kvm.check(arch)
            return wanted
        if arch != kvm.host():
            return "tcg"
        verdict = kvm.probe(self._paths.domain_runs.with_name("accel.json"))
        if verdict.fresh and verdict.accel == "tcg":
            say(f"guests are emulated, which is slower than KVM: {verdict.why}")
        return verdict.accel

    def delete(self, name: str, *, keep_disk: bool = False) -> list[Path]:
        """Remove a stopped domain: its disks, then its definition, then images of no other use.

        With `keep_disk` whole copies of the disks are left; returns where they are then.
        """
        import shutil  # noqa: PLC0415  start-up time

        from leasewatch.pyvirt.login import known_hosts  # noqa: PLC0415  start-up time
        from leasewatch.pyvirt.networks import hosts_entries  # noqa: PLC0415

        self.require(name)
        files = self._files(name)
        with locks.exclusive(files.commands, _PATIENCE):
            if self.is_running(name):
                raise UserError(
                    f"domain {name} is running", f"sudo pyvirt domain stop {name}", "running"
                )
            store.check_defined(self._paths.domain_definitions, name, "domain")
            self._sweep(files)
            kept = []
            if keep_disk:
                self._check_plain(name)
                from leasewatch.pyvirt.domains.disk import keep  # noqa: PLC0415  start-up time

                kept = keep(files)
            if files.data.exists():
                shutil.rmtree(files.data)
            hosts_entries.remove(self._paths, name)
            known_hosts.forget(self._paths, name)
            files.definition.unlink()
            hosts_entries.remove(self._paths, name)  # a repaired network has added it again
            files.ended.unlink(missing_ok=True)
            shutil.rmtree(files.run, ignore_errors=True)
        if self._paths.images.exists():
            from leasewatch.pyvirt.images.store import Images  # noqa: PLC0415  start-up time

            Images(self._paths).forget_unused()
        return kept

    def _check_plain(self, name: str) -> None:
        """UserError for encrypted disks, of which no copy is kept."""
        if encrypted := [disk.file for disk in self.get(name).disks if disk.encrypted]:
            what = f"{encrypted[0]} of {name} is encrypted, and no copy of it can be kept"
            hint = "copy what you need to a volume first: pyvirt volume create --help"
            raise UserError(what, hint, "invalid")

    def console(self, name: str, keyboard: int, screen: int, joined: Callable[[], None]) -> bool:
        """Join the serial console with two descriptors, one person at a time.

        Calls `joined` once it is sure that the console can be joined. True if that person left it,
        False if the guest has ended.
        """
        from leasewatch.pyvirt.domains import console  # noqa: PLC0415  start-up time

        self.get(name)
        files = self._files(name)
        self.check_running(name)
        held = locks.ProcessLock(files.console_lock)
        try:
            held.acquire()
        except UserError:
            pid = locks.holder(files.console_lock)
            raise UserError(
                f"the console of {name} is in use by process {pid}",
                "leave it there with Ctrl-]",
                "running",
            ) from None
        try:
            joined()
            return console.attach(files.console, keyboard, screen)
        except OSError as error:
            raise UserError(f"cannot connect to the console of {name}: {error.strerror}") from error
        finally:
            held.release()

    def _make(self, domain: DomainDefinition, files: DomainFiles, request: DomainRequest) -> None:
        """Make disks, seed, definition and hosts.d entries: all or nothing."""
        from leasewatch.pyvirt.networks import hosts_entries  # noqa: PLC0415  start-up time

        try:
            if domain.disks or domain.login is not None:
                files.data.mkdir(parents=True, mode=0o700)
                files.unfinished.touch()
            if domain.disks:
                from leasewatch.pyvirt.domains.disk import make_overlays  # noqa: PLC0415  likewise

                make_overlays(self._paths, domain, request.secret)
            if domain.login is not None:
                from leasewatch.pyvirt.login import seed  # noqa: PLC0415  start-up time

                seed.make(files, domain, request.user_data)
            files.ended.unlink(missing_ok=True)  # a former domain's of that name
            store.write(self._paths.domain_definitions, domain)
            hosts_entries.update(self._paths, domain, running=False)
            files.unfinished.unlink(missing_ok=True)
        except BaseException:
            with contextlib.suppress(OSError):
                files.definition.unlink(missing_ok=True)
                _remove_data(files)
                hosts_entries.remove(self._paths, domain.name)
            raise

    def _clear_unfinished(self) -> None:
        """Remove what a killed `create` or a killed migration to here has left."""
        defined = self.names()
        for marker in self._paths.domain_data.glob(f"*/{UNFINISHED}"):
            name = marker.parent.name
            if name in defined:
                marker.unlink()
            elif not self.is_running(name):  # else it is just arriving
                files = self._files(name)
                with contextlib.suppress(UserError), locks.exclusive(files.commands, 0):
                    _remove_data(files)


def _await_run_state(files: DomainFiles) -> None:
    """Let a parent that ends, and so has no run state any more, come to its end."""
    deadline = time.monotonic() + _ENDS
    while domain_state(files) is None and locks.holder(files.lock) is not None:
        if time.monotonic() > deadline:
            return  # the start says who holds it
        time.sleep(0.005)


def _remove_data(files: DomainFiles) -> None:
    """Remove the mark `unfinished` last, since this may be killed too."""
    if files.data.is_dir():
        for path in files.data.iterdir():
            if path.is_dir():
                import shutil  # noqa: PLC0415  start-up time

                shutil.rmtree(path)
            elif path.name != UNFINISHED:
                path.unlink()
        files.unfinished.unlink(missing_ok=True)
        files.data.rmdir()


def _is_published(snapshot: str, name: str) -> bool:
    """Whether the host table holds `name`, within a second."""
    deadline = time.monotonic() + _PUBLISHED
    while lookup(snapshot, name) is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.001)
    return True
