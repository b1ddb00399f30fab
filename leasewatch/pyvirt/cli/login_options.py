"""The options of `create` and `launch` about the guest's user, and what they mean."""

from __future__ import annotations

from leasewatch.pyvirt.cli import values
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import frame
from nss_pyvirt.terminal.commands import Param

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Final

    from leasewatch.pyvirt.defined.login import Login


def _user(text: str) -> str:
    """A kind: the name of a guest's user; raises ValueError."""
    from leasewatch.pyvirt.defined import login  # noqa: PLC0415  start-up time

    try:
        return login.check_user(text)
    except UserError as error:
        raise ValueError(error.what) from None


PARAMS: Final = (
    Param(
        "--user",
        kind=_user,
        metavar="NAME",
        help="User to create in the guest, with sudo.  [default: yours]",
    ),
    Param(
        "--ssh-key",
        name="ssh_keys",
        kind=values.local_path,
        metavar="FILE",
        multiple=True,
        help="Public key that may log in (repeatable).  [default: yours in ~/.ssh]",
    ),
    Param(
        "--user-data",
        kind=values.local_path,
        metavar="FILE",
        help="More for cloud-init to do: a cloud-config or a script.",
    ),
)
NO_SEED: Final = Param(
    "--no-seed",
    flag=True,
    help="Give the guest no seed: no user, key, host key or name.",
)
NO_KEYS: Final = "make a key, then do this again: ssh-keygen -t ed25519"


def chosen(user: str | None, ssh_keys: Sequence[Path], user_data: Path | None) -> tuple[Login, str]:
    """The guest's user with keys, and the owner's user-data; UserError where a file is wrong."""
    from leasewatch.pyvirt.defined.login import Login  # noqa: PLC0415  start-up time
    from leasewatch.pyvirt.login import caller  # noqa: PLC0415  start-up time

    if ssh_keys:
        keys = tuple(key for file in ssh_keys for key in caller.keys_of_file(file))
    else:
        keys = caller.keys(caller.user())
    login = Login(user=user or caller.user(), keys=keys).checked()
    return login, caller.user_data_of_file(user_data) if user_data else ""


def warn_without_keys(login: Login) -> None:
    """Print what to type if the guest will have no key to log in with."""
    if not login.keys:
        what = f"user {login.user} gets no key, because you have none in ~/.ssh"
        frame.print_warning("pyvirt", UserError(what, NO_KEYS, "missing"))
