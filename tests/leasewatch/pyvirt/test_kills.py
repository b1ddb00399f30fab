"""Definitions whose command was killed at any step: create or delete takes what is left."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.login import Login
from leasewatch.pyvirt.defined.network import Network
from leasewatch.pyvirt.domains.domains import Domains
from leasewatch.pyvirt.domains.plan import DomainRequest
from leasewatch.pyvirt.files import DomainFiles
from leasewatch.pyvirt.networks.networks import Networks
from nss_pyvirt.errors import UserError
from tests.leasewatch.killing import everything, killed_at_each_step
from tests.system.guest import IDLE_KERNEL

STEPS = 15
"""A command that takes fewer was not looked at."""


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A root with the started network `lab` and an image."""
    made = Paths(tmp_path)
    lab = Network(name="lab", subnet="10.77.0.0/24", subnet6="fd77::/64")
    store.write(made.network_definitions, lab)
    for folder in (made.network_runs / "lab/hosts.d", made.domain_data, made.locks):
        folder.mkdir(parents=True)
    made.domain_definitions.mkdir()
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", str(tmp_path / "base.qcow2"), "8M"]
    subprocess.run(argv, check=True)
    (tmp_path / "vmlinuz").write_bytes(IDLE_KERNEL)
    return made


def wish(paths: Paths, name: str = "web1", **changes: Any) -> DomainRequest:
    good: dict[str, Any] = {"networks": ["lab"], "memory": 256, "cpus": 1}
    good |= {"disks": [paths.root / "base.qcow2"], "addresses": ["10.77.0.50"]}
    return DomainRequest(name=name, **(good | changes))


def forget(domains: Domains, name: str) -> None:
    if name in domains.names():
        domains.delete(name)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"size": 16 << 20, "addresses": []},
        {"disks": (), "kernel": "vmlinuz"},
        {
            "disks": (),
            "kernel": "vmlinuz",
            "login": Login(user="root"),
            "user_data": "#!/bin/sh",
        },
    ],
    ids=["disk and address", "enlarged disk", "no disk", "seed"],
)
def test_create_takes_what_a_killed_create_has_left(paths: Paths, changes: dict[str, Any]) -> None:
    if kernel := changes.get("kernel"):
        changes["kernel"] = paths.root / kernel
    domains, before = Domains(paths), everything(paths.root)
    asked = wish(paths, **changes)
    step = 0
    for step in killed_at_each_step(lambda: domains.create(asked), lambda: None):
        if "web1" not in domains.names():
            domains.create(asked)
        made = domains.get("web1")
        files = DomainFiles(paths, "web1")
        assert not made.disks or files.overlay.is_file()
        assert not made.login or b"#!/bin/sh" in files.seed.read_bytes()
        domains.delete("web1")
        left = {path for path in everything(paths.root) - before if "/locks/" not in path}
        assert not {path for path in left if not Path(path).name.startswith(".")}, step
    domains.delete("web1")
    assert step > STEPS // 2


def test_the_next_create_of_another_domain_clears_it_away(paths: Paths) -> None:
    domains, before = Domains(paths), everything(paths.domain_data)
    first, second = wish(paths), wish(paths, "db1", addresses=[])
    left = 0
    for _ in killed_at_each_step(lambda: domains.create(first), lambda: forget(domains, "web1")):
        left += any(path.is_file() for path in paths.domain_data.rglob("*"))
        domains.create(second)
        domains.delete("db1")
        if "web1" not in domains.names():
            files = {path for path in paths.domain_data.rglob("*") if path.is_file()}
            assert not files
    assert left > 3
    domains.delete("web1")
    assert everything(paths.domain_data) == before


def test_a_create_that_was_killed_while_qemu_img_worked_is_no_obstacle(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin/qemu-img"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\n{shutil.which("qemu-img")} "$@" || exit\n'
        '[ "$1" != create ] || kill -KILL $PPID\n'
    )
    program.chmod(0o755)
    domains = Domains(paths)
    with monkeypatch.context() as context:
        context.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        child = os.fork()
        if child == 0:
            domains.create(wish(paths))
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -9
    assert DomainFiles(paths, "web1").overlay.is_file()
    assert domains.names() == []
    domains.create(wish(paths))
    domains.delete("web1")


def test_delete_takes_what_a_killed_delete_has_left(paths: Paths) -> None:
    domains, before = Domains(paths), everything(paths.root)
    step = 0

    def define() -> None:
        forget(domains, "web1")
        domains.create(wish(paths))
        (paths.domain_runs / "web1").mkdir(parents=True, exist_ok=True)
        (paths.domain_runs / "web1/log").touch()

    for step in killed_at_each_step(lambda: domains.delete("web1"), define):  # noqa: B007
        if "web1" not in domains.names():
            assert not (paths.network_runs / "lab/hosts.d/web1").exists()
            domains.create(wish(paths))
        domains.delete("web1")
        left = {path for path in everything(paths.root) - before if "/locks/" not in path}
        assert not {path for path in left if Path(path).name == "web1"}
    assert step > STEPS // 3


def test_a_folder_that_somebody_made_is_left_alone_and_reported(paths: Paths) -> None:
    domains, data = Domains(paths), DomainFiles(paths, "web1").data
    data.mkdir()
    (data / "disk.qcow2").write_text("mine")
    with pytest.raises(UserError, match="already exists") as caught:
        domains.create(wish(paths))
    assert caught.value.hint == "move it away: no domain owns it"
    domains.create(wish(paths, "db1"))
    assert (data / "disk.qcow2").read_text() == "mine"


def test_a_disk_whose_definition_was_removed_by_hand_is_left_alone(paths: Paths) -> None:
    domains, files = Domains(paths), DomainFiles(paths, "web1")
    domains.create(wish(paths))
    files.unfinished.touch()  # as a kill at the last moment leaves it
    domains.create(wish(paths, "db1", addresses=[]))
    (paths.domain_definitions / "web1.toml").unlink()
    domains.create(wish(paths, "db2", addresses=[]))
    assert files.overlay.is_file()


@pytest.mark.parametrize("act", ["create", "delete"])
def test_a_network_is_there_or_not_after_a_kill_at_any_step(
    paths: Paths, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = Networks(paths)
    monkeypatch.setattr(networks, "_taken", lambda *_: [])
    monkeypatch.setattr("leasewatch.pyvirt.networks.run.take_down", lambda _: None)

    def create() -> None:
        networks.create("net1", "10.78.0.0/24", "isolated", "internal", print)

    def delete() -> None:
        if "net1" in networks.names():
            networks.delete("net1")

    run, prepare = (create, delete) if act == "create" else (delete, create)
    step = 0
    for step in killed_at_each_step(run, prepare):  # noqa: B007
        if "net1" not in networks.names():
            create()
        assert networks.get("net1").mode == "isolated"
        delete()
        assert "net1" not in networks.names()
    assert step > 2
