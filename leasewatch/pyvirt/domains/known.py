"""What any user may see of domains: their definitions and what runs.

It changes nothing, but cleans up after a killed `pyvirt domain run` if the user is root.
"""

from __future__ import annotations

import contextlib
import os

from leasewatch.daemon import alive
from leasewatch.files import locks
from leasewatch.model import ARRIVING
from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.domains.listing import KEYS, KILLED, Listing
from leasewatch.pyvirt.files import DomainFiles, domain_state, not_arrived, running_domains
from nss_pyvirt import pidfds
from nss_pyvirt.errors import UserError


class KnownDomains:
    """All domains below one root."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        if os.geteuid() == 0 and paths.domain_rename.exists():
            from leasewatch.pyvirt.domains import rename  # noqa: PLC0415  # rarely needed

            rename.finish(paths)

    def names(self) -> list[str]:
        """The names of all defined domains."""
        return store.names(self._paths.domain_definitions)

    def get(self, name: str) -> DomainDefinition:
        """The checked definition; UserError with a likely name where there is none."""
        try:
            return store.read(self._paths.domain_definitions, name, DomainDefinition)
        except UserError:
            self._check_arrived(name)
            raise

    def _check_arrived(self, name: str) -> None:
        """UserError where the domain still runs on the host that it comes from."""
        state = domain_state(self._files(name))
        if state is None or state.state != ARRIVING:
            return
        if alive.is_alive(state.pid, state.born):
            raise not_arrived(name, state.why)

    def is_running(self, name: str) -> bool:
        """Whether a `pyvirt domain run` process holds it."""
        files = self._files(name)
        try:
            return locks.holder(files.lock) is not None
        except PermissionError:  # a plain user may read only the run state
            state = domain_state(files)
            return state is not None and alive.is_alive(state.pid, state.born)

    def check_running(self, name: str) -> None:
        """UserError with the reason if it does not run."""
        if self.is_running(name):
            return
        why = self.describe(name)["why"]
        what = f"domain {name} is not running{why and f': {why}'}"
        raise UserError(what, f"sudo pyvirt domain start {name}", "not-running")

    def wait_for_end(self, name: str, timeout: float | None) -> bool:
        """Whether it no longer runs within `timeout` seconds (None: wait without an end).

        UserError for an unknown name.
        """
        self.require(name)
        state = domain_state(self._files(name))
        if state is None or not self.is_running(name):
            return True
        try:
            pidfd = os.pidfd_open(state.pid)
        except ProcessLookupError:
            return True
        try:
            # It has opened the parent, not a process that got its number just now.
            while alive.is_alive(state.pid, state.born):
                ended = pidfds.wait(pidfd, 3600 if timeout is None else timeout)
                if not ended and timeout is not None:
                    return False
            return True
        finally:
            os.close(pidfd)

    def running(self, state: str = "") -> list[str]:
        """The names of all domains that run, also of undefined ones, or are in this state."""
        states = (each for each in running_domains(self._paths) if each.state != ARRIVING)
        return sorted(each.name for each in states if state in {"", each.state})

    def describe(self, name: str) -> dict[str, object]:
        """The row of `list` and `show`."""
        return Listing(self._paths).describe(name)

    def row(self, name: str) -> dict[str, object]:
        """The row of a domain that has never run: what its definition says."""
        domain = self.get(name)
        special = {
            "state": "stopped",
            "why": "",
            "aliases": list(domain.aliases),
            "networks": [nic.network for nic in domain.nics],
            "macs": [nic.mac for nic in domain.nics],
            "reserved": [nic.address for nic in domain.nics if nic.address],
            "addresses": [],
            "user": domain.login.user if domain.login else None,
            "volumes": list(domain.volumes),
            "encrypted": any(disk.encrypted for disk in domain.disks),
            "disks": [disk.source for disk in domain.disks] or list(filter(None, [domain.disk])),
        }
        return {key: special.get(key, getattr(domain, key, None)) for key in KEYS}

    def clear_up(self, name: str, patience: float) -> None:
        """Clean up after a killed parent; UserError while another command is at it."""
        self._clear_up(self._files(name), patience)

    def require(self, name: str) -> None:
        """UserError for an unknown name.

        A definition that is broken, or was removed under a running domain, is enough to end that.
        """
        store.check_name(name, "domain")
        if name not in self.names():
            self._check_arrived(name)
            if not self.is_running(name):
                self.get(name)

    def _files(self, name: str) -> DomainFiles:
        return DomainFiles(self._paths, name)

    def _clear_up(self, files: DomainFiles, patience: float) -> None:
        """Sweep, unless a command is just starting the domain."""
        if domain_state(files) is not None:
            with locks.exclusive(files.commands, patience):
                self._sweep(files)
                if files.name not in self.names():  # deleted, perhaps just now by another command
                    import shutil  # noqa: PLC0415  start-up time

                    files.ended.unlink(missing_ok=True)
                    shutil.rmtree(files.run, ignore_errors=True)

    def _sweep(self, files: DomainFiles) -> None:
        """Clean up after a killed `pyvirt domain run`, if there was one."""
        if domain_state(files) is None:
            return
        from leasewatch.pyvirt.domains.sweep import sweep  # noqa: PLC0415  # 20 ms, rarely needed

        held = locks.ProcessLock(files.lock)
        with contextlib.suppress(UserError):  # held: the command that started it sweeps itself
            held.acquire()
            try:
                sweep(files, KILLED)
            finally:
                held.release()
