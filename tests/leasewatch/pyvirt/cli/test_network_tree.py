"""The tree below the rows of `pyvirt network show`."""

from __future__ import annotations

from leasewatch.pyvirt.cli import network_tree
from leasewatch.pyvirt.networks.attached import Attached, Held, Port

MAC = "52:54:00:00:00:01"


def drawn(found: Attached) -> str:
    return "\n".join(network_tree.lines("pv-lab", found, 1000.0))


def test_a_bridge_with_guests_is_drawn_in_columns() -> None:
    web = [
        Held("10.77.0.5", MAC, "web1", 1000 + 690, is_leased=True),
        Held("fd12:3456:789a:0:5054:ff:fe00:1", MAC, None, None, is_leased=False),
    ]
    other = Held("10.77.0.40", "52:54:00:00:00:09", "lap\x1btop", None, is_leased=True)
    found = Attached(
        [
            Port("eth1", None, None, []),
            Port("pvtap2", "db", "52:54:00:00:00:02", []),
            Port("pvtap10", "web1", MAC, web),
        ],
        [other],
    )
    assert drawn(found) == (
        "pv-lab\n"
        "├─ eth1     (no guest of pyvirt)\n"
        "├─ pvtap2   db    52:54:00:00:00:02\n"
        "│  └─ no address yet\n"
        "├─ pvtap10  web1  52:54:00:00:00:01\n"
        "│  ├─ 10.77.0.5                        11m 30s  web1\n"
        "│  └─ fd12:3456:789a:0:5054:ff:fe00:1  seen\n"
        "└─ other addresses\n"
        "   └─ 10.77.0.40  52:54:00:00:00:09  never  lap\\x1btop"
    )


def test_a_bridge_without_guests_is_drawn_too() -> None:
    assert drawn(Attached([], [])) == "pv-lab\n└─ no guest runs here"
