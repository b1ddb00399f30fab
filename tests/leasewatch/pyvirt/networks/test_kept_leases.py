"""The copy of a lease file, from which a killed dnsmasq's file is repaired."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from leasewatch.daemon import alive
from leasewatch.pyvirt.networks.dnsmasq import Dnsmasq
from nss_pyvirt import programs
from tests.waiting import wait_for


def test_a_file_is_not_copied_while_dnsmasq_stands_still_at_work(tmp_path: Path) -> None:
    leases, copy = tmp_path / "lab.leases", tmp_path / "leases.settled"
    whole, part = "9 a 10.0.0.2 vm1 *\n9 b 10.0.0.3 vm2 *\n", "9 a 10.0.0.2 vm1 *\n"
    dnsmasq = Dnsmasq(tmp_path, leases)
    dnsmasq._process = child = programs.Child([programs.find("sleep"), "600"])
    try:
        leases.write_text(whole)
        os.utime(leases, (1, 1))
        wait_for("the copy", lambda: dnsmasq.keep_leases() and copy.exists(), 20)
        signal.pidfd_send_signal(child.pidfd, signal.SIGSTOP)
        wait_for("it to stand still", lambda: alive.state(child.pid) == b"T", 20)
        leases.write_text(part)
        os.utime(leases, (1, 1))
        assert not dnsmasq.keep_leases()
        assert copy.read_text() == whole
        signal.pidfd_send_signal(child.pidfd, signal.SIGCONT)
        wait_for("the copy", lambda: dnsmasq.keep_leases() and copy.read_text() == part, 20)
    finally:
        child.kill()
        child.reap()
