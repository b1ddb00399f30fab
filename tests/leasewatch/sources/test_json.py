"""libvirt's and networkd's JSON: what each record yields, and that all else is a typed fault."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasewatch import addresses
from leasewatch.errors import LostFieldError, ParseError
from leasewatch.model import Lease, LeaseFile
from leasewatch.sources import libvirt, networkd
from leasewatch.sources.source import Owner, Source, parse

FILE = LeaseFile(path="/l/lab", network="lab", suffix="internal")

# As libvirt 9.0 wrote it for a DHCPv4 and a DHCPv6 client.
STATUS = b"""[
  {
    "ip-address": "10.71.0.55",
    "mac-address": "52:54:00:AA:00:01",
    "hostname": "web1",
    "client-id": "01:52:54:00:aa:00:01",
    "expiry-time": 1795442176
  },
  {
    "iaid": "11141121",
    "ip-address": "fd71::113",
    "mac-address": "52:54:00:aa:00:01",
    "hostname": "web6",
    "client-id": "00:01:00:01:32:96:f4:73:52:54:00:aa:00:01",
    "server-duid": "00:01:00:01:32:96:f4:6d:52:54:00:77:77:77",
    "expiry-time": 1795446080
  }
]
"""
# As systemd 257 and later write it.
NETWORKD = b"""{
  "BootID":"d7f5041316de4f1f992a8a2822218a71","Address":[192,168,124,1],"PrefixLength":24,
  "Leases":[{"ClientId":[1,2,3,4,5,6,7],"AddressString":"192.168.124.26",
    "Address":[192,168,124,26],"Hostname":"w1","HardwareAddressType":1,
    "HardwareAddressLength":6,"HardwareAddress":[198,229,80,28,236,2],
    "ExpirationUSec":9,"ExpirationRealtimeUSec":1785791504658855}]}
"""


def lease(**fields: object) -> Lease:
    return Lease(source=FILE.path, network="lab", **fields)  # type: ignore[arg-type]


def leases(source: Source, data: bytes) -> list[Lease | None]:
    return [source.parse_record(record, FILE, []) for record in source.records(data, FILE.path)]


def test_libvirts_leases_have_the_mac_that_its_helper_recorded_for_dhcpv6_too() -> None:
    assert leases(libvirt.SOURCE, STATUS) == [
        lease(
            address=addresses.parse("10.71.0.55"),
            expires=1795442176,
            hwaddr="52:54:00:aa:00:01",
            hostname="web1",
            client_id="01:52:54:00:aa:00:01",
        ),
        lease(
            address=addresses.parse("fd71::113"),
            expires=1795446080,
            hwaddr="52:54:00:aa:00:01",
            hostname="web6",
            client_id="00:01:00:01:32:96:f4:73:52:54:00:aa:00:01",
            iaid=11141121,
        ),
    ]


@pytest.mark.parametrize("source", [libvirt.SOURCE, networkd.SOURCE], ids=lambda s: s.name)
@pytest.mark.parametrize("data", [b"", b"\n"])
def test_an_empty_file_holds_no_lease(source: Source, data: bytes) -> None:
    assert source.records(data, FILE.path) == []


def test_a_lease_of_libvirt_needs_an_address_alone_and_may_never_end() -> None:
    record = b'{"ip-address": "10.0.0.1", "expiry-time": 0}'
    assert libvirt.parse_record(record, FILE, []) == lease(
        address=addresses.parse("10.0.0.1"), expires=0
    )


def test_networkds_lease_has_the_hardware_address_and_not_the_client_id_as_its_mac() -> None:
    assert leases(networkd.SOURCE, NETWORKD) == [
        lease(
            address=addresses.parse("192.168.124.26"),
            expires=1785791504,
            hwaddr="c6:e5:50:1c:ec:02",
            hostname="w1",
            client_id="01:02:03:04:05:06:07",
        )
    ]
    old = b"""{"Address": [10, 0, 0, 1], "ClientId": [1, 82, 84, 0, 0, 0, 1],
      "ExpirationRealtimeUSec": 18446744073709551615}"""
    assert networkd.parse_record(old, FILE, []) == lease(
        address=addresses.parse("10.0.0.1"), expires=0, client_id="01:52:54:00:00:00:01"
    )


GOOD: dict[str, dict[str, object]] = {
    "libvirt": {"ip-address": "10.0.0.1", "expiry-time": 5},
    "networkd": {"Address": [10, 0, 0, 1]},
}
LOST = [
    (libvirt.SOURCE, {"ip-address": None}, "ip-address"),
    (libvirt.SOURCE, {"ip-address": "10.0.0.256"}, "address"),
    (libvirt.SOURCE, {"ip-address": "127.0.0.1"}, "address"),
    (libvirt.SOURCE, {"expiry-time": "5"}, "expiry-time"),
    (libvirt.SOURCE, {"expiry-time": -1}, "expiry-time"),
    (libvirt.SOURCE, {"hostname": "\ud800"}, "JSON"),
    (networkd.SOURCE, {"Address": [10, 0, 0]}, "address"),
    (networkd.SOURCE, {"Address": [10, 0, 0, 256]}, "Address"),
    (networkd.SOURCE, {"Address": "10.0.0.1"}, "Address"),
    (networkd.SOURCE, {"ExpirationRealtimeUSec": -1}, "ExpirationRealtimeUSec"),
]


LEFT_OUT = [
    (libvirt.SOURCE, {"mac-address": "nonsense"}, "hwaddr"),
    (libvirt.SOURCE, {"mac-address": 5}, "mac-address"),
    (libvirt.SOURCE, {"hostname": "a b"}, "hostname"),
    (libvirt.SOURCE, {"hostname": ["web1"]}, "hostname"),
    (libvirt.SOURCE, {"client-id": "x"}, "client-id"),
    (libvirt.SOURCE, {"ip-address": "fd00::1", "iaid": "-1"}, "IAID"),
    (libvirt.SOURCE, {"ip-address": "fd00::1", "iaid": 7}, "iaid"),
    (networkd.SOURCE, {"HardwareAddress": [1, 256]}, "HardwareAddress"),
    (networkd.SOURCE, {"HardwareAddress": "52:54:00:00:00:01"}, "HardwareAddress"),
    (networkd.SOURCE, {"HardwareAddressType": "ether"}, "HardwareAddressType"),
    (networkd.SOURCE, {"ClientId": [-1]}, "ClientId"),
    (networkd.SOURCE, {"Hostname": "w\x1b"}, "hostname"),
    (networkd.SOURCE, {"Hostname": {"a": 1}}, "Hostname"),
]


@pytest.mark.parametrize(("source", "change", "field"), LEFT_OUT, ids=lambda v: str(v)[:40])
def test_a_bad_field_is_omitted_and_reported_and_the_lease_counts(
    source: Source, change: dict[str, object], field: str
) -> None:
    good = GOOD[source.name]
    of_family = {key: value for key, value in change.items() if key == "ip-address"}
    faults: list[ParseError] = []
    found = source.parse_record(json.dumps(good | change).encode(), FILE, faults)
    assert found == source.parse_record(json.dumps(good | of_family).encode(), FILE, [])
    (fault,) = faults
    assert isinstance(fault, LostFieldError)
    assert (fault.file, fault.field) == (FILE.path, field)
    assert fault.what.isprintable()


@pytest.mark.parametrize("source", [libvirt.SOURCE, networkd.SOURCE], ids=lambda s: s.name)
def test_a_hostname_in_no_encoding_costs_the_name_alone(source: Source) -> None:
    name = b'"hostname"' if source is libvirt.SOURCE else b'"Hostname"'
    record = json.dumps(GOOD[source.name]).encode()[:-1] + b", " + name + b': "w\xe9b"}'
    faults: list[ParseError] = []
    found = source.parse_record(record, FILE, faults)
    assert found is not None
    assert found.hostname is None
    assert len(faults) == 1


@pytest.mark.parametrize(("source", "change", "field"), LOST, ids=lambda v: str(v)[:40])
def test_a_record_without_a_readable_address_and_end_is_a_fault_with_file_and_field(
    source: Source, change: dict[str, object], field: str
) -> None:
    good = GOOD[source.name]
    assert source.parse_record(json.dumps(good).encode(), FILE, [])
    record = json.dumps(good | change).encode()
    with pytest.raises(ParseError) as caught:
        source.parse_record(record, FILE, [])
    assert (caught.value.file, caught.value.field) == (FILE.path, field)
    assert caught.value.what.isprintable()
    assert len(caught.value.what) < 400


@pytest.mark.parametrize("source", [libvirt.SOURCE, networkd.SOURCE], ids=lambda s: s.name)
@pytest.mark.parametrize(
    "data",
    [b"{", b"7", b"\xff", b"[" * 100_000, b'[{"a": 1', b'{"Leases": 7}'],
    ids=lambda d: d[:9],
)
def test_a_file_that_is_no_such_list_is_one_typed_fault(source: Source, data: bytes) -> None:
    with pytest.raises(ParseError):
        leases(source, data)


HARDWARE = [
    ({"HardwareAddress": [82, 84, 0, 0, 0, 1]}, "52:54:00:00:00:01"),  # as 262 writes it
    ({"HardwareAddress": [82, 84, 0, 0, 0, 1, *[0] * 10]}, "52:54:00:00:00:01"),  # as 257 does
    ({"HardwareAddress": [*range(16)], "HardwareAddressLength": 8}, "00:01:02:03:04:05:06:07"),
    (
        {"HardwareAddress": [1, 2, 3, 0], "HardwareAddressLength": 3, "HardwareAddressType": 6},
        "06-01:02:03",
    ),
    ({"HardwareAddress": [0] * 16, "HardwareAddressLength": 0, "HardwareAddressType": 32}, None),
    ({"HardwareAddress": [82, 84, 0], "HardwareAddressLength": 6}, None),
    ({"HardwareAddressLength": 6}, None),
]


@pytest.mark.parametrize(("change", "hwaddr"), HARDWARE, ids=lambda v: str(v)[:40])
def test_networkds_hardware_address_is_as_long_as_the_record_says(
    change: dict[str, object], hwaddr: str | None
) -> None:
    record = {"Address": [10, 0, 0, 1], "HardwareAddressLength": 6, "HardwareAddressType": 1}
    found = networkd.parse_record(json.dumps(record | change).encode(), FILE, [])
    assert found.hwaddr == hwaddr


def test_libvirts_macs_are_owners_with_every_card_and_the_good_ones_count() -> None:
    data = json.dumps(
        [
            {"domain": "web1", "macs": ["52:54:00:00:00:01", "52:54:00:00:00:0A"]},
            {"domain": "half", "macs": ["52:54", "52:54:00:00:00:03", 7]},
            {"macs": []},
            {"domain": "ubuntu22.04", "macs": ["52:54:00:00:00:02"]},
            {"domain": "none", "macs": []},
        ]
    ).encode()
    owners, errors = libvirt.parse_owners(data, "/l/virbr0.macs")
    assert owners == [
        Owner("web1", "web1", "52:54:00:00:00:01"),
        Owner("web1", "web1", "52:54:00:00:00:0a"),
        Owner("half", "half", "52:54:00:00:00:03"),
        Owner("ubuntu22.04", "ubuntu22.04", "52:54:00:00:00:02"),
    ]
    assert [error.field for error in errors] == ["mac", "record", "record"]


def test_the_networks_configuration_names_the_bridge() -> None:
    data = b"##WARNING: interface=no\nexcept-interface=lo\ninterface=virbr7\ndhcp-no-override\n"
    assert libvirt.parse_name(data, "/l/labnat.conf") == "virbr7"
    with pytest.raises(ParseError):
        libvirt.parse_name(b"except-interface=lo\n", "/l/labnat.conf")


def _mangled(good: dict[str, object]) -> st.SearchStrategy[bytes]:
    values = st.one_of(
        st.text(max_size=20),
        st.integers(),
        st.none(),
        st.lists(st.integers(-1, 256), max_size=7),
        st.sampled_from(["10.0.0.1", "fd00::1", "52:54:00:00:00:01", "", "*"]),
    )
    extra = ["mac-address", "hostname", "client-id", "iaid", "HardwareAddress", "Hostname"]
    keys = st.sampled_from([*good, *extra])
    objects = st.lists(st.dictionaries(keys, values).map(lambda d: good | d), max_size=3)
    whole = objects.map(lambda o: o if "ip-address" in good else {"Leases": o})
    return whole.map(lambda o: json.dumps(o).encode())


@pytest.mark.parametrize("source", [libvirt.SOURCE, networkd.SOURCE], ids=lambda s: s.name)
@given(data=st.data())
def test_any_bytes_are_leases_or_the_typed_error(source: Source, data: st.DataObject) -> None:
    text = data.draw(st.one_of(st.binary(max_size=200), _mangled(GOOD[source.name])))
    found, errors = parse(source, text, FILE)
    assert all(lease.address for lease in found)
    assert all(error.what.isprintable() and error.field for error in errors)


@given(st.one_of(st.binary(max_size=200), st.just(STATUS)))
def test_any_bytes_of_a_macs_file_are_owners_or_the_typed_error(data: bytes) -> None:
    with contextlib.suppress(ParseError):
        owners, errors = libvirt.parse_owners(data, FILE.path)
        assert all(owner.mac for owner in owners)
        assert all(error.what.isprintable() and error.field for error in errors)


@given(st.binary(max_size=200))
def test_any_bytes_of_a_configuration_tell_a_bridge_or_are_the_typed_error(data: bytes) -> None:
    with contextlib.suppress(ParseError):
        assert libvirt.parse_name(b"interface=" + data, "/l/x.conf").isprintable()
