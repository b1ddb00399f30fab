"""pyvirt as a contestant: a network that runs, a domain that is defined."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench import tiny
from tests.bench.timing import whole_process

_SETTLED = 2.1  # seconds until `domain list` keeps what a definition says
_DEADLINE = 180.0  # seconds for a guest to boot


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
    """It is defined, has been for a while, and is not running at the end."""
    whole_process(
        [
            *("pyvirt", "domain", "create", name, "--network", network, "--accel", "tcg"),
            *("--memory", str(tiny.MEMORY), "--append", tiny.APPEND),
            *("--kernel", str(tiny.kernel()), "--initrd", str(tiny.initrd())),
        ]
    )
    time.sleep(_SETTLED)
    yield
    whole_process(["pyvirt", "domain", "delete", name])


@contextlib.contextmanager
def copies(name: str, number: int) -> Iterator[None]:
    """So many more domains are defined, each with a MAC of its own, and have been for a while."""
    folder = Path("/etc/pyvirt/domains")
    text = (folder / f"{name}.toml").read_text()
    mac = re.compile(r"52:54:00(:[0-9a-f]{2}){3}")
    made = [folder / f"copy{index}.toml" for index in range(number)]
    for index, file in enumerate(made):
        other = mac.sub(f"52:54:00:00:00:{index:02x}", text)
        file.write_text(other.replace(f'name = "{name}"', f'name = "{file.stem}"'))
    time.sleep(_SETTLED)
    yield
    for file in made:
        file.unlink()


def launch(name: str, network: str) -> float:
    """Seconds from `pyvirt launch` of the tiny guest to the end of the first login."""
    launch = [
        *("pyvirt", "launch", name, "--network", network, "--accel", "tcg", "--cpus", "1"),
        *("--memory", str(tiny.MEMORY), "--append", tiny.APPEND),
        *("--kernel", str(tiny.kernel()), "--initrd", str(tiny.initrd())),
        *("--ssh-key", str(tiny.public_key()), "--user", "root"),
    ]
    known = "GlobalKnownHostsFile=/run/pyvirt/ssh_known_hosts"  # it has a host key of its own
    ssh = ["ssh", "-o", "BatchMode=yes", "-o", known, f"root@{name}", "true"]
    took = whole_process(launch, _DEADLINE) + whole_process(ssh)
    whole_process(["pyvirt", "domain", "stop", "--force", name])
    whole_process(["pyvirt", "domain", "delete", name])
    return took
