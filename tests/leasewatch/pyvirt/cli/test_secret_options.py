"""Where commands get passphrases from: files, standard input, a terminal."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import pytest

from leasewatch.pyvirt.cli import secret_options
from leasewatch.pyvirt.cli.secret_options import Given
from leasewatch.pyvirt.domains.secrets import Encrypted
from nss_pyvirt.errors import UserError

DISK, DATA1 = (Encrypted(key, f"the word of {key}", Path()) for key in ("disk.qcow2", "data1"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a passphrase in `a=b` and another in `other`."""
    for name in ("a=b", "other"):
        (tmp_path / name).touch(0o600)
        (tmp_path / name).write_text(f"in {name}\n")
    return tmp_path


def _stdin(monkeypatch: pytest.MonkeyPatch, content: bytes, *, terminal: bool = False) -> None:
    stream = SimpleNamespace(buffer=io.BytesIO(content), isatty=lambda: terminal)
    monkeypatch.setattr("sys.stdin", stream)


def test_one_file_is_for_all_disks_or_for_the_one_it_is_named_for(folder: Path) -> None:
    given = Given([f"{folder}/a=b", f"data1={folder}/other"])
    assert (given.get(DISK), given.get(DATA1)) == (b"in a=b", b"in other")
    assert Given([f"data1={folder}/other"]).get(DISK) is None
    assert not Given([])


def test_standard_input_is_read_once_for_all_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    _stdin(monkeypatch, b"typed\n")
    given = Given(["-"])
    assert [given.get(DISK), given.get(DATA1)] == [b"typed"] * 2


def test_a_disk_that_is_none_is_refused() -> None:
    with pytest.raises(UserError, match="there is no encrypted disk data2") as caught:
        Given(["data2=key"]).check([DISK, DATA1])
    assert caught.value.hint == "its encrypted disks: disk.qcow2, data1"
    Given(["data2=key", "data1=key"]).check([DATA1])  # data2 is another domain's
    with pytest.raises(UserError, match="--secret-file of data1 is given twice"):
        Given(["data1=a", "data1=b"])


def test_a_new_passphrase_is_asked_for_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    answers = iter(["first", "first", "first", "second"])

    def getpass(prompt: str) -> str:
        asked.append(prompt)
        return next(answers)

    monkeypatch.setattr("getpass.getpass", getpass)
    _stdin(monkeypatch, b"", terminal=True)
    assert secret_options.given(None, "volume data1", new=True) == b"first"
    assert asked == ["New passphrase of volume data1: ", "The same once more: "]
    with pytest.raises(UserError, match="the two passphrases differ"):
        secret_options.given(None, "volume data1", new=True)


@pytest.mark.parametrize("is_closed", [True, False])
def test_without_a_terminal_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, is_closed: bool
) -> None:
    _stdin(monkeypatch, b"")
    if is_closed:
        monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(UserError, match="there is no terminal to ask for it") as caught:
        secret_options.given(None, "volume data1", option="--new-secret-file")
    assert caught.value.hint == "give it in a file: --new-secret-file FILE"
