"""Wait until a TCP port of a name answers: it connects to the addresses, the best first."""

from __future__ import annotations

import _socket  # socket takes 7 ms
import time

from leasewatch.reach.addresses import Awaited, TimedOutError

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from typing import Final

    from leasewatch.reach.addresses import Tell

_LEAST, _ANSWER = 0.1, 1.0
"""Seconds for an address to answer, before the next one has its turn: in the first and the last
round, and at most. A guest loses what comes before it has set up its new address, and TCP repeats
that after 1 s.
"""
_GREETING: Final = 10.0
"""Seconds for the greeting of a server that has taken the connection; a guest may boot slowly."""
_PAUSE: Final = 0.05
"""Seconds from one round of attempts to the next."""


def connect(
    awaited: Awaited, port: int, tell: Tell = lambda _: None, greeting: bytes = b""
) -> tuple[_socket.socket, str]:
    """A blocking socket that is connected to the port, and the address.

    `greeting`: what the server has to begin with; it is read then. Raises what
    `Awaited.addresses` does.
    """
    patience = _LEAST
    while True:
        faults = []
        for address in awaited.addresses(tell):
            try:
                made = _connected(address, port, max(_LEAST, min(patience, awaited.left)))
                _await_greeting(made, greeting, max(_LEAST, min(_GREETING, awaited.left)))
            except OSError as error:
                faults.append(f"address {address}, port {port} {_fault(error)}")
            else:
                return made, address
        seen = faults[0]  # of the best address
        if not awaited.left:
            raise TimedOutError(awaited.name, seen)
        tell(seen)
        time.sleep(min(_PAUSE, awaited.left))
        patience = min(2 * patience, _ANSWER)


def _fault(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, TimeoutError):
        return "does not answer"
    if isinstance(error, _GreetingError):
        return "is another service's"
    return f"failed: {error.strerror}"


class _GreetingError(OSError):
    """Another server answers."""


def _connected(address: str, port: int, patience: float) -> _socket.socket:
    """Raises OSError."""
    asked = address, port, 0, _socket.SOCK_STREAM, 0, _socket.AI_NUMERICHOST
    family, kind, protocol, _, place = _socket.getaddrinfo(*asked)[0]
    made = _socket.socket(family, kind, protocol)
    try:
        made.settimeout(patience)
        made.connect(place)
        made.settimeout(None)
    except OSError:
        made.close()
        raise
    return made


def _await_greeting(made: _socket.socket, greeting: bytes, patience: float) -> None:
    """Read the greeting, if there is to be one; raises OSError, and closes the connection then."""
    try:
        made.settimeout(patience)
        if greeting and made.recv(len(greeting)) != greeting:
            raise _GreetingError
        made.settimeout(None)
    except OSError:
        made.close()
        raise
