"""Changes of a network's definition that were killed at any step, and what is refused."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.domain import DomainDefinition, NicDefinition
from leasewatch.pyvirt.defined.network import Network, Reservation
from leasewatch.pyvirt.networks.change import NetworkChanges
from nss_pyvirt.errors import UserError
from tests.leasewatch.killing import killed_at_each_step

LAB = Network(name="lab", subnet="10.77.0.0/24", subnet6="fd77::/64")
PRINTER = Reservation(name="printer", mac="52:54:00:00:00:09", address="10.77.0.9")
ENTRY = "52:54:00:00:00:09,10.77.0.9,printer\n"


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    made = Paths(tmp_path)
    store.write(made.network_definitions, LAB)
    for folder in (made.network_runs / "lab/hosts.d", made.locks, made.domain_definitions):
        folder.mkdir(parents=True)
    return made


def test_a_reservation_is_whole_after_a_kill_at_any_step(paths: Paths) -> None:
    networks, entry = NetworkChanges(paths), paths.network_runs / "lab/hosts.d/+printer"
    words = "lab", "printer", PRINTER.mac, PRINTER.address

    def forget() -> None:
        store.write(paths.network_definitions, LAB)
        entry.unlink(missing_ok=True)

    step = 0
    for step in killed_at_each_step(lambda: networks.reserve(*words), forget):  # noqa: B007
        assert networks.get("lab").reserved in ((), (PRINTER,))
        networks.reserve(*words)
        assert networks.get("lab").reserved == (PRINTER,)
        assert entry.read_text() == ENTRY
    assert step > 2
    networks.forget("lab", "printer")
    assert not entry.exists()


def test_a_change_is_made_or_not_after_a_kill_at_any_step(paths: Paths) -> None:
    networks = NetworkChanges(paths)

    def isolate() -> object:
        return networks.change("lab", lambda old: msgspec.structs.replace(old, mode="isolated"))

    def restore() -> None:
        store.write(paths.network_definitions, LAB)

    step = 0
    for step in killed_at_each_step(isolate, restore):  # noqa: B007
        assert networks.get("lab").mode in ("nat", "isolated")
        isolate()
        assert networks.get("lab").mode == "isolated"
    assert step > 1


BAD = [
    (PRINTER, {"name": "www.a"}, "is not one label"),
    (PRINTER, {"mac": "52:54:00:AA:00:09"}, "usual form"),
    (PRINTER, {"mac": "x"}, '"x" is not a MAC address'),
    (PRINTER, {"address": "10.77.0.255"}, "cannot be a guest's address"),
    (PRINTER, {"address": "10.077.0.9"}, "is not an IPv4 address"),
]


@pytest.mark.parametrize(("one", "change", "says"), BAD)
def test_a_senseless_reservation_is_refused(
    one: Reservation, change: dict[str, str], says: str
) -> None:
    wrong = msgspec.structs.replace(one, **change)
    with pytest.raises(UserError, match=says):
        msgspec.structs.replace(LAB, reserved=(wrong,)).checked()


@pytest.mark.parametrize("key", ["name", "mac", "address"])
def test_two_reservations_share_nothing(key: str) -> None:
    other = Reservation(name="scanner", mac="52:54:00:00:00:08", address="10.77.0.8")
    same = msgspec.structs.replace(other, **{key: getattr(PRINTER, key)})
    with pytest.raises(UserError, match=rf"reserved\[1\].{key}: .* is reserved for printer"):
        msgspec.structs.replace(LAB, reserved=(PRINTER, same)).checked()


def test_a_domains_mac_is_reserved_by_its_name(paths: Paths) -> None:
    nic = NicDefinition(network="lab", mac=PRINTER.mac)
    web1 = DomainDefinition(name="web1", nics=(nic,), memory=64, cpus=1, kernel="/k")
    store.write(paths.domain_definitions, web1)
    with pytest.raises(UserError, match="belongs to domain web1") as caught:
        NetworkChanges(paths).reserve("lab", "printer", PRINTER.mac, PRINTER.address)
    assert caught.value.hint == "sudo pyvirt network reserve lab web1 --address 10.77.0.9"
