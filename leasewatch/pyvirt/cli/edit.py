"""`pyvirt domain edit` and `pyvirt network edit`."""

from __future__ import annotations

from leasewatch.paths import Paths
from leasewatch.pyvirt.cli import halves
from nss_pyvirt.terminal import frame
from nss_pyvirt.terminal.commands import Command


def _made(kind: str, *examples: str) -> Command:
    """The command of one half; `kind` is "network" or "domain"."""

    def act(name: str) -> None:
        import shlex  # noqa: PLC0415  start-up time

        from leasewatch.pyvirt.cli import editing  # noqa: PLC0415  start-up time
        from leasewatch.pyvirt.defined import store  # noqa: PLC0415

        paths = Paths()
        folder = getattr(paths, f"{kind}_definitions")
        store.check_defined(folder, name, kind)
        changes = halves.changes(kind, paths)
        changed = editing.edit(
            folder / f"{name}.toml",
            f"sudo pyvirt {kind} set {shlex.quote(name)} KEY=VALUE",
            lambda before, after: changes.replace(name, before, after),
        )
        if changed is None:
            frame.print_done(f"{kind} {name} is not changed", **{kind: name})
        else:
            halves.report_change(changed)

    act.__doc__ = f"""Change a {kind}'s definition (TOML) in your editor.

    It is checked before anything changes. VISUAL and EDITOR name the editor.
    """
    one = (halves.one_name(kind),)
    return Command(act, one, needs_root=True, epilog=frame.examples(*examples))


domain = _made("domain", "sudo pyvirt domain edit web1", "sudo EDITOR=nano pyvirt domain edit db1")
network = _made("network", "sudo pyvirt network edit lab")
