"""Wait until a running domain has an address, or until its ssh answers there."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable

from leasewatch.paths import Paths
from leasewatch.pyvirt.domains.known import KnownDomains
from leasewatch.pyvirt.domains.listing import lookup
from nss_pyvirt.errors import UserError

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from typing import Final, Literal

    Goal = Literal["address", "ssh"]

_PAUSE: Final = 0.01  # seconds between two attempts
_ANSWER: Final = 2.0  # seconds for an address to answer
_SERVICE: Final = 5.0  # seconds that the service may need to restart
_PORT: Final = 22

Tell = Callable[[str], None]
"""Gets what was seen last, again and again."""


def wait(paths: Paths, name: str, goal: Goal, timeout: float, tell: Tell) -> str:
    """The address at which the domain is reached.

    UserError when it ends meanwhile, and after `timeout` seconds with what was seen last.
    """
    domains = KnownDomains(paths)
    deadline = time.monotonic() + timeout
    deaf = time.monotonic() + _SERVICE
    while True:
        _check_running(domains, name)
        addresses = lookup(paths.snapshot, name)
        seen = "it has no address yet"
        if addresses is not None or _service_answers(paths):
            deaf = time.monotonic() + _SERVICE
        elif time.monotonic() > deaf:
            raise UserError("leasewatch does not run: no name is found", _start(), "not-running")
        for address in addresses or ():
            fault = _fault(address, deadline) if goal == "ssh" else ""
            if not fault:
                return address
            seen = fault
        if time.monotonic() > deadline:
            wanted = "no address" if goal == "address" else "no answer from ssh"
            what = f"{wanted} of {name} within {timeout:g} s: {seen}"
            raise UserError(
                what, f"see what it prints: sudo pyvirt domain console {name}", "timeout"
            )
        tell(seen)
        time.sleep(_PAUSE)


def _check_running(domains: KnownDomains, name: str) -> None:
    if domains.is_running(name):
        return
    why = domains.describe(name)["why"]
    what = f"domain {name} is not running{why and f': {why}'}"
    raise UserError(what, f"sudo pyvirt domain start {name}", "not-running")


def _service_answers(paths: Paths) -> bool:
    """Whether the service runs. It forgets the name of a guest that has no address for long."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(_ANSWER)
        client.connect(paths.socket)
        return True
    return False


def _start() -> str:
    """How to start the service."""
    from nss_pyvirt.installer.pieces import start_command  # noqa: PLC0415  20 ms

    return start_command()


def _fault(address: str, deadline: float) -> str:
    """Why no ssh answers at an address; empty: one does."""
    patience = max(0.05, min(_ANSWER, deadline - time.monotonic()))
    try:
        with socket.create_connection((address, _PORT), patience) as connection:
            said = connection.recv(4)
    except ConnectionRefusedError:
        return f"nothing listens on port {_PORT} of {address} yet"
    except TimeoutError:
        return f"{address} does not answer on port {_PORT}"
    except OSError as error:
        return f"{address}, port {_PORT}: {error.strerror}"
    return "" if said == b"SSH-" else f"port {_PORT} of {address} is not ssh's"
