"""`pyvirt network set`: the table of its keys."""

from __future__ import annotations

from leasewatch.paths import Paths
from leasewatch.pyvirt.cli import halves, keys
from leasewatch.pyvirt.cli.halves import say
from leasewatch.pyvirt.cli.keys import Key
from nss_pyvirt.terminal import frame
from nss_pyvirt.terminal.commands import Command

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from leasewatch.pyvirt.defined.network import Network

KEYS: Final = {
    "mode": Key(keys.one_of("nat", "isolated"), "nat|isolated", "As for create."),
    "host-access": Key(keys.switch, "on|off", "Whether guests reach the host's services."),
    "suffix": Key(str, "SUFFIX", "Hosts are GUEST.NAME.SUFFIX."),
    "subnet": Key(str, "auto|CIDR", "IPv4; no guest may run there."),
    "subnet6": Key(str, "CIDR", "IPv6, a /64; no guest may run there."),
    "bridge": Key(str, "BRIDGE", "Of a bridged network; no guest may run there."),
    "autostart": Key(keys.switch, "on|off", "Whether it starts when the host boots."),
}


def _set(name: str, changes: Sequence[str]) -> None:
    import msgspec  # noqa: PLC0415  start-up time

    from leasewatch.pyvirt.networks.change import NetworkChanges  # noqa: PLC0415  start-up time

    asked = keys.read(changes, KEYS, "pyvirt network set")
    wanted = {one.key.replace("-", "_"): one.value for one in asked}
    networks = NetworkChanges(Paths())

    def make(network: Network) -> Network:
        if wanted.get("subnet", "").lower() == "auto":
            wanted["subnet"] = networks.free_subnet(name, say)
        return msgspec.structs.replace(network, **wanted)

    halves.report_change(networks.change(name, make))


_set.__doc__ = f"""Change a network: all of it, or nothing if one value is wrong.

A started network takes over mode, host-access and suffix at once.

{keys.described(KEYS)}
"""
command = Command(
    _set,
    (halves.one_name("network"), keys.words(KEYS)),
    needs_root=True,
    epilog=frame.examples(
        "sudo pyvirt network set lab mode=isolated host-access=off",
        "sudo pyvirt network set lab suffix=lab.test",
    ),
)
