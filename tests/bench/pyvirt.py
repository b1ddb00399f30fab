"""pyvirt as a contestant: a network that runs, a domain that is defined."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from tests.bench import tiny
from tests.bench.timing import whole_process


@contextlib.contextmanager
def network(name: str) -> Iterator[str]:
    """Its bridge. After a failure it stays: all of it ends with the world."""
    whole_process(["pyvirt", "network", "create", name, "--subnet", "auto"])
    whole_process(["pyvirt", "network", "start", name])
    yield json.loads(Path(f"/run/pyvirt/networks/{name}.json").read_bytes())["bridge"]
    whole_process(["pyvirt", "network", "stop", name])
    whole_process(["pyvirt", "network", "delete", name])


@contextlib.contextmanager
def domain(name: str, network: str) -> Iterator[None]:
    """It is defined, and not running at the end."""
    whole_process(
        [
            *("pyvirt", "domain", "create", name, "--network", network, "--accel", "tcg"),
            *("--memory", str(tiny.MEMORY), "--append", tiny.APPEND),
            *("--kernel", str(tiny.kernel()), "--initrd", str(tiny.initrd())),
        ]
    )
    yield
    whole_process(["pyvirt", "domain", "delete", name])
