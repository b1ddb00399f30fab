"""Defining domains, with real files and a real qemu-img below a root of their own."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from leasewatch.files import locks
from leasewatch.model import DomainState, NetworkState
from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.network import Network
from leasewatch.pyvirt.domains.domains import Domains
from leasewatch.pyvirt.domains.plan import DomainRequest
from leasewatch.pyvirt.domains.stops import DomainStops
from leasewatch.pyvirt.files import DomainFiles, NetworkFiles
from nss_pyvirt.errors import UserError
from tests.leasewatch.holding import holding
from tests.system.guest import IDLE_KERNEL


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty disk of 8 MiB."""
    made = tmp_path_factory.mktemp("image") / "base.qcow2"
    _qemu_img("create", "-f", "qcow2", made, "8M")
    return made


@pytest.fixture
def paths(tmp_path: Path, image: Path) -> Paths:
    """A root with a network `lab`, an image and a kernel."""
    made = Paths(tmp_path)
    made.network_definitions.mkdir(parents=True)
    made.domain_data.mkdir(parents=True)
    lab = Network(name="lab", subnet="10.77.0.0/24", subnet6="fd77::/64")
    store.write(made.network_definitions, lab)
    (tmp_path / "vmlinuz").write_bytes(IDLE_KERNEL)
    shutil.copy(image, tmp_path / "base.qcow2")
    return made


def _qemu_img(*words: str | Path) -> str:
    argv = ["qemu-img", *map(str, words)]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def _request(paths: Paths, **changes: Any) -> DomainRequest:
    good: dict[str, Any] = {
        "name": "web1",
        "networks": ["lab"],
        "disks": [paths.root / "base.qcow2"],
        "memory": 256,
        "cpus": 1,
    }
    return DomainRequest(**(good | changes))


def _stop(paths: Paths, name: str) -> None:
    for _, error in DomainStops(paths).stop([name], print):
        if error is not None:
            raise error


def _everything(root: Path) -> set[str]:
    return {str(p.relative_to(root)) for p in root.rglob("*")}


def test_a_domain_gets_a_definition_and_an_overlay_of_its_image(paths: Paths) -> None:
    domain = Domains(paths).create(_request(paths, size=16 << 20))
    assert Domains(paths).get("web1") == domain
    assert domain.nics[0].mac.startswith("52:54:00:")
    overlay = paths.domain_data / "web1/disk.qcow2"
    image = json.loads(_qemu_img("info", "--output=json", overlay))
    assert image["virtual-size"] == 16 << 20
    digest = hashlib.sha256((paths.root / "base.qcow2").read_bytes()).hexdigest()
    assert image["full-backing-filename"] == str(paths.images / f"sha256-{digest}.qcow2")
    assert image["backing-filename-format"] == "qcow2"


def test_every_domain_gets_its_own_macs(paths: Paths) -> None:
    domains = Domains(paths)
    made = [
        domains.create(_request(paths, name=f"web{number}", networks=["lab", "lab"]))
        for number in range(5)
    ]
    macs = [nic.mac for domain in made for nic in domain.nics]
    assert len(set(macs)) == 10


def test_given_macs_belong_to_the_first_networks(paths: Paths) -> None:
    domain = Domains(paths).create(
        _request(paths, networks=["lab", "lab"], macs=["52-54-00-00-00-0A"])
    )
    assert domain.nics[0].mac == "52:54:00:00:00:0a"
    assert domain.nics[1].mac != domain.nics[0].mac


def test_addresses_and_aliases_are_in_the_definition_and_shown(paths: Paths) -> None:
    request = _request(
        paths, networks=["lab", "lab"], addresses=["10.77.0.50"], aliases=["db", "db.example"]
    )
    domain = Domains(paths).create(request)
    assert [nic.address for nic in domain.nics] == ["10.77.0.50", None]
    row = Domains(paths).describe("web1")
    assert (row["aliases"], row["reserved"]) == (["db", "db.example"], ["10.77.0.50"])


@pytest.mark.parametrize("name", ["web1", "ubuntu22.04", "my_vm", "a", "x" * 63, "3com"])
def test_an_owner_may_choose_such_names(paths: Paths, name: str) -> None:
    Domains(paths).create(_request(paths, name=name))
    assert Domains(paths).names() == [name]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"name": ""}, "labels of letters"),
        ({"name": "Web1"}, "upper-case"),
        ({"name": "../etc"}, "labels of letters"),
        ({"name": ".web"}, "labels of letters"),
        ({"name": "web1."}, 'a domain\'s name has .* a final dot, .*: "web1."'),
        ({"name": "-web"}, "hyphen"),
        ({"name": "x" * 64}, "63 characters|labels"),
        ({"name": "127"}, "read as an address"),
        ({"name": "0x7f"}, "read as an address"),
        ({"name": "localhost"}, "is reserved"),
        ({"name": "wpad"}, "is reserved"),
        ({"name": "_gateway"}, "is reserved"),
        ({"name": "ip6-allnodes"}, "is reserved"),
        ({"name": "thishost"}, "own name"),
        ({"name": "web.json"}, 'ends with .json: "web.json"'),
        ({"networks": ["lba"]}, 'no network "lba"'),
        ({"macs": ["52:54:00:00:00:01"] * 2}, "more MACs"),
        ({"macs": ["52:54:00:00:00"]}, "not a MAC"),
        ({"macs": ["52:54:00:ff:ff:ff"]}, "belongs to domain other"),
        ({"addresses": ["10.77.0.50"] * 2}, "more addresses than networks"),
        ({"addresses": ["fd77::50"]}, '"fd77::50" is not an IPv4 address'),
        ({"addresses": ["10.77.0.050"]}, "not an IPv4 address"),
        ({"addresses": ["10.78.0.50"]}, "10.78.0.50 cannot be a guest's address on network lab"),
        ({"addresses": ["10.77.0.1"]}, "10.77.0.1 cannot be a guest's address"),
        ({"addresses": ["10.77.0.255"]}, "10.77.0.255 cannot be a guest's address"),
        ({"addresses": ["10.77.0.9"]}, "10.77.0.9 belongs to domain other on network lab"),
        (
            {"networks": ["lab", "lab"], "addresses": ["10.77.0.50", "10.77.0.50"]},
            "10.77.0.50 on network lab is given twice",
        ),
        ({"aliases": ["Web"]}, "an alias has upper-case"),
        ({"aliases": ["wpad"]}, "an alias is reserved"),
        ({"aliases": ["10.77.0.50"]}, "an alias would be read as an address"),
        ({"aliases": ["thishost"]}, "an alias is this host's own name"),
        ({"aliases": ["web1"]}, "web1 is given twice"),
        ({"aliases": ["db", "db"]}, "db is given twice"),
        ({"aliases": ["other"]}, "other is a name of domain other"),
        ({"aliases": ["also"]}, "also is a name of domain other"),
        ({"name": "also"}, "also is a name of domain other"),
        ({"aliases": [f"db{n}" for n in range(9)]}, "more than 8 aliases"),
        ({"name": "other.lab.internal"}, "other.lab.internal is a name of domain other"),
        ({"aliases": ["other.lab.internal"]}, "other.lab.internal is a name of domain other"),
        ({"name": "lab.internal"}, "lab.internal is a name of network lab"),
        ({"aliases": ["lab.internal"]}, "lab.internal is a name of network lab"),
        ({"name": "mail"}, "mail.lab.internal is a name of domain other"),
        ({"disks": ()}, "nothing to start from"),
        ({"disks": (), "kernel": Path("/nowhere/vmlinuz")}, "no kernel /nowhere"),
        ({"disks": [Path("/nowhere/base.qcow2")]}, "no image /nowhere"),
        ({"initrd": Path("/dev/null")}, "no initrd /dev/null"),
        ({"size": 1 << 20}, r"1M is smaller than .*base\.qcow2 \(8M\)"),
        ({"disks": (), "size": 1 << 30}, "size of a disk"),
    ],
)
def test_what_cannot_be_defined_is_refused_and_leaves_nothing(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], why: str
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "ThisHost.example.org")
    taken = {"macs": ["52:54:00:ff:ff:ff"], "addresses": ["10.77.0.9"], "aliases": ["also"]}
    taken["aliases"].append("mail.lab.internal")
    other = _request(paths, name="other", disks=(), kernel=paths.root / "vmlinuz", **taken)
    Domains(paths).create(other)
    before = _everything(paths.root)
    with pytest.raises(UserError, match=why):
        Domains(paths).create(_request(paths, **changes))
    assert _everything(paths.root) == before


def test_a_domain_that_dnsmasq_cannot_take_is_not_defined(paths: Paths) -> None:
    (paths.network_runs / "lab/hosts.d/web1").mkdir(parents=True)  # stands in the entry's way
    with pytest.raises(UserError, match=r"cannot define domain web1: .*hosts\.d/web1"):
        Domains(paths).create(_request(paths, addresses=["10.77.0.50"]))
    assert Domains(paths).names() == []
    assert not (paths.domain_data / "web1").exists()


def test_a_misspelt_network_is_answered_with_the_one_that_was_meant(paths: Paths) -> None:
    with pytest.raises(UserError) as error:
        Domains(paths).create(_request(paths, networks=["lba"]))
    assert error.value.hint == "did you mean lab?"


@pytest.mark.parametrize("name", ["web1.", "Web1", "WEB1."])
def test_a_misspelt_name_is_answered_with_the_one_that_was_meant(paths: Paths, name: str) -> None:
    with pytest.raises(UserError) as error:
        Domains(paths).create(_request(paths, name=name))
    assert error.value.hint == "did you mean web1?"


def test_unused_names_below_a_network_are_free(paths: Paths) -> None:
    Domains(paths).create(_request(paths, aliases=["www.lab.internal", "web1.lab.internal"]))
    Domains(paths).create(_request(paths, name="web2.lab.internal"))


def test_a_name_is_given_once(paths: Paths) -> None:
    first = Domains(paths).create(_request(paths))
    with pytest.raises(UserError, match="already"):
        Domains(paths).create(_request(paths))
    assert Domains(paths).get("web1") == first


def test_a_path_that_is_not_utf_8_is_refused(paths: Paths) -> None:
    kernel = paths.root / os.fsdecode(b"vmlinuz\xff")
    kernel.write_bytes(IDLE_KERNEL)
    with pytest.raises(UserError, match=r"web1\.toml: a path is not UTF-8"):
        Domains(paths).create(_request(paths, kernel=kernel))


def test_a_disk_that_is_no_domains_is_not_overwritten(paths: Paths) -> None:
    kept = paths.domain_data / "web1/disk.qcow2"
    kept.parent.mkdir(parents=True)
    kept.write_text("somebody's")
    with pytest.raises(UserError, match="already exists"):
        Domains(paths).create(_request(paths))
    assert kept.read_text() == "somebody's"


def test_deleting_removes_disk_and_definition_but_never_the_image(paths: Paths) -> None:
    before = _everything(paths.root)
    domains = Domains(paths)
    domains.create(_request(paths))
    domains.delete("web1")
    assert domains.names() == []
    assert {p for p in _everything(paths.root) - before if "web1" in p} == set()
    assert (paths.root / "base.qcow2").exists()


@pytest.fixture
def somebody_waits(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set once a command has failed to get the lock."""
    waits, flocked = threading.Event(), locks._flocked

    def try_once(fd: int, how: int) -> bool:
        if flocked(fd, how):
            return True
        waits.set()
        return False

    monkeypatch.setattr(locks, "_flocked", try_once)
    return waits


def test_a_disk_that_is_kept_holds_what_the_guest_wrote(paths: Paths) -> None:
    domains = Domains(paths)
    kept = paths.domain_data / "web1.qcow2"
    domains.create(_request(paths))
    subprocess.run(
        ["qemu-io", "-c", "write -P 7 0 512", paths.domain_data / "web1/disk.qcow2"], check=True
    )
    assert domains.delete("web1", keep_disk=True) == [kept]
    assert not (paths.domain_data / "web1").exists()
    read = ["qemu-io", "-r", "-c", "read -P 7 0 512", str(kept)]
    said = subprocess.run(read, capture_output=True, text=True, check=True).stdout
    assert "read 512/512" in said
    assert "failed" not in said
    domains.create(_request(paths))
    with pytest.raises(UserError, match=r"web1\.qcow2 is there already"):
        domains.delete("web1", keep_disk=True)
    assert domains.names() == ["web1"]
    assert domains.delete("web1") == []
    assert kept.exists()


@pytest.mark.parametrize("action", ["delete", "start"])
def test_a_domain_that_is_being_deleted_does_not_exist_for_other_commands(
    paths: Paths, somebody_waits: threading.Event, action: str
) -> None:
    domains = Domains(paths)
    domains.create(_request(paths))
    with ThreadPoolExecutor(1) as others:
        with locks.exclusive(DomainFiles(paths, "web1").commands, 5):
            acts: dict[str, Callable[[str], object]]
            acts = {"delete": domains.delete, "start": lambda name: domains.start(name, print)}
            waiter = others.submit(acts[action], "web1")
            assert somebody_waits.wait(60)
            (paths.domain_definitions / "web1.toml").unlink()
        with pytest.raises(UserError, match='there is no domain "web1"'):
            waiter.result(60)
    assert not (paths.domain_runs / "web1").exists()


def test_who_stops_a_domain_that_is_just_being_deleted_makes_no_folder_of_it(
    paths: Paths, somebody_waits: threading.Event
) -> None:
    domains = Domains(paths)
    domains.create(_request(paths))
    killed = DomainState(name="web1", nics=(), started=0, pending_until=0, pid=1)
    state = paths.domain_runs / "web1.json"
    state.parent.mkdir(parents=True)
    with ThreadPoolExecutor(1) as others:
        with locks.exclusive(DomainFiles(paths, "web1").commands, 5):
            state.write_bytes(msgspec.json.encode(killed))
            waiter = others.submit(_stop, paths, "web1")
            assert somebody_waits.wait(60)
            state.unlink()
            (paths.domain_definitions / "web1.toml").unlink()
        waiter.result(60)
    assert not (paths.domain_runs / "web1").exists()


def test_an_unknown_domain_is_answered_with_the_one_that_was_meant(paths: Paths) -> None:
    domains = Domains(paths)
    domains.create(_request(paths))

    def stop(name: str) -> None:
        _stop(paths, name)

    for ask in (domains.get, domains.delete, stop, domains.describe):
        with pytest.raises(UserError, match='no domain "wbe1"') as error:
            ask("wbe1")
        assert error.value.hint == "did you mean web1?"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("memory = 256", "memory = 1", r"web1\.toml: memory: .*>= 32"),
        ("cpus = 1", "cups = 1", r"web1\.toml: .*cups"),
        ('name = "web1"', 'name = "web2"', r"web1\.toml: name: is \"web2\""),
        ("52:54:00", "01:00:5e", r"web1\.toml: MAC 01:00:5e.* multicast"),
        ("memory =", 'aliases = "db"\nmemory =', r"web1\.toml: aliases: .*array"),
    ],
)
def test_a_definition_edited_badly_is_refused_with_file_and_key(
    paths: Paths, old: str, new: str, why: str
) -> None:
    domains = Domains(paths)
    domains.create(_request(paths))
    file = paths.domain_definitions / "web1.toml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(UserError, match=why):
        domains.get("web1")


def test_starting_on_a_network_that_is_not_started_says_how_to_start_it(paths: Paths) -> None:
    domains = Domains(paths)
    domains.create(_request(paths))
    with pytest.raises(UserError, match="network lab is not started") as error:
        domains.start("web1", lambda _: None)
    assert error.value.hint == "sudo pyvirt network start lab"
    assert not domains.is_running("web1")


@pytest.mark.parametrize("name", ["db", "db.service", "db.socket"])
def test_every_domain_is_a_service_of_its_own(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    units: list[str] = []

    def start(*_: object, unit: str, **__: object) -> list[str]:
        units.append(unit)
        return []

    monkeypatch.setattr("leasewatch.pyvirt.process.start_detached", start)
    state = NetworkState(
        name="lab", bridge="b", suffix="x", lease_file="/l", subnets=(), pid=1, started=0
    )
    (paths.network_runs / "lab").mkdir(parents=True)
    (paths.network_runs / "lab.json").write_bytes(msgspec.json.encode(state))
    domains = Domains(paths)
    domains.create(_request(paths, name=name, accel="tcg"))
    with holding(NetworkFiles(paths, "lab").lock):
        domains.start(name, lambda _: None)
    assert units == [f"pyvirt-domain@{name}.service"]
