"""What a read adds and lacks is the same whether all of it is split or only what differs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasewatch.errors import ParseError
from leasewatch.leases.record_set import RecordSet
from leasewatch.sources.source import lines

line = st.sampled_from([b"a", b"b", b"bb", b"c", b"cb", b"", b"d" * 9])
read = st.builds(
    lambda lines, rest: b"".join(line + b"\n" for line in lines) + rest,
    st.lists(line, max_size=8),
    st.sampled_from([b"", b"a", b"bb"]),
)


@given(st.lists(read, max_size=6))
def test_each_read_adds_and_lacks_what_the_sets_of_its_lines_say(reads: list[bytes]) -> None:
    records = RecordSet(lines, by_line=True)
    before: set[bytes] = set()
    for data in reads:
        now = set(lines(data, ""))
        assert records.take(data, "") == (now - before, before - now)
        assert len(records) == len(now)
        before = now


@pytest.mark.parametrize("at", [0, 1, 4_000, 9_998, 9_999])
def test_of_a_large_file_only_the_lines_that_differ_are_split(at: int) -> None:
    split: list[int] = []

    def counted(data: bytes, path: str) -> list[bytes]:
        split.append(len(lines(data, path)))
        return lines(data, path)

    text = [b"%d 52:54:00:00:00:01 10.0.0.1 vm%d *\n" % (n, n) for n in range(10_000)]
    records = RecordSet(counted, by_line=True)
    assert len(records.take(b"".join(text), "")[0]) == 10_000
    split.clear()
    changed = b"".join([*text[:at], b"new\n", *text[at + 1 :]])
    assert records.take(changed, "") == ({b"new"}, {text[at][:-1]})
    assert records.take(b"newest\n" + changed, "") == ({b"newest"}, set())
    assert sum(split) < 10


def test_a_file_that_cannot_be_understood_leaves_what_was_there() -> None:
    def words(data: bytes, path: str) -> list[bytes]:
        if data == b"{":
            raise ParseError(path, 0, "JSON", "cut")
        return data.split()

    records = RecordSet(words, by_line=False)
    assert records.take(b"a b", "") == ({b"a", b"b"}, set())
    with pytest.raises(ParseError):
        records.take(b"{", "")
    assert records.take(b"b c", "") == ({b"c"}, {b"a"})
