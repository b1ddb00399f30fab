"""What tests of domains share."""

from __future__ import annotations

import pytest

from leasewatch.pyvirt.domains import sandbox


@pytest.fixture
def sandboxed(monkeypatch: pytest.MonkeyPatch) -> None:
    """QEMU runs as nobody, since the machine that tests need not have our user."""

    def nobody(*, kvm: bool) -> sandbox.Account:
        del kvm
        return sandbox.Account(65534, 65534, ())

    monkeypatch.setattr(sandbox, "account", nobody)
