"""Who answers a message: prepared replies, this host's answers, transfers, or who gets NOTIFY.

The common question is answered from replies that were made before. A change removes only those of
the names that it touches. dnspython reads every other message, once.
"""

from __future__ import annotations

import asyncio
import time
from asyncio import Future
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rdataclass
import dns.rdatatype

from leasewatch.dns import queries, replies, wire
from leasewatch.dns.answer import NOT_OURS, REFUSED, Answer
from leasewatch.dns.answers import Answers
from leasewatch.dns.asking import Asker, Reply
from leasewatch.dns.held import Held, Later
from leasewatch.dns.queries import Body, Query
from leasewatch.dns.views import View, Views
from leasewatch.leases.allowance import Allowance

Read = Callable[[bytes, Asker], dns.message.Message | bytes]
"""The message, its signature checked, or the reply to one whose signature is wrong."""
Handler = Callable[[dns.message.Message, Asker], Iterable[bytes]]
"""Answers a message that was read."""

_PREPARED: Final = {wire.A, wire.AAAA, wire.PTR, dns.rdatatype.HTTPS}
"""The types that programs ask for; others are answered as fast as they are made."""
_MOST: Final = 1 << 16
"""Names with prepared replies. When there are more, all are dropped."""
_RATE: Final = 256
"""Replies a second over UDP to the strangers of one /24 or /56, so that we flood no victim."""
_BURST: Final = 512
_SLIP: Final = 2
"""Of so many replies too many one is sent truncated: real clients ask again over TCP."""
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
        self._limit = Allowance(_BURST, 1 / _RATE)
        self.queries = 0
        """Messages received."""
        self.refused = 0
        """Questions for a name that is not ours, or not for the client."""
        self.limited = 0
        """Messages dropped or cut by the limit."""
        self._held = Held(self._find)
        self._prepared: dict[bytes, dict[tuple[View, int], Body]] = {}
        """By folded name."""

    def set_views(self, views: Views) -> None:
        """Use these from now on."""
        self._views = views

    def changed(self, names: Iterable[bytes] | None) -> None:
        """Forget the prepared replies of these folded names; None: all."""
        if names is None:
            self._prepared.clear()
        for name in names or ():
            self._prepared.pop(name, None)
        self._held.changed(names)

    def stop(self) -> None:
        """Hold no question any more."""
        self._held.stop()

    def respond(self, data: bytes, asker: Asker) -> Reply:
        """The reply to any message; raises nothing."""
        self.queries += 1
        query = queries.common(data)
        view, share = self._views.of(asker.address, asker.local)
        if share and not asker.is_tcp and not self._limit.take(share, self._clock()):
            return self._slip(query)
        if query is None or query.rdtype in _FOR_TRANSFERS:
            return self._uncommon(data, view, asker)
        prepared = self._prepared.get(query.name)
        if prepared is not None:
            body = prepared.get((view, query.rdtype))
            if body is not None and self._clock() < body.until:
                return (queries.reply(query, body, is_tcp=asker.is_tcp),)
        if not queries.is_name(query.name):
            return self._uncommon(data, view, asker)
        return self._respond(query, view, partial(queries.reply, query, is_tcp=asker.is_tcp))

    def _slip(self, query: Query | None) -> Reply:
        """The reply to one question too many, if any."""
        self.limited += 1
        if query is None or self.limited % _SLIP or not queries.is_name(query.name):
            return ()
        return (queries.truncated(query),)

    def _respond(self, query: Query, view: View, reply: Callable[[Body], bytes]) -> Reply:
        """`reply` makes a whole reply."""
        answer = self._find(query, view)
        if answer.is_pending:
            return self._later(self._held.hold(query, view), reply)
        self.refused += answer.rcode == REFUSED
        body = queries.body(answer)
        if answer.until > self._clock() and query.rdtype in _PREPARED:
            if len(self._prepared) >= _MOST:
                self._prepared.clear()
            self._prepared.setdefault(query.name, {})[view, query.rdtype] = body
        return (reply(body),)

    def _find(self, query: Query, view: View) -> Answer:
        return self._answers.answer(query.name, query.rdtype, view, self._clock())

    def _uncommon(self, data: bytes, view: View, asker: Asker) -> Reply:
        """The reply to a message that dnspython has to read; none to a reply."""
        if len(data) < 12 or data[2] & 0x80:
            return ()
        opcode = data[2] >> 3 & 15
        if opcode not in {dns.opcode.QUERY, dns.opcode.NOTIFY}:
            return (queries.bare(data, _NOTIMP),)
        try:
            message = self._read(data, asker) if queries.is_modest(data) else None
        except _UNREADABLE:
            message = None
        if message is None or isinstance(message, bytes):
            return (message or queries.bare(data, _FORMERR),)
        return self._dispatch(message, view, asker)

    def _dispatch(self, message: dns.message.Message, view: View, asker: Asker) -> Reply:
        """The reply to a message whose signature is right, or that has none."""
        if message.opcode() == dns.opcode.NOTIFY:
            return self._notified(message, asker)
        if _is_for_transfers(message):
            return self._transfer(message, asker)
        return self._read_query(message, view, asker)

    def _read_query(self, message: dns.message.Message, view: View, asker: Asker) -> Reply:
        question = message.question[0]
        query = _query(message)

        def reply(body: Body) -> bytes:
            plain = queries.reply(query, body, is_tcp=asker.is_tcp)
            return _signed(message, plain, is_tcp=asker.is_tcp) if message.had_tsig else plain

        if message.edns > 0:
            query = query._replace(opt=queries.opt_record(high=_BADVERS >> 4))
            return (reply(_EMPTY),)
        if question.rdclass != dns.rdataclass.IN:
            return (reply(queries.body(NOT_OURS)),)
        return self._respond(query, view, reply)

    def _later(self, held: Later, reply: Callable[[Body], bytes]) -> Future[Iterable[bytes]]:
        """The reply, once there is an answer."""
        later: Future[Iterable[bytes]] = asyncio.get_running_loop().create_future()

        def answered(found: Later) -> None:
            if found.cancelled():
                later.cancel()
            elif not later.done():
                later.set_result((reply(queries.body(found.result())),))

        held.add_done_callback(answered)
        return later


_EMPTY: Final = Body(0, bytes(4), b"", 0.0)


def _is_for_transfers(message: dns.message.Message) -> bool:
    """Whether a name server asks for a zone; a signed question for its SOA comes before that."""
    rdtype = message.question[0].rdtype
    return rdtype in _FOR_TRANSFERS or (message.had_tsig and rdtype == dns.rdatatype.SOA)


def _signed(message: dns.message.Message, reply: bytes, *, is_tcp: bool) -> bytes:
    """The reply with a signature, as the message has one (RFC 8945 5.3)."""
    frame, plain = replies.reply_to(message), dns.message.from_wire(reply)
    frame.flags, frame.ednsflags = plain.flags, plain.ednsflags
    frame.answer, frame.authority = plain.answer, plain.authority
    most = replies.most_bytes(message, is_tcp=is_tcp)
    try:
        return frame.to_wire(max_size=most)
    except dns.exception.TooBig:
        frame.flags |= dns.flags.TC
        frame.answer, frame.authority = [], []
        return frame.to_wire(max_size=most)


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
