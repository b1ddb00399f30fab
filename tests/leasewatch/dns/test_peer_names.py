"""Which names of other hosts answer here: long ones always, a bare one where it is safe."""

from __future__ import annotations

from leasewatch import addresses
from leasewatch.addresses import Address
from leasewatch.dns.peer_names import Key, PeerNames

EXPIRES = 4_000_000_000


def at(*texts: str) -> tuple[Address, ...]:
    return tuple(map(addresses.parse, texts))


class Site:
    """Hosts and their zones, and what their names answer here."""

    def __init__(self, **zones: dict[str, tuple[Address, ...]]) -> None:
        self.names = PeerNames()
        self.names.set_own((), ())
        self.zones: dict[str, dict[str, tuple[Address, ...]]] = {}
        for host, names in zones.items():
            self.set(host, names)

    def set(self, host: str, names: dict[str, tuple[Address, ...]]) -> set[Key]:
        touched = self.zones.get(host, {}).keys() | names.keys()
        self.zones[host] = names
        return self.names.set_zone(host, f"{host}.vm.example.org", names, touched, EXPIRES)

    def answers(self) -> dict[str, list[str]]:
        """Every name that answers, without the site, and its addresses."""
        found = {}
        for host, names in self.zones.items():
            for name in names:
                for record in self.names.records(Key(host, name)):
                    for one in record.names:
                        short = one.removesuffix(".vm.example.org")
                        found[short] = [addresses.text(a.address) for a in record.addresses]
        return found


def test_a_name_answers_below_its_host_and_bare_where_the_owner_gave_it() -> None:
    site = Site(
        hostb={"web1": at("10.1.0.5"), "web1.lab": at("10.1.0.5"), "db.lab": at("10.1.0.6")}
    )
    assert site.answers() == {
        "web1.hostb": ["10.1.0.5"],
        "web1": ["10.1.0.5"],
        "web1.lab.hostb": ["10.1.0.5"],
        "db.lab.hostb": ["10.1.0.6"],
    }


def test_a_record_of_an_owners_name_comes_first_in_reverse_lookups() -> None:
    site = Site(hostb={"web1": at("10.1.0.5"), "web1.lab": at("10.1.0.5")})
    (owners,) = site.names.records(Key("hostb", "web1"))
    (below,) = site.names.records(Key("hostb", "web1.lab"))
    assert (owners.trust, owners.names[0]) == ("owner", "web1.hostb.vm.example.org")
    assert below.trust == "guest"
    assert {a.expires for a in owners.addresses} == {EXPIRES}


def test_a_bare_name_that_two_hosts_have_answers_for_neither_until_one_lets_go() -> None:
    site = Site(hostb={"web1": at("10.1.0.5")})
    touched = site.set("hostc", {"web1": at("10.2.0.5")})
    assert touched == {Key("hostb", "web1"), Key("hostc", "web1")}
    assert site.answers() == {"web1.hostb": ["10.1.0.5"], "web1.hostc": ["10.2.0.5"]}
    assert site.names.left_out("hostb", 9) == {"web1": "several hosts have it: hostb, hostc"}
    assert site.set("hostb", {}) == {Key("hostb", "web1"), Key("hostc", "web1")}
    assert site.answers() == {"web1.hostc": ["10.2.0.5"], "web1": ["10.2.0.5"]}


def test_a_bare_name_answers_all_the_time_while_its_guest_moves_with_its_address() -> None:
    site = Site(hostb={"web1": at("10.1.0.5")})
    site.set("hostc", {"web1": at("10.1.0.5")})
    assert site.answers()["web1"] == ["10.1.0.5"]
    assert site.names.left_out("hostb", 9) == site.names.left_out("hostc", 9) == {}
    assert Key("hostb", "web1") in site.set("hostc", {"web1": at("10.1.0.6")})
    assert "web1" not in site.answers()
    site.set("hostc", {"web1": at("10.1.0.5")})
    assert site.set("hostb", {}) == {Key("hostb", "web1"), Key("hostc", "web1")}
    assert site.answers()["web1"] == ["10.1.0.5"]


def test_a_guest_of_another_host_never_gets_a_bare_name() -> None:
    site = Site(hostb={"web1.lab": at("10.1.0.5")}, hostc={"web1": at("10.2.0.5")})
    assert site.answers()["web1"] == ["10.2.0.5"]
    assert "several" not in str(site.names.left_out("hostc", 9))


def test_a_blocked_name_never_answers_bare() -> None:
    site = Site(hostb={"web1": at("10.1.0.5")})
    assert site.names.set_own({"web1", "wpad"}, ()) == {Key("hostb", "web1")}
    assert site.answers() == {"web1.hostb": ["10.1.0.5"]}
    assert site.names.left_out("hostb", 9) == {"web1": "this host has or reserves the name"}
    assert site.names.set_own({"wpad"}, ()) == {Key("hostb", "web1")}
    assert site.answers()["web1"] == ["10.1.0.5"]


def test_a_bare_name_never_answers_with_an_address_of_our_own_networks() -> None:
    site = Site(
        hostb={"web1": at("10.77.0.5"), "db": at("10.77.0.6", "fd00:2::6"), "far": at("10.78.0.1")}
    )
    touched = site.names.set_own((), {"10.77.0.0/24", "fd00:1::/64"})
    assert touched == {Key("hostb", name) for name in ("web1", "db", "far")}
    assert site.answers() == {
        "web1.hostb": ["10.77.0.5"],
        "db.hostb": ["10.77.0.6", "fd00:2::6"],
        "db": ["fd00:2::6"],
        "far.hostb": ["10.78.0.1"],
        "far": ["10.78.0.1"],
    }
    assert site.names.left_out("hostb", 9) == {
        "web1": "its addresses are in this host's own networks"
    }


def test_no_bare_name_answers_before_this_hosts_names_are_known() -> None:
    site = Site(hostb={"web1": at("10.1.0.5")})
    site.names = PeerNames()
    site.zones.clear()
    site.set("hostb", {"web1": at("10.1.0.5")})
    assert site.answers() == {"web1.hostb": ["10.1.0.5"]}
    assert site.names.set_own((), ()) == {Key("hostb", "web1")}
    assert site.answers()["web1"] == ["10.1.0.5"]
