"""The rows of `domain list`: what is kept of definitions, and what run states say."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import pytest

from leasewatch.daemon import alive
from leasewatch.model import ARRIVING, DomainState, Nic
from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import kept_rows, store
from leasewatch.pyvirt.defined.domain import DomainDefinition, NicDefinition
from leasewatch.pyvirt.domains.known import KnownDomains
from leasewatch.pyvirt.domains.listing import KEYS, KILLED, Listing
from leasewatch.pyvirt.files import DomainEnd, DomainFiles
from nss_pyvirt.errors import UserError

NIC = NicDefinition(network="lab", mac="52:54:00:00:00:01", address="10.77.0.50")


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A root with a domain web1; files count as settled at once, and root calls."""
    monkeypatch.setattr(kept_rows, "SETTLED", -60.0)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    made = Paths(tmp_path)
    define(made)
    return made


def define(paths: Paths, memory: int = 64) -> None:
    domain = DomainDefinition(name="web1", nics=(NIC,), memory=memory, cpus=1, kernel="/k")
    store.write(paths.domain_definitions, domain)


def listed(paths: Paths) -> list[dict[str, object]]:
    """The rows of one `domain list`."""
    made = Listing(paths)
    rows = [made.describe(name) for name in made.names()]
    made.keep()
    return rows


def running(paths: Paths, **changes: object) -> None:
    born = alive.born(os.getpid())
    state = DomainState(
        name="web1", nics=(), started=5.0, pending_until=0, pid=os.getpid(), born=born
    )
    state = msgspec.structs.replace(state, **changes)
    file = DomainFiles(paths, state.name).state
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(msgspec.json.encode(state))


def test_a_row_that_was_kept_is_the_same_as_the_first_one(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = listed(paths)
    assert tuple(first) == KEYS
    assert (first["state"], first["reserved"], first["memory"]) == ("stopped", ["10.77.0.50"], 64)
    monkeypatch.setattr(KnownDomains, "row", None)
    assert listed(paths) == [first]


def test_a_definition_that_has_changed_is_read_again(paths: Paths) -> None:
    listed(paths)
    define(paths, memory=128)
    assert [row["memory"] for row in listed(paths)] == [128]
    file = paths.domain_definitions / "web1.toml"
    file.write_text(file.read_text().replace("128", "1"))
    with pytest.raises(UserError, match=r"web1\.toml: memory"):
        listed(paths)


def test_a_definition_that_may_still_change_is_not_kept(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_rows, "SETTLED", 60.0)
    listed(paths)
    assert not paths.domain_list.exists()


def test_only_root_keeps_rows(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert [row["name"] for row in listed(paths)] == ["web1"]
    assert not paths.domain_list.exists()


@pytest.mark.parametrize("content", ["", "[]", "{", '{"web1": [[], {"name": "web1"}]}', "\x00"])
def test_a_damaged_or_older_file_of_rows_is_made_again(paths: Paths, content: str) -> None:
    paths.domain_list.parent.mkdir(parents=True)
    paths.domain_list.write_text(content)
    assert [row["memory"] for row in listed(paths)] == [64]
    assert tuple(json.loads(paths.domain_list.read_text())["web1"][1]) == KEYS


def test_rows_of_deleted_domains_are_not_kept_for_ever(paths: Paths) -> None:
    listed(paths)
    (paths.domain_definitions / "web1.toml").unlink()
    other = DomainDefinition(name="db1", nics=(NIC,), memory=64, cpus=1, kernel="/k")
    store.write(paths.domain_definitions, other)
    listed(paths)
    assert set(json.loads(paths.domain_list.read_text())) == {"db1"}


def test_a_domain_has_the_state_of_its_run_state(paths: Paths) -> None:
    running(paths, state="paused", why="the host's disk is full", since=7.0)
    (row,) = listed(paths)
    told = [row[key] for key in ("state", "why", "since", "started", "pid")]
    assert told == ["paused", "the host's disk is full", 7.0, 5.0, os.getpid()]


def test_a_run_state_of_an_earlier_version_is_of_a_running_domain(paths: Paths) -> None:
    running(paths)
    file = DomainFiles(paths, "web1").state
    former = json.loads(file.read_text())
    for key in ("state", "why", "since"):
        del former[key]
    file.write_text(json.dumps(former))
    (row,) = listed(paths)
    assert [row[key] for key in ("state", "why", "since")] == ["running", "", None]


def test_a_stopped_domain_says_how_its_last_run_ended(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = DomainFiles(paths, "web1")
    files.ended.parent.mkdir(parents=True)
    files.ended.write_bytes(msgspec.json.encode(DomainEnd(why="the guest shut down", since=9.0)))
    (row,) = listed(paths)
    assert [row[key] for key in ("state", "why", "since")] == ["stopped", "the guest shut down", 9]
    running(paths, born=1)  # another process has the pid
    monkeypatch.setattr("os.geteuid", lambda: 1000)  # who cannot clean up
    (row,) = listed(paths)
    assert [row[key] for key in ("state", "why", "pid")] == ["stopped", KILLED, None]


def test_a_domain_that_arrives_is_listed_without_a_definition(paths: Paths) -> None:
    nics = (Nic("lab", "52:54:00:00:00:02", "pvtap0"),)
    running(paths, name="web2", nics=nics, state=ARRIVING, why="from host1")
    made = Listing(paths)
    assert (made.names(), made.arriving()) == (["web1"], ["web2"])
    row = made.describe("web2")
    assert tuple(row) == (*KEYS, *(key for key in row if key not in KEYS))
    assert (row["state"], row["why"], row["networks"]) == ("arriving", "from host1", ["lab"])
    assert (row["addresses"], row["memory"]) == ([], None)
    running(paths, state=ARRIVING, why="from a file")
    row = Listing(paths).describe("web1")
    assert (row["state"], row["memory"]) == ("arriving", 64)


@pytest.mark.parametrize("act", ["get", "require"])
def test_a_command_on_a_domain_that_arrives_says_so(paths: Paths, act: str) -> None:
    running(paths, name="web2", state=ARRIVING, why="from host1")
    with pytest.raises(UserError, match="web2 has not arrived yet: from host1") as caught:
        getattr(KnownDomains(paths), act)("web2")
    assert "pyvirt domain list" in caught.value.hint
    assert KnownDomains(paths).running() == []


def test_a_domain_whose_arrival_was_killed_is_unknown(paths: Paths) -> None:
    running(paths, name="web2", state=ARRIVING, pid=0x7FFFFFFF)
    assert Listing(paths).arriving() == []
    with pytest.raises(UserError, match='no domain "web2"'):
        KnownDomains(paths).get("web2")
