"""`pyvirt network edit`."""

from __future__ import annotations

from leasewatch.paths import Paths
from leasewatch.pyvirt.cli import halves
from nss_pyvirt.terminal import commands, frame


@commands.command(
    halves.one_name("network"),
    needs_root=True,
    epilog=frame.examples("sudo pyvirt network edit lab"),
)
def command(name: str) -> None:
    """Change a network's definition (TOML) in your editor.

    It is checked before anything changes. VISUAL and EDITOR name the editor.
    """
    import shlex  # noqa: PLC0415  start-up time

    from leasewatch.pyvirt.cli import editing  # noqa: PLC0415  start-up time
    from leasewatch.pyvirt.defined import store  # noqa: PLC0415
    from leasewatch.pyvirt.networks.change import NetworkChanges  # noqa: PLC0415

    paths = Paths()
    folder = paths.network_definitions
    store.check_defined(folder, name, "network")
    changed = editing.edit(
        folder / f"{name}.toml",
        f"sudo pyvirt network set {shlex.quote(name)} KEY=VALUE",
        lambda before, after: NetworkChanges(paths).replace(name, before, after),
    )
    if changed is None:
        frame.print_done(f"network {name} is not changed", network=name)
    else:
        halves.report_change(changed)
