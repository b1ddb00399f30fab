"""The destination's answer is lost: what a new agent, played by this test, says of the guest."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from leasewatch.paths import Paths
from leasewatch.pyvirt.migration import lost_answer
from leasewatch.pyvirt.migration.protocol import Condition, Done, Failed, LostError, Message, encode
from nss_pyvirt.errors import UserError

_ANSWERS = (
    "import sys\nfor line in sys.argv[1:]:\n    sys.stdin.readline()\n    print(line, flush=True)"
)


class Remote:
    """A connection to a host that is there after some attempts; its agents give these answers."""

    attempts = 0
    closed = 0
    agents: ClassVar[list[list[Message]]] = []
    sessions: ClassVar[list[subprocess.Popen[bytes]]] = []

    def __init__(self, host: str, *, paths: Paths) -> None:
        self.host, self.paths = host, paths

    def open(self) -> None:
        Remote.attempts -= 1
        if Remote.attempts >= 0:
            raise UserError("no route")

    def close(self) -> None:
        Remote.closed += 1
        with Remote.sessions.pop(0) as session:
            session.kill()

    def start(self, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        assert argv == ["domain", "receive", "web1", "--again"]
        lines = [encode(each).decode().strip() for each in Remote.agents.pop(0)]
        pipe = subprocess.PIPE
        program = [sys.executable, "-c", _ANSWERS, *lines]
        Remote.sessions.append(subprocess.Popen(program, stdin=pipe, stdout=pipe))
        return Remote.sessions[-1]

    def failure(self, session: subprocess.Popen[bytes]) -> UserError:
        session.wait(60)
        return UserError("it has ended")


def asked(monkeypatch: pytest.MonkeyPatch, *agents: list[Message], attempts: int = 0) -> bool:
    """Whether the guest runs there in the end."""
    Remote.attempts, Remote.closed, Remote.agents = attempts, 0, [*agents]
    monkeypatch.setattr(lost_answer, "Remote", Remote)
    monkeypatch.setattr(lost_answer, "_PAUSE", 0)
    with contextlib.ExitStack() as held:
        found = lost_answer.ask_again(held, Paths(Path("/nonexistent")), "kvm2", "web1", ())
        assert not found or Remote.closed == len(agents) - 1
    assert Remote.closed == len(agents)
    return found is not None


WAITS, GONE = Condition(guest="paused", migration="completed"), Condition()


@pytest.mark.parametrize(
    ("agents", "runs"),
    [
        ([[WAITS, Done()]], True),
        ([[GONE]], False),
        ([[WAITS, Failed(what="QEMU could not take the guest")]], False),
        ([[WAITS], [WAITS, Done()]], True),
    ],
    ids=["waits", "gone", "refused", "lost again"],
)
def test_the_new_agent_lets_the_guest_run_or_says_that_it_never_will(
    monkeypatch: pytest.MonkeyPatch, agents: list[list[Message]], runs: bool
) -> None:
    assert asked(monkeypatch, *agents, attempts=2) is runs


def test_without_any_answer_it_stands_still_and_the_owner_decides(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lost_answer, "_PATIENCE", 0.2)
    with pytest.raises(UserError, match="kvm2 does not answer, and web1 may run there") as caught:
        asked(monkeypatch, attempts=1 << 30)
    assert not isinstance(caught.value, LostError)
    assert "migrate web1 kvm2 --resume" in caught.value.hint
    assert "resume --force web1" in caught.value.hint
