"""`leasewatch serve` as a process, without root: files change, the published table follows."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import msgspec

from leasewatch.api import client as varlink_client
from leasewatch.model import DomainState, Nic
from nss_pyvirt import snapshot
from tests.leasewatch.serving import MAIN, Dnsmasq, Served
from tests.waiting import wait_for


def domain(name: str, number: int, pending_until: float = 0) -> DomainState:
    return DomainState(
        name=name,
        nics=(Nic("lab", f"52:54:00:00:00:{number:02x}"),),
        pid=os.getpid(),
        started=time.time(),
        pending_until=int(pending_until),
    )


def test_leases_that_are_written_answer_and_leases_that_are_released_stop(
    served: Served, dnsmasq: Dnsmasq
) -> None:
    for number in range(1, 1001):
        dnsmasq.lease(number, f"vm{number}")
    dnsmasq.rewrite()
    served.start()
    assert served.answer("vm1000") == ["10.0.3.232"]
    dnsmasq.lease(1001, "late")
    dnsmasq.rewrite()
    served.await_answer("late", "10.0.3.233")
    served.await_answer("late.lab.internal", "10.0.3.233")
    del dnsmasq.lines["late"]
    dnsmasq.rewrite()
    served.await_answer("late")
    assert snapshot.check(served.paths.snapshot).hosts == 1000


def test_the_last_lease_of_a_file_goes_too(served: Served, dnsmasq: Dnsmasq) -> None:
    dnsmasq.lease(1, "web1")
    dnsmasq.rewrite()
    served.start()
    dnsmasq.lines.clear()
    dnsmasq.rewrite()
    served.await_answer("web1")


def test_a_rewriter_in_a_loop_loses_no_name_and_makes_none_up(
    served: Served, dnsmasq: Dnsmasq
) -> None:
    for number in range(1, 301):
        dnsmasq.lease(number, f"vm{number}")
    dnsmasq.rewrite()
    served.start()
    end = threading.Event()
    slowest = 0.0

    def rewrite() -> None:
        nonlocal slowest
        while not end.is_set():
            dnsmasq.expires += 1
            for number in (1, 150, 300):
                dnsmasq.lease(number, f"vm{number}")
            before = time.monotonic()
            dnsmasq.rewrite()
            slowest = max(slowest, time.monotonic() - before)

    names = {f"vm{number}" for number in range(1, 301)}
    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        start = time.monotonic()
        generations: set[int] = set()
        while time.monotonic() < start + 3 or len(generations) <= 3:
            assert time.monotonic() < start + 120, f"{generations} in 120 s: {served.said()}"
            table = snapshot.read(served.paths.snapshot)
            generations.add(table.generation)
            found = {host.names[0] for host in table.hosts}
            assert found <= names
            if found != names:  # a busy machine: the file was cut for as long as proves a loss
                wait_for("a rewrite of half a second", lambda: slowest > 0.45)
    finally:
        end.set()
        writer.join(60)


def test_a_lease_goes_at_its_end_without_a_new_read(served: Served, dnsmasq: Dnsmasq) -> None:
    dnsmasq.lease(1, "web1")
    dnsmasq.lease(2, "brief", int(time.time()) + 2)
    dnsmasq.rewrite()
    served.start()
    wait_for("the host to go", lambda: snapshot.check(served.paths.snapshot).hosts == 1)
    assert served.answer("web1") == ["10.0.0.1"]


def test_a_never_ending_lease_answers_for_a_day(served: Served, dnsmasq: Dnsmasq) -> None:
    dnsmasq.lease(1, "web1", 0)
    dnsmasq.rewrite()
    served.start()
    (host,) = snapshot.read(served.paths.snapshot).hosts
    assert 23 * 3600 < host.addresses[0].expires - time.time() <= 24 * 3600


def test_a_network_that_starts_is_seen_and_its_clean_stop_withdraws_its_leases(
    served: Served, dnsmasq: Dnsmasq
) -> None:
    served.settings("")
    dnsmasq.lease(1, "web1")
    dnsmasq.rewrite()
    served.start()
    assert served.answer("web1") == []
    state = served.network("lab", served.leases / "lab")
    served.await_answer("web1.lab.internal", "10.0.0.1")
    state.unlink()
    served.await_answer("web1")


def test_a_domain_is_pending_then_answers_then_stops(served: Served, dnsmasq: Dnsmasq) -> None:
    served.start()
    state = served.domain(domain("db1", 1, time.time() + 60))
    wait_for("db1 to be pending", lambda: served.status("db1") == "not yet")
    dnsmasq.lease(1, "fedora")
    dnsmasq.rewrite()
    served.await_answer("db1", "10.0.0.1")
    state.unlink()
    served.await_answer("db1")
    assert served.answer("fedora") == ["10.0.0.1"]


def test_no_change_needs_a_rescan(served: Served, dnsmasq: Dnsmasq) -> None:
    dnsmasq.rewrite()
    served.start(rescan_seconds=86400)
    for number in range(1, 4):
        state = served.domain(domain(f"db{number}", number, time.time() + 60))
        wait_for("it to be pending", lambda: served.status(f"db{number}") == "not yet")  # noqa: B023
        dnsmasq.lease(number, "fedora")
        dnsmasq.rewrite()
        served.await_answer(f"db{number}", f"10.0.0.{number}")
        state.unlink()
        served.await_answer(f"db{number}")


def test_a_domain_whose_parent_was_killed_stops_although_its_run_state_stays(
    served: Served, dnsmasq: Dnsmasq
) -> None:
    parent = subprocess.Popen(["sleep", "60"])
    dnsmasq.lease(1, "fedora")
    dnsmasq.rewrite()
    served.domain(msgspec.structs.replace(domain("db1", 1), pid=parent.pid))
    served.start()
    assert served.answer("db1") == ["10.0.0.1"]
    parent.kill()
    parent.wait()
    served.rescan()
    served.await_answer("db1")


def test_the_name_of_a_defined_domain_is_never_a_guests(served: Served, dnsmasq: Dnsmasq) -> None:
    dnsmasq.lease(1, "db1")
    dnsmasq.rewrite()
    served.start()
    assert served.answer("db1") == ["10.0.0.1"]
    served.paths.domain_definitions.mkdir()
    (served.paths.domain_definitions / "db1.toml").write_text("")
    served.await_answer("db1")
    served.await_said("claim refused name=db1")


def test_a_harmed_run_state_keeps_the_last_good_one(served: Served, dnsmasq: Dnsmasq) -> None:
    dnsmasq.lease(1, "fedora")
    dnsmasq.rewrite()
    path = served.domain(domain("db1", 1))
    served.start()
    path.write_text("{")
    served.await_said("run state unreadable")
    assert served.answer("db1") == ["10.0.0.1"]


def test_stopping_keeps_the_table_and_starting_goes_on_from_it(
    served: Served, dnsmasq: Dnsmasq
) -> None:
    dnsmasq.lease(1, "web1")
    dnsmasq.rewrite()
    served.start()
    generation = snapshot.check(served.paths.snapshot).generation
    assert served.stop() == 0
    served.await_notice("STOPPING=1")
    assert served.answer("web1") == ["10.0.0.1"]
    assert not served.paths.varlink.exists()
    served.start()
    assert snapshot.check(served.paths.snapshot).generation > generation


def test_a_killed_service_leaves_the_names_and_its_place(served: Served, dnsmasq: Dnsmasq) -> None:
    dnsmasq.lease(1, "web1")
    dnsmasq.rewrite()
    served.start()
    assert served.stop(signal.SIGKILL) == -signal.SIGKILL
    assert served.answer("web1") == ["10.0.0.1"]
    served.start()
    assert served.answer("web1") == ["10.0.0.1"]


def test_a_start_in_the_middle_of_a_rewrite_withdraws_nothing(
    served: Served, dnsmasq: Dnsmasq
) -> None:
    for number in range(1, 101):
        dnsmasq.lease(number, f"vm{number}")
    dnsmasq.rewrite()
    served.start()
    served.stop()
    whole = (served.leases / "lab").read_bytes()
    (served.leases / "lab").write_bytes(whole[:500])
    finish = threading.Timer(0.4, (served.leases / "lab").write_bytes, [whole])
    finish.start()
    served.start()
    finish.join(10)
    assert snapshot.check(served.paths.snapshot).hosts == 100


def test_a_second_instance_says_who_holds_the_place(served: Served) -> None:
    served.start()
    second = subprocess.run(
        [sys.executable, "-c", MAIN, str(served.paths.root)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 1
    assert f"process {served.pid}" in second.stderr
    assert "hint:" in second.stderr
    assert served.paths.varlink.exists()


def test_a_reload_takes_new_settings_and_keeps_the_old_ones_when_they_are_faulty(
    served: Served, dnsmasq: Dnsmasq
) -> None:
    dnsmasq.lease(1, "web1")
    dnsmasq.rewrite()
    served.start()
    settings = served.paths.config.read_text()
    served.settings(settings + "[names]\nguest_claims = 'none'\n")
    assert "MONOTONIC_USEC=" in served.rescan()
    served.await_said("leasewatch.toml: names.guest_claims")
    assert served.answer("web1") == ["10.0.0.1"]
    served.settings(settings + "[names]\nguest_claims = 'off'\n")
    served.rescan()
    served.await_answer("web1")


def test_a_fault_in_the_settings_costs_its_entry_and_no_other_name(
    served: Served, dnsmasq: Dnsmasq
) -> None:
    dnsmasq.lease(1, "web1")
    dnsmasq.rewrite()
    served.settings(served.paths.config.read_text() + "[[source]]\npath = 7\n")
    served.start()
    served.await_said("source[1]")
    assert served.answer("web1") == ["10.0.0.1"]


def test_a_damaged_table_is_replaced_at_the_start_and_while_running(
    served: Served, dnsmasq: Dnsmasq
) -> None:
    dnsmasq.lease(1, "web1")
    dnsmasq.rewrite()
    served.paths.service_run.mkdir(parents=True)
    served.paths.snapshot.write_bytes(b"junk")
    served.start(rescan_seconds=0.5)
    assert served.answer("web1") == ["10.0.0.1"]
    assert "damaged host table" in served.said()
    served.paths.snapshot.write_bytes(b"junk again")
    served.await_answer("web1", "10.0.0.1")
    served.paths.snapshot.unlink()
    served.rescan()
    served.await_answer("web1", "10.0.0.1")


def test_malformed_lines_are_named_and_the_good_ones_count(served: Served) -> None:
    lab = served.leases / "lab"
    ends = int(time.time()) + 3600
    lab.write_text(f"junk\n{ends} 52:54:00:00:00:01 10.0.0.1 web1 *\n{ends} x 10.0.0.2 web2 *\n")
    served.start()
    assert served.answer("web1") == ["10.0.0.1"]
    assert f"at={lab}:1 field=line" in served.said()
    assert f"at={lab} field=hwaddr" in served.said()
    assert served.answer("web2") == ["10.0.0.2"]


def test_an_unreadable_lease_file_keeps_its_names_and_is_logged_once(
    served: Served, dnsmasq: Dnsmasq
) -> None:
    dnsmasq.lease(1, "web1")
    dnsmasq.rewrite()
    served.start(rescan_seconds=0.5)
    lab = served.leases / "lab"
    lab.unlink()
    lab.mkdir()
    served.await_said("not a regular file")
    lab.rmdir()
    shutil.rmtree(served.leases)
    served.await_said("No such file")
    assert served.answer("web1") == ["10.0.0.1"]
    served.leases.mkdir()
    lab.write_text(f"{dnsmasq.expires} 52:54:00:00:00:02 10.0.0.2 web2 *\n")
    served.await_answer("web2", "10.0.0.2")
    served.await_answer("web1")
    assert served.said().count("not a regular file") == 1


def test_a_full_disk_keeps_the_former_table(served: Served, dnsmasq: Dnsmasq) -> None:
    dnsmasq.lease(1, "web1")
    dnsmasq.rewrite()
    served.start()
    temporary = served.paths.service_run / ".hosts.v1.new"
    temporary.mkdir()  # stands for any failure to write
    dnsmasq.lease(2, "web2")
    dnsmasq.rewrite()
    served.await_said("publishing failed")
    assert served.answer("web1") == ["10.0.0.1"]
    temporary.rmdir()
    served.rescan()
    served.await_answer("web2", "10.0.0.2")


def test_nothing_is_published_when_nothing_changes(served: Served, dnsmasq: Dnsmasq) -> None:
    dnsmasq.lease(1, "web1")
    dnsmasq.lease(2, "wpad")
    dnsmasq.rewrite()
    served.start()
    generation = snapshot.check(served.paths.snapshot).generation
    dnsmasq.rewrite()
    dnsmasq.lease(2, "wpad", dnsmasq.expires + 1)
    dnsmasq.rewrite()
    served.rescan()
    served.rescan()
    assert snapshot.check(served.paths.snapshot).generation == generation
    assert served.said().count("claim refused") == 1


def test_under_journald_each_line_has_its_priority(served: Served, dnsmasq: Dnsmasq) -> None:
    dnsmasq.lease(1, "wpad")
    dnsmasq.rewrite()
    served.start({"JOURNAL_STREAM": "1:2"})
    assert served.said().startswith("<5>claim refused name=wpad network=lab mac=52:54:00:00:00:01")


def test_sources_of_other_programs_come_and_go_and_are_listed(served: Served) -> None:
    root = served.paths.root
    served.settings("[sources]\nkea = false\n")
    served.start()
    folder = root / "var/lib/libvirt/dnsmasq"
    folder.mkdir(parents=True)
    record = '{"ip-address": "10.9.0.1", "mac-address": "52:54:00:00:00:01", "expiry-time": 0}'
    (folder / "lab.conf").write_text("interface=virbr0\n")
    (folder / "virbr0.macs").write_text('[{"domain": "db1", "macs": ["52:54:00:00:00:01"]}]')
    wait_for("db1 to be pending", lambda: served.status("db1") == "not yet")
    (folder / "virbr0.status").write_text(f"[{record}]")
    served.await_answer("db1.lab.internal", "10.9.0.1")
    (folder / ".virbr0.macs").write_text("[]")
    (folder / ".virbr0.macs").rename(folder / "virbr0.macs")
    served.await_answer("db1")
    (folder / ".virbr0.status").write_text("[7]")
    (folder / ".virbr0.status").rename(folder / "virbr0.status")
    served.await_said("malformed")
    listed = {entry.source: entry for entry in varlink_client.sources(served.paths.varlink).sources}
    assert {listed["kea"].state, listed["incus"].state} == {"off", "absent"}
    found = listed["libvirt"]
    assert (found.state, found.network, found.leases) == ("watched", "lab", 1)
    assert found.path == str(folder / "virbr0.status")
    assert "record" in str(found.error)
    assert abs((found.modified or 0) - time.time()) < 60


def test_a_source_that_is_switched_off_by_a_reload_loses_its_names(served: Served) -> None:
    folder = served.paths.root / "var/lib/misc"
    folder.mkdir(parents=True)
    (folder / "dnsmasq.leases").write_text("0 52:54:00:00:00:01 10.9.0.1 web9 *\n")
    served.start()
    assert served.answer("web9.dnsmasq.internal") == ["10.9.0.1"]
    served.settings("[sources]\ndnsmasq = false\n")
    served.rescan()
    served.await_answer("web9")
