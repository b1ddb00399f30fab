"""`leasewatch doctor`: each check in a good world and in a broken one, and what it says to type."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.system import own_dnsmasq
from tests.system.served import Served, serving
from tests.system.world import CHECKOUT

CHECKED = {
    *("nsswitch", "snapshot", "service", "settings", "user", "hosts file", "nscd", "sources"),
    *("networks", "dnsmasq", "port 53", "firewall", "routes", "clones", "conflicts"),
    *("old leases", "host keys"),
}
"""The subjects that are well in a world, which has no module in /usr and no units."""


@pytest.fixture(scope="module")
def served(_namespaces: None) -> Iterator[Served]:
    with serving() as found:
        found.world.run(["sh", "-c", f"{SWITCH % BRIDGE_NF} 0"], check=False)
        yield found


PID = r"""$(sed -E 's/.*"pid":([0-9]+).*/\1/' /run/pyvirt/networks/lab.json)"""
HOSTS = "cp /etc/nsswitch.conf /run/kept; echo 'hosts: files {} dns' >/etc/nsswitch.conf"
KEPT = "cp /run/kept /etc/nsswitch.conf"
NSCD = f"{CHECKOUT}/.cache/nscd/usr/sbin/nscd"
FORWARD = """nft -f - <<EOT
table inet mine { chain forward { type filter hook forward priority 0; policy drop; }; }
EOT
"""
BRIDGE_NF = "/proc/sys/net/bridge"
"""It is there, and its settings are 1, if the kernel's module br_netfilter is loaded."""
SWITCH = "switch() { for key in ip ip6; do echo $1 >%s/bridge-nf-call-${key}tables; done; }; switch"


class Fault(NamedTuple):
    """What breaks a world, what is said of it, and what mends it; None: the command it names."""

    subject: str
    script: str
    state: str
    detail: str
    mend: str | None
    after: str = "true"
    """What the mended world is rid of last."""


FAULTS = {
    "resolved before us": Fault(
        "nsswitch",
        HOSTS.format("resolve [!UNAVAIL=return] pyvirt [TRYAGAIN=return]"),
        "bad",
        r'"resolve \[!UNAVAIL=return\]" comes before pyvirt and hides it',
        KEPT,
    ),
    "mDNS before us": Fault(
        "nsswitch",
        HOSTS.format("mdns4_minimal [NOTFOUND=return] pyvirt [TRYAGAIN=return]"),
        "bad",
        r'"mdns4_minimal \[NOTFOUND=return\]" comes before pyvirt and hides it',
        KEPT,
    ),
    "a hosts line of a guest": Fault(
        "hosts file",
        "echo '10.9.9.9 printer # old' >>/etc/hosts",
        "bad",
        r"line \d of /etc/hosts hides printer behind 10.9.9.9",
        None,
    ),
    "a hosts line of a stopped domain": Fault(
        "hosts file",
        "echo 10.9.9.9 web1 >>/etc/hosts",
        "warn",
        r"line \d of /etc/hosts gives web1, which has no address now, 10.9.9.9",
        None,
    ),
    "settings": Fault(
        "settings",
        "cp /etc/pyvirt/leasewatch.toml /run/; echo 'odd = 1' >/etc/pyvirt/leasewatch.toml",
        "bad",
        r"odd",
        "cp /run/leasewatch.toml /etc/pyvirt/",
    ),
    "nscd with a cache": Fault(
        "nscd",
        f"mkdir -p /run/nscd; echo 'enable-cache hosts yes' >/etc/nscd.conf; {NSCD}",
        "warn",
        "keeps hosts: changed names and addresses come late",
        f"{NSCD} --shutdown; rm /etc/nscd.conf",
    ),
    "nscd without a cache": Fault(
        "nscd",
        f"mkdir -p /run/nscd; echo 'enable-cache hosts no' >/etc/nscd.conf; {NSCD}",
        "ok",
        "keeps no hosts",
        f"{NSCD} --shutdown; rm /etc/nscd.conf",
    ),
    "a lease file with a broken line": Fault(
        "sources",
        f"echo 1 2 >{own_dnsmasq.FILE}",
        "warn",
        rf"{own_dnsmasq.FILE}: .*",
        f": >{own_dnsmasq.FILE}",
    ),
    "an endless lease of a former subnet": Fault(
        "old leases",
        f"echo 0 02:00:00:00:00:01 10.5.0.9 old '*' >{own_dnsmasq.FILE}",
        "warn",
        r"10.5.0.9 \(old\) is leased for ever, and office has no such subnet",
        f": >{own_dnsmasq.FILE}",
    ),
    "an endless lease of this subnet": Fault(
        "old leases",
        f"echo 0 02:00:00:00:00:01 10.9.0.9 new '*' >{own_dnsmasq.FILE}",
        "ok",
        "no endless lease",
        f": >{own_dnsmasq.FILE}",
    ),
    "a killed network": Fault(
        "networks", f"kill -9 {PID}", "bad", "the process of network lab was killed", None
    ),
    "a network that is not repaired": Fault(
        "networks",
        f"kill -STOP {PID}; ip address flush dev pv-lab",
        "bad",
        "network lab lacks the bridge's addresses",
        f"kill -CONT {PID}",
    ),
    "a resolver on every address": Fault(
        "port 53",
        "pyvirt network stop lab; pyvirt network stop inner\n"
        "dnsmasq --conf-file=/dev/null --pid-file=/run/greedy\n! pyvirt network start lab",
        "bad",
        r"dnsmasq \(pid \d+\) listens on every address: dnsmasq of network inner cannot start",
        "kill $(cat /run/greedy)",
        "pyvirt network start lab; pyvirt network start inner",
    ),
    "a firewall that forwards nothing": Fault(
        "firewall",
        FORWARD,
        "warn",
        r"table inet mine may drop packets of network lab \(chain inet mine forward\)",
        None,
        "nft delete table inet mine",
    ),
    "bridge-nf": Fault(
        "firewall",
        f"{FORWARD}nft insert rule inet mine forward iifname pv-lab accept\n"
        f"nft insert rule inet mine forward oifname pv-lab accept\n{SWITCH % BRIDGE_NF} 1",
        "warn",
        r"table inet mine may drop frames between guests of network inner .*bridge-nf\)",
        None,
        "nft delete table inet mine",
    ),
    "a policy route": Fault(
        "routes",
        "ip rule add priority 5270 lookup 52; ip route add 10.77.0.64/26 dev lo table 52",
        "bad",
        r"10.77.0.0/24 of network lab: ip rule 5270 sends 10.77.0.64 to lo \(table 52\)",
        None,
        "ip rule del priority 5269; ip rule del priority 5270; ip route flush table 52",
    ),
    "a route of another program": Fault(
        "routes",
        "ip link add vpn0 type bridge; ip link set vpn0 up; ip route add 10.77.0.128/25 dev vpn0",
        "bad",
        r"10.77.0.0/24 of network lab: the host's route via vpn0 has 10.77.0.128/25",
        "ip link delete vpn0",
    ),
    "known hosts of the user alone": Fault(
        "host keys",
        "mkdir -m 700 -p /root/.ssh; echo GlobalKnownHostsFile none >/root/.ssh/config",
        "warn",
        "ssh reads none, so it asks at the first login to a domain",
        "rm /root/.ssh/config",
    ),
}


ROUNDS = {
    "a host that its owner has changed": (
        *("resolved before us", "a hosts line of a guest", "settings", "nscd with a cache"),
        *("a lease file with a broken line", "a firewall that forwards nothing"),
        *("a policy route", "known hosts of the user alone"),
    ),
    "a network that was killed": (
        *("mDNS before us", "a hosts line of a stopped domain", "nscd without a cache"),
        *("an endless lease of a former subnet", "a killed network"),
    ),
    "bridge-nf": ("bridge-nf", "an endless lease of this subnet", "a route of another program"),
    "a network that is not repaired": ("a network that is not repaired",),
    "a resolver on every address": ("a resolver on every address",),
}
"""Faults that do not hide each other are there at the same time: it saves runs."""


def test_every_fault_has_its_round() -> None:
    assert sorted(name for names in ROUNDS.values() for name in names) == sorted(FAULTS)


@pytest.mark.parametrize("names", ROUNDS.values(), ids=ROUNDS)
def test_a_fault_is_a_row_with_what_to_type_and_the_mended_world_has_none(
    served: Served, names: Sequence[str]
) -> None:
    if "bridge-nf" in names and not Path(BRIDGE_NF).exists():
        pytest.skip("this kernel has no br_netfilter")
    faults = [FAULTS[name] for name in names]
    for fault in faults:
        served.sh(fault.script)
    found = _said(served, faults)
    for fault, row in zip(faults, found, strict=True):
        assert row["state"] == fault.state, fault.detail
        assert bool(row["fix"]) == (fault.state != "ok")
        served.sh(row["fix"] if fault.mend is None else fault.mend)
    subjects = {fault.subject for fault in faults}

    def is_well() -> bool:
        rows = [row for row in served.rows() if row["subject"] in subjects]
        return {row["state"] for row in rows} == {"ok"}

    served.world.wait_for("all to be well again", is_well, 30)
    for fault in faults:
        served.sh(fault.after)


def _said(served: Served, faults: Sequence[Fault]) -> list[dict[str, str]]:
    """The row of each fault, waited for."""
    missing: list[str] = []

    def rows() -> list[dict[str, str]]:
        told = served.rows()
        found = []
        missing.clear()
        for fault in faults:
            own = [row for row in told if row["subject"] == fault.subject]
            fitting = [row for row in own if re.search(fault.detail, row["detail"])]
            found += fitting[:1]
            missing.extend([] if fitting else [f"{fault.detail} in {own}"])
        return [] if missing else found

    try:
        return served.world.wait_for("doctor to say it", rows, 30)
    except AssertionError:
        raise AssertionError(missing) from None


def test_a_world_without_a_fault_has_only_good_rows(served: Served) -> None:
    def wrong() -> list[dict[str, str]]:
        rows = [row for row in served.rows() if row["subject"] in CHECKED]
        assert {row["subject"] for row in rows} == CHECKED
        return [row for row in rows if row["state"] != "ok"]

    served.world.wait_for(f"no fault of {wrong()}", lambda: not wrong(), 30)


def test_a_plain_user_gets_all_but_what_only_root_can_see(served: Served) -> None:
    rows = {row["subject"]: row for row in served.rows(user="nobody")}
    assert rows["firewall"]["state"] == "root"
    others = {subject for subject, row in rows.items() if row["state"] in {"warn", "root"}}
    assert others == {"firewall"}
    told = served.world.run(["leasewatch", "doctor"], check=False, user="nobody")
    assert told.stderr == "  hint: sudo leasewatch doctor\n"


def test_nss_pyvirt_status_has_the_same_rows(served: Served) -> None:
    status = served.world.run(["nss-pyvirt", "status", "-o", "json"], check=False).stdout
    assert [row["subject"] for row in json.loads(status)] == [
        row["subject"] for row in served.rows()
    ]
