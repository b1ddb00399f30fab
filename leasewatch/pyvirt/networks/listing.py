"""The rows of `network list` and `show`: what is kept of definitions, and what run states say.

It imports little, and changes nothing.
"""

from __future__ import annotations

import _socket

from leasewatch.daemon import alive
from leasewatch.paths import Paths
from leasewatch.pyvirt.defined.kept_rows import KeptRows
from nss_pyvirt import light_json

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from typing import Any, Final, Literal

    from leasewatch.pyvirt.defined.kept_rows import Row

    State = Literal["started", "no dnsmasq", "no address left", "no bridge", "stopped"]
    """`no dnsmasq`: started, but guests get no leases: dnsmasq has ended and is being restarted.
    `no bridge`: somebody has removed the bridge that this network has joined."""

KEYS: Final = (
    *("name", "state", "mode", "subnet", "subnet6", "bridge", "suffix", "host_access"),
    *("reserved", "autostart"),
)
"""Of a row, in its order."""


class Listing(KeptRows):
    """All networks below one root."""

    def __init__(self, paths: Paths) -> None:
        super().__init__(paths, "network", KEYS)

    def describe(self, name: str) -> Row:
        """The row of `list` and `show`; raises UserError."""
        return self.row(name) | {"state": self.state(name)}

    def state(self, name: str) -> State:
        """Its state, as far as any user may see it."""
        state = light_json.read(f"{self._paths.text('network_runs')}/{name}.json")
        if state is None or not _is_alive(state, "pid", "born"):
            return "stopped"
        if not state.get("lease_file"):
            return "started" if _is_there(str(state.get("bridge"))) else "no bridge"
        if not _is_alive(state, "dnsmasq_pid", "dnsmasq_born"):
            return "no dnsmasq"
        return "no address left" if self._is_full(name, state["subnets"][0]) else "started"

    def _is_full(self, name: str, subnet: str) -> bool:
        """Whether no IPv4 address is left. Few leases need no closer look: reservations are few."""
        try:
            with open(f"{self._paths.text('leases')}/{name}.leases", "rb") as file:  # noqa: PTH123
                lines = file.read().count(b"\n")
        except OSError:
            lines = 0
        if lines < 2 ** (32 - int(subnet.partition("/")[2])) / 2 - 2:
            return False
        from leasewatch.pyvirt.defined import address_pool  # noqa: PLC0415  start-up time

        return address_pool.is_full(self._paths, name, subnet)

    def _read(self, name: str) -> Row:
        from leasewatch.pyvirt.networks.known import KnownNetworks  # noqa: PLC0415  start-up time

        return KnownNetworks(self._paths).row(name)


def _is_alive(state: dict[str, Any], pid: str, born: str) -> bool:
    """Whether the process runs whose pid and start time the run state has under these keys."""
    found = state.get(pid)
    return isinstance(found, int) and found > 0 and alive.is_alive(found, state.get(born, 0))


def _is_there(bridge: str) -> bool:
    try:
        return _socket.if_nametoindex(bridge) > 0
    except OSError:
        return False
