"""Hostnames as the servers write them, in every format: the first label is the guest's claim."""

from __future__ import annotations

import pytest

from leasewatch.errors import LostFieldError
from leasewatch.model import LeaseFile
from leasewatch.names import labels
from leasewatch.sources import dnsmasq, kea, libvirt, networkd
from leasewatch.sources.source import Source, parse

FILE = LeaseFile(path="/l/lab", network="lab", suffix="internal")
KEA4 = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state\n"
KEA6 = (
    "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,"
    "fqdn_fwd,fqdn_rev,hostname,hwaddr,state\n"
)
FORMATS = {
    "dnsmasq": (dnsmasq.SOURCE, "9 52:54:00:00:00:01 10.0.0.1 {} *\n"),
    "dnsmasq6": (dnsmasq.SOURCE, "9 1 fd00::1 {} *\n"),
    "kea4": (kea.SOURCE, KEA4 + "10.0.0.1,52:54:00:00:00:01,,9,9,1,0,0,{},0\n"),
    "kea6": (kea.SOURCE, KEA6 + "fd00::1,00:03,9,9,1,9,0,1,128,0,0,{},,0\n"),
    "libvirt": (libvirt.SOURCE, '[{{"ip-address": "10.0.0.1", "hostname": "{}"}}]'),
    "networkd": (networkd.SOURCE, '{{"Leases": [{{"Address": [10,0,0,1], "Hostname": "{}"}}]}}'),
}
formats = pytest.mark.parametrize(("source", "text"), FORMATS.values(), ids=FORMATS.keys())


@formats
@pytest.mark.parametrize(
    ("written", "claim"),
    [
        ("web1", "web1"),
        ("web1.", "web1"),
        ("Web1.corp.test", "Web1"),
        ("web1.example.org.", "web1"),
        ("web6.corp.test.example.org.", "web6"),
        ("a..b", "a"),
        ("*.example.org", "*"),
    ],
)
def test_the_first_label_of_a_hostname_is_the_claim(
    source: Source, text: str, written: str, claim: str
) -> None:
    (found,), errors = parse(source, text.format(written).encode(), FILE)
    assert found.hostname == claim
    assert not errors


@formats
@pytest.mark.parametrize("written", [".", ".example.org", "..."])
def test_a_hostname_without_a_first_label_is_none(source: Source, text: str, written: str) -> None:
    (found,), (fault,) = parse(source, text.format(written).encode(), FILE)
    assert found.hostname is None
    assert isinstance(fault, LostFieldError)


@pytest.mark.parametrize(
    "written",
    [
        "localhost.localdomain",
        "10.0.0.1",
        "wpad.corp.test",
        "ip6-gw.x",
        "_gateway.x",
        "-a.b",
        "*.x",
    ],
)
def test_what_is_left_of_it_obeys_the_rules_of_any_claim(written: str) -> None:
    (found,), _ = parse(dnsmasq.SOURCE, FORMATS["dnsmasq"][1].format(written).encode(), FILE)
    assert labels.guest_fault(labels.fold(found.hostname or "")) is not None


def test_what_kea_escapes_is_part_of_the_hostname() -> None:
    text = FORMATS["kea4"][1].format("a&#x2eb&#x2c.example.org")
    (found,), _ = parse(kea.SOURCE, text.encode(), FILE)
    assert found.hostname == "a"
