"""Whatever bytes come: each parser gives values or its typed error, and nothing else.

Any bytes, and valid files with some of their bytes changed, which reach far deeper.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from leasewatch import addresses, config
from leasewatch.errors import ParseError
from leasewatch.files.small_files import StateFolder
from leasewatch.leases.address_book import FirstSeen
from leasewatch.leases.tracker import LeaseTracker
from leasewatch.model import DomainState, Lease, LeaseFile, NetworkState
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.defined.network import Network
from leasewatch.sources import registry
from leasewatch.sources.source import Source, parse
from nss_pyvirt.errors import UserError

FILE = LeaseFile(path="/l/lab", network="lab", suffix="internal")
DNSMASQ = b"""1795420405 52:54:00:00:00:04 10.77.0.82 db1 ff:00:00:00:01:00:01:2a
0 06-52:54:00:00 10.77.0.81 * *
duid 00:01:00:01:32:96:9f:81:2a:3f:b3:1d:3f:5b
1795416955 3 fd77::1e68 Foo-1 00:01:00:01:32:96:9f:83:52:54:00:00:00:03
0 T4294967295 fd77::1 dcd6 *
"""
STATUS = b"""[{"ip-address": "10.71.0.55", "mac-address": "52:54:00:aa:00:01", "hostname": "web1",
"client-id": "01:52:54:00:aa:00:01", "expiry-time": 1795442176},
{"iaid": "11141121", "ip-address": "fd71::113", "server-duid": "00:01", "expiry-time": 0}]"""
NETWORKD = b"""{"BootID": "d7f5", "Address": [192,168,124,1], "Leases": [{"ClientId": [1,2,3],
"Address": [192,168,124,26], "Hostname": "w1", "HardwareAddressType": 1, "HardwareAddressLength": 6,
"HardwareAddress": [198,229,80,28,236,2], "ExpirationRealtimeUSec": 1785791504658855}]}"""
KEA = b"""address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state
10.0.0.5,52:54:00:00:00:05,01:52:54:00:00:00:05,3600,1800000000,1,0,0,web&#x2c1.,0
10.0.0.5,52:54:00:00:00:05,,0,1800000000,1,0,0,,2
10.0.0.6,,,4294967295,1800000000,1,0,0,db1,0
"""
MACS = b'[{"domain": "web1", "macs": ["52:54:00:00:00:01", "52:54:00:00:00:0A"]}, {"domain": "b"}]'
HOSTS = b"10:66:6a:00:00:01,10.1.2.3,[fd42::5],web1\n"
CONF = b"##WARNING\nexcept-interface=lo\ninterface=virbr7\n"
SETTINGS = b"""[[source]]
path = "/var/lib/misc/dnsmasq.leases"
network = "lan"
suffix = "home.arpa"
bridge = ["br0", "br1"]
kind = "kea"
[sources]
libvirt = false
[names]
guest_claims = "off"
reserved = ["printer"]
pending_wait = 5
"""
NETWORK_STATE = b"""{"name": "lab", "bridge": "pv-lab", "suffix": "internal",
"lease_file": "/l/lab", "subnets": ["10.0.0.0/24"], "pid": 7, "started": 1.5e9, "dnsmasq_pid": 8}"""
DOMAIN_STATE = b"""{"name": "web1", "nics": [{"network": "lab", "mac": "52:54:00:00:00:01"}],
"started": 1795416955.25, "pending_until": 1795416999, "pid": 9}"""
NETWORK = b"""name = "lab"
mode = "nat"
subnet = "10.77.0.0/24"
subnet6 = "fd12:3456:789a::/64"
suffix = "internal"
"""
SAMPLES = {
    **dict.fromkeys(registry.BY_NAME, DNSMASQ),
    "libvirt": STATUS,
    "networkd": NETWORKD,
    "kea": KEA,
}
DEEP_JSON = [b"[" * 100_000, b'{"a":' * 100_000]
DEEP_TOML = [b"x = " + b"[" * 10_000, b"a." * 2_000 + b"b = 1", b"x = {a = " * 2_000]

FORMATS = {source.parse_record: source for source in registry.SOURCES}
"""One source of each format."""

sources = pytest.mark.parametrize("source", FORMATS.values(), ids=lambda source: source.name)


@st.composite
def changed(draw: st.DrawFn, valid: bytes) -> bytes:
    """The file with a few of its parts overwritten, removed, repeated or moved."""
    data = valid
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        end = draw(st.integers(at, min(len(data), at + 12)))
        part = draw(
            st.one_of(
                st.binary(max_size=6),
                st.just(data[at:end] * 2),
                st.sampled_from([b"", b"\n", b" ", b",", b'"', b"\0", b"-1", b"9" * 30, b"null"]),
                st.sampled_from([b"1e400", b"\xff", b"\xed\xa0\x80", b"0x7f", b"::", b"[]", b"{}"]),
            )
        )
        data = data[:at] + part + data[end:]
    return data


def of(valid: bytes) -> st.SearchStrategy[bytes]:
    return st.one_of(st.binary(max_size=300), changed(valid))


def check_error(error: ParseError, path: str) -> None:
    assert error.file == path
    assert error.line >= 0
    assert error.field
    assert error.what.isprintable()
    assert len(error.what) < 1000


def check_lease(lease: Lease) -> None:
    assert addresses.parse(addresses.text(lease.address)) == lease.address
    assert 0 <= lease.expires < 10**18 + 1
    for text in (lease.hwaddr, lease.hostname, lease.client_id):
        assert text is None or (text.isascii() and text.isprintable() and " " not in text)
    assert lease.hwaddr is None or lease.hwaddr == lease.hwaddr.lower()


@sources
@given(data=st.data())
def test_a_lease_file_is_leases_and_typed_errors(source: Source, data: st.DataObject) -> None:
    text = data.draw(of(SAMPLES[source.name]))
    found, errors = parse(source, text, FILE)
    for error in errors:
        check_error(error, FILE.path)
    for lease in found:
        check_lease(lease)
    assert parse(source, text, FILE)[0] == found


@sources
def test_the_files_that_are_changed_here_are_good_ones(source: Source) -> None:
    found, errors = parse(source, SAMPLES[source.name], FILE)
    assert found
    assert not errors


@sources
@pytest.mark.parametrize("text", DEEP_JSON, ids=lambda text: text[:5])
def test_a_lease_file_that_nests_without_end_is_a_typed_error(source: Source, text: bytes) -> None:
    found, errors = parse(source, text + b"\n", FILE)
    assert not found
    for error in errors:
        check_error(error, FILE.path)


@sources
@given(data=st.data())
def test_a_tracker_holds_only_what_was_read_and_finally_what_the_file_has(
    source: Source, data: st.DataObject
) -> None:
    """Any versions, read at any times: then the good file stands still."""
    valid = SAMPLES[source.name]
    tracker = LeaseTracker(FILE, source, FirstSeen())
    said: set[Lease] = set()
    now = 0.0
    for text in [*data.draw(st.lists(changed(valid), max_size=5)), valid, valid, valid]:
        now += data.draw(st.sampled_from([0.0, 0.001, 0.06, 0.7]))
        said.update(parse(source, text, FILE)[0])
        for _, error in tracker.observe(text, now, 1000.0).faults:
            check_error(error, FILE.path)
        assert set(tracker.book.leases()) <= said
    tracker.observe(valid, now + 1, 1000.0)
    assert set(tracker.book.leases()) == set(parse(source, valid, FILE)[0])


@pytest.mark.parametrize("source", [s for s in registry.SOURCES if s.owners], ids=lambda s: s.name)
@given(data=st.data())
def test_a_file_of_owners_is_owners_and_typed_errors(source: Source, data: st.DataObject) -> None:
    path = "/n/dnsmasq.hosts/web1.eth0"
    assert source.owners
    text = data.draw(of(MACS if source.name == "libvirt" else HOSTS))
    try:
        owners, errors = source.owners.parse(text, path)
    except ParseError as whole:
        owners, errors = [], [whole]
    for error in errors:
        check_error(error, path)
    for owner in owners:
        assert owner.mac == owner.mac.lower()
        assert len(owner.mac) == 17


@given(of(CONF))
def test_a_configuration_of_libvirts_tells_a_bridge_or_is_the_typed_error(data: bytes) -> None:
    (source,) = (source for source in registry.SOURCES if source.names)
    assert source.names
    try:
        assert 0 < len(source.names.parse(data, "/l/x.conf")) < 16
    except ParseError as error:
        check_error(error, "/l/x.conf")


@given(of(SETTINGS))
@example(DEEP_TOML[0])
@example(DEEP_TOML[1])
@example(DEEP_TOML[2])
def test_settings_are_values_that_survive_being_written_or_the_users_error(data: bytes) -> None:
    path = "/etc/pyvirt/leasewatch.toml"
    made, faults = config.read(data, path)
    assert config.read(msgspec.toml.encode(made), path) == (made, [])
    for fault in faults:
        assert fault.what.startswith(f"{path}: ")
        assert fault.hint


@pytest.mark.parametrize(
    ("kind", "valid"), [(Network, NETWORK), (DomainDefinition, b"")], ids=["network", "domain"]
)
@given(data=st.data())
def test_a_definition_is_a_value_that_survives_being_written_or_the_users_error(
    kind: type[Network | DomainDefinition], valid: bytes, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "lab.toml").write_bytes(
            data.draw(st.one_of(of(valid), st.sampled_from(DEEP_TOML)))
        )
        try:
            value = store.read(folder, "lab", kind)
        except UserError as error:
            fault = error
        else:
            store.write(folder, value)
            assert store.read(folder, "lab", kind) == value
            return
    assert f"{made}/lab.toml" in fault.what


@pytest.mark.parametrize(
    ("kind", "name", "valid"),
    [(NetworkState, "lab", NETWORK_STATE), (DomainState, "web1", DOMAIN_STATE)],
    ids=["network", "domain"],
)
@given(data=st.data())
def test_a_damaged_run_state_keeps_its_last_good_value(
    kind: Any, name: str, valid: bytes, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as made:
        file = Path(made, f"{name}.json")
        folder = StateFolder(Path(made), kind)
        file.write_bytes(valid)
        assert folder.scan()
        good = folder.values[name]
        file.write_bytes(data.draw(st.one_of(of(valid), st.sampled_from(DEEP_JSON))))
        folder.scan()
        assert folder.values[name] == good or folder.values[name].name == name
