"""What `leasewatch sources` hints at where a file cannot be read."""

from __future__ import annotations

import pytest

from leasewatch.api.source_entries import source_entries
from leasewatch.sources.discovery import Problem

HIDDEN, DENIED = "cannot see files below /home", "CAP_DAC_READ_SEARCH"
ETC, LOG = "cannot see files below /etc: ", "cannot see files below /var/log: "


@pytest.mark.parametrize(
    ("by_unit", "path", "denied", "hint"),
    [
        (True, "/home/me/x.leases", False, HIDDEN),
        (True, "/home/me/x.leases", True, HIDDEN),
        (True, "/etc/x.leases", False, ETC),
        (True, "/etc/dnsmasq.d/x.leases", True, ETC),
        (True, "/var/log/dnsmasq/x.leases", False, LOG),
        (True, "/etc/pyvirt/x.leases", False, None),
        (True, "/var/logs/x.leases", False, None),
        (False, "/etc/x.leases", True, DENIED),
        (False, "/home/me/x.leases", True, DENIED),
        (False, "/home/me/x.leases", False, None),
        (True, "/var/lib/x.leases", True, DENIED),
    ],
)
def test_only_a_service_of_the_unit_is_hindered_by_it(
    monkeypatch: pytest.MonkeyPatch, by_unit: bool, path: str, denied: bool, hint: str | None
) -> None:
    monkeypatch.delenv("INVOCATION_ID", raising=False)
    if by_unit:
        monkeypatch.setenv("INVOCATION_ID", "0" * 32)
    problem = Problem("dnsmasq", path, "No such file or directory", denied)
    (entry,) = [e for e in source_entries([], [problem], set()) if e.path == path]
    assert (hint in entry.hint) if hint and entry.hint else entry.hint is hint
