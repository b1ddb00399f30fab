"""The ssh connection of a migration, without a host that answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from leasewatch.paths import Paths
from leasewatch.pyvirt.migration.remote import Remote
from nss_pyvirt.errors import UserError


def test_a_host_that_cannot_be_reached_is_one_line_in_ssh_s_words(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    remote = Remote("ssh://127.0.0.1:1", paths=paths)
    with pytest.raises(
        UserError, match=r"^cannot log in to ssh://127.0.0.1:1: .*refused$"
    ) as error:
        remote.open()
    assert error.value.hint == "try it by hand: sudo ssh ssh://127.0.0.1:1 true"
    assert not list(paths.migrations.iterdir())


def test_the_folder_of_a_killed_migration_is_removed_by_the_next_one(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    (paths.migrations / "left").mkdir(parents=True)
    with pytest.raises(UserError):
        Remote("ssh://127.0.0.1:1", paths=paths).open()
    assert not list(paths.migrations.iterdir())


@pytest.mark.parametrize("host", ["-oProxyCommand=touch /x", "", " "])
def test_an_option_is_no_host(host: str) -> None:
    with pytest.raises(UserError, match="is no host"):
        Remote(host)
