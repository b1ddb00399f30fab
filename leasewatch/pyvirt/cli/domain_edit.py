"""`pyvirt domain edit`."""

from __future__ import annotations

from leasewatch.paths import Paths
from leasewatch.pyvirt.cli import halves
from nss_pyvirt.terminal import commands, frame


@commands.command(
    halves.one_name("domain"),
    needs_root=True,
    epilog=frame.examples(
        "sudo pyvirt domain edit web1", "sudo EDITOR=nano pyvirt domain edit db1"
    ),
)
def command(name: str) -> None:
    """Change a domain's definition (TOML) in your editor.

    It is checked before anything changes. VISUAL and EDITOR name the editor.
    """
    import shlex  # noqa: PLC0415  start-up time

    from leasewatch.pyvirt.cli import editing  # noqa: PLC0415  start-up time
    from leasewatch.pyvirt.defined import store  # noqa: PLC0415
    from leasewatch.pyvirt.domains.change import DomainChanges  # noqa: PLC0415

    paths = Paths()
    folder = paths.domain_definitions
    store.check_defined(folder, name, "domain")
    instead = f"sudo pyvirt domain set {shlex.quote(name)} KEY=VALUE"
    changed = editing.edit(
        folder / f"{name}.toml",
        instead,
        lambda before, after: DomainChanges(paths).replace(name, before, after),
    )
    if changed is None:
        frame.print_done(f"domain {name} is not changed", domain=name)
    else:
        halves.report_change(changed)
