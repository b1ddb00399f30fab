"""Fixtures of the system tests: a world per test, and the tiny guest's files."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.system.world import CHECKOUT, World


@dataclass(frozen=True, slots=True)
class GuestFiles:
    """What packaging/guest built: boot files, and how ssh gets in without asking."""

    folder: Path

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd.gz"

    @property
    def ssh_config(self) -> Path:
        """For /etc/ssh/ssh_config.d: the key to log in with and the guests' host key."""
        return self.folder / "ssh_config"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """How soon an emulated guest is up depends on what else the machine does."""
    for item in items:
        if "guest_files" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.real_timing)


@pytest.fixture(scope="session")
def _namespaces() -> None:
    if os.geteuid() != 0:
        pytest.skip("system tests need root: packaging/test as root runs them")
    kinds = ["--net", "--mount", "--uts", "--ipc", "--pid", "--fork"]
    probe = subprocess.run(["unshare", *kinds, "true"], capture_output=True, text=True, check=False)
    if probe.returncode and not os.environ.get("CI"):
        pytest.skip(f"this machine gives no namespaces: {probe.stderr.strip()}")


@pytest.fixture
def world(_namespaces: None) -> Iterator[World]:
    """A fresh world for each test."""
    made = World()
    yield made
    made.close()


@pytest.fixture(scope="session")
def guest_files(_namespaces: None) -> GuestFiles:
    """The tiny guest, built once and cached in the checkout's .cache."""
    built = subprocess.run(
        [CHECKOUT / "packaging/guest"], stdout=subprocess.PIPE, text=True, check=True, timeout=300
    )
    return GuestFiles(Path(built.stdout.strip()))
