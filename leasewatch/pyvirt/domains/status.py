"""What a domain does, from what its QEMU reports: QMP events and `query-status`. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from leasewatch.model import ARRIVING

FULL: Final = "the host's disk is full"
ON_REQUEST: Final = "on request"
"""Why a domain is paused that a command, not QEMU itself, has paused."""
SAVING: Final = "it is being saved"
ASLEEP: Final = "the guest has suspended itself"
MOVES: Final = "it moves to another host"
MOVED: Final = "it has moved to another host"
_PRESSED: Final = "its power button was pressed"

_CHANGES: Final = frozenset(
    ("STOP", "RESUME", "RESET", "SUSPEND", "WAKEUP", "POWERDOWN", "GUEST_PANICKED")
)
"""Events after which QEMU's state has to be asked for: none of them says all of it."""
_ENDS: Final = {
    "guest-shutdown": "the guest shut down",
    "guest-panic": "its kernel panicked",
    "host-qmp-quit": "QEMU was told to quit",
    "host-signal": "QEMU was told to end by a signal",
}
"""Why QEMU ends, by the reason of its event SHUTDOWN."""

_CR0: Final = re.compile(r"\bCR0=([0-9a-f]+)")
_PAGING: Final = 1 << 31


def runs_no_system(registers: str) -> bool:
    """Whether a PC's processor, by the answer to `info registers`, has not switched paging on.

    Then its BIOS or boot loader runs, or nothing: no power button reaches these.
    """
    found = _CR0.search(registers)
    return found is not None and not int(found[1], 16) & _PAGING


class Status(NamedTuple):
    """A state (`model.DomainState.state`) and why, empty while it simply runs."""

    state: str
    why: str = ""


class Reported:
    """What a running QEMU has reported so far."""

    def __init__(self, arriving: str = "") -> None:
        self.is_arriving = bool(arriving)
        self.status = Status(ARRIVING, arriving) if arriving else Status("running")
        self.end = ""
        """Why it ends; empty: it has not said."""
        self._is_pressed = self._is_held = False
        self._fault = ""

    def event(self, name: str, data: Mapping[str, Any]) -> bool:
        """Note an event; True: ask for `query-status`, and pass the answer on."""
        if name == "BLOCK_IO_ERROR" and data.get("action") == "stop":
            failed = f"a disk failed: {data.get('reason', 'for an unknown reason')}"
            self._fault = FULL if data.get("nospace") else failed
        elif name == "SHUTDOWN":
            self.end = _ENDS.get(str(data.get("reason")), "")
        elif name in {"POWERDOWN", "RESET"}:
            self._is_pressed = name == "POWERDOWN"
        elif name == "RESUME":
            self._is_held = self.is_arriving = False
        return name in _CHANGES

    def answer(self, state: str) -> Status:
        """The domain's status, from QEMU's `RunState`."""
        if self.is_arriving:
            return self.status
        if state == "running":
            pressed = Status("shutting down", _PRESSED)
            self.status = pressed if self._is_pressed else Status("running")
        elif state == "guest-panicked":
            self.status = Status("panicked", "its kernel has panicked")
        elif state == "shutdown":
            self.status = Status("shutting down", self.end)
        else:
            why = {
                "paused": ON_REQUEST,
                "prelaunch": ON_REQUEST,
                "io-error": ON_REQUEST if self._is_held else self._fault or "a disk failed",
                "suspended": ASLEEP,
                "finish-migrate": MOVES,
                "postmigrate": MOVED,
                "internal-error": "QEMU or KVM cannot go on",
            }
            self.status = Status("paused", why.get(state, f"QEMU is in the state {state}"))
        return self.status

    def note_saver(self) -> None:
        """A command has paused the guest to save it."""
        self.status = Status("paused", SAVING)

    def hold(self) -> Status:
        """Pause on request a guest whose disk is full, for which QEMU's `stop` does nothing."""
        if self.status == ("paused", FULL):
            self._is_held = True
            self.status = Status("paused", ON_REQUEST)
        return self.status
