"""TSIG (RFC 8945): which messages are signed with a key of ours, and the replies to the others.

A wrong signature costs us one HMAC and one log line, and the log lines are limited. `Asker` is
anyone who sends a message; only its address is shown.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Final, Protocol, cast

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.tsig

from leasewatch.daemon.logs import fields
from leasewatch.dns import queries, replies
from leasewatch.leases.allowance import Allowance

_LOG = logging.getLogger(__name__)

Keyring = Mapping[dns.name.Name, dns.tsig.Key]


class FromAddress(Protocol):
    """What is known of who sent a message."""

    @property
    def address(self) -> str:
        """Its IP address."""


class Signatures:
    """Reads messages and checks their signatures with the keys of this host."""

    def __init__(self, keys: Keyring) -> None:
        self._keys = dict(keys)
        self._lines = Allowance(burst=5, seconds=60.0, keys=1024)
        self._all_lines = Allowance(burst=50, seconds=6.0)

    def read(self, wire: bytes, asker: FromAddress) -> dns.message.Message | bytes:
        """The message, or the reply to one with a signature that is not sound.

        A message without a signature has none in the result (`had_tsig`). Raises DNSException for
        malformed messages.
        """
        try:
            return dns.message.from_wire(wire, keyring=self._keys)
        except (dns.message.UnknownTSIGKey, dns.tsig.BadKey, dns.tsig.BadAlgorithm):
            return self._refusal(wire, asker, dns.rcode.BADKEY)
        except (dns.tsig.BadSignature, NotImplementedError):
            return self._refusal(wire, asker, dns.rcode.BADSIG)
        except dns.tsig.BadTime:
            return self._refusal(wire, asker, dns.rcode.BADTIME)
        except dns.tsig.PeerError as error:
            raise dns.exception.FormError("a request with a TSIG error") from error

    def log(self, asker: FromAddress, event: str, **values: object) -> None:
        """Log what this client did wrong: five lines, then one a minute.

        Addresses may be forged, so all clients together have 50 lines, then ten a minute.
        """
        now = time.monotonic()
        if self._lines.take(asker.address, now) and self._all_lines.take("", now):
            _LOG.warning("%s %s", event, fields(address=asker.address, **values))

    def _refusal(self, wire: bytes, asker: FromAddress, error: dns.rcode.Rcode) -> bytes:
        """NOTAUTH with the error in a TSIG record; RFC 8945 5.2 says which of them are signed."""
        query = dns.message.from_wire(wire, keyring=False)
        tsig = cast("dns.rrset.RRset", query.tsig)
        name, asked = tsig.name, tsig[0]
        zone = query.question[0].name.to_text(omit_final_dot=True) if query.question else None
        why = _why(error, asked.time_signed)
        key = name.to_text(omit_final_dot=True)
        self.log(asker, "signature refused", zone=zone, key=key, why=why, hint=_HINTS[error])
        query.tsig = None
        reply = replies.reply_to(query, dns.rcode.NOTAUTH)
        refused = asked.replace(mac=b"", error=error, other=b"")
        if error == dns.rcode.BADTIME:  # signed, with the client's time, so that it can check it
            refused = refused.replace(other=int(time.time()).to_bytes(6, "big"))
            sign = reply.to_wire(), self._keys[name], refused, asked.time_signed, asked.mac
            refused, _ = dns.tsig.sign(*sign)
        reply.tsig = dns.rrset.from_rdata(name, 0, refused)
        return reply.to_wire(max_size=queries.PAYLOAD)


_HINTS: Final = {
    dns.rcode.BADKEY: "use the key, and the algorithm, that leasewatch dns setup names",
    dns.rcode.BADSIG: "copy the file of the key from this host again",
    dns.rcode.BADTIME: "set both clocks: timedatectl set-ntp true",
}


def _why(error: dns.rcode.Rcode, signed: int) -> str:
    if error == dns.rcode.BADKEY:
        return "this host has no such key"
    if error == dns.rcode.BADSIG:
        return "the secret of the key is another one than here"
    ahead = signed - int(time.time())
    return f"its clock is {abs(ahead)} s {'ahead of' if ahead > 0 else 'behind'} this host's"
