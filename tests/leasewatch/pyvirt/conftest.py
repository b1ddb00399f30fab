"""What tests of domains share."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from leasewatch.paths import Paths
from leasewatch.pyvirt.domains import probe, sandbox


@pytest.fixture
def sandboxed(monkeypatch: pytest.MonkeyPatch) -> None:
    """QEMU runs as nobody, since the machine that tests need not have our user."""

    def nobody(*, kvm: bool) -> sandbox.Account:
        del kvm
        return sandbox.Account(65534, 65534, ())

    monkeypatch.setattr(sandbox, "account", nobody)


@pytest.fixture(autouse=True, scope="session")
def _known_qemu() -> Iterator[None]:
    """QEMU is asked once for all tests, as for all commands of a host."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        real = probe.look
        paths = Paths(Path(folder))
        patch.setattr(probe, "look", lambda _, *arch: real(paths, *arch))
        yield
