"""Files that are replaced whole: what a killed writer leaves, and writers at once."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nss_pyvirt import replacing
from tests.leasewatch.killing import everything, killed_at_each_step


def test_killed_writers_leave_the_old_file_or_the_new_and_the_next_one_leaves_nothing_else(
    tmp_path: Path,
) -> None:
    path = tmp_path / "web1.json"
    replacing.replace(path, b"old")
    step = 0
    for step in killed_at_each_step(  # noqa: B007
        lambda: replacing.replace(path, b"new" * 10_000, mode=0o640), lambda: None
    ):
        assert path.read_bytes() in (b"old", b"new" * 10_000)
        assert len(everything(tmp_path)) <= 2
    assert step > 2
    replacing.replace(path, b"newest")
    assert everything(tmp_path) == {"web1.json"}
    assert path.read_bytes() == b"newest"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_many_writers_at_once_write_whole_files_and_leave_nothing(tmp_path: Path) -> None:
    path = tmp_path / "web1"
    contents = [bytes([65 + number]) * 50_000 for number in range(8)]

    def write(content: bytes) -> None:
        for _ in range(25):
            replacing.replace(path, content)
            assert path.read_bytes() in contents

    with ThreadPoolExecutor(len(contents)) as writers:
        for done in [writers.submit(write, content) for content in contents]:
            done.result(120)
    assert everything(tmp_path) == {"web1"}


def test_a_writer_that_is_still_at_work_is_not_disturbed(tmp_path: Path) -> None:
    path = tmp_path / "web1"
    fd, temp = replacing._temporary(path)
    try:
        os.write(fd, b"half of it")
        replacing.replace(path, b"another's")
        assert temp.read_bytes() == b"half of it"
    finally:
        os.close(fd)


@pytest.mark.parametrize("kind", ["link", "FIFO", "folder"])
def test_what_lies_at_the_temporary_name_is_not_followed(tmp_path: Path, kind: str) -> None:
    temp, outside = tmp_path / ".web1.new", tmp_path / "outside"
    outside.write_text("secret")
    if kind == "link":
        temp.symlink_to(outside)
    elif kind == "FIFO":
        os.mkfifo(temp)
    else:
        temp.mkdir()
    with pytest.raises(OSError, match=r"regular file|directory|symbolic links"):
        replacing.replace(tmp_path / "web1", b"new")
    assert outside.read_text() == "secret"


def test_a_failure_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "web1"
    replacing.replace(path, b"old")

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        replacing.replace(path, b"new")
    assert path.read_bytes() == b"old"
    assert everything(tmp_path) == {"web1"}
