"""`leasewatch doctor NAME`: where a name ends, and what guests do to each other's names."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.system import own_dnsmasq
from tests.system.served import Served, serving


@pytest.fixture(scope="module")
def served(_namespaces: None) -> Iterator[Served]:
    with serving() as found:
        yield found


class End(NamedTuple):
    """After `script`, the name's last row; `mend` undoes the script."""

    name: str
    script: str
    state: str
    subject: str
    detail: str
    fix: str
    mend: str = "true"


ENDS = {
    "one that resolves": End(
        "printer", "true", "off", "outside NSS", "static Go, musl", "leasewatch ip printer"
    ),
    "the whole name": End(
        "Printer.lab.internal.", "true", "off", "outside NSS", "", "leasewatch ip"
    ),
    "a typo": End(
        "pirnter", "true", "bad", "definition", "no domain, lease", "leasewatch doctor printer"
    ),
    "an address": End(
        "10.77.0.9", "true", "bad", "definition", "is an address", "leasewatch resolve 10.77.0.9"
    ),
    "one that drives the terminal": End(
        "\x1b[2J", "true", "bad", "definition", "no domain", "leasewatch list"
    ),
    "an option": End("-x", "true", "bad", "definition", "no domain", "leasewatch list"),
    "a stopped domain": End(
        "web1", "true", "bad", "running", "web1 is not running", "sudo pyvirt domain start web1"
    ),
    "an alias of it": End(
        "shop", "true", "bad", "running", "web1 is not running", "sudo pyvirt domain start web1"
    ),
    "a domain whose guest is silent": End(
        "web1",
        "pyvirt domain start web1",
        "bad",
        "lease",
        "the guest has sent nothing yet",
        "sudo pyvirt domain console web1",
        "pyvirt domain stop --force web1",
    ),
    "a hosts line": End(
        "printer",
        "echo 10.9.9.9 printer >>/etc/hosts",
        "bad",
        "hosts file",
        "hides printer behind 10.9.9.9",
        r"sudo sed -i \dd /etc/hosts",
        "sed -i '/10.9.9.9/d' /etc/hosts",
    ),
    "no module": End(
        "printer",
        "mount --bind /dev/null $(echo /run/world/root/*/*/libnss_pyvirt.so.2)",
        "bad",
        "module",
        "does not answer",
        "sudo nss-pyvirt install",
        "umount $(echo /run/world/root/*/*/libnss_pyvirt.so.2)",
    ),
    "no nsswitch entry": End(
        "printer",
        "cp /etc/nsswitch.conf /run/kept; echo 'hosts: files dns' >/etc/nsswitch.conf",
        "bad",
        "nsswitch",
        "pyvirt is not",
        "sudo nss-pyvirt install",
        "cp /run/kept /etc/nsswitch.conf",
    ),
}


@pytest.mark.parametrize("case", ENDS)
def test_the_last_row_says_where_a_name_ends_and_what_to_type(served: Served, case: str) -> None:
    end = ENDS[case]
    served.sh(end.script)
    *before, last = served.rows("--", end.name)
    served.sh(end.mend)
    assert (last["state"], last["subject"]) == (end.state, end.subject), (before, last)
    assert re.search(end.detail, last["detail"])
    assert re.search(end.fix, last["fix"])
    assert {row["state"] for row in before} <= {"ok"}


def lease(served: Served, number: int, name: str, client_id: str = "*") -> None:
    """A lease in the file of another DHCP server, the only one there."""
    line = f"{int(time.time()) + 3600} {own_dnsmasq.MAC(number)} 10.9.0.50 {name} {client_id}\n"
    served.world.run(["tee", own_dnsmasq.FILE], input=line)


def test_a_refused_name_ends_at_its_verdict(served: Served) -> None:
    lease(served, 1, "wpad")
    reached = lambda: served.rows("wpad")[-1]["subject"] == "verdict"  # noqa: E731
    served.world.wait_for("the claim", reached, 30)
    last = served.rows("wpad")[-1]
    assert last["state"] == "bad"
    assert last["detail"] == 'refused: "wpad" is reserved'
    assert last["fix"] == "leasewatch resolve wpad --explain"


def test_a_name_that_two_guests_want_is_a_conflict(served: Served) -> None:
    assert served.is_well("conflicts")
    lease(served, 2, "printer")
    served.world.wait_for("the conflict", lambda: not served.is_well("conflicts"), 30)
    (row,) = served.about("conflicts")
    assert row["state"] == "warn"
    assert re.match(r"10\.77\.0\.\d+ on lab does not get printer: ", row["detail"])
    assert row["fix"] == "leasewatch resolve printer --explain"


def test_clones_with_one_machine_id_are_told_by_their_client_id(served: Served) -> None:
    assert served.is_well("clones")
    for number, name in ((3, "alpha"), (4, "beta")):
        lease(served, number, name, own_dnsmasq.CLONE_ID)
        served.wait_until_it_resolves(name)
    served.world.wait_for("the clones", lambda: not served.is_well("clones"), 30)
    (row,) = served.about("clones")
    assert row["state"] == "bad"
    whose = f"alpha, beta are clones with one machine-id ({own_dnsmasq.DUID})"
    assert row["detail"] == whose
    assert "systemd-machine-id-setup" in row["fix"]


def test_without_the_service_a_published_name_still_resolves_and_doctor_says_so(
    served: Served,
) -> None:
    served.world.signal(served.service, signal.SIGSTOP)
    hung = served.about("publishing")
    served.service.send_signal(signal.SIGCONT)  # nsenter has stopped with it
    assert [row["state"] for row in hung] == ["bad"]
    assert "does not answer" in hung[0]["detail"]
    served.world.signal(served.service, signal.SIGTERM)
    served.service.wait(60)
    states = {row["subject"]: row["state"] for row in served.rows()}
    assert (states["service"], states["snapshot"], states["sources"]) == ("bad", "ok", "warn")
    rows = served.rows("printer")
    assert rows[-1]["subject"] == "outside NSS"
    assert [row["subject"] for row in rows if row["state"] == "warn"] == ["service"]
    served.sh("rm /run/leasewatch/hosts.v1")
    last = served.rows("printer")[-1]
    assert (last["state"], last["subject"]) == ("bad", "service")
    assert last["detail"].startswith("the leasewatch service is not running")
    assert last["fix"] == "sudo leasewatch serve"
