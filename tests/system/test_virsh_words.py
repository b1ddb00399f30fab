"""virsh's words about a running domain, with a real QEMU (emulated)."""

from __future__ import annotations

import pytest

from leasewatch.pyvirt.domains.perf_events import EVENTS
from tests.system.domains import pyvirt
from tests.system.world import World


def fields(text: str) -> dict[str, str]:
    """The keys and values of one domain."""
    return dict(line.strip().split("=") for line in text.splitlines() if "=" in line)


def test_virshs_words_show_a_running_domain_and_wait_for_its_end(idle_lab: World) -> None:
    assert pyvirt(idle_lab, "domstats").stdout == "Domain: 'web1'\n  state.state=5\n\n"
    pyvirt(idle_lab, "start", "web1")
    found = fields(pyvirt(idle_lab, "domstats", "--vcpu", "--state", "--balloon", "web1").stdout)
    assert (found["state.state"], found["vcpu.current"]) == ("1", "1")
    assert found["balloon.current"] == str(96 << 10)
    assert "cpu.time" not in found
    assert "vcpu.0.time" not in pyvirt(idle_lab, "domstats", "web1", user="nobody").stdout
    late = pyvirt(
        *(idle_lab, "await", "web1", "--condition", "domain-inactive", "--timeout", "1"),
        check=False,
    )
    assert late.returncode == 2
    waiting = idle_lab.spawn(["pyvirt", "await", "web1", "--condition", "domain-inactive"])
    pyvirt(idle_lab, "stop", "--force", "web1")
    assert waiting.wait(20) == 0
    assert pyvirt(idle_lab, "await", "web1", "--condition", "domain-inactive").returncode == 0


def test_perf_says_of_each_event_whether_it_can_be_counted(idle_lab: World) -> None:
    pyvirt(idle_lab, "start", "web1")
    shown = dict(
        line.split(":", 1) for line in pyvirt(idle_lab, "perf", "web1").stdout.splitlines()
    )
    assert [key.strip() for key in shown] == [*EVENTS]
    if "enabled" not in shown[f"{'task_clock':15}"]:
        pytest.skip("this container may not count perf events")
    done = pyvirt(idle_lab, "perf", "web1", "--enable", "task_clock,page_faults")
    assert done.stdout == "task_clock     : enabled\npage_faults    : enabled\n"
    assert "pyvirt domain stats --perf" in done.stderr
    counted = fields(pyvirt(idle_lab, "domstats", "--perf", "web1").stdout)
    assert counted.keys() <= {f"perf.{event}" for event in EVENTS}
    assert "perf.task_clock" in counted
    wrong = pyvirt(idle_lab, "perf", "web1", "--enable", "cmt", check=False)
    assert (wrong.returncode, 'no perf event "cmt"' in wrong.stderr) == (1, True)
