"""Guests that claim names which are not theirs: what real clients say, and what the host believes.

Lies about MACs are test_mac_filter.py's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from tests.system import forgery
from tests.system.asking import entries, finds
from tests.system.dhcpv6 import ask_v6
from tests.system.domains import BRIDGE, LEASES, SERVER, define, lease, mac_of, pyvirt, read
from tests.system.forgery import SEND
from tests.system.guest import GuestFiles
from tests.system.world import Client, World

NAMES = ("web1", "web1.lab.internal", "www", "db1", "db", "app1", "app1.lab.internal")
LOG = "/var/lib/leasewatch/log"
LOGGED = ("sh", "-c", f'exec "$@" 2>{LOG}', "sh")


@dataclass
class Town:
    """A running domain web1 (alias www), a stopped one db1 (alias db), a guest app1, and a liar."""

    world: World
    web1: str
    app1: str
    liars: Iterator[int]

    def state(self) -> str:
        """What everybody's names answer for IPv4, as getent prints it."""
        return self.world.run(["getent", "ahostsv4", *NAMES], check=False).stdout

    def free_address(self) -> str:
        """One that is not leased, for a liar to ask for."""
        leased = entries(self.world)
        return next(a for n in self.liars if (a := f"10.77.0.{200 + n % 50}") not in leased)

    def check_as_before(self, before: str, *liars: Client) -> None:
        """Nobody's name has another answer, and none has a liar's addresses of any family."""
        assert self.state() == before
        shown = self.world.run(["getent", "ahosts", *NAMES], check=False).stdout.split()
        for liar in liars:
            assert not set(liar.addresses) & set(shown)

    @contextmanager
    def liar(self) -> Iterator[Client]:
        """A machine on the network that has no lease yet, and gives its lease back at the end."""
        client = self.world.client(f"liar{next(self.liars)}", BRIDGE)
        yield client
        client.end()
        self.world.run(["ip", "netns", "delete", client.name])

    def await_entry(self, address: str) -> dict[str, str]:
        """What `leasewatch list` says of the liar's address."""
        self.world.wait_for(f"{address} to be seen", lambda: address in entries(self.world))
        return entries(self.world)[address]

    def check_said(self, address: str, name: str, verdict: str, reason: str) -> None:
        """The verdict is in `list`, in `resolve --explain` and in the log."""
        entry = self.await_entry(address)
        assert (entry["name"], entry["state"], entry["reason"]) == (name, verdict, reason)
        ask = ["leasewatch", "resolve", name, "--explain", "-o", "json"]
        shown = json.loads(self.world.run(ask, check=False).stdout)
        candidates = shown["candidates"] if isinstance(shown, dict) else shown
        assert [c["reason"] for c in candidates if c["address"] == address] == [reason]
        line = f"claim {verdict} name={name} network=lab mac={entry['mac']} address={address} why="
        assert line in read(self.world, LOG)


@pytest.fixture(scope="module")
def town(_namespaces: None, guest_files: GuestFiles, send_frames: Path) -> Iterator[Town]:
    with closing(World()) as world:
        pyvirt(world, "network", "create", "lab", "--subnet", "10.77.0.0/24", "--mode", "isolated")
        pyvirt(world, "network", "start", "lab")
        world.run(["install", send_frames, SEND])
        world.serve(*LOGGED)
        define(world, guest_files, "web1", "--alias", "www")
        define(world, guest_files, "db1", "--alias", "db")
        pyvirt(world, "domain", "start", "web1")
        app1 = world.client("app1", BRIDGE).dhcp("app1")
        web1 = lease(world, "web1")
        world.wait_for("web1 to answer", lambda: finds(world, "www") == [web1])
        world.wait_for("app1 to answer", lambda: finds(world, "app1") == [app1])
        yield Town(world, web1, app1, count())


@pytest.fixture
def liar(town: Town) -> Iterator[Client]:
    with town.liar() as client:
        yield client


NUMBER = "would be read as an address"
NO_LABEL = "is not one label of letters, digits and hyphens"
HIDDEN = None  # dnsmasq does not report it

CLAIMS: dict[str, tuple[str, str] | None] = {
    # what the guest says -> the name that dnsmasq makes of it, and why it is refused
    "localhost": HIDDEN,
    "LocalHost": HIDDEN,
    "wpad": HIDDEN,
    "isatap": HIDDEN,
    "broadcasthost": HIDDEN,
    "_gateway": HIDDEN,
    "_outbound": HIDDEN,
    "ip6-localhost": HIDDEN,
    "ip6-allnodes": HIDDEN,
    "pyvirt-world": HIDDEN,
    "db1": HIDDEN,
    "DB1.lab.internal": HIDDEN,
    "db": HIDDEN,
    "www": HIDDEN,
    "www.google.com": HIDDEN,
    "12345": ("12345", NUMBER),
    "0x10": ("0x10", NUMBER),
    "0x7f000001": ("0x7f000001", NUMBER),
    "1.2.3.4": ("1", NUMBER),
    "127.1": ("127", NUMBER),
    "a_b": ("a_b", NO_LABEL),
    "x-": ("x-", NO_LABEL),
    "-x": HIDDEN,
    "*": HIDDEN,
    "w\u00e9b1": HIDDEN,
    "x" * 64: HIDDEN,
    "y" * 200: HIDDEN,
    # dnsmasq gives a domain's name to its own MAC alone.
    "web1": HIDDEN,
    "WEB1": HIDDEN,
    "web1.": HIDDEN,
    "web1.lab.internal": HIDDEN,
}


@pytest.mark.parametrize("option", ["-xhostname:", "-F"])
def test_no_guest_gets_a_name_that_is_not_its_own(town: Town, option: str) -> None:
    before = town.state()
    with ExitStack() as there:
        liars = {said: there.enter_context(town.liar()) for said in CLAIMS}
        for said, liar in liars.items():
            liar.ask(options=[f"{option}{said}"])
        addresses = {said: liar.leased() for said, liar in liars.items()}
        town.world.wait_for(
            "all of them to be seen", lambda: set(addresses.values()) <= entries(town.world).keys()
        )
        seen = entries(town.world)
        for said, address in addresses.items():
            claimed = CLAIMS[said]
            if claimed is None:
                assert seen[address]["state"] == "unnamed", said
            else:
                name, why = claimed
                town.check_said(address, name, "refused", f'"{name}" {why}')
            assert town.world.run(["getent", "hosts", address], check=False).returncode == 2, said
            assert address not in finds(town.world, said)
        town.check_as_before(before, *liars.values())


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("evil.lab.internal", "evil"),
        ("a.b.lab.internal", "a"),
        ("mail.google.com", "mail"),
        ("metadata.google.internal", "metadata"),
        ("web1.evil", "web1"),
    ],
)
def test_a_guest_gets_only_the_first_label_of_a_dotted_name(
    town: Town, liar: Client, said: str, name: str
) -> None:
    before = town.state()
    address = liar.dhcp(said)
    entry = town.await_entry(address)
    if name == "web1":
        assert entry["state"] == "unnamed"
    else:
        assert (entry["name"], entry["state"]) == (name, "published")
        town.world.wait_for(f"{name} to answer", lambda: finds(town.world, name) == [address])
        assert finds(town.world, f"{name}.lab.internal") == [address]
    if said != f"{name}.lab.internal":
        assert finds(town.world, said) == []
    town.check_as_before(before, liar)


BYTES = {
    "a space": b"web 1",
    "an escape sequence": b"x\x1b[31m",
    "UTF-8 cut short": b"web\xc3",
    "a NUL behind a name": b"web1\0evil",
    "a NUL before a name": b"evil\0web1",
    "a line of the lease file": b"a\n0 52:54:00:00:00:01 10.77.0.9 web1 *",
    "nothing but a NUL": b"\0",
    "255 bytes": b"z" * 255,
}


@pytest.mark.parametrize("code", [12, 81])
@pytest.mark.parametrize("what", BYTES)
def test_malformed_hostnames_take_no_other_guests_name(
    town: Town, liar: Client, what: str, code: int
) -> None:
    before = town.state()
    address = town.free_address()
    said = BYTES[what] if code == 12 else (b"\x01\0\0" + BYTES[what])[:255]

    def say(kind: int) -> None:
        frames = forgery.dhcp(
            kind,
            liar.mac,
            source=liar.mac,
            server=SERVER,
            address=address,
            options=forgery.option(code, said),
        )
        liar.run([SEND, "eth0", *frames])

    def is_seen() -> bool:  # a bridge takes no frame from a card that is too new
        say(forgery.REQUEST)
        return address in entries(town.world)

    town.world.wait_for(f"{address} to be seen", is_seen)
    entry = entries(town.world)[address]
    # dnsmasq takes what is before a NUL.
    assert (
        entry["state"] == {None: "unnamed", "web1": "refused", "evil": "published"}[entry["name"]]
    )
    town.check_as_before(before, liar)
    for argv in (["leasewatch", "list"], ["cat", LOG]):
        printed = town.world.run(argv).stdout
        assert not [c for c in printed if c != "\n" and not (c.isascii() and c.isprintable())]
    say(forgery.RELEASE)


def test_the_newest_of_two_guests_has_the_name_and_the_reason_names_it(
    town: Town, liar: Client
) -> None:
    address = liar.dhcp("app1")
    town.world.wait_for("the newest to answer", lambda: finds(town.world, "app1") == [address])
    # dnsmasq has taken the name from the older one's line too.
    assert entries(town.world)[town.app1]["state"] in {"unnamed", "conflict"}
    assert finds(town.world, "web1") == [town.web1]
    liar.release()
    town.world.wait_for("the newest to be gone", lambda: address not in finds(town.world, "app1"))


def test_a_forged_client_id_moves_no_lease(town: Town, liar: Client) -> None:
    before = town.state()
    web1 = entries(town.world)[town.web1]
    forged = "01" + web1["mac"].replace(":", "")
    address = liar.dhcp(options=["-x", f"0x3d:{forged}"])
    assert address != town.web1
    entry = town.await_entry(address)
    assert entry["mac"] == liar.mac
    town.check_as_before(before, liar)


def test_a_forged_duid_and_name_join_no_domain(town: Town, liar: Client) -> None:
    mac = entries(town.world)[town.web1]["mac"]
    before = town.state()
    address = ask_v6(liar, "web1", duid=f"00:03:00:01:{mac}")
    entry = town.await_entry(address)
    assert mac.replace(":", "") in entry["client_id"].replace(":", "")
    assert entry["state"] in {"refused", "unnamed"}
    town.check_as_before(before, liar)
    assert town.world.run(["getent", "hosts", address], check=False).returncode == 2


def test_a_machine_that_takes_a_running_domains_mac_gets_no_lease(town: Town, liar: Client) -> None:
    mac = entries(town.world)[town.web1]["mac"]
    before = town.state()
    liar.run(["ip", "link", "set", "eth0", "address", mac])
    ask = ["busybox", "udhcpc", "-n", "-q", "-t", "3", "-T", "1", "-i", "eth0", "-s", "/bin/true"]
    assert liar.run(ask, check=False).returncode == 1
    # Its own idea of an IPv6 address may be web1's very one: both make it of the MAC (RFC 4862).
    assert town.state() == before
    assert town.world.run(["ping", "-c1", "-W10", "web1"]).returncode == 0


def test_a_stopped_domains_name_ends_and_one_made_again_answers_at_once(
    lab: World, guest_files: GuestFiles
) -> None:
    lab.serve(*LOGGED)
    pyvirt(lab, "domain", "start", "web1")
    first = lab.wait_for("web1's address", lambda: finds(lab, "web1"))
    assert len(first) == 1
    mac = mac_of(lab, "web1")
    pyvirt(lab, "domain", "stop", "--force", "web1")
    lab.wait_for("the name to be gone", lambda: finds(lab, "web1") == [])
    lab.wait_for("the lease to be gone", lambda: first[0] not in entries(lab))
    assert "claim" not in read(lab, LOG)
    thief = lab.client("thief", BRIDGE, mac)
    stolen = thief.dhcp("web1")
    lab.wait_for("the claim to be seen", lambda: stolen in entries(lab))
    # For a moment dnsmasq still knows the name of this MAC.
    assert entries(lab)[stolen]["state"] in {"refused", "unnamed"}
    assert finds(lab, "web1") == []
    pyvirt(lab, "domain", "delete", "web1")
    define(lab, guest_files, "web1")
    assert mac_of(lab, "web1") != mac
    pyvirt(lab, "domain", "start", "web1")
    second = lab.wait_for("the new one's lease", lambda: finds(lab, "web1"))
    assert len(second) == 1
    assert second[0] != stolen
    assert entries(lab)[second[0]]["mac"] == mac_of(lab, "web1")
    assert entries(lab)[stolen]["state"] in {"refused", "unnamed"}


def _one_of_many(number: int) -> list[str]:
    mac = f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"
    said = (b"web1", b"app1", b"flood%d" % number)[number % 3]
    return forgery.dhcp(
        forgery.REQUEST,
        mac,
        source=mac,
        server=SERVER,
        address=f"10.77.0.{number % 256}",
        options=forgery.option(12, said),
    )


def test_a_flood_of_clients_takes_no_name_and_no_lease_from_anybody(
    lab: World, send_frames: Path
) -> None:
    lab.run(["install", send_frames, SEND])
    lab.serve()
    pyvirt(lab, "domain", "start", "web1")
    guests = {name: lab.client(name, BRIDGE).dhcp(name) for name in ("app1", "app2")}
    (web1,) = lab.wait_for("web1's address", lambda: finds(lab, "web1"))
    lab.wait_for("its lease", lambda: f" {web1} " in read(lab, LEASES))  # it may be but offered
    liar = lab.client("liar", BRIDGE)
    full = lab.client("late", BRIDGE)
    ask = ["busybox", "udhcpc", "-n", "-q", "-t", "3", "-T", "1", "-i", "eth0", "-s", "/bin/true"]

    def is_used_up() -> bool:
        for first in range(0, 500, 50):  # no more at a time than dnsmasq's socket holds
            flood = (_one_of_many(number) for number in range(first, first + 50))
            liar.run([SEND, "eth0", *(frame for frames in flood for frame in frames)])
        return full.run(ask, check=False).returncode == 1

    lab.wait_for("the pool to be used up", is_used_up, 120)
    assert finds(lab, "web1") == [web1]
    assert finds(lab, "app2") == [guests["app2"]]
    assert lab.run(["getent", "hosts", web1]).stdout.split()[1] == "web1"
    published = [entry for entry in entries(lab).values() if entry["state"] == "published"]
    assert {e["mac"] for e in published if e["name"] == "web1"} == {mac_of(lab, "web1")}
    lab.wait_for("all of it to be known", lambda: len(entries(lab)) > 240)
