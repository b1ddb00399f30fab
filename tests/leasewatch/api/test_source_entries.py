"""What `leasewatch sources` hints at where a file cannot be read."""

from __future__ import annotations

import pytest

from leasewatch.api.source_entries import source_entries
from leasewatch.sources.discovery import Problem
from nss_pyvirt.installer import sandbox

HIDDEN, DENIED = "/var/lib/misc", "CAP_DAC_READ_SEARCH"


@pytest.mark.parametrize(
    ("by_unit", "path", "denied", "hint"),
    [
        (True, "/home/me/x.leases", False, HIDDEN),
        (True, "/home/me/x.leases", True, HIDDEN),
        (True, "/nonexistent/dhcp/x.leases", False, "BindReadOnlyPaths=-/nonexistent/dhcp;"),
        (True, "/x.leases", False, "BindReadOnlyPaths=-/x.leases;"),
        (True, "/proc/nonexistent", False, None),  # another file system is mounted there
        (True, "/proc/nonexistent", True, DENIED),
        (False, "/home/me/x.leases", True, DENIED),
        (False, "/home/me/x.leases", False, None),
    ],
)
def test_only_a_service_of_the_unit_is_hindered_by_it(
    monkeypatch: pytest.MonkeyPatch, by_unit: bool, path: str, denied: bool, hint: str | None
) -> None:
    monkeypatch.delenv(sandbox.MARK, raising=False)
    if by_unit:
        monkeypatch.setenv(sandbox.MARK, "yes")
    problem = Problem("dnsmasq", path, "No such file or directory", denied)
    (entry,) = [e for e in source_entries([], [problem], set()) if e.path == path]
    assert (hint in entry.hint) if hint and entry.hint else entry.hint is hint
    hidden = by_unit and hint not in {None, DENIED}
    assert entry.error == (sandbox.CANNOT_SEE if hidden else "No such file or directory")
