"""Requests of name servers for zones, and the replies on the wire."""

from __future__ import annotations

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from leasewatch.dns import queries, wire
from leasewatch.dns.signatures import Signatures
from leasewatch.dns.transfers import Got, Transfers
from leasewatch.dns.zone import Zone
from tests.leasewatch.dns.asking_zones import (
    APEX,
    KEY,
    OTHER,
    FakeAsker,
    read_stream,
    request,
    serials,
    set_names,
    zone,
)

TCP = FakeAsker()
UDP = FakeAsker(is_tcp=False)


class Primary:
    """A zone, who asked for it, and the answers."""

    def __init__(self, served: Zone) -> None:
        self.zone = served
        self.asked: list[tuple[str, str, int, Got]] = []
        keys = {key.name: key for key in (KEY, OTHER)}
        self._signatures = Signatures(keys)
        zones = {served.apex: served}
        self.transfers = Transfers(zones.get, KEY.name, self._signatures, self._was_asked)

    def _was_asked(self, apex: str, address: str, serial: int, got: Got) -> None:
        self.asked.append((apex, address, serial, got))

    def wires(self, query: dns.message.Message, asker: FakeAsker = TCP) -> list[bytes]:
        """The reply's messages."""
        message = self._signatures.read(query.to_wire(), asker)
        assert isinstance(message, dns.message.Message)
        return list(self.transfers.respond(message, asker))

    def ask(self, query: dns.message.Message, asker: FakeAsker = TCP) -> list[dns.message.Message]:
        """The reply, checked."""
        wires = self.wires(query, asker)
        assert [query.is_response(one) for one in read_stream(query, wires)]
        return read_stream(query, wires)


@pytest.mark.parametrize("asker", [UDP, TCP], ids=["UDP", "TCP"])
def test_the_soa_is_authoritative_and_signed_over_udp_and_tcp(asker: FakeAsker) -> None:
    primary = Primary(zone())
    (reply,) = primary.ask(request("SOA"), asker)
    assert reply.flags & dns.flags.AA
    assert serials([reply]) == [1000]
    assert primary.asked == [(APEX, asker.address, 1000, "soa")]


def test_a_whole_zone_comes_in_messages_of_400_records() -> None:
    primary = Primary(zone(1000))
    messages = primary.ask(request("AXFR"))
    assert [len(message.answer) for message in messages] == [400, 400, 203]
    assert serials(messages) == [1000, 1000]
    assert primary.transfers.whole == 1


def test_a_stream_stays_as_it_was_when_it_began() -> None:
    primary = Primary(zone(1000))
    query = request("AXFR")
    message = dns.message.from_wire(query.to_wire(), keyring=KEY)
    stream = primary.transfers.respond(message, FakeAsker())
    wires = [next(stream)]
    set_names(primary.zone, range(1000, 2000), 1001.0)
    assert not primary.asked
    messages = read_stream(query, [*wires, *stream])
    assert primary.asked == [(APEX, "10.99.0.3", 1000, "zone")]
    assert sum(len(message.answer) for message in messages) == 1003
    assert serials(messages) == [1000, 1000]


def test_an_incremental_transfer_has_the_steps_since_the_clients_serial() -> None:
    primary = Primary(zone())
    set_names(primary.zone, [0], 1001.0, last=2)
    set_names(primary.zone, [9], 1002.0)
    messages = primary.ask(request("IXFR", serial=1000))
    assert serials(messages) == [1002, 1000, 1001, 1001, 1002, 1002]
    assert primary.transfers.incremental == 1


@pytest.mark.parametrize("serial", [1000, 1001, 1000 + 2**31 - 1])
def test_a_client_that_has_our_serial_or_a_newer_one_gets_the_soa_alone(serial: int) -> None:
    primary = Primary(zone())
    assert serials(primary.ask(request("IXFR", serial=serial))) == [1000]
    assert primary.asked[-1][-1] == "nothing"


@pytest.mark.parametrize("serial", [5, 999, 1000 + 2**31 + 1])
def test_a_client_that_the_journal_does_not_know_gets_the_whole_zone(serial: int) -> None:
    primary = Primary(zone())
    (message,) = primary.ask(request("IXFR", serial=serial))
    assert len(message.answer) == 6
    assert message.rcode() == dns.rcode.NOERROR
    assert serials([message]) == [1000, 1000]


def test_changes_that_are_larger_than_the_zone_are_the_whole_zone() -> None:
    primary = Primary(zone())
    for n in range(900):
        set_names(primary.zone, [0, 1, 2], 1001.0 + n, last=n)
    (message,) = primary.ask(request("IXFR", serial=1000))
    assert len(message.answer) == 6
    assert len(primary.ask(request("IXFR", serial=1800))[0].answer) > 100


def test_an_incremental_transfer_over_udp_is_the_soa_so_that_the_client_takes_tcp() -> None:
    primary = Primary(zone())
    set_names(primary.zone, [0], 1001.0, last=2)
    assert serials(primary.ask(request("IXFR", serial=1000), UDP)) == [1001]


MALFORMED = [(request("IXFR"), TCP), (request("AXFR"), UDP)]


@pytest.mark.parametrize(("query", "asker"), MALFORMED, ids=["no serial", "AXFR over UDP"])
def test_a_malformed_request_is_a_format_error(
    query: dns.message.Message, asker: FakeAsker
) -> None:
    (reply,) = Primary(zone()).ask(query, asker)
    assert reply.rcode() == dns.rcode.FORMERR
    assert not reply.answer


def test_another_hosts_zone_is_not_ours() -> None:
    (reply,) = Primary(zone()).ask(request("AXFR", name="hostb.vm.example.org"))
    assert reply.rcode() == dns.rcode.NOTAUTH


@pytest.mark.parametrize("rdtype", ["SOA", "AXFR", "IXFR"])
@pytest.mark.parametrize("key", [None, OTHER], ids=["no key", "another key"])
def test_a_request_without_the_transfer_key_is_refused_before_the_zone_is_read(
    rdtype: str, key: dns.tsig.Key | None, caplog: pytest.LogCaptureFixture
) -> None:
    primary = Primary(zone())
    query = request(rdtype, key, serial=1 if rdtype == "IXFR" else None)
    (wire,) = primary.wires(query)
    reply = dns.message.from_wire(wire, keyring=key, request_mac=query.mac or b"")
    assert (reply.rcode(), reply.answer) == (dns.rcode.REFUSED, [])
    assert not primary.asked
    (line,) = caplog.messages
    assert line.startswith(f"transfer refused address=10.99.0.3 zone={APEX} why=")
    assert 'hint="sign with the key xfr: leasewatch dns setup prints how"' in line


def test_the_reply_has_edns_with_the_clients_cookie() -> None:
    query = request("SOA", edns=True)
    cookie = dns.edns.GenericOption(dns.edns.OptionType.COOKIE, b"12345678")
    query.use_edns(0, 0, 4096, options=[cookie])
    (reply,) = Primary(zone()).ask(query, UDP)
    assert (reply.edns, reply.payload) == (0, queries.PAYLOAD)
    assert [option.to_wire() for option in reply.options] == [b"12345678"]


def test_a_name_in_capitals_is_answered_as_it_was_asked() -> None:
    (reply,) = Primary(zone()).ask(request("AXFR", name=APEX.upper()))
    assert reply.question[0].name.to_text() == APEX.upper() + "."
    assert len(reply.answer) == 6


def test_long_records_leave_room_in_a_message() -> None:
    primary = Primary(zone(0))
    longest = ".".join(["a" * 50] * 3)
    data = {wire.relative(f"n{n}.{longest}"): [wire.txt("t" * 250)] for n in range(500)}
    step = primary.zone.plan(data, 1001.0)
    assert step is not None
    primary.zone.apply(step)
    messages = primary.ask(request("AXFR"))
    assert sum(len(message.answer) for message in messages) == 503
