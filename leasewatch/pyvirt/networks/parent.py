"""What the process of any started network does: repair what is lost, and write the run state."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from leasewatch.daemon import alive
from leasewatch.model import DomainState, NetworkState
from leasewatch.pyvirt import process
from leasewatch.pyvirt.defined.network import Network, bridge_of
from leasewatch.pyvirt.files import NetworkFiles, tap_owners
from leasewatch.pyvirt.networks.diversions import Diversions
from leasewatch.pyvirt.networks.losses import Losses
from nss_pyvirt import replacing
from nss_pyvirt.errors import UserError


class Parent:
    """A network that is started. Each kind makes its own parts, and watches them."""

    def __init__(self, files: NetworkFiles, network: Network) -> None:
        self._files = files
        self._network = network
        self._started = time.time()
        self.is_up = False
        """It was started without a failure."""
        self._losses = Losses(files.paths, network)

    def up(self, diversions: Collection[Diversions] = ()) -> None:
        """Make what is missing; OSError and UserError say what cannot be made.

        `diversions` are those of both families; none: read them if they are needed.
        """
        raise NotImplementedError

    def watch(self, signals: int) -> None:
        """Keep the network whole until SIGTERM or SIGINT. `signals`: see `process.signals`."""
        raise NotImplementedError

    def quit(self) -> None:
        """Ask the programs that were started to end."""

    def stop(self) -> None:
        """Wait until they have ended."""

    def close(self) -> None:
        """Stop noticing changes."""
        self._losses.close()

    def _lost(self, now: float) -> list[str]:
        """The lost parts that are to be repaired now; they are logged."""
        lost = self._losses.collect(now)
        if lost:
            what = ", ".join(lost)
            process.note(f"network {self._network.name} has lost {what}: repairing")
        return lost

    def _mend(self) -> None:
        """Repair; on failure keep what is there. The run state holds the error."""
        try:
            self.up()
        except (OSError, UserError) as error:
            process.note(f"network {self._network.name} is not repaired: {error}")
            with contextlib.suppress(OSError):  # a full disk: reported already
                self._write_state(f"{error}\n{getattr(error, 'hint', '')}")

    def _taps(self, running: Iterable[DomainState]) -> list[str]:
        """The running domains' taps on this network, to be ports of its bridge."""
        owners = tap_owners(running)
        return [tap for tap, (_, nic) in owners.items() if nic.network == self._network.name]

    def _write_state(self, fault: str = "") -> None:
        state = NetworkState(
            name=self._network.name,
            bridge=bridge_of(self._network),
            suffix=self._network.suffix,
            pid=os.getpid(),
            born=alive.born(os.getpid()),
            started=self._started,
            fault=fault,
            **self._own_state(),
        )
        replacing.replace(self._files.state, msgspec.json.encode(state))

    def _own_state(self) -> dict[str, Any]:
        """The values of the run state that differ by kind."""
        raise NotImplementedError
