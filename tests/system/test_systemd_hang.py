"""A service that hangs is started again by systemd's watchdog, and names answer all the time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from tests.system.installed import (
    SETTINGS,
    is_active,
    lease,
    resolves,
    wait_until_it_resolves,
    write_leases,
)
from tests.system.machine import Machine
from tests.waiting import wait_for

UNITS = ("leasewatch", "leasewatch-dns")
SHORT = "[Service]\nWatchdogSec=5s\n"


@pytest.fixture
def served(installed: Machine) -> Iterator[Machine]:
    """Both services run, with a short limit; `printer1` answers."""
    write_leases(installed, lease("printer1", 5))
    (installed.root / "etc/pyvirt/leasewatch.toml").write_text(
        f'{SETTINGS}[dns]\nlisten = ["127.0.0.1"]\n'
    )
    drop_ins = [f"/run/systemd/system/{unit}.service.d" for unit in UNITS]
    installed.run(["mkdir", "-p", *drop_ins])
    for folder in drop_ins:
        (installed.root / folder[1:] / "short.conf").write_text(SHORT)
    installed.sh(f"systemctl daemon-reload; systemctl restart {' '.join(UNITS)}")
    wait_until_it_resolves(installed, "printer1")
    yield installed
    installed.sh(f"rm -r {' '.join(drop_ins)}; systemctl daemon-reload")


def pid(machine: Machine, unit: str) -> str:
    return machine.run(["systemctl", "show", "-P", "MainPID", unit]).stdout.strip()


def is_running(machine: Machine, unit: str) -> bool:
    return is_active(machine, unit) == "active"


def test_a_stopped_service_is_restarted_and_names_answer_meanwhile(served: Machine) -> None:
    before = {unit: pid(served, unit) for unit in UNITS}
    served.sh(f"kill -STOP {' '.join(before.values())}")

    def restarted() -> bool:
        assert resolves(served, "printer1")
        return all(pid(served, unit) not in {"0", before[unit]} for unit in UNITS)

    wait_for("both to be restarted", restarted, 60)
    for unit in UNITS:
        wait_for(f"{unit} to run", partial(is_running, served, unit), 60)
        said = served.run(["journalctl", "-u", unit, "-o", "cat", "--no-pager"]).stdout
        assert f"{unit}.service: Watchdog timeout (limit 5s)!" in said
    write_leases(served, lease("printer1", 5), lease("scanner", 6))
    wait_until_it_resolves(served, "scanner")
