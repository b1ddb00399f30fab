"""What `leasewatch doctor` makes of the DNS process, its peers, its secondaries and its keys."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from leasewatch.api.dns_interface import (
    DnsStatus,
    ExportEntry,
    PeerEntry,
    RefusedName,
    Secondary,
    ZoneEntry,
)
from leasewatch.daemon.dns_settings import DnsSettings
from leasewatch.doctor import dns
from leasewatch.doctor.dns import KeyFile
from leasewatch.doctor.host import Host
from nss_pyvirt.checks import Row
from nss_pyvirt.errors import UserError

NOW = 1_800_000_000.0
SETTINGS = DnsSettings(listen=["127.0.0.1:5300", "10.99.0.2"])
LISTENS = ["127.0.0.1:5300", "10.99.0.2:53"]


def _served(**fields: Any) -> DnsStatus:
    given = {"version": "1", "pid": 1, "uptime": 900.0, "follows": True, "names": 2}
    return DnsStatus(**{**given, "listens": LISTENS, **fields})


def _check(served: DnsStatus | UserError, **facts: Any) -> list[Row]:
    given: dict[str, Any] = {
        "dns_settings": (SETTINGS, []),
        "own_addresses": frozenset({"10.99.0.2"}),
        "dns_keys": [KeyFile("/etc/pyvirt/dns/site.key", 0o600)],
        "now": NOW,
    }
    return [*dns.check(cast("Host", SimpleNamespace(dns_served=served, **{**given, **facts})))]


def _zone(serial: int | None, asked: float | None) -> ZoneEntry:
    secondary = Secondary(address="10.99.0.3", serial=serial, asked=asked)
    return ZoneEntry(zone="hosta.vm.test", serial=7, names=2, secondaries=[secondary])


def _export(**fields: Any) -> ExportEntry:
    return ExportEntry(server="10.99.0.3", zone="vms.test", names=3, **fields)


def test_without_settings_it_is_off() -> None:
    (row,) = _check(_served(), dns_settings=(DnsSettings(), []))
    assert (row.state, row.detail) == (
        "off",
        "[dns] is empty: only programs of this host get the names",
    )


def test_an_error_in_the_settings_is_bad_and_is_shown_by_the_check_of_the_settings() -> None:
    fault = UserError('leasewatch.toml: dns.site: "Example" is no DNS name', "correct it")
    (row,) = _check(_served(), dns_settings=(DnsSettings(), [fault]))
    assert (row.state, row.fix) == ("bad", "leasewatch serve --check")


def test_what_works_is_counted_in_one_row() -> None:
    served = _served(
        zones=[_zone(7, NOW)],
        peers=[PeerEntry(host="hostb", zone="hostb.vm.test", serial=3, checked=NOW - 60)],
        exports=[_export()],
    )
    shown = "answers at 127.0.0.1:5300, 10.99.0.2:53; 1 zone, 1 peer, 3 exported names"
    assert _check(served) == [Row("ok", "dns", shown)]


def test_a_process_that_does_not_run_is_bad() -> None:
    error = UserError("the DNS process is not running", "sudo systemctl restart leasewatch-dns")
    assert _check(error) == [Row("bad", "dns", error.what, str(error.hint))]


@pytest.mark.parametrize(
    ("fields", "row"),
    [
        (
            {"follows": False},
            (
                "warn: the DNS process has lost the leasewatch service: its names are old"
                " -> sudo systemctl restart leasewatch"
            ),
        ),
        (
            {"listens": LISTENS[:1]},
            (
                "bad: nothing answers at 10.99.0.2:53: another program listens there"
                " -> sudo ss -lnptu sport = 53"
            ),
        ),
        (
            {"zones": [_zone(None, None)]},
            (
                "warn: 10.99.0.3 gets NOTIFY of hosta.vm.test, and has not asked for it"
                " -> leasewatch dns setup prints what it needs"
            ),
        ),
        (
            {"zones": [_zone(6, NOW - 300)]},
            (
                "warn: 10.99.0.3 has not asked for hosta.vm.test for 5m 0s: it has serial 6"
                " -> leasewatch dns status"
            ),
        ),
        (
            {"peers": [PeerEntry(host="hostb", zone="b", error="REFUSED", hint="its key")]},
            "warn: peer hostb: REFUSED -> its key",
        ),
        (
            {"peers": [PeerEntry(host="hostb", zone="b")]},
            "warn: peer hostb has not answered yet -> leasewatch dns status",
        ),
        (
            {"peers": [PeerEntry(host="hostb", zone="b", checked=NOW - 300)]},
            "warn: peer hostb has not answered for 5m 0s -> leasewatch dns status",
        ),
        (
            {"exports": [_export(error="10.99.0.3 cannot be reached", hint="dig")]},
            "bad: names are not exported: 10.99.0.3 cannot be reached -> dig",
        ),
        (
            {
                "exports": [
                    _export(
                        refused=[
                            RefusedName(name="web1", why="belongs to host hostb", hint="rename")
                        ],
                        refused_count=1,
                    )
                ]
            },
            "warn: web1.vms.test is not exported: it belongs to host hostb -> rename",
        ),
    ],
)
def test_each_fault_of_the_process_is_one_row(fields: dict[str, Any], row: str) -> None:
    assert [f"{one.state}: {one.detail} -> {one.fix}" for one in _check(_served(**fields))] == [row]


def test_a_secondary_is_late_only_after_some_time() -> None:
    (row,) = _check(_served(zones=[_zone(6, NOW - 5)]))
    assert row.state == "ok"


def test_a_secondary_that_has_the_zone_need_not_ask_right_after_a_start() -> None:
    (row,) = _check(_served(zones=[_zone(None, None)], uptime=9.0))
    assert row.state == "ok"


def test_an_address_that_the_host_does_not_have_is_bad() -> None:
    (row,) = _check(_served(), own_addresses=frozenset({"10.99.0.9"}))
    assert row.detail == "10.99.0.2 of listen is no address of this host, so no client reaches it"


@pytest.mark.parametrize(
    ("mode", "detail"),
    [
        (0o644, "other users can read the key /etc/pyvirt/dns/site.key, and may have copied it"),
        (0, "there is no key /etc/pyvirt/dns/site.key"),
    ],
)
def test_a_key_that_is_open_or_missing_is_bad(mode: int, detail: str) -> None:
    (row,) = _check(_served(), dns_keys=[KeyFile("/etc/pyvirt/dns/site.key", mode)])
    assert (row.state, row.detail) == ("bad", detail)
