"""What `pyvirt network` does: create, list, start, stop and delete networks.

Each started network has one `pyvirt network run` process (`networks.run`). Prints nothing.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from leasewatch.files import locks
from leasewatch.pyvirt.defined import store, subnets
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.defined.network import Mode, Network, bridge_name, bridge_of
from leasewatch.pyvirt.defined.subnets import Taken
from leasewatch.pyvirt.files import NetworkFiles, network_state
from leasewatch.pyvirt.networks import stops
from leasewatch.pyvirt.networks.diversions import Diversions, both_diversions
from leasewatch.pyvirt.networks.known import KnownNetworks
from nss_pyvirt.errors import UserError

if TYPE_CHECKING:
    from leasewatch.pyvirt.networks.firewall import Finding
    from leasewatch.pyvirt.process import Say

_READY = 15.0  # seconds for `network run` to say READY=1, or to mend what is missing
_PATIENCE = 30.0  # seconds to wait for another command on networks
_BRIDGE_NF = Path("/proc/sys/net/bridge")


class Networks(KnownNetworks):
    """All networks below one root."""

    _rules: list[dict[str, Any]] | None = None
    """The ruleset of the host, once a network was started."""

    def create(
        self,
        name: str,
        subnet: str | None,
        mode: Mode | None,
        suffix: str,
        say: Say,
        *,
        bridge: str | None = None,
        host_access: bool = True,
    ) -> Network:
        """Define a network on `subnet`, a CIDR or `auto`; UserError says what has taken it.

        With `bridge` it is bridged, and has no subnet.
        """
        mode = mode or ("nat" if bridge is None else "bridged")
        draft = Network(
            name=name, mode=mode, bridge=bridge or "", suffix=suffix, host_access=host_access
        )
        if mode == "bridged" and bridge is None:
            raise UserError(
                "a bridged network needs a bridge of the host", "--bridge br0", "invalid"
            )
        if bridge is not None:
            network = msgspec.structs.replace(draft, subnet=subnet or "").checked()
            return self._create_bridged(network)
        automatic = (subnet or "auto").lower() == "auto"
        network = msgspec.structs.replace(
            draft,
            subnet="10.77.0.0/24" if automatic or subnet is None else subnet,
            subnet6=subnets.ula(os.urandom(5)),
        ).checked()
        with locks.exclusive(self._paths.locks / "networks", _PATIENCE):
            self._require_new(name)
            if automatic:
                network = msgspec.structs.replace(network, subnet=self.free_subnet(name, say))
            else:
                self._check_subnet(network, say)
            store.write(self._paths.network_definitions, network)
        return network

    def free_subnet(self, name: str, say: Say) -> str:
        """An IPv4 subnet for this network; UserError where there is none."""
        diversions = Diversions(4)
        return _pick(self._taken(name, say) + diversions.routed(bridge_name(name)), diversions)

    def _check_subnet(self, network: Network, say: Say) -> None:
        """UserError says what has taken its IPv4 subnet."""
        diversions = Diversions(4)
        routed = diversions.routed(bridge_name(network.name))
        taken = self._taken(network.name, say) + routed
        if why := _hindrance(network.subnet, taken, diversions):
            raise UserError(f"subnet {network.subnet} is taken: {why}", "--subnet auto", "exists")

    def _create_bridged(self, network: Network) -> Network:
        with locks.exclusive(self._paths.locks / "networks", _PATIENCE):
            self._require_new(network.name)
            self._check_bridge(network)
            store.write(self._paths.network_definitions, network)
        return network

    def _require_new(self, name: str) -> None:
        if name in self.names():
            raise UserError(
                f"network {name} already exists", f"pyvirt network show {name}", "exists"
            )

    def _check_bridge(self, network: Network) -> None:
        """UserError unless a bridged network may join its bridge: the host's, and free."""
        for other in store.readable(self._paths.network_definitions, Network):
            if other.name != network.name and bridge_of(other) == network.bridge:
                own = "has joined" if other.bridge else "has made"
                raise UserError(
                    f"bridge {network.bridge} is taken: network {other.name} {own} it",
                    f"domain create --network {other.name}",
                    "exists",
                )
        from leasewatch.pyvirt.networks.bridge import check_joined  # noqa: PLC0415  start-up time

        check_joined(network.bridge)

    def start(self, name: str) -> bool:
        """Return once guests can lease; False: it was started already, and was repaired."""
        from leasewatch.pyvirt import process  # noqa: PLC0415  start-up time

        self.get(name)
        files = self._files(name)
        with locks.exclusive(files.commands, _PATIENCE):
            while locks.holder(files.lock):
                if mend(files):
                    return False
            store.check_defined(self._paths.network_definitions, name, "network")
            files.log.unlink(missing_ok=True)
            try:
                process.start_detached(
                    ["network", "run", name],
                    lambda: self.run(name),
                    unit=f"pyvirt-network@{name}.service",
                    log=files.log,
                    timeout=_READY,
                    meanwhile=self._read_rules,
                )
            except UserError:  # a `start` that was killed may have started the other one
                if mend(files):
                    return False
                raise
        return True

    def run(self, name: str) -> None:
        """Hold the network until SIGTERM."""
        network = self.get(name)
        diversions = () if network.bridge else both_diversions()
        from leasewatch.pyvirt.networks import run  # noqa: PLC0415  # other commands do without

        if network.bridge:
            self._check_bridge(network)
        else:
            self._refuse_collision(network, diversions)
        run.run(self._paths, network, diversions)

    def delete(self, name: str) -> None:
        """Remove a stopped network that no domain uses: its leases, then its definition."""
        store.check_defined(self._paths.network_definitions, name, "network")
        files = self._files(name)
        with locks.exclusive(files.commands, _PATIENCE):
            if locks.holder(files.lock):
                raise UserError(
                    f"network {name} is started", f"sudo pyvirt network stop {name}", "running"
                )
            store.check_defined(self._paths.network_definitions, name, "network")
            defined = store.readable(self._paths.domain_definitions, DomainDefinition)
            on_it = [each.name for each in defined if any(nic.network == name for nic in each.nics)]
            if on_it:
                raise UserError(
                    f"network {name} is used by domains: {', '.join(on_it)}",
                    f"sudo pyvirt domain delete {' '.join(on_it)}",
                    "running",
                )
            stops.take_down(self._paths, name)
            files.leases.unlink(missing_ok=True)
            files.definition.unlink()
            stops.remove_run(self._paths, name)

    def findings(self, name: str) -> list[Finding]:
        """Other rulesets that may drop this network's packets."""
        from leasewatch.pyvirt import nft  # noqa: PLC0415  start-up time

        network = self.get(name)
        if network.bridge and not frames_pass_ip_rules():
            return []
        return dropping(self._rules or nft.ruleset(), bridge_of(network), network.mode)

    def _read_rules(self) -> None:
        from leasewatch.pyvirt import nft  # noqa: PLC0415  start-up time

        with contextlib.suppress(UserError, OSError):  # `findings` tries again
            self._rules = nft.ruleset()

    def _taken(self, except_: str, say: Say) -> list[Taken]:
        """What other networks than one have."""
        defined = []
        for name in self.names():
            if name == except_:
                continue
            try:
                subnet = self.get(name).subnet
            except UserError as error:
                say(f"cannot reserve a subnet for network {name}: {error.what}")
            else:
                defined += [Taken(subnet, f"network {name}")] if subnet else []
        return defined

    def _refuse_collision(self, network: Network, diversions: Iterable[Diversions]) -> None:
        for each, subnet in zip(diversions, (network.subnet, network.subnet6), strict=True):
            routed = each.routed(bridge_name(network.name))
            if other := subnets.clash(subnet, routed, wider=False):
                raise UserError(
                    f"subnet {subnet} of network {network.name} is taken: {other.by} has"
                    f" {other.subnet}",
                    f"change it in {self._files(network.name).definition}",
                    "exists",
                )


def frames_pass_ip_rules() -> bool:
    """Whether frames between two ports of a bridge pass the rulesets for IP (br_netfilter)."""
    switches = (_BRIDGE_NF / f"bridge-nf-call-{tool}" for tool in ("iptables", "ip6tables"))
    return any(one.exists() and one.read_text().strip() == "1" for one in switches)


def dropping(rules: Iterable[Mapping[str, Any]], bridge: str, mode: Mode) -> list[Finding]:
    """Rulesets that may drop packets of `bridge`: nftables' and those of iptables-legacy."""
    from leasewatch.pyvirt.networks import firewall, iptables_legacy  # noqa: PLC0415  start-up time

    found = firewall.judge(rules, bridge, mode)
    for tables in iptables_legacy.tables():
        found += firewall.judge_legacy(*tables, bridge, mode)
    return found


def _pick(taken: Sequence[Taken], diversions: Diversions) -> str:
    first = None
    for subnet in subnets.free(taken):
        found = diversions.find(subnet)
        if found is None:
            return subnet
        first = first or found
    why, hint = (f": {first.what}", first.hint) if first else ("", "")
    raise UserError(f"no free /24 was found{why}", hint or "use --subnet CIDR")


def _hindrance(subnet: str, taken: Sequence[Taken], diversions: Diversions) -> str:
    """What has a subnet already, or keeps guests' packets from its bridge; empty: nothing."""
    if other := subnets.clash(subnet, taken):
        return f"{other.by} has {other.subnet}"
    found = diversions.find(subnet)
    return found.what if found else ""


def mend(files: NetworkFiles) -> bool:
    """Make the network's process repair what is missing; it then writes its run state.

    False: there is no process, or it has ended.
    """
    import signal  # noqa: PLC0415  start-up time

    from leasewatch.files import reading  # noqa: PLC0415
    from leasewatch.pyvirt import process  # noqa: PLC0415
    from nss_pyvirt import pidfds  # noqa: PLC0415

    before = reading.signature(files.state)
    said = files.log.stat().st_size if files.log.exists() else 0
    with process.holder(files.lock) as pidfd:
        if pidfd is None:
            return False
        signal.pidfd_send_signal(pidfd, signal.SIGHUP)
        deadline = time.monotonic() + _READY
        while reading.signature(files.state) in (None, before):
            if pidfds.wait(pidfd, 0.001):
                return False
            if time.monotonic() > deadline:
                raise process.last_error(files.log, said, f"network {files.name} was not repaired")
    state = network_state(files)
    if state is not None and state.fault:
        what, _, hint = state.fault.partition("\n")
        raise UserError(f"network {files.name} is not repaired: {what}", hint)
    return True
