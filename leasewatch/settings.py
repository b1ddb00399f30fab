"""Read the settings file from disk; what it may say is in `config`."""

from __future__ import annotations

from pathlib import Path

from leasewatch import config
from leasewatch.files import reading
from nss_pyvirt.errors import UserError


def load(path: Path) -> tuple[config.Config, list[UserError]]:
    """The settings that are sound, and what is wrong with the others; no file: the defaults.

    A file that cannot be read counts as one that is no TOML.
    """
    try:
        return config.read(reading.read(str(path)).data, str(path))
    except FileNotFoundError:
        return config.Config(), []
    except OSError as error:
        what = f"{path}: {error.strerror or error}"
        return config.UNKNOWN, [UserError(what, f"make {path} readable", "invalid")]
