"""packaging/try: what the README promises of it, from a person's side."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.system.guest import GuestFiles
from tests.system.trying import inhabitants, read_until, trying, world_of
from tests.system.world import CHECKOUT, World, host_state
from tests.waiting import wait_for

TRY = CHECKOUT / "packaging/try"


@pytest.fixture(autouse=True)
def _prepared(guest_files: GuestFiles) -> None:
    """The tiny guest is built: what is tested here is the rest."""


def test_the_check_logs_in_by_name_and_leaves_the_host_as_it_was() -> None:
    before = host_state()
    done = subprocess.run(
        [TRY, "--check"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    steps = [line.split("  ")[0] for line in done.stdout.splitlines()]
    assert "✓ ssh web1 hostname" in steps
    assert "✓ ping web1, as a plain user" in steps
    assert host_state() == before


@pytest.mark.parametrize("moment", ["ssh-keygen", "leasewatch serve", "pyvirt launch"])
def test_an_interrupt_at_any_moment_ends_everything(moment: str) -> None:
    before = host_state()
    with trying(TRY, "--check") as program:
        read_until(program, moment)
        namespace = world_of(program)
        os.killpg(program.pid, signal.SIGINT)
        assert program.wait(30) != 0
    wait_for("its programs to end", lambda: not inhabitants(namespace))
    assert host_state() == before


def test_its_shell_has_everything_that_it_names() -> None:
    before = host_state()
    with trying("script", "-qefc", str(TRY), "/dev/null") as program:
        read_until(program, "Leaving the shell ends everything")
        assert program.stdin is not None
        typed = "ssh web1 hostname | sed s/^/name:/; nss-pyvirt install; leasewatch list; exit\n"
        program.stdin.write(typed)
        program.stdin.flush()
        shown = read_until(program, "published")
        assert "name:web1" in shown
        assert "libnss_pyvirt.so.2" in shown  # installed in a layer above /usr
        assert "Read-only" not in shown
        assert program.wait(30) == 0
    assert host_state() == before


def test_without_root_it_says_so(world: World) -> None:
    refused = world.run([TRY, "--check"], user="nobody", check=False)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[1:] == ["  hint: sudo packaging/try"]


def test_a_checkout_may_lie_in_a_folder_with_a_blank(tmp_path: Path) -> None:
    checkout = tmp_path / "my projects"
    for part in ("packaging", ".cache/guest/kernel", ".cache/guest/keys"):
        shutil.copytree(CHECKOUT / part, checkout / part)
    (folder,) = _said([checkout / "packaging/guest"])
    settings = _said(["ssh", "-G", "-F", f"{folder}/ssh_config", "web1"])
    assert f"identityfile {folder}/id_ed25519" in settings
    assert f"globalknownhostsfile {folder}/known_hosts" in settings


def _said(command: list[str | Path]) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("try --chek", "try: unknown option --chek\n"),
        ("lab --chek", "lab: unknown option --chek\n"),
        ("prepare --help", "prepare: unknown option --help\n"),
        ("test --fuzz soon", "usage: packaging/test [--quick]"),
        ("test --help", "usage: packaging/test [--quick]"),
    ],
)
def test_an_unknown_option_is_refused_before_anything_is_done(command: str, said: str) -> None:
    script, *arguments = command.split()
    refused = subprocess.run(
        [CHECKOUT / "packaging" / script, *arguments], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2
    assert refused.stderr.startswith(said)
