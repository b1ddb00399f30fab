"""`leasewatch net-dhcp-leases [NETWORK]`: virsh's words for `list --network NETWORK`."""

from __future__ import annotations

from leasewatch.cli import ask, list_leases
from leasewatch.paths import Paths
from nss_pyvirt.terminal import commands, frame
from nss_pyvirt.terminal.commands import Param

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Sequence


@commands.command(
    Param("network", complete=ask.complete_network),
    Param("--mac", name="macs", multiple=True, metavar="MAC", help="Only this client's leases."),
    *list_leases.ROWS,
    hidden=True,
    epilog=frame.examples("leasewatch net-dhcp-leases lab"),
)
def command(paths: Paths, network: str | None, macs: Sequence[str], output: frame.Format) -> None:
    """List the leases of a network, as `leasewatch list --network NETWORK` does."""
    networks = () if network is None else (network,)
    list_leases.command.act(paths, (), networks, (), (), macs, output, all_hosts=False)
