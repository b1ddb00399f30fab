"""What any user may know of a domain of pyvirt that has no address: its run state, its traffic."""

from __future__ import annotations

import os

from leasewatch.api import exchange
from leasewatch.api.exchange import NoServiceError
from leasewatch.daemon import alive
from leasewatch.paths import Paths
from nss_pyvirt import light_json

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from typing import Any, Final

STOPPED: Final = "the domain is not running"
_RECEIVED: Final = "/sys/class/net/%s/statistics/rx_packets"
"""What the host has received on a tap, so what the guest has sent."""
_LONGEST: Final = 250  # characters
_LOG: Final = 1 << 16
"""Bytes of dnsmasq's log, from its end, that are searched."""


def running(paths: Paths, name: str) -> dict[str, Any] | None:
    """The run state of the running domain of that name or alias; None: no such domain runs."""
    name = name.lower().removesuffix(".")
    found = _state(paths, name)
    if found is not None:
        return found
    try:
        (reply,) = exchange.replies(paths.socket, exchange.resolve(name))
        own = reply["name"]
    except (NoServiceError, LookupError, ValueError):
        return None
    return _state(paths, own) if own != name else None


def seen(paths: Paths, name: str) -> str:
    """Why a domain of that name has no address, as far as it is known; empty: it is no domain."""
    state = running(paths, name)
    if state is None:
        defined = f"{paths.text('domain_definitions')}/{name}.toml"
        return STOPPED if _is_plain(name) and os.path.lexists(defined) else ""
    if state.get("state", "running") != "running":
        return f"the domain is {state['state']}"
    taps = [nic["tap"] for nic in state["nics"] if nic.get("tap")]
    if taps and not any(map(_sent, taps)):
        return "no traffic since the start"
    for nic in state["nics"]:
        if said := _said(paths, nic["network"], nic["mac"]):
            return f"no lease; dnsmasq last said: {said}"
    return "it sends, but has no lease"


def _state(paths: Paths, name: str) -> dict[str, Any] | None:
    if not _is_plain(name):
        return None
    state = light_json.read(f"{paths.text('domain_runs')}/{name}.json") or {}
    pid = state.get("pid")
    is_there = isinstance(pid, int) and alive.is_alive(pid, state.get("born", 0))
    return state if is_there else None


def _is_plain(name: str) -> bool:
    """Whether it can be a file's name: anybody may have typed it."""
    return 0 < len(name) < _LONGEST and name[0] != "." and "/" not in name and "\0" not in name


def _sent(tap: str) -> bool:
    """Whether the guest has sent anything; also if that is not known."""
    try:
        with open(_RECEIVED % tap, encoding="ascii") as file:  # noqa: PTH123  start-up time
            return file.read().strip() != "0"
    except OSError:
        return True


def _said(paths: Paths, network: str, mac: str) -> str:
    """What the network's dnsmasq last logged of a card; it logs refusals and faults alone."""
    try:
        with open(f"{paths.text('network_runs')}/{network}/dnsmasq.log", "rb") as file:  # noqa: PTH123  start-up time
            file.seek(max(0, os.fstat(file.fileno()).st_size - _LOG))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    last = next((line for line in reversed(lines) if mac in line), "")
    return last.partition(": ")[2]
