"""Changes whose command was killed at any step: the next command repairs what is left."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import pytest

from leasewatch.model import DomainState
from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.defined.network import Network
from leasewatch.pyvirt.defined.setting import Setting
from leasewatch.pyvirt.domains.domains import Domains
from leasewatch.pyvirt.domains.listing import KILLED
from leasewatch.pyvirt.domains.plan import DomainRequest
from leasewatch.pyvirt.domains.rename import rename
from leasewatch.pyvirt.domains.settings import apply
from leasewatch.pyvirt.files import DomainFiles
from nss_pyvirt import replacing
from nss_pyvirt.errors import UserError
from tests.leasewatch.killing import everything, killed_at_each_step
from tests.system.guest import IDLE_KERNEL


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A root with the started network `lab`, the domain `web1`, and the image `data.qcow2`."""
    made = Paths(tmp_path / "root")
    lab = Network(name="lab", subnet="10.77.0.0/24", subnet6="fd77::/64")
    store.write(made.network_definitions, lab)
    for folder in (made.network_runs / "lab/hosts.d", made.domain_data, made.locks):
        folder.mkdir(parents=True)
    for name, size in (("base", "8M"), ("data", "4M")):
        image = str(tmp_path / f"{name}.qcow2")
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, size], check=True)
    request = DomainRequest(
        name="web1",
        networks=["lab"],
        addresses=["10.77.0.50"],
        aliases=["www"],
        disks=[tmp_path / "base.qcow2"],
        memory=64,
        cpus=1,
    )
    Domains(made).create(request)
    return made


def traces(paths: Paths) -> set[str]:
    """Everything but locks and temporary files."""
    found = {path for path in everything(paths.root) if "/locks" not in path}
    return {path for path in found if not Path(path).name.startswith(".")}


def test_a_rename_is_finished_by_the_next_command(paths: Paths) -> None:
    before = traces(paths)
    former = Domains(paths).get("web1")

    def prepare() -> None:
        if "shop" in Domains(paths).names():
            rename(paths, "shop", "web1")
        assert traces(paths) == before

    step = 0
    for step in killed_at_each_step(lambda: rename(paths, "web1", "shop"), prepare):
        domains = Domains(paths)  # finishes it
        (name,) = domains.names()
        assert traces(paths) == {path.replace("web1", name) for path in before}, step
        assert domains.get(name).nics == former.nics
    assert step > 8


def test_the_next_command_may_be_the_same_rename(paths: Paths) -> None:
    def prepare() -> None:
        if "shop" in Domains(paths).names():
            rename(paths, "shop", "web1")

    for _ in killed_at_each_step(lambda: rename(paths, "web1", "shop"), prepare):
        if "web1" in Domains(paths).names():
            rename(paths, "web1", "shop")
        else:
            with pytest.raises(UserError, match='there is no domain "web1"'):
                rename(paths, "web1", "shop")
        assert Domains(paths).names() == ["shop"]


def test_a_killed_set_has_changed_all_or_nothing(paths: Paths) -> None:
    before, former = traces(paths), Domains(paths).get("web1")
    settings = [
        Setting("memory", "=", 128),
        Setting("address", "=", ("10.77.0.60",)),
        Setting("disk", "+=", (paths.root.parent / "data.qcow2",)),
    ]
    inverse = [
        Setting("memory", "=", 64),
        Setting("address", "=", ("10.77.0.50",)),
        Setting("disk", "-=", (Path("disk1.qcow2"),)),
    ]

    def prepare() -> None:
        if Domains(paths).get("web1") != former:
            apply(paths, "web1", inverse)
        assert Domains(paths).get("web1") == former
        assert traces(paths) == before

    step = 0
    for step in killed_at_each_step(lambda: apply(paths, "web1", settings), prepare):  # noqa: B007
        now = Domains(paths).get("web1")
        files = DomainFiles(paths, "web1")
        assert all((files.data / disk.file).is_file() for disk in now.disks)
        assert (now == former) or (now.memory, len(now.disks)) == (128, 2)
        apply(paths, "web1", settings if now == former else settings[:2])
        assert (paths.network_runs / "lab/hosts.d/web1").read_text().endswith(",10.77.0.60,web1\n")
    assert step > 10


def test_a_rename_leaves_nothing_of_a_run_whose_parent_was_killed(paths: Paths) -> None:
    state = DomainState(name="web1", nics=(), pid=1 << 22, started=1.0, pending_until=0)
    (paths.domain_runs / "web1").mkdir(parents=True)
    replacing.replace(paths.domain_runs / "web1.json", msgspec.json.encode(state))
    rename(paths, "web1", "shop")
    assert Domains(paths).describe("shop")["why"] == KILLED
    assert {path for path in traces(paths) if "web1" in path} == set()


@pytest.mark.parametrize(
    ("new", "why"),
    [
        ("db1", "domain db1 already exists"),
        ("web1", "domain web1 already exists"),
        ("sql", "sql is a name of domain db1 already"),
        ("Shop", "a domain's name has upper-case letters"),
        ("../shop", r'is not made of labels .*: "\.\./shop"'),
        ("", 'is not made of labels .*: ""'),
        ("a.json", "is no domain's name|ends with .json"),
        ("x" * 64, "63 characters|labels"),
        ("lab.internal", "is a name of network lab"),
        ("kept", "kept already exists"),
    ],
)
def test_a_name_that_cannot_be_is_refused(paths: Paths, new: str, why: str) -> None:
    kernel = paths.root / "k"
    kernel.write_bytes(IDLE_KERNEL)
    other = DomainRequest(
        name="db1", networks=["lab"], aliases=["sql"], kernel=kernel, memory=64, cpus=1
    )
    Domains(paths).create(other)
    (paths.domain_data / "kept").mkdir()
    before = traces(paths)
    with pytest.raises(UserError, match=why):
        rename(paths, "web1", new)
    assert traces(paths) == before
    assert not paths.domain_rename.exists()


def test_an_alias_may_become_the_name(paths: Paths) -> None:
    assert rename(paths, "web1", "www").aliases == ()
    assert Domains(paths).get("www").name == "www"


def test_a_running_domain_keeps_its_name(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Domains, "is_running", lambda *_: True)
    monkeypatch.setattr(Domains.__mro__[1], "is_running", lambda *_: True)
    with pytest.raises(UserError, match="domain web1 is running") as caught:
        rename(paths, "web1", "shop")
    assert caught.value.hint == "sudo pyvirt domain stop web1"


def test_a_rename_that_fails_changes_nothing(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    before = traces(paths)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr("leasewatch.pyvirt.defined.store.write", fail)
        with pytest.raises(UserError, match=r"cannot rename domain web1: .*No space left"):
            rename(paths, "web1", "shop")
    assert traces(paths) == before
    assert isinstance(Domains(paths).get("web1"), DomainDefinition)
