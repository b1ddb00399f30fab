"""On the source: the destination was asked to let the guest run, and its answer is lost.

The guest runs there, or waits there, or is gone. A new agent ends the former one, and so it knows.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import Final

from leasewatch.paths import Paths
from leasewatch.pyvirt.domains import moving
from leasewatch.pyvirt.migration.names import Card
from leasewatch.pyvirt.migration.protocol import Agent, Ask, Condition, Done, Finish, LostError
from leasewatch.pyvirt.migration.remote import Remote
from nss_pyvirt.errors import UserError

_PATIENCE: Final = 30.0  # seconds in which the source asks
_PAUSE: Final = 1.0  # seconds between two attempts to connect
_ANSWER: Final = 20.0  # seconds for the agent to look
FINISHES: Final = 40.0  # seconds for the destination to let the guest run


def agent(remote: Remote, name: str, *options: str) -> Agent:
    """A new agent for the domain `name`."""
    pipes = remote.start(["domain", "receive", name, *options])
    return Agent(remote.host, pipes, lambda: remote.failure(pipes))


def ask_again(
    held: contextlib.ExitStack, paths: Paths, host: str, name: str, cards: Sequence[Card]
) -> Agent | None:
    """A new agent, which has let the guest run; None: the guest does not run there, and never will.

    It ends with `held`. UserError if there is no answer: the guest stands still then, until the
    owner decides.
    """
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with contextlib.ExitStack() as trial, contextlib.suppress(LostError):
            remote = Remote(host, paths=paths)
            try:
                remote.open()
            except UserError:
                time.sleep(_PAUSE)
                continue
            trial.callback(remote.close)
            found = agent(remote, name, "--again")
            if not _lets_run(found, cards):
                return None
            held.push(trial.pop_all())
            return found
    what = f"{host} does not answer, and {name} may run there"
    raise UserError(what, moving.to_resume(name, host), "unavailable")


def _lets_run(asked: Agent, cards: Sequence[Card]) -> bool:
    try:
        if not asked.ask(Ask(), Condition, _ANSWER).guest:
            return False
        asked.ask(Finish(cards=tuple(cards)), Done, FINISHES)
    except LostError:
        raise
    except UserError:  # it has ended its QEMU
        return False
    return True
