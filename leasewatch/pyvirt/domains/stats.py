"""What a running domain uses: processors, memory, disks and network. It changes nothing.

Any user may see what the host's kernel knows of the QEMU process and the taps. Root also asks QEMU:
for the guest's processors, memory and disks. Sizes are in bytes, times in seconds.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from leasewatch.files import run_states
from leasewatch.model import DomainState
from leasewatch.pyvirt.domains import qemu_process, qmp_session
from leasewatch.pyvirt.domains.known import KnownDomains
from leasewatch.pyvirt.domains.qemu import BALLOON
from leasewatch.pyvirt.files import domain_state
from nss_pyvirt.errors import UserError

TOTALS: Final = (
    *("cpu_time", "vcpu_time"),
    *("read", "written", "reads", "writes"),
    *("received", "sent", "packets_received", "packets_sent"),
)
"""What only grows, so that it has a rate."""
_DISK: Final = {
    "read": "rd_bytes",
    "written": "wr_bytes",
    "reads": "rd_operations",
    "writes": "wr_operations",
}
_ANSWER = 5.0  # seconds for QEMU to answer
_UNKNOWN = (1 << 64) - 1  # in a guest's statistics


class DomainStats(KnownDomains):
    """All domains below one root."""

    def seen(self) -> list[str]:
        """The names of all domains that run, as any user may see them."""
        states = run_states.read_all(self._paths.domain_runs, DomainState)
        return [state.name for state in states if self.is_running(state.name)]

    def of(self, name: str) -> dict[str, Any]:
        """What the domain has used since it was started; None: not known, or not for this user.

        UserError if it is not running.
        """
        self.require(name)
        files = self._files(name)
        state = domain_state(files)
        pid = qemu_process.pid(state.pid) if state and self.is_running(name) else None
        if state is None or pid is None:
            hint = f"sudo pyvirt domain start {name}"
            raise UserError(f"domain {name} is not running", hint, "not-running")
        row: dict[str, Any] = {
            "name": name,
            "state": state.state,
            "qemu": pid,
            "cpu_time": _cpu_time(pid),
            "vcpu_time": None,
            "vcpus": None,
            "memory": None,
            "used": None,
            "rss": _resident(pid),
            **dict.fromkeys(_DISK),
        }
        cards = _cards(state)
        row |= {key: _sum(cards, key) for key in TOTALS[-4:]}
        row |= {"disks": None, "cards": cards}
        return row | _asked(files.qmp, pid) if os.geteuid() == 0 else row


def per_second(before: Mapping[str, Any], now: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """The row `now`, with each total, and each perf event, as a rate since the row `before`."""

    def rates(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, float | None]:
        both = ((key, old.get(key), count) for key, count in new.items())
        return {k: None if None in (o, n) else (n - o) / seconds for k, o, n in both}

    totals = rates(before, {key: now[key] for key in TOTALS})
    perf = {"perf": rates(before.get("perf") or {}, now["perf"])} if now.get("perf") else {}
    return {**now, **totals, **perf}


def _cpu_time(pid: int) -> float | None:
    with contextlib.suppress(OSError):
        return round(time.clock_gettime((~pid << 3) | 2), 6)  # as clock_getcpuclockid(3) derives it
    return None


def _resident(pid: int) -> int | None:
    with contextlib.suppress(OSError):
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    return None


def _cards(state: DomainState) -> list[dict[str, Any]]:
    """The traffic of each card: what the guest receives, its tap sends."""
    # Unlike /sys/class/net, this always shows the network namespace of the reader.
    lines = Path("/proc/net/dev").read_text().splitlines()[2:]
    taps = {name.strip(): rest.split() for name, _, rest in (line.partition(":") for line in lines)}
    columns = {"received": 8, "sent": 0, "packets_received": 9, "packets_sent": 1}
    return [
        {"network": nic.network, "mac": nic.mac}
        | {key: int(taps[nic.tap][at]) for key, at in columns.items()}
        for nic in state.nics
        if nic.tap in taps
    ]


def _asked(path: Path, pid: int) -> dict[str, Any]:
    """What QEMU says."""
    cpus = qmp_session.ask(path, "query-cpus-fast", timeout=_ANSWER)
    vcpus = _vcpu_times(pid, {cpu["thread-id"] for cpu in cpus})
    disks = disks_of(qmp_session.ask(path, "query-blockstats", timeout=_ANSWER))
    said: dict[str, Any] = {"vcpus": vcpus, "vcpu_time": round(sum(vcpus), 6), "disks": disks}
    said |= {key: _sum(disks, key) for key in _DISK}
    with contextlib.suppress(UserError):  # started by an earlier version, without a balloon
        said["memory"] = qmp_session.ask(path, "query-balloon", timeout=_ANSWER)["actual"]
        asked = {"path": f"/machine/peripheral/{BALLOON}", "property": "guest-stats"}
        said["used"] = used_of(qmp_session.ask(path, "qom-get", asked, timeout=_ANSWER))
    return said


def _vcpu_times(pid: int, threads: set[int]) -> list[float]:
    """The processor time of QEMU's threads with these numbers, which count in its namespace."""
    times = []
    with contextlib.suppress(OSError):  # it has just ended
        for entry in sorted(os.scandir(f"/proc/{pid}/task"), key=lambda one: int(one.name)):
            status = Path(entry.path, "status").read_text()
            numbers = next(line for line in status.splitlines() if line.startswith("NSpid:"))
            if int(numbers.split()[-1]) in threads:
                nanoseconds = Path(entry.path, "schedstat").read_text().split()[0]
                times.append(round(int(nanoseconds) / 1e9, 6))
    return times


def disks_of(answer: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The disks of an answer to `query-blockstats`, each as the guest has used it."""
    return [
        {"name": one["node-name"], **{key: one["stats"][theirs] for key, theirs in _DISK.items()}}
        for one in answer
        if one.get("qdev") and one.get("node-name")
    ]


def used_of(answer: dict[str, Any]) -> int | None:
    """The memory that programs in the guest use, from the balloon's statistics.

    None: the guest has not sent any; its kernel needs virtio_balloon.
    """
    stats = answer["stats"]
    total, free = (stats.get(f"stat-{key}-memory", _UNKNOWN) for key in ("total", "available"))
    return None if _UNKNOWN in {total, free} else int(total - free)


def _sum(rows: list[dict[str, Any]], key: str) -> int:
    return sum(row[key] for row in rows)
