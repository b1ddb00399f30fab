"""`nss-pyvirt install` and `remove` of the Debian package: what apt leaves to the owner."""

from __future__ import annotations

from contextlib import ExitStack

from nss_pyvirt.errors import UserError
from nss_pyvirt.installer import glibc, installation, ssh_config, tools
from nss_pyvirt.installer.install import add_to_nsswitch
from nss_pyvirt.installer.pieces import System


def install(system: System, *, ssh: bool = False) -> list[str]:
    """Put back the nsswitch entry, and with `ssh` let ssh wait; apt has installed the rest.

    UserError, with nothing changed, if this cannot be done.
    """
    tools.need_root(system, "install")
    with tools.plain_errors(), ExitStack() as undo:
        if not (glibc.module_folder(system.root) / glibc.MODULE).exists():
            hint = "sudo apt install libnss-pyvirt"
            raise UserError("the NSS module is not installed", hint, "missing")
        done = list(ssh_config.install_wait(system, undo)) if ssh else []
        done += add_to_nsswitch(system, undo)
        undo.pop_all()
    return done


def remove(system: System) -> list[str]:
    """Undo what `install` did with `ssh`; UserError that says how to remove the rest."""
    tools.need_root(system, "remove")
    with tools.plain_errors():
        done = list(ssh_config.remove(system, ssh_config.WAIT_PLACE))
    if not done:
        what = "nss-pyvirt was installed by apt, which also removes it"
        hint = installation.of(system.root, system.program).uninstall
        raise UserError(what, hint, "invalid")
    return done
