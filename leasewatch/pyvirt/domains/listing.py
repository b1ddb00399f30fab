"""The rows of `domain list` and `show`: what is kept of definitions, and what run states say.

It imports little. Addresses come from the published table.
"""

from __future__ import annotations

import _socket
import os

from leasewatch.daemon import alive
from leasewatch.paths import Paths
from leasewatch.pyvirt.defined.kept_rows import KeptRows
from nss_pyvirt import light_json
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import show

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from typing import Any, Final

    from leasewatch.pyvirt.defined.kept_rows import Row
    from leasewatch.pyvirt.domains.known import KnownDomains

KEYS: Final = (
    *("name", "aliases", "state", "why", "since", "networks", "macs", "reserved", "addresses"),
    *("disks", "volumes", "encrypted", "memory", "cpus", "arch", "accel", "machine", "cdrom"),
    *("firmware", "kernel", "initrd"),
    *("append", "user", "mac_filtering", "autostart", "stop_timeout", "started", "pid"),
)
"""Of a row, in the order of `show`."""
_CHANGING: Final = ("why", "since", "started", "pid")
SAVED: Final = "it was saved"
"""Why a domain does not run whose guest is saved."""
KILLED: Final = "its process was killed"
"""Why a domain has stopped whose parent left no reason."""


class Listing(KeptRows):
    """All domains below one root."""

    def __init__(self, paths: Paths) -> None:
        super().__init__(paths, "domain", KEYS)
        self._heavy: KnownDomains | None = None

    def names(self) -> list[str]:
        """The names of all defined domains."""
        if os.path.lexists(self._paths.text("domain_rename")):
            self.known()  # which finishes that
        return super().names()

    def arriving(self) -> list[str]:
        """The names of domains that come from another host, and are not defined here yet."""
        try:
            files = os.listdir(self._paths.text("domain_runs"))  # noqa: PTH208  start-up time
        except OSError:
            return []
        running = {file[:-5] for file in files if file.endswith(".json") and file[0] != "."}
        return [each for each in running.difference(super().names()) if _arrives(self.state(each))]

    def describe(self, name: str) -> Row:
        """The row of `list` and `show`; raises UserError."""
        state = self.state(name)
        undefined = state and _arrives(state) and name not in super().names()
        row = _row(state) if state and undefined else self.row(name)
        if state is None or not isinstance(state.get("pid"), int):
            ended = light_json.read(f"{self._paths.text('domain_ends')}/{name}.json") or {}
            row |= self._saved(name, ended)
        elif alive.is_alive(state["pid"], state.get("born", 0)):
            known = {key: state[key] for key in ("state", *_CHANGING) if state.get(key)}
            found = lookup(self._paths.text("snapshot"), name) or []
            return row | {"state": "running", "addresses": found} | known
        else:
            if os.geteuid() == 0:
                self._clear_up(name)
            ended = {"why": KILLED}
        return row | {key: ended[key] for key in _CHANGING if ended.get(key)}

    def _saved(self, name: str, ended: dict[str, Any]) -> Row:
        """What differs in the row of a domain whose guest is saved.

        Only root sees the file; others see why the domain has ended, until the host reboots.
        """
        is_saved = os.path.exists(f"{self._paths.text('domain_data')}/{name}/saved")  # noqa: PTH110
        if is_saved or ended.get("why") == SAVED:
            return {"state": "saved", "why": SAVED}
        return {}

    def state(self, name: str) -> dict[str, Any] | None:
        """The run state, also one that a killed parent has left."""
        return light_json.read(f"{self._paths.text('domain_runs')}/{name}.json")

    def _clear_up(self, name: str) -> None:
        try:
            self.known().clear_up(name, 0)
        except UserError:  # another command is at it
            return

    def _read(self, name: str) -> Row:
        return self.known().row(name)

    def known(self) -> KnownDomains:
        """What reads definitions and cleans up."""
        if self._heavy is None:
            from leasewatch.pyvirt.domains.known import KnownDomains  # noqa: PLC0415  start-up time

            self._heavy = KnownDomains(self._paths)
        return self._heavy


def _arrives(state: dict[str, Any] | None) -> bool:
    """Whether its guest still runs on the host that it comes from."""
    return (
        state is not None
        and state.get("state") == "arriving"
        and alive.is_alive(state["pid"], state.get("born", 0))
    )


def _row(state: dict[str, Any]) -> Row:
    """The row of a domain that arrives: its definition arrives last."""
    nics = state["nics"]
    known = {
        "name": state["name"],
        "aliases": state.get("aliases", []),
        "networks": [nic["network"] for nic in nics],
        "macs": [nic["mac"] for nic in nics],
    }
    lists = {key: list[str]() for key in ("aliases", "reserved", "addresses", "disks")}
    return dict.fromkeys(KEYS) | lists | known


def lookup(table: str | os.PathLike[str], name: str) -> list[str] | None:
    """The published addresses of `name`, link-local last; None without that name."""
    from nss_pyvirt import published  # noqa: PLC0415  the C library, which few rows need

    found = published.addresses(table, name)
    if found is None:
        return None
    families = {4: _socket.AF_INET, 16: _socket.AF_INET6}
    texts = ((_socket.inet_ntop(families[len(packed)], packed), link) for packed, link in found)
    return [show.address(text, link) for text, link in texts]
