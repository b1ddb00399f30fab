"""What is asked of the QEMU at either end of a migration."""

from __future__ import annotations

import socket
from typing import Any

from leasewatch.pyvirt.domains.qemu_process import MIGRATION
from leasewatch.pyvirt.domains.qmp_session import QmpSession


def uri(name: str) -> str:
    """A socket as QEMU sees it."""
    return f"unix:/{MIGRATION}/{name}"


def set_up(session: QmpSession, capabilities: tuple[str, ...], parameters: dict[str, Any]) -> None:
    """Have QEMU migrate in this way; UserError with its words where it cannot.

    The way in which the guest came here, or should have gone, no longer counts.
    """
    known = session.ask("query-migrate-capabilities")
    former = [each["capability"] for each in known if each["state"]]
    wanted = {**dict.fromkeys(former, False), **dict.fromkeys(capabilities, True)}
    listed = [{"capability": name, "state": state} for name, state in wanted.items()]
    session.ask("migrate-set-capabilities", {"capabilities": listed})
    if parameters:
        session.ask("migrate-set-parameters", parameters)


def give(session: QmpSession, name: str, connection: socket.socket) -> str:
    """Give QEMU a connection that is open; returns what QEMU calls it."""
    session.ask("getfd", {"fdname": name}, fds=[connection.fileno()])
    return f"fd:{name}"
