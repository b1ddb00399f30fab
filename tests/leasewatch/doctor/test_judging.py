"""What each check of `leasewatch doctor` makes of what it sees: no host is asked."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from leasewatch.addresses import parse
from leasewatch.api.client import NoServiceError
from leasewatch.api.interface import Entry, ListReply, SourceEntry
from leasewatch.doctor import (
    clones,
    conflicts,
    dnsmasq,
    host_keys,
    hosts_file,
    old_leases,
    port53,
    publishing,
    resolved,
)
from leasewatch.doctor.host import Host
from leasewatch.doctor.other_programs import OtherPrograms, ResolveHook
from leasewatch.doctor.sources import judge as judge_sources
from leasewatch.names import on_link
from leasewatch.paths import Paths
from nss_pyvirt.checks import Row

DUID = "00:02:00:00:ab:11:a1:b2:c3:d4:e5:f6:07:18"
SHARED = f"ff:00:00:00:01:{DUID}"
FIRST, SECOND = "52:54:00:00:00:01", "52:54:00:00:00:02"


def entry(name: str | None, **fields: Any) -> Entry:
    given: dict[str, Any] = {
        "trust": "guest", "verdict": "published", "reason": "", "network": "lab",
        "address": "10.77.0.5", "origin": "lease", "hostname": name, "source": "/l",
    } | fields  # fmt: skip
    return Entry(name=name, **given)


CLONES: dict[str, tuple[list[Entry], list[str]]] = {
    "none": ([], []),
    "two machines with one id": (
        [
            entry("web1", mac=FIRST, client_id=SHARED),
            entry("web2", mac=SECOND, client_id=SHARED, address="10.77.0.6"),
        ],
        ["bad"],
    ),
    "one machine with two cards": (
        [
            entry("web1", mac=FIRST, client_id=SHARED),
            entry("web1", mac=SECOND, client_id=SHARED.replace("01:00", "02:00", 1)),
        ],
        [],
    ),
    "one machine that was renamed": (
        [
            entry("old", mac=FIRST, client_id=SHARED),
            entry("new", mac=FIRST, client_id=SHARED),
        ],
        [],
    ),
    "one that was renamed, with two cards": (
        [
            entry("old", mac=FIRST, client_id=SHARED),
            entry("new", mac=FIRST, client_id=SHARED),
            entry("new", mac=SECOND, client_id=SHARED),
        ],
        [],
    ),
    "ids that are the MAC": (
        [
            entry("web1", mac=FIRST, client_id=f"01:{FIRST}"),
            entry("web2", mac=SECOND, client_id=f"01:{SECOND}"),
        ],
        [],
    ),
    "DHCPv6 alone, whose MACs are those of the same names": (
        [
            entry("web1", mac=FIRST, client_id=f"01:{FIRST}"),
            entry("web2", mac=SECOND, client_id=f"01:{SECOND}"),
            entry("web1", address="fd12::5", client_id=DUID),
            entry("web2", address="fd12::6", client_id=DUID),
        ],
        ["warn"],
    ),
    "no names": (
        [entry(None, mac=FIRST, client_id=SHARED), entry(None, mac=SECOND, client_id=SHARED)],
        [],
    ),
}


@pytest.mark.parametrize("case", CLONES)
def test_clones_are_machines_with_one_id_and_no_name_in_common(case: str) -> None:
    leases, states = CLONES[case]
    rows = list(clones.judge(leases))
    assert [row.state for row in rows] == states
    assert all("web1, web2" in row.detail and DUID in row.detail for row in rows)


def test_a_machine_that_lost_its_name_is_one_row_whatever_addresses_it_has() -> None:
    lost: dict[str, Any] = {"verdict": "conflict", "reason": "web1 has it"}
    rows = list(
        conflicts.judge(
            [
                entry("web1"),
                entry("web1", mac=FIRST, **lost),
                entry("web1", mac=FIRST, address="fd12::5", **lost),
                entry("web1", mac=SECOND, address="10.77.0.6", **lost),
                entry("a b", mac=FIRST, address="10.77.0.5", **lost),
            ]
        )
    )
    assert [row.detail for row in rows] == [
        "10.77.0.5 on lab does not get web1: web1 has it",
        "10.77.0.6 on lab does not get web1: web1 has it",
        "10.77.0.5 on lab does not get a b: web1 has it",
    ]
    assert rows[-1].fix == "leasewatch resolve 'a b' --explain"


CHANGELOG = "dnsmasq (2.90-4~deb12u2)\n  * CVE-2026-2291.patch: Fix buffer overflow\n"
VERSIONS = {
    "2.90": ("warn", ""),
    "2.92": ("warn", ""),
    "2.92rel1": ("warn", ""),
    "2.92rel2": ("ok", ""),
    "2.93": ("ok", ""),
    "2.100": ("ok", ""),
    "2.91test9": ("warn", ""),
    "2.80": ("ok", CHANGELOG),
    "UNKNOWN": ("ok", ""),
}


@pytest.mark.parametrize("number", VERSIONS)
def test_dnsmasq_is_doubted_without_the_repairs_of_its_version_or_distribution(number: str) -> None:
    state, changelog = VERSIONS[number]
    row = dnsmasq.judge(
        f"Dnsmasq version {number}  Copyright (c) 2000-2025 Simon Kelley", changelog
    )
    assert row.state == state
    assert bool(row.fix) == (state == "warn")


def test_without_dnsmasq_nothing_is_doubted() -> None:
    assert dnsmasq.judge("", "").state == "off"


HIDDEN: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "another address": ("10.9.9.9 web1", [("bad", "sudo sed -i 1d /etc/hosts")]),
    "another address, among names": (
        "10.9.9.9 www WEB1.",
        [("bad", "remove web1 from line 1 of /etc/hosts")],
    ),
    "its own address": ("10.77.0.5 web1", []),
    "a comment": ("# 10.9.9.9 web1", []),
    "a domain without an address": ("10.9.9.9 idle", [("warn", "sudo sed -i 1d /etc/hosts")]),
    "somebody else's name": ("10.9.9.9 other", []),
    "no address": ("web1 web1", []),
    "one word": ("10.9.9.9", []),
    "nothing": ("", []),
}


@pytest.mark.parametrize("case", HIDDEN)
def test_a_hosts_line_hides_a_name_if_it_has_another_address(case: str) -> None:
    line, expected = HIDDEN[case]
    known = {"web1": {parse("10.77.0.5")}, "idle": set[bytes]()}
    rows = [row for _, row in hosts_file.hiding([line], known)]
    assert [(row.state, row.fix) for row in rows] == expected


TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt uid timeout inode
   0: 00000000:0035 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0
   1: 3500007F:0035 00000000:0000 0A 00000000:00000000 00:00000000 00000000   101        0 12 1 0
   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 13 1 0
   3: 00000000:0035 01004D0A:8000 01 00000000:00000000 00:00000000 00000000     0        0 14 1 0
"""
ADDRESS6 = "B80D0120000000000000000001000000"


def test_who_listens_on_port_53_is_in_the_kernels_tables() -> None:
    found = [(str(one.address), one.inode) for one in port53.listeners(TABLE, "tcp")]
    assert found == [("0.0.0.0", 11), ("127.0.0.53", 12)]
    line = TABLE.splitlines()[1].replace("00000000:0035", f"{ADDRESS6}:0035", 1)
    (six,) = port53.listeners(f"\n{line.replace(' 0A ', ' 07 ')}\n", "udp6")
    assert six.address == ip_address("2001:db8::1")
    assert not list(port53.listeners("", "udp"))


def test_a_greedy_resolver_is_worse_if_a_network_needs_the_port() -> None:
    named = port53.Listener(ip_address("::"), 1, "named (pid 7)")
    hidden = port53.Listener(ip_address("0.0.0.0"), 2)
    rows = list(port53.judge([named, named, hidden], []))
    assert [row.state for row in rows] == ["warn", "warn"]
    assert rows[0].fix.startswith("add listen-on")
    assert rows[1].fix == "sudo ss -lnptu sport = 53"
    (row,) = port53.judge([named], ["lab"])
    assert (row.state, row.detail) == (
        "bad",
        "named (pid 7) listens on every address: dnsmasq of network lab cannot start",
    )


def test_an_endless_lease_is_old_if_its_bridge_has_another_subnet() -> None:
    networks = {"lab": on_link.Networks([(parse("10.77.0.1"), 24)])}
    leases = [
        entry("old", address="10.5.0.5"),
        entry("new"),
        entry("six", address="fd12::5"),
        entry("far", address="10.5.0.5", network="other"),
    ]
    (row,) = old_leases.judge(leases, networks)
    assert row.detail == "10.5.0.5 (old) is leased for ever, and lab has no such subnet"


def test_a_source_is_bad_if_it_cannot_be_read_and_doubtful_if_a_line_cannot() -> None:
    rows = list(
        judge_sources(
            [
                SourceEntry(
                    source="libvirt", state="unreadable", path="/l", error="no", hint="type"
                ),
                SourceEntry(source="kea", state="watched", path="/k", error="line 1", leases=3),
                SourceEntry(source="incus", state="absent"),
            ]
        )
    )
    assert [(row.state, row.detail, row.fix) for row in rows] == [
        ("bad", "/l: no", "type"),
        ("warn", "/k: line 1", "leasewatch sources"),
    ]
    missing = "No such file or directory"
    (late,) = judge_sources([SourceEntry(source="kea", state="unreadable", error=missing)])
    assert late.state == "warn"
    (good,) = judge_sources([SourceEntry(source="kea", state="watched", path="/k", leases=1)])
    assert (good.state, good.detail) == ("ok", "1 lease file, 1 lease")


def seen(generation: int, published: int, service: str = "ok") -> Host:
    """A host whose service says one generation, and whose file has another."""
    served = ListReply(entries=[], generation=generation) if generation else NoServiceError("mute")
    return cast(
        "Host",
        SimpleNamespace(
            served=served,
            installation=[Row("ok" if service == "ok" else "bad", "service", "")],
            published_generation=lambda: published,
        ),
    )


def test_the_published_file_is_bad_if_it_is_older_than_what_the_service_has_published() -> None:
    (row,) = publishing.check(seen(7, 3))
    assert (row.state, row.detail) == (
        "bad",
        "the service has published generation 7, the file has 3",
    )
    assert not list(publishing.check(seen(7, 7)))
    assert not list(publishing.check(seen(7, 8)))  # it went on meanwhile


def test_a_service_that_listens_and_does_not_answer_is_bad() -> None:
    (row,) = publishing.check(seen(0, 3))
    assert (row.state, row.detail) == ("bad", "mute")
    assert not list(publishing.check(seen(0, 3, service="down")))


def test_ssh_reads_our_host_keys_from_either_kind_of_file() -> None:
    for key in ("globalknownhostsfile", "userknownhostsfile"):
        assert host_keys.judge({key: f"/etc/ssh/ssh_known_hosts {host_keys.FILE}"}).state == "ok"
    assert host_keys.judge({"globalknownhostsfile": "none"}).state == "warn"


def test_the_keys_of_a_name_are_found_in_a_known_hosts_file(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPVm7wCnmU0pvz7SGnKS9HNT5VQN3bCvJq0kXmK1l3ab"
    file.write_text(f"web1,10.77.0.5 {key} domain:web1\nweb2 {key}x\n")
    host = OtherPrograms(Paths(tmp_path))
    assert host.known_keys("web1", str(file)) == {key}
    assert host.known_keys("web3", str(file)) == set()
    assert host.known_keys("web1", str(tmp_path / "none")) == set()


@pytest.mark.parametrize(
    ("found", "state", "says", "fix"),
    [
        (ResolveHook(True, 262, 2, 2, 2), "ok", "asks leasewatch", ""),
        (ResolveHook(False, 262, 2, 2, 2), "off", "does not run", ""),
        (ResolveHook(True, 257, 0, 0, 0), "off", "systemd 257 has no hooks (259 is", ""),
        (ResolveHook(True, 0, 0, 0, 0), "off", "this systemd has no hooks", ""),
        (ResolveHook(True, 262, 0, 0, 0), "off", "not installed", "sudo nss-pyvirt install"),
        (ResolveHook(True, 262, 2, 0, 0), "off", "disabled", "sudo systemctl enable leasewatch-r"),
        (ResolveHook(True, 262, 2, 1, 1), "off", "disabled", "sudo systemctl enable leasewatch-r"),
        (ResolveHook(True, 262, 2, 2, 0), "bad", "do not listen", "sudo systemctl restart leasew"),
    ],
)
def test_the_hook_of_systemd_resolved_is_on_or_it_is_said_why_not(
    found: ResolveHook, state: str, says: str, fix: str
) -> None:
    row = resolved.judge(found)
    assert (row.state, row.subject) == (state, "resolved")
    assert says in row.detail
    assert row.fix.startswith(fix)
    assert bool(row.fix) is bool(fix)


def test_what_systemd_resolved_has_of_the_hook_is_read_from_files(tmp_path: Path) -> None:
    for path in (
        "usr/lib/systemd/libsystemd-shared-262.so",
        "etc/systemd/system/leasewatch-resolve-names.socket",
        "run/systemd/resolve.hook/10-pyvirt-names",
        "run/systemd/resolve.hook/io.systemd.Network",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    asked = OtherPrograms(Paths(tmp_path))
    assert asked.resolve_hook == ResolveHook(False, 262, 1, 0, 1)
