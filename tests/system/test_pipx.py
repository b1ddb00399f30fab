"""The wheel by Debian 13's pipx, as the README says, on a system without a compiler."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import readme
from tests.system.debian import STATE, debian, gets_it, types
from tests.system.installed import is_active
from tests.system.machine import Machine

pytestmark = pytest.mark.long

PACKAGES = ["ca-certificates", "git", "man-db", "pipx"]
PIPX = "sudo pipx install --global"
PAGES = ("leasewatch", "nss-pyvirt", "nss_pyvirt", "pyvirt")


@pytest.fixture(scope="module")
def trixie(
    _namespaces: None, source: Path, wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    """A booted Debian 13 without a compiler; its user has a wheel."""
    console = tmp_path_factory.mktemp("machine") / "console"
    with debian("trixie", source, console, installed=PACKAGES, fetched=[], wheels=["pip"]) as made:
        gets_it(made, wheel)
        assert made.run(["sh", "-c", "command -v cc gcc clang"], check=False).stdout == ""
        yield made


def row(machine: Machine, program: str, *, user: bool = False) -> dict[str, str]:
    """What a `nss-pyvirt` says of the installation."""
    as_user = ["runuser", "-u", "user", "--", "env", "HOME=/home/user"] if user else []
    done = machine.run([*as_user, program, "status", "-o", "json"], check=False)
    (found,) = (row for row in json.loads(done.stdout) if row["subject"] == "installation")
    return dict(found)


def test_pipx_global_gives_a_working_system_and_leaves_nothing(trixie: Machine) -> None:
    before = trixie.sh(STATE)
    script = readme.script("Install elsewhere", PIPX)
    types(trixie, "\n".join(line for line in script.splitlines() if " apt " not in line))
    assert is_active(trixie, "leasewatch") == "active"
    found = row(trixie, "nss-pyvirt")
    assert found["state"] == "ok"
    assert found["detail"].startswith("pipx --global /opt/pipx/venvs/nss-pyvirt, ")
    assert found["detail"].endswith("; leasewatch.service runs it")
    trixie.run(["man", "--where", *PAGES])
    for place in ("bash-completion/completions/pyvirt", "zsh/site-functions/_nss_pyvirt"):
        trixie.run(["test", "-s", f"/usr/local/share/{place}"])

    trixie.run(["nss-pyvirt", "remove", "--purge"])
    trixie.run(["pipx", "uninstall", "--global", "nss-pyvirt"])
    left = {line for line in trixie.sh(STATE).splitlines() if not line.startswith("/opt/pipx")}
    assert left == set(before.splitlines())  # pipx keeps its own folder, with its pip


def test_a_users_own_pipx_is_no_place_for_the_service(trixie: Machine) -> None:
    types(trixie, "pipx install ./nss_pyvirt-*.whl")
    own = "/home/user/.local/bin/nss-pyvirt"
    refused = trixie.run([own, "install"], check=False)
    assert refused.returncode == 1
    assert "is below /home, which the service cannot see" in refused.stderr
    assert f"  hint: {PIPX}" in refused.stderr

    types(trixie, readme.script("Install elsewhere", PIPX).replace("sudo apt", ": sudo apt"))
    found = row(trixie, own, user=True)
    assert found["state"] == "bad"
    own_place = "/home/user/.local/share/pipx/venvs/nss-pyvirt"
    assert found["detail"].startswith(f"pipx {own_place} answers, but leasewatch.service runs")
    assert found["fix"] == "pipx uninstall nss-pyvirt"
    types(trixie, found["fix"])
    assert row(trixie, "nss-pyvirt", user=True)["state"] == "ok"
    trixie.run(["nss-pyvirt", "remove", "--purge"])
    trixie.run(["pipx", "uninstall", "--global", "nss-pyvirt"])
