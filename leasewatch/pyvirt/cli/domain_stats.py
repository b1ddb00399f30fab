"""`pyvirt domain stats`: options in, rows out, once or each second."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import time

from leasewatch.paths import Paths
from leasewatch.pyvirt.cli import halves
from leasewatch.pyvirt.domains.perf_events import EVENTS, PerfCounters, is_unknown
from leasewatch.pyvirt.domains.stats import DomainStats, per_second
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame, show
from nss_pyvirt.terminal.commands import Param

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Final

    Row = dict[str, Any]

_SECONDS: Final = 1.0
"""Between two looks, and how long perf events are counted without --watch."""
_COLUMNS: Final = (
    *("name", "state", "cpu", "used", "memory", "rss"),
    *("read", "written", "received", "sent"),
)
_WIDE: Final = {
    "state": 90,
    "memory": 90,
    "rss": 100,
    "cpu_clock": 120,
    "cpu_migrations": 110,
    "context_switches": 90,
}
"""The least width of a terminal that shows these."""
_CSV: Final = (
    *("name", "state", "cpu_time", "vcpu_time", "memory", "used", "rss"),
    *("read", "written", "reads", "writes"),
    *("received", "sent", "packets_received", "packets_sent"),
)
_SIZES: Final = ("used", "memory", "rss", "read", "written", "received", "sent")


def _check(path: str, values: Mapping[str, Any]) -> None:
    """UserError unless root asks for perf events."""
    if values["perf"] and os.geteuid() != 0:
        typed = shlex.join([path.split(maxsplit=1)[0], *sys.argv[1:]])
        raise UserError("--perf needs root", f"sudo {typed}", "needs-root")


@commands.command(
    halves.names("domain"),
    Param("--watch", flag=True, help="Look once a second until Ctrl-C; a table shows rates."),
    Param("--perf", flag=True, help="Count perf events of QEMU, each second."),
    *commands.rows(*dict.fromkeys((*_COLUMNS, *_CSV, *EVENTS, "time"))),
    check=_check,
    epilog=frame.examples(
        "sudo pyvirt domain stats",
        "sudo pyvirt domain stats --watch web1",
        "sudo pyvirt domain stats --perf -o json web1",
    ),
)
def command(names: Sequence[str], *, watch: bool, perf: bool, output: frame.Format) -> int:
    """Show the processor, memory, disk and network use of domains.

    Without NAME, show all that run. Only root sees disks and the guest's own memory.
    """
    with contextlib.closing(_Looks(names, perf=perf)) as looks:
        rows = looks.look()
        shown = _Shown(output, perf=perf, watch=watch)
        if not rows and (names or not watch):
            if not names and output == "table":
                hint = "sudo pyvirt domain start NAME"
                frame.print_warning("pyvirt", UserError("no domain is running", hint))
            shown.print(rows, [])
        elif watch or perf:
            try:
                _follow(looks, rows, shown, watch=watch, named=bool(names))
            except KeyboardInterrupt:
                shown.end()
        else:
            shown.print(rows, [])
        return looks.code


class _Looks:
    """Looks at the domains with these names, or at all that run."""

    def __init__(self, names: Sequence[str], *, perf: bool) -> None:
        self.code = 0
        """The exit code, by what could not be shown."""
        self._names, self._perf = names, perf
        self._domains = DomainStats(Paths())
        self._counters: dict[str, PerfCounters] = {}
        self._reported = set[str]()
        """The domains and events whose failures were printed."""

    def look(self) -> list[Row]:
        """A row for each domain that runs, with the monotonic time `at` which it was made."""
        names = dict.fromkeys(self._names) or self._domains.seen()
        rows = []
        for name in sorted(names, key=show.natural):
            try:
                row = {**self._domains.of(name), "at": time.monotonic()}
                rows.append(row | {"perf": self._count(name, row["qemu"])} if self._perf else row)
            except UserError as error:
                self._report(name, error)
        return rows

    def close(self) -> None:
        """Count no more perf events."""
        for counters in self._counters.values():
            counters.close()

    def _report(self, name: str, error: UserError) -> None:
        if self._names and name not in self._reported:
            frame.print_error("pyvirt", error)
            self.code = error.exit_code
        self._reported.add(name)

    def _count(self, name: str, qemu: int) -> Mapping[str, int | None]:
        counters = self._counters.get(name)
        if counters is None or counters.pid != qemu:
            if counters is not None:
                counters.close()
            counters = self._counters[name] = PerfCounters(qemu)
            self._report_refused(counters.refused)
        return counters.read()

    def _report_refused(self, refused: Mapping[str, OSError]) -> None:
        """Say once which events are not counted, and why."""
        events = [event for event in refused if event not in self._reported]
        unknown = [event for event in events if is_unknown(refused[event])]
        if unknown:
            frame.print_note("pyvirt", f"this machine cannot count {', '.join(unknown)}")
        if denied := [event for event in events if event not in unknown]:
            why = refused[denied[0]].strerror
            frame.print_note("pyvirt", f"cannot count {', '.join(denied)}: {why}")
        self._reported |= set(events)


class _Shown:
    """Prints rows, for --watch again and again."""

    def __init__(self, output: frame.Format, *, perf: bool, watch: bool) -> None:
        self._output, self._perf, self._watch = output, perf, watch
        on_terminal = sys.stdout is not None and sys.stdout.isatty()
        self._redraws = watch and output == "table" and on_terminal

    def print(self, rows: Sequence[Row], before: Sequence[Row]) -> None:
        """Print what domains have used or, in a table, their rates since the rows `before`."""
        is_table = self._output == "table"
        if is_table:
            rows = _rates(before, rows) if before or self._watch else [_cells(row) for row in rows]
        else:
            rows = [{key: value for key, value in row.items() if key != "at"} for row in rows]
        columns = [*(_COLUMNS if is_table else _CSV)]
        if self._perf:
            counted = (e for e in EVENTS if any(row["perf"][e] is not None for row in rows))
            columns = ["name", *counted] if is_table else [*columns, *EVENTS]
            rows = [row | row["perf"] for row in rows] if self._output != "json" else rows
        if self._watch and not self._redraws:
            columns.insert(0, "time")
            now = time.strftime("%H:%M:%S") if is_table else round(time.time(), 3)
            rows = [{"time": now, **row} for row in rows]
        if self._watch and self._output == "json":
            commands.Command.rows.are_lines = True
        text = frame.render(rows, columns, self._output, name="name", wide=_WIDE)
        if self._redraws:
            text = f"\x1b[H\x1b[2J{text or 'no domain is running'}"
        elif rows:
            commands.Command.rows.header = False  # from the next look on
        frame.write(text)

    def end(self) -> None:
        """Leave the terminal's cursor at the beginning of a line: Ctrl-C was echoed."""
        if self._redraws:
            frame.write("\n")


def _follow(
    looks: _Looks, before: Sequence[Row], shown: _Shown, *, watch: bool, named: bool
) -> None:
    """Look again after a second, and with `watch` for as long as a named domain runs."""
    due = time.monotonic()
    while True:
        due = max(due + _SECONDS, time.monotonic())
        time.sleep(due - time.monotonic())
        rows = looks.look()
        shown.print(rows, before)
        if not watch or (named and not rows):
            return
        before = rows


def _rates(before: Sequence[Row], rows: Sequence[Row]) -> list[Row]:
    """The cells of the domains that have run since the rows `before`."""
    former = {(row["name"], row["qemu"]): row for row in before}
    both = ((former.get((row["name"], row["qemu"])), row) for row in rows)
    return [_cells(per_second(old, row, row["at"] - old["at"]), "/s") for old, row in both if old]


def _cells(row: Row, unit: str = "") -> Row:
    """The row as a person reads it; `unit` belongs to its totals, which may be rates."""
    sizes = {key: None if row[key] is None else show.size(int(row[key])) for key in _SIZES}
    sizes |= {key: f"{sizes[key]}{unit}" for key in _SIZES[3:] if sizes[key] is not None}
    used = row["cpu_time"]
    cpu = None if used is None else f"{100 * used:.0f}%" if unit else f"{used:.1f}s"
    perf = {event: count and round(count) for event, count in (row.get("perf") or {}).items()}
    return row | sizes | {"cpu": cpu, "perf": perf}
