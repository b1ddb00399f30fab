"""The file by which ssh knows pyvirt's domains: put there, renewed, left alone, removed."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from nss_pyvirt.errors import UserError
from nss_pyvirt.installer import pieces, ssh_config
from nss_pyvirt.installer.status import status
from tests.nss_pyvirt.installer.image import system


def _install(image: Path, *, wait: bool = False) -> list[str]:
    return list(ssh_config.install(system(image), ExitStack(), wait=wait))


def _place(image: Path) -> Path:
    return image / ssh_config.PLACE.lstrip("/")


def test_ssh_reads_the_host_keys_of_domains_until_they_are_removed(image: Path) -> None:
    assert _install(image) == [f"installed {_place(image)}"]
    (setting,) = [one for one in _place(image).read_text().splitlines() if one[0] != "#"]
    assert setting.split()[0] == "GlobalKnownHostsFile"
    assert setting.endswith(" /run/pyvirt/ssh_known_hosts")
    assert _install(image) == []
    assert list(ssh_config.remove(system(image))) == [f"removed {_place(image)}"]
    assert list(ssh_config.remove(system(image))) == []


@pytest.mark.parametrize("main", [None, "# Include /etc/ssh/ssh_config.d/*.conf\n"])
def test_nothing_is_put_where_ssh_would_not_read_it(image: Path, main: str | None) -> None:
    (image / "etc/ssh/ssh_config").unlink()
    if main is not None:
        (image / "etc/ssh/ssh_config").write_text(main)
    assert _install(image) == []
    assert "ssh" not in [piece.subject for piece in status(system(image))]


def test_a_file_changed_by_hand_stays_and_is_good(image: Path) -> None:
    _install(image)
    _place(image).write_text("# mine\n")
    assert _install(image) == []
    assert list(ssh_config.remove(system(image))) == [
        f"kept {_place(image)}, which was changed by hand"
    ]
    assert ("ssh", "ok") in [(piece.subject, piece.state) for piece in status(system(image))]


def test_the_status_says_what_is_missing_or_old_and_install_mends_it(image: Path) -> None:
    def found() -> tuple[str, str]:
        (row,) = [row for row in status(system(image)) if row.subject == "ssh"]
        return row.state, row.detail

    assert found() == ("bad", f"{ssh_config.PLACE} does not exist")
    _place(image).write_bytes(pieces.sealed(b"an older one\n"))
    assert found() == ("bad", f"{ssh_config.PLACE} was written by another version")
    _install(image)
    assert found()[0] == "ok"


def test_ssh_waits_for_domains_once_that_was_asked_for_until_it_is_removed(image: Path) -> None:
    def detail() -> str:
        (row,) = (row for row in status(system(image)) if row.subject == "ssh")
        return row.detail

    _install(image)
    assert not ssh_config.waits(system(image))
    assert "waits" not in detail()
    done = [f"installed {_place(image)}"]
    for wait, said in ((True, done), (True, []), (False, [])):
        assert _install(image, wait=wait) == said
        assert ssh_config.is_current(system(image))
        assert detail().endswith(", and ssh waits for one that boots")
    text = _place(image).read_text()
    assert text.splitlines()[-1] == "Include /run/pyvirt/ssh_config"
    _place(image).write_bytes(pieces.sealed(text.partition("\n")[2].encode() + b"# an older one\n"))
    assert ssh_config.is_current(system(image)) is False
    _install(image)
    assert _place(image).read_text() == text
    assert list(ssh_config.remove(system(image))) == [f"removed {_place(image)}"]
    _install(image)
    assert not ssh_config.waits(system(image))


def test_what_ssh_would_not_read_is_an_error_for_who_asked_for_it(image: Path) -> None:
    (image / "etc/ssh/ssh_config").write_text("")
    with pytest.raises(UserError, match=r"ssh does not read .*ssh_config\.d"):
        _install(image, wait=True)
    (image / "etc/ssh/ssh_config").write_text("Include /etc/ssh/ssh_config.d/*.conf\n")
    _place(image).write_text("# mine\n")
    with pytest.raises(UserError, match="changed by hand") as refused:
        _install(image, wait=True)
    assert "Include /run/pyvirt/ssh_config" in refused.value.hint
    assert _place(image).read_text() == "# mine\n"
    _place(image).write_text("# mine\nInclude /run/pyvirt/ssh_config\n")
    assert _install(image, wait=True) == []
