"""The shipped module among others: what glibc makes of each of its answers on a `hosts:` line.

/etc/hosts is the other module: it knows web1, db (IPv6 only) and starting as well, so an answer
says who gave it. DNS has a server that refuses.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.csrc.building import compile_c
from tests.system.answers import GETENT
from tests.system.lookups import SOURCES, TABLE, UNSPEC, V4, V6, furnish, set_hosts_line
from tests.system.world import World

ASK = "/run/ask"
CANONNAME, V4MAPPED, ALL, ADDRCONFIG = (
    int(flag)
    for flag in (socket.AI_CANONNAME, socket.AI_V4MAPPED, socket.AI_ALL, socket.AI_ADDRCONFIG)
)
NONAME = "Name or service not known"
NODATA = "No address associated with hostname"
AGAIN = "Temporary failure in name resolution"
ERRORS = {NONAME, NODATA, AGAIN}
OURS, THEIRS = "10.77.0.5 fd12::5", "10.99.0.1 fd99::1"


def ip(world: World, command: str) -> None:
    world.run(["ip", *command.split()])


@pytest.fixture(scope="module")
def world(_namespaces: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for all tests here, with a table and an interface that has addresses of its own."""
    with closing(World()) as made:
        program = compile_c(tmp_path_factory.mktemp("chains") / "ask", ("cc", "-O2"), *SOURCES)
        made.run(["install", "-m", "0755", program, ASK])
        furnish(made)
        yield made


@pytest.fixture
def no_table(world: World) -> Iterator[World]:
    """The world as it is while the service was never started."""
    world.run(["mv", TABLE, f"{TABLE}.away"])
    yield world
    world.run(["mv", f"{TABLE}.away", TABLE])


def ask(world: World, name: str, family: int = UNSPEC, flags: int = 0) -> str:
    """What getaddrinfo() says: sorted addresses, behind a | the canonical name; or its error."""
    said = world.run([ASK, "ask", name, str(family), str(flags)]).stdout.strip()
    addresses, bar, canonical = said.partition("|")
    return (
        " ".join(sorted(addresses.split())) + (bar + canonical if canonical else "")
        if bar
        else said
    )


Answers = dict[tuple[str, int], str]
KNOWN = {("web1", UNSPEC): OURS, ("web1", V4): "10.77.0.5", ("web1", V6): "fd12::5"}
NEXT = {("web1", UNSPEC): THEIRS, ("web1", V4): "10.99.0.1", ("web1", V6): "fd99::1"}
ALONE: Answers = {
    **KNOWN,
    ("db", UNSPEC): "10.77.0.6",
    ("db", V4): "10.77.0.6",
    ("db", V6): NODATA,
    **{("starting", family): AGAIN for family in (UNSPEC, V4, V6)},
    **{("nosuch", family): NONAME for family in (UNSPEC, V4, V6)},
    **{("other", family): NONAME for family in (UNSPEC, V4, V6)},
}
GOES_ON: Answers = {("db", V6): "fd99::6", ("other", V4): "10.99.0.3", ("nosuch", V4): NONAME}
CHAINS: dict[str, Answers] = {
    "pyvirt": ALONE,
    "pyvirt pyvirt": ALONE,
    "nosuch pyvirt": ALONE,
    "dns pyvirt": ALONE,
    "myhostname pyvirt": ALONE,
    "pyvirt [!UNAVAIL=return] files": ALONE,
    "pyvirt files": KNOWN | GOES_ON | {("starting", V4): "10.99.0.2", ("starting", V6): NONAME},
    "pyvirt [UNAVAIL=return] files": KNOWN | GOES_ON,
    "pyvirt [TRYAGAIN=return] files": KNOWN
    | GOES_ON
    | {("starting", family): AGAIN for family in (UNSPEC, V4, V6)},
    "pyvirt [NOTFOUND=return] files": KNOWN
    | {("db", V6): NODATA, ("other", V4): NONAME, ("starting", V4): "10.99.0.2"},
    "pyvirt [SUCCESS=continue] files": NEXT,
    "files pyvirt": NEXT
    | {("db", V4): "10.77.0.6", ("db", UNSPEC): "fd99::6", ("starting", V6): AGAIN},
    "files [NOTFOUND=return] pyvirt": NEXT | {("db", V4): NONAME},
    # A server that refuses: "again" is dns' own word for that, and it speaks last.
    "pyvirt dns": KNOWN | {("db", V4): "10.77.0.6", ("db", V6): AGAIN, ("nosuch", V4): AGAIN},
    "pyvirt [!UNAVAIL=return] dns": ALONE,
    "files pyvirt [TRYAGAIN=return] dns": {("starting", V6): AGAIN, ("db", V4): "10.77.0.6"},
}


@pytest.mark.parametrize("line", CHAINS)
@pytest.mark.parametrize("flags", [0, CANONNAME])
def test_each_answer_has_its_effect_on_the_line(world: World, line: str, flags: int) -> None:
    set_hosts_line(world, line)
    expected = {
        (name, family): said if said in ERRORS or not flags else f"{said}| {name}"
        for (name, family), said in CHAINS[line].items()
    }
    assert {asked: ask(world, *asked, flags) for asked in expected} == expected


@pytest.mark.parametrize("line", ["pyvirt files", "pyvirt [!UNAVAIL=return] files", "files pyvirt"])
@pytest.mark.parametrize("flags", [0, CANONNAME])
def test_without_a_table_the_others_on_the_line_answer(
    no_table: World, line: str, flags: int
) -> None:
    set_hosts_line(no_table, line)
    name = "| web1" if flags else ""
    expected = {asked: said + name for asked, said in NEXT.items()}
    assert {asked: ask(no_table, *asked, flags) for asked in expected} == expected
    for family in (UNSPEC, V4, V6):
        assert ask(no_table, "nosuch", family, flags) in {NONAME, NODATA}


FLAGS = [
    # name, family, flags, what comes out
    ("www", UNSPEC, CANONNAME, "10.77.0.5 fd12::5| web1"),
    ("WWW.", V6, CANONNAME, "fd12::5| web1"),
    ("db", V6, V4MAPPED, "::ffff:10.77.0.6"),
    ("db", V6, V4MAPPED | CANONNAME, "::ffff:10.77.0.6| db"),
    ("web1", V6, V4MAPPED, "fd12::5"),
    ("web1", V6, V4MAPPED | ALL, "::ffff:10.77.0.5 fd12::5"),
    ("db", V6, V4MAPPED | ALL, "::ffff:10.77.0.6"),
    ("link", V6, V4MAPPED, NODATA),
    ("web1", UNSPEC, V4MAPPED, OURS),
    # This host has no IPv6 address but that of lo.
    ("web1", UNSPEC, ADDRCONFIG, "10.77.0.5"),
    ("web1", V4, ADDRCONFIG, "10.77.0.5"),
    ("web1", V6, ADDRCONFIG, NONAME),
    ("link", UNSPEC, 0, "fe80::77%lab0"),
    ("link", UNSPEC, CANONNAME, "fe80::77%lab0| link"),
    ("link", V6, 0, NODATA),  # glibc asks in a way that has no room for a scope
    ("both", UNSPEC, 0, "10.77.0.9"),  # nothing link-local beside better ones
    ("both", V4, 0, "10.77.0.9"),
    ("many", UNSPEC, 0, " ".join(sorted(f"10.9.0.{i}" for i in range(1, 33)))),
    ("many", V4, CANONNAME, " ".join(sorted(f"10.9.0.{i}" for i in range(1, 33))) + "| many"),
]


@pytest.mark.parametrize(("name", "family", "flags", "expected"), FLAGS)
def test_getaddrinfo_flags(world: World, name: str, family: int, flags: int, expected: str) -> None:
    set_hosts_line(world, "pyvirt")
    assert ask(world, name, family, flags) == expected


def test_addrconfig_leaves_ipv4_out_where_the_host_has_only_ipv6(world: World) -> None:
    set_hosts_line(world, "pyvirt")
    ip(world, "addr del 10.77.0.1/24 dev lab0")
    ip(world, "addr add fd12::1/64 dev lab0 nodad")
    assert ask(world, "web1", UNSPEC, ADDRCONFIG) == "fd12::5"
    assert ask(world, "db", UNSPEC, ADDRCONFIG) == NODATA
    ip(world, "addr add 10.77.0.1/24 dev lab0")
    assert ask(world, "web1", UNSPEC, ADDRCONFIG) == OURS
    ip(world, "addr del fd12::1/64 dev lab0")


def test_a_link_local_answer_can_be_connected_to(world: World) -> None:
    set_hosts_line(world, "pyvirt")
    ip(world, "addr add fe80::77/64 dev lab0 nodad")
    shown = world.run(["ping", "-c1", "-W5", "link"], user="nobody").stdout
    assert "link (fe80::77%lab0)" in shown
    ip(world, "addr del fe80::77/64 dev lab0")


@pytest.mark.parametrize("arguments", GETENT)
def test_getent(world: World, arguments: str) -> None:
    set_hosts_line(world, "pyvirt")
    done = world.run(["getent", *arguments.split()], check=False)
    words = [" ".join(line.split()[:2]) for line in done.stdout.splitlines()]
    assert (done.returncode, words) == GETENT[arguments]
