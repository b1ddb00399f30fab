"""Messages that are signed wrongly, and the replies that say so (RFC 8945, 5.2)."""

from __future__ import annotations

import time

import dns.exception
import dns.message
import dns.rcode
import dns.tsig
import pytest

from leasewatch.dns.signatures import Signatures
from tests.leasewatch.dns.asking_zones import APEX, KEY, OTHER, FakeAsker, request


def signatures() -> Signatures:
    """Those of a host with one key."""
    return Signatures({KEY.name: KEY})


def refused(query: dns.message.Message, wire: bytes | None = None) -> dns.message.Message:
    """The reply to a message that is not taken."""
    reply = signatures().read(wire or query.to_wire(), FakeAsker())
    assert isinstance(reply, bytes)
    message = dns.message.from_wire(reply, keyring=False)
    assert query.is_response(message)
    assert message.rcode() == dns.rcode.NOTAUTH
    return message


def error(message: dns.message.Message) -> dns.rcode.Rcode:
    """What its TSIG record says."""
    assert message.tsig is not None
    return dns.rcode.Rcode(message.tsig[0].error)


def test_a_sound_message_is_read_and_one_without_a_signature_too() -> None:
    for key in (KEY, None):
        message = signatures().read(request("SOA", key).to_wire(), FakeAsker())
        assert isinstance(message, dns.message.Message)
        assert message.had_tsig == (key is not None)


SAME_NAME = dns.tsig.Key("xfr.", b"not the secret that this host has")
SAME_SECRET = dns.tsig.Key("xfr.", KEY.secret, dns.tsig.HMAC_SHA512)


@pytest.mark.parametrize(
    ("key", "expected", "why"),
    [
        (OTHER, dns.rcode.BADKEY, "this host has no such key"),
        (SAME_SECRET, dns.rcode.BADKEY, "this host has no such key"),
        (SAME_NAME, dns.rcode.BADSIG, "the secret of the key is another one than here"),
    ],
    ids=["another name", "another algorithm", "another secret"],
)
def test_a_wrong_key_gets_an_unsigned_reply_and_a_line_in_the_log(
    key: dns.tsig.Key, expected: int, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    reply = refused(request("AXFR", key))
    assert error(reply) == expected
    assert reply.tsig is not None
    assert reply.tsig[0].mac == b""
    (line,) = caplog.messages
    name = key.name.to_text(omit_final_dot=True)
    start = f'signature refused address=10.99.0.3 zone={APEX} key={name} why="{why}" hint='
    assert line.startswith(start)


@pytest.mark.parametrize(("seconds", "way"), [(-400, "behind"), (400, "ahead of")])
def test_a_clock_beyond_the_fudge_gets_a_signed_reply_with_our_time(
    seconds: int, way: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    query, now = request("SOA"), time.time()
    with monkeypatch.context() as patched:
        patched.setattr(time, "time", lambda: now + seconds)
        wire = query.to_wire()
    reply = refused(query, wire)
    assert reply.tsig is not None
    tsig = reply.tsig[0]
    assert error(reply) == dns.rcode.BADTIME
    assert int.from_bytes(tsig.other, "big") == pytest.approx(now, abs=60)
    assert tsig.time_signed == int(now + seconds)
    assert f"s {way} this host's" in caplog.messages[0]
    reply.tsig = None
    again, _ = dns.tsig.sign(reply.to_wire(), KEY, tsig, tsig.time_signed, query.mac)
    assert again.mac == tsig.mac


def test_the_log_does_not_repeat_itself(caplog: pytest.LogCaptureFixture) -> None:
    wrong = signatures()
    for _ in range(50):
        wrong.read(request("SOA", OTHER).to_wire(), FakeAsker())
    assert len(caplog.messages) == 5


def test_forged_addresses_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    wrong, wire = signatures(), request("SOA", OTHER).to_wire()
    for number in range(200):
        wrong.read(wire, FakeAsker(f"10.99.1.{number}"))
    assert len(caplog.messages) == 50


def test_a_request_with_an_error_in_its_signature_is_malformed() -> None:
    query = request("SOA")
    query.use_tsig(KEY, tsig_error=dns.rcode.BADKEY)
    with pytest.raises(dns.exception.DNSException):
        signatures().read(query.to_wire(), FakeAsker())


def test_no_secret_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    for key in (OTHER, SAME_NAME):
        refused(request("SOA", key))
    assert "secret of thirty" not in caplog.text
    assert "another secret of" not in caplog.text
