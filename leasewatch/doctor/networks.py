"""Whether each network of pyvirt is whole. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from nss_pyvirt.checks import Row
from nss_pyvirt.errors import UserError

if TYPE_CHECKING:
    from leasewatch.doctor.host import Host, StartedNetwork

SUBJECT: Final = "networks"


def check(host: Host) -> Iterator[Row]:
    """What a started network lacks, and networks whose process was killed."""
    rows: list[Row] = []
    started = []
    for name in host.network_names:
        try:
            network = host.network(name)
        except UserError as error:
            rows.append(Row("bad", SUBJECT, error.what, error.hint or "pyvirt network list"))
            continue
        lacks = host.missing(network.definition) if network.is_up else []
        found = list(judge(network, lacks))
        rows += found
        if network.is_up and not found:
            started.append(name)
    if not rows:
        count = len(host.network_names)
        detail = f"started: {', '.join(started)}" if started else f"none of {count} is started"
        rows.append(Row("ok", SUBJECT, detail if count else "pyvirt has none"))
    yield from rows


def judge(network: StartedNetwork, lacks: list[str]) -> Iterator[Row]:
    """What is wrong with one network; `lacks`: what is not there of a started one."""
    start = f"sudo pyvirt network start {network.name}"
    if network.was_killed:
        yield Row("bad", SUBJECT, f"the process of network {network.name} was killed", start)
    elif network.fault:
        what, _, hint = network.fault.partition("\n")
        yield Row("bad", SUBJECT, f"{network.name} is not repaired: {what}", hint or start)
    elif network.state == "no dnsmasq":
        detail = f"dnsmasq of network {network.name} keeps ending: guests get no address"
        yield Row("bad", SUBJECT, detail, f"sudo tail {network.log}")
    elif network.state == "no address left":
        detail = f"network {network.name} has no address left for another guest"
        yield Row("bad", SUBJECT, detail, f"pyvirt network show {network.name}")
    elif lacks or network.state == "no bridge":
        detail = f"network {network.name} lacks {', '.join(lacks) or 'its bridge'}"
        yield Row("bad", SUBJECT, detail, start)
