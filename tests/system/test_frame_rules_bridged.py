"""The MAC filter on a bridge of the host: it judges our guests' ports only, and no address."""

from __future__ import annotations

import json

import pytest

from tests.system import forgery
from tests.system.lies import of_others, of_routers, truths
from tests.system.street import EVIL, PLAIN, WEB1, Street
from tests.system.street import street as street  # noqa: PLC0414  # a fixture

ABOUT_ADDRESSES = {"an answer of a probe"}
STATE = "/run/pyvirt/networks/lab.json"


@pytest.fixture
def joined(street: Street) -> Street:
    """With the filter of a bridged network."""
    state = json.loads(street.world.run(["cat", STATE]).stdout)
    street.world.run(["tee", STATE], input=json.dumps(state | {"subnets": [], "lease_file": ""}))
    street.refresh("evil")
    return street


def heard(street: Street, who: str, said: dict[str, list[str]]) -> set[str]:
    seen = zip(said, street.seen(who, *(frames[0] for frames in said.values())), strict=True)
    return {what for what, where in seen if where}


def test_a_guest_sends_from_its_own_mac_and_is_no_router(joined: Street) -> None:
    lies = of_routers(joined, EVIL)
    assert heard(joined, "evil", lies) <= ABOUT_ADDRESSES
    said = truths(joined, EVIL)
    assert heard(joined, "evil", said) == said.keys()


def test_other_ports_are_not_judged(joined: Street) -> None:
    said = of_routers(joined, PLAIN) | of_others(joined, PLAIN)
    assert heard(joined, "plain", said) == said.keys()


def test_an_arrived_guest_shows_switches_its_own_mac_alone(joined: Street) -> None:
    said = {
        "its own": [announced(EVIL, EVIL, EVIL)],
        "another sender": [announced(EVIL, WEB1, EVIL)],
        "another target": [announced(EVIL, EVIL, WEB1)],
        "an address": [announced(EVIL, EVIL, EVIL, address="0a4d0038")],
        "an answer": [announced(EVIL, EVIL, EVIL, operation=4)],
    }
    assert heard(joined, "evil", said) == {"its own"}


def announced(
    mac: str, sender: str, target: str, address: str = "00000000", operation: int = 3
) -> str:
    """Reverse ARP, as QEMU sends it for a guest that arrives."""
    sender, target = sender.replace(":", ""), target.replace(":", "")
    body = f"000108000604{operation:04x}{sender}{address}{target}{address}"
    return forgery.ethernet(mac, 0x8035, bytes.fromhex(body).ljust(46, b"\0"))
