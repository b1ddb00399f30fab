"""What the installer's tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.nss_pyvirt.installer.image import make_image


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A Debian-like image with systemd; it has the service's user, so no test needs root."""
    return make_image(tmp_path)
