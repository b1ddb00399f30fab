"""Name servers take a zone with the configuration that `leasewatch dns setup` prints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.name_servers import BIND, ENGINES, KNOT, NSD, Engine, NameServer, free_port, need
from tests.name_servers.primary import APEX, Primary, primary
from tests.name_servers.secondary import secondary
from tests.waiting import wait_for

FIRST = f"first.lab.{APEX}"
each_engine = pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)


@pytest.fixture(autouse=True)
def _programs() -> None:
    need()


class Pair:
    """A primary and a secondary, on ports of loopback."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self.port, self.other_port = free_port(), free_port()

    def primary(self, **more: object) -> Primary:
        """Start the primary."""
        made = primary(
            self._folder / f"primary{self.port}",
            f"127.0.0.1:{self.port}",
            [f"127.0.0.1:{self.other_port}"],
            **more,  # type: ignore[arg-type]
        )
        return self._stack.enter_context(made)

    def secondary(self, engine: Engine, **more: object) -> NameServer:
        """Start the secondary."""
        made = secondary(
            engine,
            self._folder / "secondary",
            f"127.0.0.1:{self.port}",
            port=self.other_port,
            **more,  # type: ignore[arg-type]
        )
        return self._stack.enter_context(made)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with ExitStack() as stack:
        yield Pair(stack, tmp_path)


def wait_for_answer(server: NameServer, name: str, *addresses: str) -> None:
    """Wait until the name has these addresses and no others."""
    wait_for(f"{name} to be {addresses}", lambda: server.ask(name) == [*addresses], 40)


@each_engine
def test_a_change_is_answered_and_it_is_an_incremental_transfer(engine: Engine, pair: Pair) -> None:
    served = pair.primary()
    server = pair.secondary(engine)
    wait_for_answer(server, FIRST, "10.77.0.1")
    served.change({"web1.lab": "10.77.0.5", "first.lab": None})
    wait_for_answer(server, f"web1.lab.{APEX}", "10.77.0.5")
    wait_for_answer(server, FIRST)
    counts = served.counts()
    incremental = counts["incremental"] > 0
    assert incremental == (engine.name != "PowerDNS"), counts  # which asks for all of it each time
    wait_for("NOTIFY to end", lambda: served.counts()["waiting"] == 0, 20)


@pytest.mark.parametrize("engine", [BIND, KNOT, NSD], ids=lambda engine: engine.name)
def test_a_journal_overrun_is_a_whole_transfer(engine: Engine, pair: Pair) -> None:
    served = pair.primary()
    server = pair.secondary(engine)
    wait_for_answer(server, FIRST, "10.77.0.1")
    served.change({"web1.lab": "10.77.0.5"})
    served.forget_journal()
    wait_for_answer(server, f"web1.lab.{APEX}", "10.77.0.5")
    served.change({"web1.lab": "10.77.0.6"})
    wait_for_answer(server, f"web1.lab.{APEX}", "10.77.0.6")
    assert served.counts()["whole"] >= 1


@each_engine
def test_a_secondary_with_another_secret_gets_nothing_and_the_log_says_what_to_do(
    engine: Engine, pair: Pair
) -> None:
    served = pair.primary()
    server = pair.secondary(engine, secret="YW5vdGhlciBzZWNyZXQgb2YgMzIgYnl0ZXMsIGZpbmU=")
    line = f'zone={APEX} key=xfr why="the secret of the key is another one than here" hint='
    wait_for("the refusal", lambda: line in served.log(), 40)
    assert server.ask(FIRST) == []
    assert served.counts()["whole"] == 0


def test_a_clock_beyond_the_fudge_is_refused_and_the_log_names_the_clock(pair: Pair) -> None:
    served = pair.primary(before=_ahead(1000))
    server = pair.secondary(BIND)
    wait_for("the refusal", lambda: "behind this host's" in served.log(), 40)
    wait_for("the secondary to see it", lambda: "clocks are unsynchronized" in server.log(), 40)
    assert server.ask(FIRST) == []


def _ahead(seconds: int) -> list[str]:
    """Words in front of a command whose clock is ahead."""
    library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
    return [
        "env",
        f"LD_PRELOAD={library}",
        f"FAKETIME=+{seconds}",
        "FAKETIME_DONT_FAKE_MONOTONIC=1",
    ]
