"""DNS suffixes: which hosts may have, and which mean something else everywhere."""

from __future__ import annotations

import pytest

from leasewatch.names import suffix


@pytest.mark.parametrize(
    "value", ["internal", "lab.internal", "lab.test", "home.arpa", "local.example", "7.lab"]
)
def test_an_unused_suffix_is_accepted(value: str) -> None:
    assert suffix.fault(value) is None


@pytest.mark.parametrize("top", ["local", "localhost", "invalid", "onion", "alt"])
def test_nothing_below_a_domain_of_special_use_is_a_suffix(top: str) -> None:
    for value in (top, f"lab.{top}"):
        why = suffix.fault(value)
        assert why is not None
        assert why.startswith("is for ")


@pytest.mark.parametrize(
    "value", ["", ".", "lab.", ".lab", "a..b", "Lab", "a_b", "-a", "lab.7", "a\n", "a." * 60 + "aa"]
)
def test_a_bad_suffix_is_refused_with_a_reason(value: str) -> None:
    assert suffix.fault(value) == "is no DNS suffix of lower-case labels without a final dot"


@pytest.mark.parametrize("value", ["internal", "lab.internal", "lab.test"])
def test_the_hint_names_suffixes_that_pass(value: str) -> None:
    assert value in suffix.HINT
    assert suffix.fault(value) is None
