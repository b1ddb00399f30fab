"""Many domains at once, as when a host boots: `pyvirt up` beside libvirt, and one by one.

Their guests do nothing: what is measured is what starts and stops them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.bench import libvirt, pyvirt, serving
from tests.bench.counts import Counts
from tests.bench.table import Row, Table, duration
from tests.bench.timing import whole_process
from tests.bench.turns import Step, Times, Who
from tests.libvirtd import domain
from tests.system.guest import IDLE_KERNEL

_NETWORK = "bench"
_COLUMNS: dict[int, Who] = {0: "libvirt", 1: "one by one"}
_HEADINGS = {0: "libvirt", 1: "one by one"}
_START, _STOP, _NOTHING = "start", "stop by force", "pyvirt up, with nothing to do"


def measure(folder: Path, counts: Counts) -> Table:
    """The table; `folder` takes the idle kernel and libvirt's descriptions."""
    names = [f"web{n}" for n in range(1, 21 if counts.processes > 5 else 3)]
    kernel = folder / "idle-kernel"
    kernel.write_bytes(IDLE_KERNEL)
    times = Times()
    with (
        libvirt.daemon(),
        serving.service(),
        pyvirt.network(_NETWORK),
        libvirt.network(folder, _NETWORK),
        _defined(folder, kernel, names),
    ):
        times.take(max(1, counts.processes // 3), _steps(names))
    title = f"{len(names)} domains at once, median"
    return Table(title, [_row(what, times) for what in (_START, _STOP, _NOTHING)], _HEADINGS)


@contextlib.contextmanager
def _defined(folder: Path, kernel: Path, names: list[str]) -> Iterator[None]:
    """The domains of ours and of libvirt. After a failure they stay: they end with the world."""
    size = ("--memory", "96", "--accel", "tcg", "--kernel", str(kernel))
    for n, name in enumerate(names):
        whole_process(["pyvirt", "domain", "create", name, "--network", _NETWORK, *size])
        described = folder / f"{name}.domain.xml"
        mac = f"52:54:00:77:01:{n:02x}"
        made = domain(kernel, "", name=name, network=_NETWORK, mac=mac)
        described.write_text(made.replace("<initrd></initrd>", ""))
        whole_process(libvirt.virsh("define", str(described)))
    whole_process(["pyvirt", "domain", "autostart", *names, "on"])
    yield
    for name in names:
        whole_process(libvirt.virsh("undefine", name))
    whole_process(["pyvirt", "domain", "delete", *names])


def _steps(names: list[str]) -> dict[Who, list[Step]]:
    def each(*words: str) -> list[str]:
        command = " ".join(libvirt.virsh(*words))
        return ["sh", "-ec", f"for name in {' '.join(names)}; do {command} $name & done; wait"]

    ours, stop = ["pyvirt", "domain"], ["pyvirt", "domain", "stop", "--force", *names]
    return {
        "ours": [
            Step(_START, ["pyvirt", "up"]),
            Step(_NOTHING, ["pyvirt", "up"]),
            Step(_STOP, stop),
        ],
        "one by one": [Step(_START, [*ours, "start", *names]), Step("", stop)],
        "libvirt": [Step(_START, each("start")), Step(_STOP, each("destroy"))],
    }


def _row(what: str, times: Times) -> Row:
    others = {column: times.median(what, who) for column, who in _COLUMNS.items()}
    cells = {column: duration(taken) for column, taken in others.items() if taken}
    return Row(what, cells, duration(times.median(what, "ours") or 0.0))
