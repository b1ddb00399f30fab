"""What the hosts of a migration say to each other: one line of JSON per request and per answer.

The source asks. The agent on the destination answers each request before it reads the next one.
"""

from __future__ import annotations

import contextlib
import select
import threading
import time
from collections.abc import Callable
from io import BufferedReader
from subprocess import Popen
from typing import IO, Any, Final, TypeVar, cast

import msgspec

from leasewatch.errors import UNDECODABLE
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.domains.qemu import Chosen
from leasewatch.pyvirt.migration.disks import DisksAnswer, DisksContent, DisksOffer
from leasewatch.pyvirt.migration.doors import Door, DoorRequest
from leasewatch.pyvirt.migration.modes import Side
from leasewatch.pyvirt.migration.names import Card
from nss_pyvirt.errors import UserError

MAIN: Final = "main"
"""The connection of the guest's memory and devices; a socket in /migration of either QEMU."""
NBD: Final = "nbd"
"""That of its disks."""
_LIVES: Final = 5.0  # seconds between two signs of life
SILENCE: Final = 30.0
"""Seconds after which the agent takes a source for lost that gives no sign of life."""
_LONGEST: Final = 64 << 20
"""Bytes of a line."""


class Message(msgspec.Struct, frozen=True, kw_only=True, tag=str.lower):
    """A request or an answer."""


class Offer(Message, frozen=True, kw_only=True):
    """May this guest come? Changes nothing. Answer: `Welcome`."""

    definition: DomainDefinition
    side: Side
    cards: tuple[Card, ...]
    disks: DisksOffer
    networks: dict[str, str] = {}
    """Those with another name at the destination."""


class Welcome(Message, frozen=True, kw_only=True):
    """What the destination is, and what it lacks."""

    side: Side
    definition: DomainDefinition
    cards: tuple[Card, ...]
    disks: DisksAnswer


class Prepare(Message, frozen=True, kw_only=True):
    """Make the disks and start a QEMU that waits for the guest. Answer: `Done`."""

    capabilities: tuple[str, ...]
    parameters: dict[str, str | int]
    accel: Chosen
    content: DisksContent
    secrets: dict[str, bytes] = {}
    """The passphrases of encrypted disks (`domains.secrets`)."""
    mirrored: bool = False
    """The disks come over the network, too."""


class Attach(Message, frozen=True, kw_only=True):
    """The connection for the guest is made: give it to QEMU. Answer: `Done`."""


class Finish(Message, frozen=True, kw_only=True):
    """The source has handed its guest over: let it run. Answer: `Done`, once it does."""

    cards: tuple[Card, ...]


class Recover(Message, frozen=True, kw_only=True):
    """The link was lost in post-copy: listen for the rest of the memory. Answer: `Done`."""


class Settle(Message, frozen=True, kw_only=True):
    """Is it a domain of the destination now? Answer: `Done`. The source then removes its own."""


class Publish(Message, frozen=True, kw_only=True):
    """Wait for the name to be published. Answer: `Published`."""

    cards: tuple[Card, ...]


class Published(Message, frozen=True, kw_only=True):
    """`problem`: why it is not; empty: it is."""

    problem: str = ""


class Ask(Message, frozen=True, kw_only=True):
    """How is it? Answer: `Condition`."""


class Condition(Message, frozen=True, kw_only=True):
    """What the destination has of a domain."""

    guest: str = ""
    """The state that its QEMU reports; empty: there is none."""
    migration: str = ""
    """The state of `query-migrate`."""
    complaint: str = ""
    """What its QEMU has printed, which has ended."""


class Done(Message, frozen=True, kw_only=True):
    """It is done."""


class Failed(Message, frozen=True, kw_only=True):
    """The request was refused; nothing has changed."""

    what: str
    hint: str = ""
    code: Any = "failed"


Request = Offer | Prepare | DoorRequest | Attach | Finish | Recover | Settle | Publish | Ask
Answer = Welcome | Done | Door | Published | Condition | Failed
T = TypeVar("T", bound=msgspec.Struct)


def decode_request(line: bytes) -> Request:
    """UserError for what is none."""
    try:
        return msgspec.json.decode(line, type=Request)
    except UNDECODABLE as error:
        raise UserError(f"this is no request of a migration: {error}", code="usage") from None


def encode(message: Message | DoorRequest | Door) -> bytes:
    """As a line."""
    return msgspec.json.encode(message) + b"\n"


class LostError(UserError):
    """The other host does not answer; it may have done what was asked."""


class Agent:
    """On the source: the agent on `host`, at the other end of `pipes`.

    `failure` says why it has ended.
    """

    def __init__(self, host: str, pipes: Popen[bytes], failure: Callable[[], UserError]) -> None:
        self._host, self._pipes, self._failure = host, pipes, failure
        self._received = b""
        self._writing = threading.Lock()
        threading.Thread(target=self._live, daemon=True).start()

    def _live(self) -> None:
        """Send empty lines, until that fails: sshd may not notice for hours that a link was cut."""
        given = cast("IO[bytes]", self._pipes.stdin)
        with contextlib.suppress(OSError, ValueError):  # it has ended, or is closed
            while True:
                time.sleep(_LIVES)
                with self._writing:
                    given.write(b"\n")
                    given.flush()

    def ask(self, request: Request, kind: type[T], timeout: float) -> T:
        """The answer, which is of this kind.

        UserError if the destination refuses, LostError if there is no answer within `timeout`
        seconds.
        """
        given = cast("IO[bytes]", self._pipes.stdin)
        try:
            with self._writing:
                given.write(encode(request))
                given.flush()
        except OSError:
            raise self._lost() from None
        answer = self._answer(time.monotonic() + timeout, type(request).__name__.lower())
        if isinstance(answer, Failed):
            raise UserError(f"{self._host}: {answer.what}", answer.hint, answer.code)
        if not isinstance(answer, kind):
            raise LostError(f"the other host gives no such answer: {answer}")
        return answer

    def close(self) -> None:
        """End its input. Before `Finish` the agent then removes what it has made."""
        given = cast("IO[bytes]", self._pipes.stdin)
        given.close()

    def _answer(self, deadline: float, asked: str) -> Answer:
        answers = cast("BufferedReader", self._pipes.stdout)
        poll = select.poll()
        poll.register(answers, select.POLLIN)
        while b"\n" not in self._received:
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise LostError(f"the other host has not answered '{asked}' in time")
            more = answers.read1(1 << 16)
            if not more or len(self._received) > _LONGEST:
                raise self._lost()
            self._received += more
        line, _, self._received = self._received.partition(b"\n")
        try:
            return msgspec.json.decode(line, type=Answer)
        except UNDECODABLE as error:
            raise LostError(f"the other host answers in another way: {error}") from None

    def _lost(self) -> LostError:
        error = self._failure()
        return LostError(error.what, error.hint, error.code)
