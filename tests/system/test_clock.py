"""Wall clocks that are set: dnsmasq, the service and the asking program see the same wrong time.

libfaketime moves the wall clock of these programs alone; their monotonic clocks and the DHCP
clients go on as ever. A name goes as dnsmasq's lease goes, and for no other reason.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.csrc.building import compile_c
from tests.system.lookups import SOURCES, V4, set_hosts_line
from tests.system.world import World

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
UDHCPC_SCRIPT = Path(__file__).with_name("udhcpc.sh")
OFFSET = "/run/offset"
ASK = "/run/ask"
LEASES = "/var/lib/misc/own.leases"
HOUR, DAY = 3600, 86400
ENDLESS_MAC = "02:00:00:00:00:99"


class Shifted:
    """A world with dnsmasq (leases of one hour), the service and a bridge, in shifted time."""

    def __init__(self, world: World, program: Path) -> None:
        self.world = world
        world.run(["install", "-m", "0755", program, ASK])
        self.set(0)
        set_hosts_line(world, "pyvirt")
        for command in (
            "link add br9 type bridge",
            "addr add 10.9.0.1/24 dev br9",
            "link set br9 up",
        ):
            world.run(["ip", *command.split()])
        source = f'[[source]]\npath = "{LEASES}"\nnetwork = "own"\nsuffix = "test"\n'
        world.run(["tee", "/etc/pyvirt/leasewatch.toml"], input=source)
        world.spawn(
            [
                *self.clock,
                *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root"),
                *("--port=0", "--interface=br9", "--bind-dynamic", "--no-ping", "--pid-file="),
                *("--dhcp-range=10.9.0.10,10.9.0.99,1h", "--dhcp-authoritative"),
                *(f"--dhcp-host={ENDLESS_MAC},infinite", f"--dhcp-leasefile={LEASES}"),
            ]
        )
        self.service = world.serve(*self.clock)

    @property
    def clock(self) -> list[str]:
        """The command that starts a program in shifted time."""
        return [
            *("env", f"LD_PRELOAD={LIBRARIES[0]}", f"FAKETIME_TIMESTAMP_FILE={OFFSET}"),
            *("FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1", "NO_FAKE_STAT=1"),
        ]

    def set(self, seconds: int) -> None:
        """Set all clocks to so long from the real time."""
        script = (
            f"echo {seconds:+} >{OFFSET}.new && chmod 0644 {OFFSET}.new && mv {OFFSET}.new {OFFSET}"
        )
        self.world.run(["sh", "-c", script])

    def offset(self) -> float:
        """How far a program's clock is from the real one, in seconds."""
        said = self.world.run([*self.clock, "date", "+%s"]).stdout
        return int(said) - int(self.world.run(["date", "+%s"]).stdout)

    def finds(self, name: str) -> str:
        """The IPv4 address that a program in shifted time gets; "" if none."""
        said = self.world.run([*self.clock, ASK, "ask", name, str(V4), "0"]).stdout
        return said.rstrip(" |\n") if said.endswith("|\n") else ""

    def leases(self) -> str:
        """What dnsmasq's file says."""
        return self.world.run(["cat", LEASES]).stdout

    @contextmanager
    def watched(self, name: str) -> Iterator[None]:
        """`name` must be found by each of the lookups, one after another, made meanwhile."""
        look = f"{' '.join(self.clock)} {ASK} ask {name} {V4} 0"
        loop = f"{look} | grep -q '|$' || exit 1; n=$((n+1))"
        loop = f"n=0; while [ ! -e /run/over ] || [ $n -lt 10 ]; do {loop}; done; echo $n"
        watching = self.world.spawn(["sh", "-c", loop], stdout=subprocess.PIPE)
        yield
        self.world.run(["touch", "/run/over"])
        said, _ = watching.communicate(timeout=60)
        self.world.run(["rm", "/run/over"])
        assert watching.returncode == 0, f"{name} was not found for a moment"
        assert int(said) >= 10


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What asks for names: a C program."""
    if not LIBRARIES:
        pytest.skip("no libfaketime here: packaging/test installs it")
    return compile_c(tmp_path_factory.mktemp("clock") / "ask", ("cc", "-O2"), *SOURCES)


@pytest.fixture(scope="module")
def one_world(_namespaces: None, program: Path) -> Iterator[Shifted]:
    with closing(World()) as world:
        yield Shifted(world, program)


@pytest.fixture
def shifted(one_world: Shifted) -> Iterator[Shifted]:
    """The world of all tests here, at the real time; each has names of its own."""
    yield one_world
    one_world.set(0)


def lease(shifted: Shifted, name: str, mac: str | None = None) -> str:
    """Get a lease under that name, which is never renewed, and return its address."""
    client = shifted.world.client(name, "br9", mac)
    options = f"-f -q -n -C -t 30 -T 1 -i eth0 -x hostname:{name} -s {UDHCPC_SCRIPT}"
    client.run(["busybox", "udhcpc", *options.split()])
    (address,) = client.addresses
    shifted.world.wait_for(f"{name} to be found", lambda: shifted.finds(name) == address)
    return address


def test_a_name_is_gone_while_its_lease_is_over_and_back_when_the_clock_is(
    shifted: Shifted,
) -> None:
    address = lease(shifted, "db1")
    assert abs(shifted.offset()) < HOUR / 2
    shifted.set(2 * HOUR)
    assert abs(shifted.offset() - 2 * HOUR) < HOUR / 2
    assert shifted.finds("db1") == ""  # at once: the reader looks at the clock itself
    assert "db1" in shifted.leases()  # dnsmasq did not notice yet
    listed = ["leasewatch", "list", "-o", "json"]
    shifted.world.wait_for(
        "the service to notice", lambda: '"expired"' in shifted.world.run(listed).stdout
    )
    shifted.set(0)
    shifted.world.wait_for("db1 to be back", lambda: shifted.finds("db1") == address)


def test_steps_within_the_lease_and_back_in_time_never_lose_a_name(shifted: Shifted) -> None:
    address = lease(shifted, "db2")
    with shifted.watched("db2"):
        for step in (HOUR // 2, -HOUR // 2, -DAY, -400 * DAY, 0, HOUR * 3 // 4):
            shifted.set(step)
            shifted.world.run(["sleep", "0.3"])
        other = lease(shifted, "db3")  # dnsmasq rewrites its file
        shifted.set(0)
        shifted.world.run(["sleep", "6"])  # longer than from one rescan to the next
    assert shifted.finds("db2") == address
    assert shifted.finds("db3") == other


def test_a_service_that_starts_while_the_clock_is_wrong_loses_no_name(
    world: World, program: Path
) -> None:
    shifted = Shifted(world, program)
    address = lease(shifted, "db1")
    with shifted.watched("db1"):
        for step in (-400 * DAY, HOUR // 2):
            world.signal(shifted.service, signal.SIGKILL)
            shifted.service.wait(30)
            shifted.set(step)
            shifted.service = world.serve(*shifted.clock)
            shifted.set(0)
            world.run(["sleep", "1"])
    assert shifted.finds("db1") == address


def test_what_dnsmasq_gave_up_in_the_future_stays_gone(shifted: Shifted) -> None:
    lease(shifted, "db4")
    shifted.set(2 * HOUR)
    other = lease(shifted, "db5")  # dnsmasq forgets what is over as it serves somebody
    shifted.world.wait_for("dnsmasq to forget db4", lambda: "db4" not in shifted.leases())
    with shifted.watched("db5"):
        shifted.set(0)
        shifted.world.run(["sleep", "1"])
    assert shifted.finds("db4") == ""
    assert shifted.finds("db5") == other


def test_a_lease_without_end_is_back_soon_after_any_step(shifted: Shifted) -> None:
    """What is published of it ends in a day, so a longer step is noticed by the next rescan."""
    address = lease(shifted, "rock", ENDLESS_MAC)
    for step in (3 * DAY, -400 * DAY, 0):
        shifted.set(step)
        shifted.world.wait_for("rock to be found", lambda: shifted.finds("rock") == address)
