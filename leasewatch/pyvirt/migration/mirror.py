"""Copy the disks of a running guest into the destination's overlays, by QEMU's mirror jobs.

The destination's QEMU exports its disks (NBD) before its guest arrives. The source's QEMU copies
what its overlays hold, and sends every later write to both. After a failure the guest goes on with
the source's own disks. A mirror ends complete only by `Mirror.finish`, while the guest stands
still.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from leasewatch.pyvirt.domains.qmp_session import QmpSession, RefusedError
from nss_pyvirt.errors import UserError

SOCKET: Final = "/migration/nbd"
"""Where either QEMU has its end of the connection, in its own root folder."""
_OURS: Final = "migrate-"
"""How the names of our jobs and nodes begin."""
_SILENCE: Final = 60.0  # seconds in which a mirror may copy nothing
_ENDS: Final = 20.0  # seconds for a job to do what it was told
_FINISHES: Final = 60.0  # seconds to copy what the guest wrote last
_PAUSE: Final = 0.1  # seconds between looks at jobs that copy
_MOMENT: Final = 0.002  # seconds between looks while the guest stands still
_FULL: Final = "No space left on device"

Progress = Callable[[int, int], None]
"""Gets the bytes that are there, and how many there will be. What it raises ends the wait."""


class _Job(msgspec.Struct, rename="kebab"):
    id: str
    status: str
    current_progress: int
    total_progress: int
    error: str = ""


class Copied(NamedTuple):
    """How far the mirrors of all disks are."""

    done: int
    total: int
    """Bytes."""
    is_ready: bool
    """All is there; since then each write reaches both."""


def export(session: QmpSession, tls: str = "", socket: str = SOCKET) -> None:
    """On the destination: let the source write to the disks; `tls`: the id of credentials."""
    address = {"type": "unix", "data": {"path": socket}}
    session.ask("nbd-server-start", {"addr": address} | ({"tls-creds": tls} if tls else {}))
    for disk in _disks(session):
        words = {"id": disk, "node-name": disk, "name": disk, "writable": True}
        session.ask("block-export-add", {"type": "nbd", **words})


def close(session: QmpSession) -> None:
    """On the destination, before its guest runs: it alone writes to the disks from then on."""
    with contextlib.suppress(RefusedError):  # there is none
        session.ask("nbd-server-stop")


class Mirror:
    """On the source: the mirrors of all disks. `host` is what messages call the destination."""

    def __init__(self, session: QmpSession, host: str, socket: str = SOCKET) -> None:
        self._session, self._host, self._socket = session, host, socket

    def start(self, tls: Mapping[str, str] = {}) -> None:
        """Begin to copy to the QEMU at the socket; `tls` are further options of its NBD node.

        UserError where it does not answer.
        """
        self.cancel()  # what a killed command left
        server = {"type": "unix", "path": self._socket}
        for disk in _disks(self._session):
            name = f"{_OURS}{disk}"
            node = {"driver": "nbd", "node-name": name, "server": server, "export": disk}
            try:
                self._session.ask("blockdev-add", {**node, "discard": "unmap", **tls})
            except RefusedError as error:
                what = f"cannot reach the disks on {self._host}: {error.desc}"
                raise UserError(what, error.hint, error.code) from None
            job = {"job-id": name, "filter-node-name": f"{name}-filter"}
            job |= {"device": disk, "target": name, "sync": "top", "copy-mode": "write-blocking"}
            kept = {"auto-finalize": False, "auto-dismiss": False}  # see `finish`
            self._session.ask("blockdev-mirror", {**job, **kept})

    def look(self) -> Copied:
        """How far it is; UserError where it has failed."""
        jobs = self._jobs()
        for job in jobs:
            if job.status in {"aborting", "concluded"}:
                raise self._failure(job)
        done, total = (sum(counts) for counts in _counts(jobs))
        return Copied(done, total, all(job.status == "ready" for job in jobs))

    def wait(self, progress: Progress) -> None:
        """Return once all is there; UserError where it fails or stands still."""
        last, moved = -1, time.monotonic()
        while not (copied := self.look()).is_ready:
            progress(copied.done, copied.total)
            if copied.done != last:
                last, moved = copied.done, time.monotonic()
            elif time.monotonic() > moved + _SILENCE:
                what = f"{self._host} has taken nothing of the disks for {_SILENCE:g} s"
                raise UserError(what, "see whether its disk is busy", "timeout")
            time.sleep(_PAUSE)
        progress(copied.done, copied.total)

    def finish(self) -> None:
        """While the guest stands still: complete the copy, and leave the source as it was.

        A job that completes would move the guest to the other disk. It asks before it does so
        ("pending"): then all is written and flushed, and it is cancelled. UserError where it fails;
        `cancel` cleans up then.
        """
        jobs = [job.id for job in self._jobs()]
        try:
            for job in jobs:
                self._session.ask("job-complete", {"id": job})
        except RefusedError:
            self.look()  # which says why it has failed
            raise
        self._await(jobs, "pending", _FINISHES)
        for job in jobs:
            self._session.ask("job-cancel", {"id": job})
        self._await(jobs, "concluded", _ENDS)
        self.cancel()

    def cancel(self) -> None:
        """Leave nothing of a mirror in QEMU. UserError if a job does not end: cut its link."""
        deadline = time.monotonic() + _ENDS
        while jobs := self._jobs():
            for job in jobs:
                word = "job-dismiss" if job.status == "concluded" else "job-cancel"
                with contextlib.suppress(RefusedError):  # it has just gone on to its next state
                    self._session.ask(word, {"id": job.id})
            if time.monotonic() > deadline:
                what = f"QEMU has not ended the copy of its disks within {_ENDS:g} s"
                raise UserError(what, code="timeout")
            time.sleep(_MOMENT)
        for node in _nodes(self._session):
            if node["node-name"].startswith(_OURS):
                self._session.ask("blockdev-del", {"node-name": node["node-name"]})

    def _await(self, jobs: list[str], status: str, patience: float) -> None:
        deadline = time.monotonic() + patience
        while {job.id for job in self._jobs() if job.status == status} != {*jobs}:
            for job in self._jobs():
                if job.status == "concluded" != status:
                    raise self._failure(job)
            if time.monotonic() > deadline:
                what = f"{self._host} has not taken the last of the disks within {patience:g} s"
                raise UserError(what, code="timeout")
            time.sleep(_MOMENT)

    def _jobs(self) -> list[_Job]:
        jobs = msgspec.convert(self._session.ask("query-jobs"), list[_Job])
        return [job for job in jobs if job.id.startswith(_OURS)]

    def _failure(self, job: _Job) -> UserError:
        disk = job.id.removeprefix(_OURS)
        if _FULL in job.error:
            hint = f"make room below /var/lib/pyvirt/domains on {self._host}"
            return UserError(f"the disk of {self._host} is full: {disk} was not copied", hint)
        what = f"{disk} was not copied to {self._host}: {job.error or 'the copy was cancelled'}"
        return UserError(what, "the guest goes on here; try again")


def _counts(jobs: list[_Job]) -> tuple[list[int], list[int]]:
    return [job.current_progress for job in jobs], [job.total_progress for job in jobs]


def _nodes(session: QmpSession) -> list[dict[str, Any]]:
    return list(session.ask("query-named-block-nodes", {"flat": True}))


def _disks(session: QmpSession) -> list[str]:
    """The nodes of the disks that the guest can write to, in order."""
    names = [node["node-name"] for node in _nodes(session) if not node["ro"]]
    found = [name for name in names if name.startswith("disk") and name[4:].isdigit()]
    return sorted(found, key=lambda name: int(name[4:]))
