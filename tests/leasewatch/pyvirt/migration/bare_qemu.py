"""Two QEMUs without a guest in sandboxes: as much as a migration needs, started in 0.1 s."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from leasewatch.paths import Paths
from leasewatch.pyvirt.domains import sandbox
from leasewatch.pyvirt.domains.qmp_session import QmpSession
from leasewatch.pyvirt.migration.channel import Address, TcpChannel
from leasewatch.pyvirt.migration.doors import Doors
from nss_pyvirt import programs
from tests.waiting import wait_for

DEADLINE = 30.0
_ENDED = ("completed", "failed", "cancelled")


class BareQemu:
    """A QEMU in a sandbox, and its root folder. `sandboxed` says as whom it runs."""

    def __init__(self, stack: ExitStack, folder: Path, *options: str) -> None:
        self.log = folder / "log"
        with socket.socket(socket.AF_UNIX) as listener, self.log.open("wb") as log:
            listener.bind(str(folder / "qmp"))
            listener.listen()
            fd = listener.fileno()
            argv = [
                programs.find("qemu-system-x86_64"),
                "-machine",
                "none",
                "-nodefaults",
                "-nographic",
            ]
            argv += ["-S", "-qmp", "chardev:qmp", *options]
            argv += ["-chardev", f"socket,id=qmp,fd={fd},server=on,wait=off"]
            streams = (None, log.fileno(), log.fileno())
            account = sandbox.account(kvm=False)
            child = sandbox.spawn(argv, streams, account=account, kept=[fd])
        stack.callback(child.reap)
        stack.callback(child.kill)
        self.session = stack.enter_context(closing(QmpSession(folder / "qmp", DEADLINE)))
        self.session.ask("query-status")  # it is in its sandbox now
        self.root = Path(f"/proc/{child.pid}/root")
        self.folder = self.root / "migration"
        self.folder.mkdir(mode=0o700)
        os.chown(self.folder, account.uid, account.gid)

    def migration(self) -> dict[str, Any]:
        """What query-migrate says."""
        found: dict[str, Any] = self.session.ask("query-migrate")
        return found


class Pair:
    """A source and a destination that TCP joins."""

    def __init__(self, stack: ExitStack, tmp_path: Path) -> None:
        for name in ("source", "destination"):
            (tmp_path / name).mkdir()
        self.source = BareQemu(stack, tmp_path / "source")
        self.destination = BareQemu(stack, tmp_path / "destination", "-incoming", "defer")
        doors = stack.enter_context(closing(Doors(Paths(tmp_path), 0)))
        self.way = stack.enter_context(
            closing(
                TcpChannel(
                    Address("127.0.0.1", 0),
                    lambda asked: doors.open(asked, self.destination.folder),
                )
            )
        )

    def set(self, *capabilities: str, **parameters: Any) -> None:
        """Set both up."""
        words = {name.replace("_", "-"): value for name, value in parameters.items()}
        for side in (self.source, self.destination):
            states = [{"capability": name, "state": True} for name in capabilities]
            side.session.ask("migrate-set-capabilities", {"capabilities": states})
            side.session.ask("migrate-set-parameters", words)

    def migrate(self) -> dict[str, Any]:
        """How the source says that it ended."""
        self.destination.session.ask("migrate-incoming", {"uri": "unix:/migration/main"})
        self.way.connect(self.source.folder, "main")
        self.source.session.ask("migrate", {"uri": "unix:/migration/main"})
        wait_for(
            "the end of the migration",
            lambda: self.source.migration().get("status") in _ENDED,
            DEADLINE,
        )
        return self.source.migration()
