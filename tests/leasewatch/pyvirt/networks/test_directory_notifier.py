"""What makes a notifier of changes in folders readable, and what does not."""

from __future__ import annotations

import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from leasewatch.pyvirt.networks.directory_notifier import DirectoryNotifier


@pytest.fixture
def notifier() -> Iterator[DirectoryNotifier]:
    made = DirectoryNotifier()
    yield made
    made.close()


def is_readable(notifier: DirectoryNotifier) -> bool:
    return bool(select.select([notifier.fileno()], [], [], 0)[0])


def test_each_kind_of_change_is_noticed_until_the_folders_are_watched_again(
    notifier: DirectoryNotifier, tmp_path: Path
) -> None:
    file, other = tmp_path / "file", tmp_path / "other"
    for change in (
        lambda: file.write_bytes(b""),
        lambda: file.write_bytes(b"1"),
        lambda: file.rename(other),
        other.unlink,
    ):
        notifier.watch([tmp_path])
        assert not is_readable(notifier)
        change()
        assert is_readable(notifier)


def test_folders_that_are_missing_or_watched_no_more_say_nothing(
    notifier: DirectoryNotifier, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    notifier.watch([one, two])
    two.mkdir()
    assert not is_readable(notifier)
    notifier.watch([two])
    assert not is_readable(notifier)
    (one / "file").touch()
    assert not is_readable(notifier)
    (two / "file").touch()
    assert is_readable(notifier)


def test_a_closed_notifier_starts_again_and_holds_no_descriptor(
    notifier: DirectoryNotifier, tmp_path: Path
) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    notifier.watch([tmp_path])
    notifier.close()
    assert (notifier.fileno(), len(list(Path("/proc/self/fd").iterdir()))) == (-1, before)
    notifier.watch([tmp_path])
    (tmp_path / "file").touch()
    assert is_readable(notifier)
