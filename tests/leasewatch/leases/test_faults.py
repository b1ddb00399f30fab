"""The log of faulty lease files: each fault once, and a guest cannot fill it."""

from __future__ import annotations

import pytest

from leasewatch.errors import LostFieldError, ParseError
from leasewatch.files.reading import Read
from leasewatch.leases.faults import MAX_FAULTS, SECONDS, Faults
from tests.leasewatch import logged

PATH = "/l/lab"


class Log:
    """A log, and the faults of a file that go into it."""

    def __init__(self) -> None:
        self.gone: set[bytes | None] = set()
        """Records that the file has no more."""
        self.faults = Faults(lambda record: record not in self.gone)

    def take(self, *whys: str, now: float, kind: type[ParseError] = LostFieldError) -> list[str]:
        """What is logged of one read."""
        logged.clear()
        faults = [(why.encode(), kind(PATH, 0, "hostname", why)) for why in whys]
        data = b"".join(why.encode() + b"\n" for why in whys)
        self.faults.take(Read(data, (), torn=False), [*faults], now)
        return logged.LOG.getvalue().splitlines()


@pytest.mark.parametrize("kind", [ParseError, LostFieldError])
def test_one_file_logs_so_many_faults_in_a_minute_and_how_many_more(kind: type[ParseError]) -> None:
    log = Log()
    many = [f"bad{n}" for n in range(3 * MAX_FAULTS)]
    *first, more = log.take(*many, now=5, kind=kind)
    assert len(first) == MAX_FAULTS
    assert f"more_lines={2 * MAX_FAULTS}" in more
    assert log.take("other1", now=6, kind=kind) == []
    assert log.take("other2", "other3", now=4 + SECONDS, kind=kind) == []
    more, last = log.take("other4", now=5 + SECONDS, kind=kind)
    assert "more_lines=3" in more
    assert "other4" in last


def test_a_guest_that_renews_with_ever_new_hostnames_does_not_fill_the_log() -> None:
    log = Log()
    lines = [line for n in range(5000) for line in log.take(f"bad{n}", now=n / 250)]
    assert len(lines) <= MAX_FAULTS + 1


def test_what_was_logged_before_takes_no_room() -> None:
    log = Log()
    for n in range(5 * MAX_FAULTS):
        assert len(log.take("same", now=float(n) / 10)) == (n == 0)
    assert len(log.take("other", now=6)) == 1


def test_a_file_has_leases_that_cannot_be_read_until_they_are_gone_but_not_for_a_field() -> None:
    log = Log()
    log.take("name", now=0)
    assert not log.faults.cost_leases()
    log.take("end", now=0, kind=ParseError)
    assert log.faults.cost_leases()
    log.gone.add(b"end")
    assert not log.faults.cost_leases()
    log.gone.add(b"name")
    assert log.faults.current(Read(b"", (), torn=False)) is None
