"""nsswitch.conf edited as text: where the entry goes, and that nothing else changes."""
# ruff: noqa: E501  a table's line holds the file's line before and after

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nss_pyvirt.errors import UserError
from nss_pyvirt.installer import nsswitch
from tests.nss_pyvirt.lines import OURS, PLACED

UNTOUCHED = {
    "comment": "# hosts: files dns",
    "other database": "hostsx: files dns",
    "right place already": "hosts: files pyvirt [TRYAGAIN=return] dns",
    "right place with more actions": "hosts: files pyvirt [!UNAVAIL=return] dns",
}

# (hosts line with a misplaced entry, its fault, the line repaired)
SHADOWED = {
    "behind resolved": (
        f"hosts: files resolve [!UNAVAIL=return] {OURS} dns",
        '"resolve [!UNAVAIL=return]" comes before pyvirt and hides it',
        f"hosts: files {OURS} resolve [!UNAVAIL=return] dns",
    ),
    "behind dns": (
        f"hosts: files dns {OURS}",
        '"dns" comes before pyvirt and hides it',
        f"hosts: files {OURS} dns",
    ),
    "without its action": (
        "hosts: files pyvirt dns",
        "pyvirt lacks [TRYAGAIN=return]",
        f"hosts: files {OURS} dns",
    ),
    "twice": (
        f"hosts: files dns {OURS} {OURS}",
        '"dns" comes before pyvirt and hides it',
        f"hosts: files {OURS} dns",
    ),
    "absent": (
        "hosts: files dns",
        '"dns" is asked, pyvirt is not',
        f"hosts: files {OURS} dns",
    ),
    "absent among local ones": (
        "hosts: files",
        "pyvirt is not in the hosts line",
        f"hosts: files {OURS}",
    ),
}


@pytest.mark.parametrize(("before", "after"), PLACED.values(), ids=PLACED)
def test_the_entry_goes_behind_files_and_before_all_that_hides_it(before: str, after: str) -> None:
    assert nsswitch.install(before + "\n") == after + "\n"
    assert nsswitch.fault(after) == ""


@pytest.mark.parametrize(("before", "after"), PLACED.values(), ids=PLACED)
def test_removing_gives_the_line_back_to_the_byte(before: str, after: str) -> None:
    assert nsswitch.remove(after) == before


@pytest.mark.parametrize("line", UNTOUCHED.values(), ids=UNTOUCHED)
def test_lines_that_are_right_or_not_ours_stay(line: str) -> None:
    assert nsswitch.install(f"{line}\nhosts: pyvirt [tryagain=RETURN]\n").startswith(f"{line}\n")


@pytest.mark.parametrize(("line", "fault", "repaired"), SHADOWED.values(), ids=SHADOWED)
def test_a_hidden_entry_is_named_and_repaired(line: str, fault: str, repaired: str) -> None:
    assert nsswitch.fault(line) == fault
    assert nsswitch.install(line) == repaired


@pytest.mark.parametrize(
    ("line", "flaw"),
    [
        ("hosts: [NOTFOUND=return files dns", 'a "[" is not closed'),
        ("hosts: files [NOTFOUND=return dns", 'a "[" is not closed'),
        ("hosts: files [NOTFOUND=return # ] dns", 'a "[" is not closed'),
        ("hosts: files [SUCCESS=return [NOTFOUND=return] dns", 'a "[" is not closed'),
        ("hosts: [NOTFOUND=return] files dns", "an action follows no module"),
        ("hosts: files [NOTFOUND=continue] [SUCCESS=return] dns", "an action follows no module"),
        (" hosts:[NOTFOUND=return] # files", "an action follows no module"),
    ],
)
def test_a_line_that_glibc_does_not_read_to_its_end_is_refused_and_stays(
    line: str, flaw: str
) -> None:
    assert nsswitch.fault(line) == f"{flaw} in the hosts line"
    with pytest.raises(UserError) as caught:
        nsswitch.install(f"hosts: files\n{line}\n")
    assert flaw in caught.value.what
    assert line.strip() in caught.value.what
    assert nsswitch.remove(line) == line


def test_every_hosts_line_is_edited_because_glibcs_differ_in_which_counts() -> None:
    text = "hosts: files dns\npasswd: files\nhosts: files resolve\n"
    assert nsswitch.install(text) == f"hosts: files {OURS} dns\npasswd: files\nhosts: files {OURS} resolve\n"  # fmt: skip
    assert nsswitch.fault(f"hosts: files {OURS}\nhosts: dns\n") == '"dns" is asked, pyvirt is not'


@pytest.mark.parametrize(
    "text", ["", "passwd: files\n", "passwd: files", "\n\n", "#hosts: files\n"]
)
def test_a_missing_hosts_line_is_added_and_removed_again(text: str) -> None:
    assert nsswitch.fault(text) == "there is no hosts line"
    changed = nsswitch.install(text)
    assert nsswitch.fault(changed) == ""
    assert nsswitch.remove(changed) == text


_MODULES = st.sampled_from(
    ["files", "dns", "resolve", "mymachines", "myhostname", "libvirt", "mdns4_minimal"]
)
_ACTIONS = st.sampled_from(
    ["", "", " [NOTFOUND=return]", "[!UNAVAIL=return]", " [SUCCESS=continue]", " [SUCCESS=return]"]
)
_SERVICES = st.lists(st.builds(str.__add__, _MODULES, _ACTIONS), max_size=5)
_HOSTS_LINES = st.builds(
    lambda head, services, blank, tail: head + blank.join(services) + tail,
    st.sampled_from(["hosts:", "hosts: ", "hosts:\t  ", " hosts: "]),
    _SERVICES,
    st.sampled_from([" ", "\t", "   "]),
    st.sampled_from(["", " ", "\r", "# files", " # dns"]),
)
_LINES = st.lists(
    st.one_of(_HOSTS_LINES, st.sampled_from(["", "passwd: files", "# hosts: dns", "\x0c"])),
    max_size=6,
)


@given(_LINES)
@example(["hosts:", "x"])
def test_any_file_is_made_right_once_and_given_back_whole(lines: list[str]) -> None:
    text = "\n".join(lines)
    changed = nsswitch.install(text)
    assert nsswitch.fault(changed) == ""
    assert nsswitch.install(changed) == changed
    assert nsswitch.remove(changed) == text
