"""A pid that another process has taken: its former process counts as dead everywhere."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from leasewatch.api import offline
from leasewatch.daemon import alive
from leasewatch.files import locks
from leasewatch.files.small_files import StateFolder
from leasewatch.model import DomainState, NetworkState, Nic
from leasewatch.paths import Paths
from leasewatch.pyvirt.domains.domains import Domains
from leasewatch.pyvirt.networks.listing import Listing
from nss_pyvirt import snapshot
from tests.leasewatch.serving import Dnsmasq, Served

ME = os.getpid()
BORN = alive.born(ME)
WEB1 = DomainState(
    name="web1",
    nics=(Nic("lab", "52:54:00:00:00:01"),),
    pid=ME,
    born=BORN,
    started=time.time(),
    pending_until=0,
)
LAB = NetworkState(
    name="lab",
    bridge="br-lab",
    suffix="internal",
    lease_file="",
    subnets=("10.0.0.0/24",),
    pid=ME,
    born=BORN,
    started=time.time(),
)
REPLACED = BORN - 1
"""When a process of this pid was started before this one."""
BORNS = {"ours": BORN, "replaced": REPLACED, "unknown": 0}


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    made = Paths(tmp_path)
    for folder in (made.network_runs, made.domain_runs, made.service_run, made.domain_definitions):
        folder.mkdir(parents=True)
    return made


def write(folder: Path, state: DomainState | NetworkState) -> None:
    (folder / f"{state.name}.json").write_bytes(msgspec.json.encode(state))


def test_a_process_is_its_pid_and_when_it_was_started() -> None:
    assert BORN > 0
    assert alive.is_alive(ME, BORN)
    assert alive.is_alive(ME)
    assert not alive.is_alive(ME, REPLACED)
    assert not alive.is_alive(ME, BORN + 1)


def test_a_zombie_and_an_unused_pid_are_dead() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as program:
        ended = os.pidfd_open(program.pid)
        os.waitid(os.P_PIDFD, ended, os.WEXITED | os.WNOWAIT)
        os.close(ended)
        assert not alive.is_alive(program.pid)
        assert not alive.is_alive(program.pid, alive.born(program.pid))
    assert not alive.is_alive(program.pid)
    assert alive.born(program.pid) == 0


@pytest.mark.parametrize("name", [") Z 0 0", "a b) (c", ")", " "])
def test_the_name_of_a_process_hides_nothing(name: str) -> None:
    prctl = ctypes.CDLL(None).prctl
    former = Path("/proc/self/comm").read_bytes().rstrip(b"\n")
    prctl(15, name.encode(), 0, 0, 0)  # PR_SET_NAME
    try:
        assert alive.born(ME) == BORN
        assert alive.is_alive(ME, BORN)
    finally:
        prctl(15, former, 0, 0, 0)


def test_two_processes_of_one_moment_differ_by_their_pid() -> None:
    programs = [subprocess.Popen(["sleep", "60"]) for _ in range(2)]
    try:
        first, second = (alive.born(program.pid) for program in programs)
        assert BORN < first <= second
    finally:
        for program in programs:
            program.kill()
            program.wait()
    assert not alive.is_alive(programs[0].pid, first)


@pytest.mark.parametrize(
    ("born", "answers"), [("ours", True), ("replaced", False), ("unknown", True)]
)
def test_the_service_lets_a_dead_domain_answer_to_nothing(
    served: Served, dnsmasq: Dnsmasq, born: str, answers: bool
) -> None:
    dnsmasq.lease(1, "fedora")
    dnsmasq.rewrite()
    served.domain(msgspec.structs.replace(WEB1, born=BORNS[born]))
    served.start()
    assert served.answer("web1") == (["10.0.0.1"] if answers else [])


@pytest.mark.parametrize(("born", "kept"), [("ours", {"lab"}), ("replaced", set())])
def test_a_run_state_whose_folder_went_is_kept_while_its_process_lives(
    paths: Paths, born: str, kept: set[str]
) -> None:
    write(paths.network_runs, msgspec.structs.replace(LAB, born=BORNS[born]))
    states = StateFolder(paths.network_runs, NetworkState)
    states.scan()
    assert set(states.values) == {"lab"}
    shutil.rmtree(paths.network_runs)
    states.scan()
    assert set(states.values) == kept


@pytest.mark.parametrize(("born", "alive_"), [("ours", True), ("replaced", False)])
def test_a_lease_vanishes_only_by_the_hand_of_a_living_dnsmasq(
    served: Served, dnsmasq: Dnsmasq, born: str, alive_: bool
) -> None:
    served.settings("")
    state = msgspec.structs.replace(
        LAB, lease_file=str(served.leases / "lab"), dnsmasq_pid=ME, dnsmasq_born=BORNS[born]
    )
    served.paths.network_runs.mkdir(parents=True)
    write(served.paths.network_runs, state)
    for number in range(1, 4):
        dnsmasq.lease(number, f"vm{number}")
    dnsmasq.rewrite()
    served.start()
    dnsmasq.lines.pop("vm1")
    for number in range(4, 12):  # more versions than it takes to believe that a lease is gone
        dnsmasq.lease(number, f"vm{number}")
        dnsmasq.rewrite()
        served.await_answer(f"vm{number}", f"10.0.0.{number}")
    served.await_answer("vm1", *([] if alive_ else ["10.0.0.1"]))


@pytest.mark.parametrize(("born", "alive_"), [("ours", True), ("replaced", False)])
def test_a_plain_user_sees_no_dead_network_or_domain_as_running(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, born: str, alive_: bool
) -> None:
    def closed(_lock: Path) -> int:
        raise PermissionError

    monkeypatch.setattr(locks, "holder", closed)
    write(paths.network_runs, msgspec.structs.replace(LAB, born=BORNS[born]))
    write(paths.domain_runs, msgspec.structs.replace(WEB1, born=BORNS[born]))
    assert (Listing(paths).state("lab") != "stopped") == alive_
    assert Domains(paths).is_running("web1") == alive_


@pytest.mark.parametrize(("born", "trust"), [("ours", "owner"), ("replaced", "guest")])
def test_without_the_service_a_dead_domain_owns_no_name(
    paths: Paths, born: str, trust: str
) -> None:
    address = snapshot.Address(2, bytes([10, 0, 0, 1]), 4_000_000_000)
    host = snapshot.Host(("web1",), (address,))
    paths.snapshot.write_bytes(snapshot.encode([host], generation=1, published=1))
    paths.snapshot.chmod(0o644)
    write(paths.domain_runs, msgspec.structs.replace(WEB1, born=BORNS[born]))
    (entry,) = offline.list_entries(paths, time.time()).entries
    assert entry.trust == trust
