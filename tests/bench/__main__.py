"""`python -m tests.bench`: measure in a world of its own (packaging/world); print each table.

Exit code 0 when every figure could be measured, whatever it is; 1 when one could not.
"""

from __future__ import annotations

import datetime as dt
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import click

from tests.bench import (
    api,
    boot,
    commands,
    dns,
    getent,
    install,
    installed,
    leases,
    lines,
    lookups,
    migration,
    service,
    storm,
    syscalls,
    threads,
    tiny,
    wire,
)
from tests.bench.counts import FULL, QUICK, Counts
from tests.bench.table import Table, render
from tests.bench.timing import BenchError

_CHECKOUT = Path(__file__).resolve().parents[2]
_WORK = Path("/run/bench")

Section = Callable[[Path, Counts], Table]
SECTIONS: dict[str, Section] = {
    "lookups": lookups.measure,
    "lines": lines.measure,
    "threads": threads.measure,
    "getent": getent.measure,
    "syscalls": syscalls.measure,
    "service": service.measure,
    "leases": leases.measure,
    "api": api.measure,
    "storm": storm.measure,
    "wire": wire.measure,
    "dns": dns.measure,
    "commands": commands.measure,
    "boot": boot.measure,
}
_ON_HOST: dict[str, Section] = {"install": install.measure, "migration": migration.measure}
"""Not in the world, and only if asked for: they make machines or worlds of their own."""


@click.command()
@click.option(
    "--quick",
    is_flag=True,
    help="Few turns, few hosts, the commands of .venv.",
)
@click.option(
    "--only", type=click.Choice([*SECTIONS, *_ON_HOST]), multiple=True, help="These parts alone."
)
@click.option("--markdown", is_flag=True, help="Print the tables as FIGURES.md holds them.")
@click.option("--inside", is_flag=True, hidden=True, help="We are in the world already.")
def main(*, quick: bool, only: tuple[str, ...], markdown: bool, inside: bool) -> None:
    """Measure lookups beside their peers, the service and the commands; print tables."""
    counts = QUICK if quick else FULL
    if _ON_HOST.keys() & only:
        if not _ON_HOST.keys() >= set(only):
            raise click.UsageError(f"measured alone: {', '.join(_ON_HOST)}")
        with tempfile.TemporaryDirectory() as work:
            alone = {name: _ON_HOST[name] for name in only}
            _measure(alone, Path(work), counts, markdown=markdown)
    if not inside:
        _enter_world(quick=quick)
    installed.use()
    tiny.prepare()
    _WORK.mkdir(exist_ok=True)
    chosen = {name: SECTIONS[name] for name in only or SECTIONS}
    _measure(chosen, _WORK, counts, markdown=markdown)


def _measure(
    sections: dict[str, Section], folder: Path, counts: Counts, *, markdown: bool
) -> NoReturn:
    """Print the table of each section as it comes, then exit."""
    click.echo(f"{_machine()}\n")
    failures: list[str] = []
    for name, measure in sections.items():
        click.echo(f"measuring: {name}", err=True)
        try:
            table = measure(folder, counts)
        except BenchError as error:
            failures.append(f"{name}: {error}")
        else:
            click.echo(render(table, markdown=markdown))
    click.echo(_LEGEND)
    for failure in failures:
        click.echo(f"not measured: {failure}", err=True)
    sys.exit(1 if failures else 0)


def _enter_world(*, quick: bool) -> NoReturn:
    """Become the same command inside the world; what apt and pip bring is fetched before."""
    tiny.build(_CHECKOUT)
    if not quick:
        installed.install(_CHECKOUT)
    os.chdir(_CHECKOUT)
    world = str(_CHECKOUT / "packaging/world")
    command = [sys.executable, "-m", "tests.bench", "--inside", *sys.argv[1:]]
    os.execv(world, [world, *command])


_LEGEND = (
    "bare: the open, fstat, preads and close of the same lookups, and nothing else. Contestants\n"
    "take turns in rounds; the quietest fifth of the rounds counts."
)


def _machine() -> str:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    today = dt.datetime.now(dt.UTC).date()
    libc = " ".join(platform.libc_ver())
    return f"{today}, {os.cpu_count()} cores {model}, Linux {platform.release()}, {libc}"


if __name__ == "__main__":
    main()
