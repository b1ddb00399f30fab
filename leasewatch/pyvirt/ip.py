"""Ask for and change links, addresses and routes through ip(8), in JSON and in batches."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from nss_pyvirt import programs
from nss_pyvirt.errors import UserError

Answer = list[dict[str, Any]]
"""The objects that one command of ip prints."""

_FAILED = re.compile(r"^Command failed -:(\d+)$", re.MULTILINE)
_WHY = re.compile(r"^(?:RTNETLINK answers: |Error: )?(.*)$")


def apply(commands: Sequence[str]) -> None:
    """Run the commands in order; UserError with the reason of the first that fails."""
    finish(start(commands))


def start(commands: Sequence[str]) -> programs.Tool:
    """The ip(8) that runs the commands; `finish` waits for it."""
    return programs.Tool(["ip", "-batch", "-"], package="iproute2", text="\n".join(commands))


def finish(tool: programs.Tool) -> None:
    """UserError as from `apply`."""
    done = tool.finish()
    if done.returncode:
        raise UserError(f"ip: {_reason(done.stderr)}")


class Question:
    """Commands that ask ip(8), which works from now on; `family` is 4 or 6.

    Tables, actions and types are numbers. UserError where ip cannot be run.
    """

    def __init__(self, family: int, commands: Sequence[str]) -> None:
        self._count = len(commands)
        argv = ["ip", f"-{family}", "-N", "-json", "-force", "-batch", "-"]
        self._tool = programs.Tool(argv, package="iproute2", text="\n".join(commands))

    def answers(self) -> list[Answer | str]:
        """Each command's answer, or in one line why it failed; call it once.

        UserError where ip cannot be understood.
        """
        done = self._tool.finish()
        reasons: dict[int, str] = {}
        said = 0
        for failed in _FAILED.finditer(done.stderr):
            reasons[int(failed[1])] = _reason(done.stderr[said : failed.start()])
            said = failed.end()
        answers = [msgspec.json.decode(line) for line in done.stdout.splitlines()]  # one a command
        if len(answers) != self._count - len(reasons):
            raise UserError(f"ip: {_reason(done.stderr)}")
        left = iter(answers)
        return [reasons[n] if n in reasons else next(left) for n in range(1, self._count + 1)]


def _reason(said: str) -> str:
    lines = said.strip().splitlines() or ["it does not say why it failed"]
    found = _WHY.match(lines[0])
    return found[1] if found else lines[0]
