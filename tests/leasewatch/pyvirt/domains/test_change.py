"""Changing definitions: checked as `create` does, written whole, or left as they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from leasewatch.model import DomainState, Nic
from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.domain import DomainDefinition, NicDefinition
from leasewatch.pyvirt.defined.network import Network
from leasewatch.pyvirt.domains.change import DomainChanges
from leasewatch.pyvirt.domains.parts import replaced, with_address
from leasewatch.pyvirt.files import DomainFiles, NetworkFiles
from nss_pyvirt import replacing
from nss_pyvirt.errors import UserError
from tests.leasewatch.holding import holding
from tests.system.guest import IDLE_KERNEL


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A root with the networks `lab` and `dmz`, a kernel, and two domains."""
    made = Paths(tmp_path)
    for name, subnet in (("lab", "10.77.0.0/24"), ("dmz", "10.78.0.0/24")):
        network = Network(name=name, subnet=subnet, subnet6="fd77::/64")
        store.write(made.network_definitions, network)
        NetworkFiles(made, name).hosts.mkdir(parents=True)
    (tmp_path / "vmlinuz").write_bytes(IDLE_KERNEL)
    for number, name in enumerate(("web1", "db1")):
        domain = DomainDefinition(
            name=name,
            nics=(NicDefinition(network="lab", mac=f"52:54:00:00:00:0{number}"),),
            memory=512,
            cpus=1,
            kernel=str(tmp_path / "vmlinuz"),
        )
        store.write(made.domain_definitions, domain)
    return made


def change(paths: Paths, **changes: Any) -> DomainDefinition:
    """Change a definition; its new value."""
    changed = DomainChanges(paths).change(
        "web1", lambda old: msgspec.structs.replace(old, **changes)
    )
    assert changed.old is not None
    return changed.new


def entry(paths: Paths, network: str = "lab") -> str:
    """What dnsmasq reads about web1 on a network."""
    file = NetworkFiles(paths, network).hosts / "web1"
    return file.read_text() if file.exists() else ""


def test_a_change_is_in_the_definition(paths: Paths) -> None:
    new = change(paths, memory=1024, aliases=("www",))
    assert DomainChanges(paths).get("web1") == new
    assert (new.memory, new.aliases) == (1024, ("www",))


def test_a_fixed_address_is_reserved_at_once_and_given_back(paths: Paths) -> None:
    changes = DomainChanges(paths)
    changes.change("web1", lambda old: replaced(paths, old, "address", ["10.77.0.50"]))
    assert entry(paths) == "52:54:00:00:00:00,10.77.0.50,web1\n"
    changes.change("web1", lambda old: with_address(old, "lab", None))
    assert entry(paths) == ""


def test_an_address_goes_to_the_card_on_its_network(paths: Paths) -> None:
    nics = (
        *DomainChanges(paths).get("web1").nics,
        NicDefinition(network="dmz", mac="52:54:00:00:00:0a"),
    )
    change(paths, nics=nics)
    DomainChanges(paths).change("web1", lambda old: replaced(paths, old, "address", ["10.78.0.9"]))
    assert [nic.address for nic in DomainChanges(paths).get("web1").nics] == [None, "10.78.0.9"]
    assert entry(paths, "dmz") == "52:54:00:00:00:0a,10.78.0.9,web1\n"
    change(paths, nics=nics[:1])
    assert entry(paths, "dmz") == ""


def test_an_address_of_no_network_is_refused_with_the_subnets(paths: Paths) -> None:
    with pytest.raises(UserError, match=r"10\.79\.0\.1 is on no network of domain web1") as caught:
        DomainChanges(paths).change(
            "web1", lambda old: replaced(paths, old, "address", ["10.79.0.1"])
        )
    assert caught.value.hint == "use an address of one of them: lab has 10.77.0.0/24"
    with pytest.raises(UserError, match="domain web1 is not on network dmz"):
        DomainChanges(paths).change("web1", lambda old: with_address(old, "dmz", "10.78.0.1"))


NIC = {"network": "lab", "mac": "52:54:00:00:00:00"}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"aliases": ("db1",)}, "db1 is a name of domain db1 already"),
        ({"aliases": ("web1",)}, "web1 is given twice"),
        ({"aliases": ("Web",)}, "an alias has upper-case"),
        ({"aliases": ("lab.internal",)}, "lab.internal is a name of network lab"),
        ({"nics": ()}, "web1 is on no network"),
        ({"nics": (NicDefinition(**NIC | {"mac": "52:54:00:00:00:01"}),)}, "belongs to domain db1"),
        ({"nics": (NicDefinition(**NIC | {"mac": "52:54"}),)}, "not a MAC"),
        ({"nics": (NicDefinition(**NIC | {"network": "lba"}),)}, 'no network "lba"'),
        ({"nics": (NicDefinition(**NIC, address="10.77.0.1"),)}, "cannot be a guest's address"),
        ({"kernel": "/nowhere/vmlinuz"}, "there is no kernel /nowhere/vmlinuz"),
        ({"initrd": "initrd.gz"}, "initrd initrd.gz is not an absolute path"),
        ({"kernel": None}, "nothing to start from"),
        ({"name": "web2"}, "name: only rename"),
    ],
)
def test_what_create_would_refuse_changes_nothing(
    paths: Paths, changes: dict[str, Any], why: str
) -> None:
    file = DomainFiles(paths, "web1").definition
    before = file.read_bytes()
    with pytest.raises(UserError, match=why):
        change(paths, memory=1024, **changes)
    assert file.read_bytes() == before


def test_what_was_wrong_before_does_not_stop_another_change(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "web1")
    (paths.root / "vmlinuz").unlink()
    assert change(paths, memory=1024).memory == 1024


def test_a_definition_comes_back_if_dnsmasq_cannot_take_it(paths: Paths) -> None:
    (NetworkFiles(paths, "lab").hosts / "web1").mkdir()  # stands in the entry's way
    before = DomainFiles(paths, "web1").definition.read_bytes()
    with pytest.raises(UserError, match=r"cannot change domain web1: .*hosts\.d/web1"):
        DomainChanges(paths).change(
            "web1", lambda old: replaced(paths, old, "address", ["10.77.0.50"])
        )
    assert DomainFiles(paths, "web1").definition.read_bytes() == before


def test_a_running_domain_is_told_what_waits_for_a_restart(paths: Paths) -> None:
    files = DomainFiles(paths, "web1")
    nics = (Nic("lab", "52:54:00:00:00:00"),)
    runs = DomainState(name="web1", nics=nics, started=1, pending_until=0, pid=1, since=1)
    replacing.replace(files.state, msgspec.json.encode(runs))
    with holding(files.lock):
        changed = DomainChanges(paths).change(
            "web1", lambda old: msgspec.structs.replace(old, memory=1024, append="quiet")
        )
    assert changed.waiting == ("memory", "append")


def test_a_text_is_kept_as_its_owner_wrote_it(paths: Paths) -> None:
    file = DomainFiles(paths, "web1").definition
    before = file.read_bytes()
    after = b"# the shop\n" + before.replace(b"memory = 512", b"memory = 768  # enough")
    changed = DomainChanges(paths).replace("web1", before, after)
    assert (changed.new.memory, file.read_bytes()) == (768, after)


def test_a_text_does_not_take_the_place_of_another_change(paths: Paths) -> None:
    file = DomainFiles(paths, "web1").definition
    before = file.read_bytes()
    change(paths, memory=1024)
    with pytest.raises(UserError, match="was changed by another command meanwhile"):
        DomainChanges(paths).replace("web1", before, before.replace(b"cpus = 1", b"cpus = 2"))
    assert DomainChanges(paths).get("web1").cpus == 1


def test_a_broken_definition_can_be_replaced(paths: Paths) -> None:
    file = DomainFiles(paths, "web1").definition
    good = file.read_bytes()
    file.write_bytes(b"cpus = \n")
    assert DomainChanges(paths).replace("web1", b"cpus = \n", good).old is None
    assert DomainChanges(paths).get("web1").cpus == 1
