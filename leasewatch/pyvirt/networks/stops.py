"""Stop networks. It imports little: the process of a network undoes everything by itself."""

from __future__ import annotations

import os

from leasewatch.files import holders, locks
from leasewatch.paths import Paths
from leasewatch.pyvirt.networks.listing import Listing
from nss_pyvirt import light_json
from nss_pyvirt.errors import UserError

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from typing import Final

_QUIT: Final = 10.0  # seconds for `network run` to undo everything
_PATIENCE: Final = 30.0  # seconds to wait for another command on networks


def stop(paths: Paths, name: str) -> None:
    """Undo everything, also what a killed process has left; leases stay."""
    listing = Listing(paths)
    if name not in listing.names():
        _check_left(paths, name)
    with locks.exclusive(f"{paths.text('locks')}/network-{name}", _PATIENCE):
        if found := users(paths, name):
            raise UserError(
                f"network {name} is in use by running domains: {', '.join(found)}",
                f"sudo pyvirt domain stop {' '.join(found)}",
                "running",
            )
        # A process that undoes everything removes its lock last; else its work is left.
        lock = f"{paths.text('network_runs')}/{name}/lock"
        if not holders.stop(lock, _QUIT) or os.path.lexists(lock):
            take_down(paths, name)
        if name not in listing.names():  # deleted, perhaps just now by another command
            remove_run(paths, name)


def users(paths: Paths, network: str) -> list[str]:
    """The names of the running domains on a network."""
    runs = paths.text("domain_runs")
    try:
        files = sorted(file for file in os.listdir(runs) if file.endswith(".json"))  # noqa: PTH208
    except FileNotFoundError:
        return []
    states = [light_json.read(f"{runs}/{file}") or {} for file in files]
    on_it = [
        state["name"]
        for state in states
        if any(nic.get("network") == network for nic in state.get("nics", ()))
    ]
    return [name for name in on_it if holders.holder(f"{runs}/{name}/lock")]


def _check_left(paths: Paths, name: str) -> None:
    """UserError where nothing is left of a network without a definition."""
    from leasewatch.pyvirt.defined import store  # noqa: PLC0415  start-up time
    from leasewatch.pyvirt.networks.known import KnownNetworks  # noqa: PLC0415  start-up time

    store.check_name(name, "network")
    if not os.path.lexists(f"{paths.text('network_runs')}/{name}"):
        KnownNetworks(paths).get(name)  # says what is there


def take_down(paths: Paths, name: str) -> None:
    """Undo what a process has left."""
    from leasewatch.pyvirt.files import NetworkFiles  # noqa: PLC0415  start-up time
    from leasewatch.pyvirt.networks import run  # noqa: PLC0415

    files = NetworkFiles(paths, name)
    run.take_down(files)
    files.lock.unlink(missing_ok=True)


def remove_run(paths: Paths, name: str) -> None:
    """Remove the run files of a network that is not defined."""
    import shutil  # noqa: PLC0415  start-up time

    shutil.rmtree(paths.network_runs / name, ignore_errors=True)
