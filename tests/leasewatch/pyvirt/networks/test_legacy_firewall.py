"""iptables-legacy: which of its tables are reported, and what opens the way."""

from __future__ import annotations

import pytest

from leasewatch.pyvirt.defined.network import Mode
from leasewatch.pyvirt.networks import firewall

EMPTY = "# by\n*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:MINE - [0:0]\nCOMMIT\n# Done\n"
INPUT = "iptables-legacy -I INPUT -i pv-lab -j ACCEPT"
FORWARD = tuple(f"iptables-legacy -I FORWARD -{d} pv-lab -j ACCEPT" for d in "io")
ALL = (INPUT, *FORWARD)


def judged(saved: str | None, mode: Mode = "nat", tables: str = "filter nat") -> object:
    found = firewall.judge_legacy("iptables-legacy", tables.split(), saved, "pv-lab", mode)
    return [(each.where, each.commands) for each in found]


@pytest.mark.parametrize(
    "change",
    [
        (":FORWARD ACCEPT", ":FORWARD DROP"),
        (":INPUT ACCEPT", ":INPUT DROP"),
        ("COMMIT", "-A FORWARD -j DROP\nCOMMIT"),
        ("COMMIT", "-A INPUT -p udp -m udp --dport 67 -j MINE\nCOMMIT"),
    ],
)
def test_a_filter_with_rules_or_a_policy_is_reported(change: tuple[str, str]) -> None:
    saved = EMPTY.replace(*change)
    assert judged(saved) == [("table filter", ALL)]
    assert judged(saved, "isolated") == [("table filter", (INPUT,))]


def test_tables_that_drop_nothing_are_not() -> None:
    nat = "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n"
    mangle = "*mangle\n:FORWARD ACCEPT [0:0]\n-A FORWARD -j TCPMSS --clamp-mss-to-pmtu\nCOMMIT\n"
    for saved in (EMPTY, EMPTY + nat, mangle + nat, ""):
        assert judged(saved) == []
    assert judged(None, tables="nat") == judged(None, tables="") == []


def test_a_drop_in_another_table_is_reported() -> None:
    saved = EMPTY + "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i x -j DROP\nCOMMIT\n"
    assert judged(saved) == [("table raw", ALL)]


def test_what_cannot_be_read_is_reported() -> None:
    assert judged(None, tables="nat filter raw") == [("table filter, raw", ALL)]


def test_what_was_typed_is_not_asked_for_again() -> None:
    saved = EMPTY.replace(":FORWARD ACCEPT", ":FORWARD DROP")
    done = [line.partition(" ")[2].replace("-I", "-A") for line in ALL]
    opened = saved.replace("COMMIT", f"{done[0]}\nCOMMIT")
    assert judged(opened) == [("table filter", FORWARD)]
    assert judged(opened, "isolated") == []
    assert judged(saved.replace("COMMIT", "\n".join([*done, "COMMIT"]))) == []
