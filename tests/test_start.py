"""A command starts quickly because it loads little: what each start must not import.

Times are the bench's; this says which import would spoil them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.domain import DomainDefinition, NicDefinition
from leasewatch.pyvirt.defined.network import Network
from tests.leasewatch.cli.answering import ENTRY, answering
from tests.leasewatch.holding import holding
from tests.waiting import wait_for

HEAVY = {"asyncio", "click", "importlib.metadata", "logging", "qemu", "subprocess", "watchdog"}
LIGHT = HEAVY | {
    *("_cffi_backend", "collections", "contextlib", "csv", "dataclasses", "enum", "functools"),
    *("hashlib", "importlib", "inspect", "json", "msgspec", "pathlib", "re", "shutil", "socket"),
    *("tempfile", "textwrap", "tomllib", "typing"),
}
LEASEWATCH = "from leasewatch.cli.leasewatch import main; from leasewatch.paths import Paths"


def loaded(code: str) -> set[str]:
    """The modules that are there after the code. Modules of .pth files are not ours: -S."""
    code = f"import sys; sys.path[:] = {sys.path!r}; {code}; print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "module",
    ["leasewatch.cli.leasewatch", "leasewatch.pyvirt.cli.pyvirt", "nss_pyvirt.installer.cli"],
)
def test_a_start_loads_nothing_that_it_does_not_need(module: str) -> None:
    assert not loaded(f"import {module}") & LIGHT


@pytest.mark.parametrize(
    "module", ["leasewatch.service", "leasewatch.cli.dns.status", "leasewatch.cli.dns.key"]
)
def test_only_the_dns_process_loads_dnspython(module: str) -> None:
    assert "dns" not in loaded(f"import {module}")


@pytest.mark.parametrize("words", [["list"], ["list", "web1", "-o", "name"], ["ip", "-4", "web1"]])
def test_a_query_loads_nothing_that_it_does_not_need(tmp_path: Path, words: list[str]) -> None:
    with answering(Paths(tmp_path), [ENTRY]):
        found = loaded(f"{LEASEWATCH}; main({words!r}, Paths({str(tmp_path)!r}))")
    assert {"leasewatch.cli.ask", "_socket"} <= found
    assert not found & LIGHT


@pytest.mark.parametrize("words", [["ip", "we"], ["list", "--network", "l"], ["li"]])
def test_a_shell_that_completes_loads_nothing_that_it_does_not_need(
    tmp_path: Path, words: list[str]
) -> None:
    asks = "import os; os.environ['_NSS_PYVIRT_COMPLETE'] = 'zsh'"
    with answering(Paths(tmp_path), [ENTRY]):
        found = loaded(f"{asks}; {LEASEWATCH}; main({words!r}, Paths({str(tmp_path)!r}))")
    assert "nss_pyvirt.terminal.complete" in found
    assert not found & LIGHT


@pytest.mark.parametrize("half", ["network", "domain"])
def test_a_list_of_what_has_not_changed_loads_next_to_nothing(tmp_path: Path, half: str) -> None:
    paths = Paths(tmp_path)
    nic = NicDefinition(network="lab", mac="52:54:00:00:00:01")
    domain = DomainDefinition(name="web1", nics=(nic,), memory=64, cpus=1, kernel="/k")
    network = Network(name="lab", subnet="10.77.0.0/24", subnet6="fd00:1:2::/64")
    for folder, one in ((paths.domain_definitions, domain), (paths.network_definitions, network)):
        os.utime(store.write(folder, one), (1, 1))
    code = f"""from leasewatch.pyvirt.cli import {half}
{half}.Paths = lambda made={half}.Paths: made({str(tmp_path)!r})
{half}.list_.act("table")"""
    wait_for("the file to stand still", lambda: not loaded(code) & {"msgspec"}, 30)
    assert not loaded(code) & LIGHT


def test_a_stop_of_domains_loads_next_to_nothing(tmp_path: Path) -> None:
    root = f"Paths({str(tmp_path)!r})"
    (tmp_path / "etc/pyvirt/domains").mkdir(parents=True)
    (tmp_path / "etc/pyvirt/domains/web1.toml").touch()
    code = f"""from leasewatch.pyvirt.cli import domain_states
from leasewatch.pyvirt.domains.stops import DomainStops
print(*DomainStops(domain_states.{root}).stop(["web1"], print, timeout=0, force=True))"""
    assert not loaded(code) & LIGHT


def test_a_stop_of_a_network_loads_next_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "etc/pyvirt/networks").mkdir(parents=True)
    (tmp_path / "etc/pyvirt/networks/lab.toml").touch()
    lock = tmp_path / "run/pyvirt/networks/lab/lock"
    with holding(lock) as parent:
        code = f"""import os
from leasewatch.files import holders
from leasewatch.paths import Paths
from leasewatch.pyvirt.networks import stops
stop = holders.stop
holders.stop = lambda lock, timeout: stop(lock, timeout) and not os.unlink(lock)
stops.stop(Paths({str(tmp_path)!r}), "lab")"""
        assert not loaded(code) & LIGHT
        assert parent.wait(60) == -15


@pytest.mark.parametrize("half", ["network", "domain"])
def test_a_start_of_pyvirt_loads_nothing_that_it_does_not_need(half: str) -> None:
    found = loaded(f"from leasewatch.pyvirt.cli import {half}; {half}._{half}s()")
    assert f"leasewatch.pyvirt.{half}s.{half}s" in found
    assert not found & (HEAVY | {"dataclasses", "hashlib", "json", "netaddr", "shutil"})
