"""Who answers a message: prepared replies, this host's answers, transfers, or who gets NOTIFY.

The common question is answered from replies that were made before. A change removes only those of
the names that it touches. dnspython reads every other message, once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final

import dns.edns
import dns.exception
import dns.message
import dns.opcode
import dns.rdataclass
import dns.rdatatype

from leasewatch.dns import queries, wire
from leasewatch.dns.answers import REFUSED, Answer, Answers
from leasewatch.dns.asking import Asker, Reply
from leasewatch.dns.queries import Body, Query
from leasewatch.dns.views import View, Views

Read = Callable[[bytes, Asker], dns.message.Message | bytes]
"""The message, its signature checked, or the reply to one whose signature is wrong."""
Handler = Callable[[dns.message.Message, Asker], Iterable[bytes]]
"""Answers a message that was read."""

_MOST: Final = 1 << 16
"""Names with prepared replies. When there are more, all are dropped."""
_FORMERR, _NOTIMP, _BADVERS = 1, 4, 16
_FOR_TRANSFERS: Final = {dns.rdatatype.AXFR, dns.rdatatype.IXFR}
_UNREADABLE: Final = (dns.exception.DNSException, ValueError)


class Responder:
    """Its `respond` is the listener's."""

    def __init__(
        self,
        answers: Answers,
        read: Read,
        transfer: Handler,
        notified: Handler,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`transfer` gets AXFR and IXFR, and signed questions for SOA; `notified` gets NOTIFY."""
        self._answers = answers
        self._read = read
        self._transfer = transfer
        self._notified = notified
        self._clock = clock
        self._views = Views()
        self._prepared: dict[bytes, dict[tuple[View, int], Body]] = {}
        """By folded name."""

    def set_views(self, views: Views) -> None:
        """Use these from now on."""
        self._views = views

    def changed(self, names: Iterable[bytes] | None) -> None:
        """Forget the prepared replies of these folded names; None: all."""
        if names is None:
            self._prepared.clear()
            return
        for name in names:
            self._prepared.pop(name, None)

    def respond(self, data: bytes, asker: Asker) -> Reply:
        """The reply to any message; raises nothing."""
        query = queries.common(data)
        if query is None or query.rdtype in _FOR_TRANSFERS:
            return self._uncommon(data, asker)
        view = self._views.of(asker.address, asker.local)
        prepared = self._prepared.get(query.name)
        if prepared is not None:
            body = prepared.get((view, query.rdtype))
            if body is not None and self._clock() < body.until:
                return (queries.reply(query, body, is_tcp=asker.is_tcp),)
        if not queries.is_name(query.name):
            return self._uncommon(data, asker)
        return self._respond(query, view, asker)

    def _respond(self, query: Query, view: View, asker: Asker) -> Reply:
        now = self._clock()
        answer = self._answers.answer(query.name, query.rdtype, view, now)
        body = queries.body(answer)
        if answer.until > now:
            if len(self._prepared) >= _MOST:
                self._prepared.clear()
            self._prepared.setdefault(query.name, {})[view, query.rdtype] = body
        return (queries.reply(query, body, is_tcp=asker.is_tcp),)

    def _uncommon(self, data: bytes, asker: Asker) -> Reply:
        """The reply to a message that dnspython has to read; none to a reply."""
        if len(data) < 12 or data[2] & 0x80:
            return ()
        opcode = data[2] >> 3 & 15
        if opcode not in {dns.opcode.QUERY, dns.opcode.NOTIFY}:
            return (queries.bare(data, _NOTIMP),)
        try:
            message = self._read(data, asker)
        except _UNREADABLE:
            return (queries.bare(data, _FORMERR),)
        if isinstance(message, bytes):
            return (message,)
        if data[4:6] != b"\0\1" or len(message.question) != 1:  # RFC 9619
            return (queries.bare(data, _FORMERR),)
        notify = opcode == dns.opcode.NOTIFY
        return self._notified(message, asker) if notify else self._read_query(message, asker)

    def _read_query(self, message: dns.message.Message, asker: Asker) -> Reply:
        question = message.question[0]
        rdtype = int(question.rdtype)
        if rdtype in _FOR_TRANSFERS or (message.had_tsig and rdtype == wire.SOA):
            return self._transfer(message, asker)
        query = _query(message)
        if message.edns > 0:
            opt = queries.opt_record(high=_BADVERS >> 4)
            return (queries.reply(query._replace(opt=opt), _EMPTY, is_tcp=asker.is_tcp),)
        if question.rdclass != dns.rdataclass.IN:
            refused = queries.body(Answer(REFUSED))
            return (queries.reply(query, refused, is_tcp=asker.is_tcp),)
        return self._respond(query, self._views.of(asker.address, asker.local), asker)


_EMPTY: Final = Body(0, bytes(4), b"", 0.0)


def _query(message: dns.message.Message) -> Query:
    """What the reply to a message with one question needs."""
    question = message.question[0]
    name = question.name.to_wire()
    assert name is not None  # noqa: S101  for mypy
    types = question.rdtype.to_bytes(2, "big") + question.rdclass.to_bytes(2, "big")
    opt = b""
    if message.edns >= 0:
        cookies = [one for one in message.options if one.otype == dns.edns.OptionType.COOKIE]
        client = cookies[0].to_wire()[:8] if cookies else b""
        do = b"\x80" if message.ednsflags & 0x8000 else b"\0"
        opt = queries.opt_record(do, b"\0\x0a\0\x08" + client if len(client) == 8 else b"")
    most = queries.limit(message.payload) if message.edns >= 0 else queries.PLAIN
    return Query(
        message.id.to_bytes(2, "big"),
        queries.QR | message.flags & 0x0110,
        name + types,
        name.lower(),
        int(question.rdtype),
        opt,
        most,
    )
