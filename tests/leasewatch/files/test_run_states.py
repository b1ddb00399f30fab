"""Run states from real files, among what is none."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from leasewatch.files import run_states
from leasewatch.model import ARRIVING, DomainState
from nss_pyvirt.errors import UserError


def test_a_file_that_is_no_run_state_hides_none(tmp_path: Path) -> None:
    state = DomainState(name="web", nics=(), pid=1, started=1.0, pending_until=1)
    (tmp_path / "web.json").write_bytes(msgspec.json.encode(state))
    (tmp_path / "torn.json").write_text('{"name": "to')
    (tmp_path / "web1.json").mkdir()  # the run folder of a domain of this name
    (tmp_path / "gone.json").symlink_to(tmp_path / "nowhere")
    assert run_states.read_all(tmp_path, DomainState) == [state]
    assert run_states.read(tmp_path / "web1.json", DomainState) is None
    assert run_states.read_all(tmp_path / "nowhere", DomainState) == []


@contextlib.contextmanager
def full_of_descriptors() -> Iterator[None]:
    """Here no file can be opened."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open("/", os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_an_unreadable_run_state_does_not_mean_stopped(tmp_path: Path) -> None:
    file = tmp_path / "web.json"
    state = DomainState(name="web", nics=(), pid=1, started=1.0, pending_until=1)
    file.write_bytes(msgspec.json.encode(state))
    with full_of_descriptors():
        with pytest.raises(UserError, match=r"web\.json: Too many open files"):
            run_states.read(file, DomainState)
        with pytest.raises(UserError, match="Too many open files"):
            run_states.read_all(tmp_path, DomainState)
    (tmp_path / "loop.json").symlink_to("loop.json")
    with pytest.raises(UserError, match=r"loop\.json: Too many levels"):
        run_states.read_all(tmp_path, DomainState)


def test_a_domain_has_its_name_where_its_guest_runs() -> None:
    here = DomainState(name="web", nics=(), pid=os.getpid(), started=1.0, pending_until=1)
    arriving = msgspec.structs.replace(here, state=ARRIVING)
    killed = msgspec.structs.replace(here, pid=0x7FFFFFFF)
    assert list(run_states.named([here, arriving, killed])) == [here]
