"""Wait until a name has an address, or has none any more, as the service says."""

from __future__ import annotations

import time
from _json import encode_basestring_ascii

from leasewatch.api import exchange
from leasewatch.api.exchange import NoServiceError
from leasewatch.reach import guests
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import show

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final, Literal

    from leasewatch.paths import Paths

    What = Literal["address", "ipv4", "ipv6", "gone"]
    Tell = Callable[[str], None]
    """Gets what was seen last, about once a second. What it raises ends the wait."""

_SLICE: Final = 1.0
"""Seconds of one call: the caller gets its turn in between."""
_RESTART: Final = 5.0
"""Seconds that the service may need to restart."""
_AGAIN: Final = 0.1
"""Seconds between two attempts to reach the service."""
_CALL: Final = (
    '{"method":"org.pyvirt.LeaseWatch.Wait","parameters":'
    '{"name":%s,"what":"%s","after":%s,"timeout":%.3f}}'
)
_UNKNOWN: Final = "no host has that name"
_FAMILIES: Final = {"ipv4": (4, "IPv4"), "ipv6": (6, "IPv6")}


class TimedOutError(UserError):
    """What was waited for did not happen in time; `seen` is what was seen last.

    The exit code is 4.
    """

    code = "timeout"

    def __init__(self, name: str, seen: str) -> None:
        hint = f"sudo pyvirt domain start {name}" if seen == guests.STOPPED else ""
        super().__init__(f"timed out waiting for {name}: {seen}", hint, exit_code=4)
        self.seen = seen


def published(paths: Paths, name: str) -> list[tuple[str, str, str]] | None:
    """Network, MAC and address of each address that a name has; None: the service is not running.

    Addresses whose MAC the host has not seen are omitted.
    """
    try:
        (reply,) = exchange.replies(paths.socket, exchange.resolve(name))
    except NoServiceError:
        return None
    except ValueError:  # no such name
        return []
    found = [one for one in reply["candidates"] if one["verdict"] == "published"]
    return [(one["network"], one["mac"], one["address"]) for one in found if one["mac"]]


class Awaited:
    """What a name is waited for: `what`, and only leases newer than `after` (Unix seconds) count.

    `deadline`: monotonic seconds. One that has passed means: look once.
    """

    def __init__(
        self,
        paths: Paths,
        name: str,
        deadline: float,
        what: What = "address",
        after: float | None = None,
    ) -> None:
        self.name, self._paths, self._deadline = name, paths, deadline
        self._what, self._after = what, after
        self._answered = -_RESTART
        """When the service last answered, monotonic seconds; long ago: never."""

    @property
    def left(self) -> float:
        """Seconds until the deadline, 0 at least."""
        return max(0.0, self._deadline - time.monotonic())

    def addresses(self, tell: Tell = lambda _: None) -> list[str]:
        """The addresses once it is met, the best first, as programs accept them.

        Raises TimedOutError, NoSuchNameError if the name is still unknown then, and NoServiceError
        if there is no service, or it has not answered for some seconds.
        """
        seconds = 0.0  # first, is there a service?
        while True:
            reply = self._ask(seconds)
            seconds = min(self.left, _SLICE)
            if reply is None:
                tell("the leasewatch service does not answer")
                time.sleep(_AGAIN)
            elif reply["met"]:
                return [show.address(one["address"], one["ifindex"]) for one in reply["addresses"]]
            else:
                seen = self._seen(reply)
                if not self.left:
                    raise self._late(seen)
                tell(seen)

    def is_known(self) -> bool:
        """Whether the service, if it answers, knows the name."""
        try:
            reply = self._ask(0)
        except NoServiceError:
            return False
        return reply is not None and bool(reply["met"] or reply["candidates"])

    def _ask(self, seconds: float) -> dict[str, Any] | None:
        """The service's reply, after so long at most; None: there is none at the moment."""
        try:
            self.name.encode()
        except UnicodeEncodeError:
            hint = "leasewatch list shows every lease"
            raise UserError("the name is not UTF-8", hint, "invalid") from None
        name, after = encode_basestring_ascii(self.name), "null"
        if self._after is not None:
            after = f"{self._after:.6f}"
        call = _CALL % (name, self._what, after, seconds)
        try:
            (reply,) = exchange.replies(self._paths.socket, call.encode())
        except NoServiceError:
            if time.monotonic() > self._answered + _RESTART or not self.left:
                raise
            return None
        except ValueError as error:
            raise _refused(str(error)) from None
        self._answered = time.monotonic()
        return reply

    def _seen(self, reply: dict[str, Any]) -> str:
        """Why it is not met, as far as it is known."""
        held = [one for one in reply["candidates"] if one["address"]]
        published = [one for one in held if one["verdict"] == "published"]
        for one in published or held:
            address = show.address(one["address"], one["ifindex"])
            if self._what == "gone":
                return f"it still has {address}"
            if not published:
                return f"{one['reason']} ({address})"
            family, called = _FAMILIES.get(self._what, (one["family"], ""))
            if one["family"] != family:
                return f"it has {address}, and no {called} address"
            if self._after is not None:
                return f"{address} is from before"
        known = guests.seen(self._paths, reply["name"])
        return known or ("it has no address" if reply["candidates"] else _UNKNOWN)

    def _late(self, seen: str) -> UserError:
        if seen == _UNKNOWN:
            from leasewatch.api.client import NoSuchNameError  # noqa: PLC0415  start-up time

            return NoSuchNameError(self.name, [])
        return TimedOutError(self.name, seen)


def _refused(error: str) -> UserError:
    if error.endswith(".TooManyWaits"):
        what, hint = "too many commands of yours wait already", "leasewatch admin limits show"
        return UserError(what, hint, "unavailable")
    what = f"the leasewatch service does not wait: {error}"
    return UserError(what, "sudo systemctl restart leasewatch", "unavailable")
