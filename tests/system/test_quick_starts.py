"""packaging/try, and the README from its first command to its last, on a fresh Debian 12 and 13.

apt installs what they say, from a folder. An image that is made here stands in for Debian's.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import readme
from tests.shipped import ROOT
from tests.system.debian import PIP, STATE, debian, gets_it, packages, types
from tests.system.machine import Machine
from tests.waiting import wait_for

pytestmark = pytest.mark.long

IMAGE = "/home/user/debian-12.qcow2"
KERNEL = "linux-image-cloud-amd64"  # what packaging/guest downloads


@pytest.fixture(params=["bookworm", "trixie"])
def fresh(
    _namespaces: None,
    source: Path,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Machine]:
    console = tmp_path_factory.mktemp("fresh") / "console"
    (tried,) = re.findall(
        r"^packages=\(([^)]*)\)", (ROOT / "packaging/prepare").read_text(), re.MULTILINE
    )
    wanted = [*packages(readme.TEXT), *tried.split(), KERNEL]
    with debian(request.param, source, console, installed=[], fetched=wanted) as machine:
        yield machine


def test_a_fresh_clone_can_be_tried(fresh: Machine) -> None:
    gets_it(fresh)
    assert "ssh web1 uname -a" in types(fresh, "sudo packaging/try --check 2>&1")


def test_the_readme_works_from_its_first_command_to_its_last(
    fresh: Machine, cloud_image: Path, wheel: Path
) -> None:
    names = readme.script("Install elsewhere", PIP)
    machines = readme.script("Install elsewhere", "launch")
    (reboot,) = readme.scripts(readme.section("After a reboot"))
    upgrade = readme.script("Upgrade", PIP)
    gets_it(fresh, wheel)
    for line in f"{names}{machines}".splitlines():
        if line.startswith("sudo apt"):
            types(fresh, line)
    before = fresh.sh(STATE)

    assert "answers" in types(fresh, names)
    shutil.copy(cloud_image, fresh.root / IMAGE[1:])
    types(fresh, f"sudo pyvirt image add debian-12 {IMAGE}")
    shown = types(fresh, machines).splitlines()
    assert shown[-2].endswith(" s: ssh web1")
    assert shown[-1] == "web1"
    assert "web1" in types(fresh, "getent hosts web1.default.internal")

    types(fresh, reboot)
    fresh.reboot()
    wait_for("web1 to resolve", lambda: "web1" in types(fresh, "getent hosts web1 || true"), 90)

    types(fresh, upgrade)
    assert "web1" in types(fresh, "getent hosts web1 && nss-pyvirt status")

    types(fresh, readme.script("Uninstall", "/opt/pyvirt"))
    assert fresh.sh(STATE).splitlines() == before.splitlines()
