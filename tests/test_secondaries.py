"""Name servers take a zone with the configuration that `leasewatch dns setup` prints."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from email.utils import parsedate_to_datetime
from pathlib import Path

import msgspec
import pytest

from leasewatch.dns.setup import SERVERS, describe
from tests.name_servers import (
    BIND,
    ENGINES,
    HERE,
    KNOT,
    NSD,
    POWERDNS,
    UNPACKED,
    Engine,
    NameServer,
    free_port,
    need,
)
from tests.name_servers.primary import APEX, SECRET, Primary, primary
from tests.name_servers.relay import Relay, relay
from tests.name_servers.secondary import SETTINGS, secondary
from tests.waiting import wait_for

HUB = msgspec.structs.replace(SETTINGS, catalog="hub")
FIRST = f"first.lab.{APEX}"


def engines(*quick: Engine, never: tuple[Engine, ...] = ()) -> pytest.MarkDecorator:
    """Run a test with each of them; with the others only if there is time (`--long`)."""
    found = [
        pytest.param(one, id=one.name, marks=[] if one in quick else [pytest.mark.long])
        for one in ENGINES
        if one not in never
    ]
    return pytest.mark.parametrize("engine", found)


@pytest.fixture(autouse=True)
def _programs() -> None:
    need()


class Pair:
    """A primary and a secondary, on ports of loopback."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self.port, self.other_port = free_port(), free_port()
        self.address = "127.0.0.1"
        """Of both, in brackets if it is IPv6."""
        self._asked = self.port
        """The port that the secondary asks."""

    def primary(self, **more: object) -> Primary:
        """Start the primary."""
        made = primary(
            self._folder / f"primary{self.port}",
            f"{self.address}:{self.port}",
            [f"{self.address}:{self.other_port}"],
            **more,  # type: ignore[arg-type]
        )
        return self._stack.enter_context(made)

    def secondary(self, engine: Engine, **more: object) -> NameServer:
        """Start the secondary."""
        made = secondary(
            engine,
            self._folder / "secondary",
            f"{self.address}:{self._asked}",
            self.address.strip("[]"),
            self.other_port,
            **more,  # type: ignore[arg-type]
        )
        return self._stack.enter_context(made)

    def relay(self) -> Relay:
        """Put a relay between them."""
        self._asked = free_port()
        return self._stack.enter_context(relay(self._asked, self.port))


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with ExitStack() as stack:
        yield Pair(stack, tmp_path)


def wait_for_answer(server: NameServer, name: str, *addresses: str) -> None:
    """Wait until the name has these addresses and no others."""
    wait_for(f"{name} to be {addresses}", lambda: server.ask(name) == [*addresses], 40)


@engines(*ENGINES)
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


@engines(NSD)
def test_all_is_the_same_with_ipv6(engine: Engine, pair: Pair) -> None:
    pair.address = "[::1]"
    served = pair.primary()
    server = pair.secondary(engine)
    wait_for_answer(server, FIRST, "10.77.0.1")
    served.change({"web1.lab": "10.77.0.5"})
    wait_for_answer(server, f"web1.lab.{APEX}", "10.77.0.5")


@engines(BIND, never=(POWERDNS,))
def test_others_do_not_get_the_zone_from_it(engine: Engine, pair: Pair) -> None:
    pair.primary()
    server = pair.secondary(engine)
    wait_for_answer(server, FIRST, "10.77.0.1")
    assert "Transfer failed" in server.dig(APEX, "AXFR").stdout


@engines(BIND, NSD, never=(POWERDNS,))
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


@engines(BIND)
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


@engines(BIND, KNOT)
def test_a_stream_that_is_cut_short_changes_nothing_and_the_next_notify_heals_it(
    engine: Engine, pair: Pair
) -> None:
    served = pair.primary()
    between = pair.relay()
    server = pair.secondary(engine)
    wait_for_answer(server, FIRST, "10.77.0.1")
    between.cuts = 1
    served.change({"web1.lab": "10.77.0.5"})
    wait_for_answer(server, f"web1.lab.{APEX}", "10.77.0.5")
    assert between.was_cut == 1


@engines(BIND, KNOT, never=(NSD, POWERDNS))
def test_a_host_in_the_catalog_is_served_and_one_that_was_taken_out_is_refused(
    engine: Engine, pair: Pair
) -> None:
    served = pair.primary(with_catalog=True)
    server = pair.secondary(engine, settings=HUB)
    wait_for_answer(server, FIRST, "10.77.0.1")
    other = "hostb.vm.example.org"
    served.set_members(APEX, other)
    wait_for_answer(server, f"first.lab.{other}", "10.77.0.1")
    served.change({"web1.lab": "10.78.0.5"}, other)
    wait_for_answer(server, f"web1.lab.{other}", "10.78.0.5")
    served.set_members(APEX)
    wait_for("the zone to go", lambda: "REFUSED" in server.dig(f"web1.lab.{other}").stdout, 40)
    wait_for_answer(server, FIRST, "10.77.0.1")


@pytest.mark.parametrize("name", ["knot", "nsd"])
def test_the_parts_of_several_hosts_fit_together(name: str, tmp_path: Path) -> None:
    key = {
        "knot": f"key:\n  - id: xfr\n    algorithm: hmac-sha256\n    secret: {SECRET}\n",
        "nsd": f'key:\n    name: "xfr"\n    algorithm: hmac-sha256\n    secret: "{SECRET}"\n',
    }
    (tmp_path / "key").write_text(key[name])
    texts = []
    for host in ("hosta", "hostb"):
        site = describe(
            msgspec.structs.replace(SETTINGS, host=host),
            "",
            SERVERS[name],
            key_file=str(tmp_path / "key"),
            folder="/etc/pyvirt/dns",
        )
        texts.append(SERVERS[name].text(site))
    once = re.sub(r"(?m)^include: .*$", "", texts[1])
    (tmp_path / "conf").write_text(texts[0] + once)
    conf = str(tmp_path / "conf")
    check = {"knot": ["knotc", "-c", conf, "conf-check"], "nsd": ["nsd-checkconf", conf]}
    HERE.run([*UNPACKED.before, *check[name]])


def test_a_default_bind_would_keep_a_dead_host_for_800_seconds(pair: Pair) -> None:
    pair.primary()
    server = pair.secondary(BIND, without=["min-refresh-time 5;", "min-retry-time 5;"])
    wait_for_answer(server, FIRST, "10.77.0.1")
    shown = server.tool("rndc", "zonestatus", APEX)
    times = {}
    for line in shown.splitlines():
        key, _, value = line.partition(": ")
        if key in {"expires", "next refresh"}:
            times[key] = parsedate_to_datetime(value).timestamp() - time.time()
    assert 700 < times["expires"] <= 800
    assert 200 < times["next refresh"] <= 300
