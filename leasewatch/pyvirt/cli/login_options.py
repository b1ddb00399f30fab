"""The options of `create` and `launch` about the guest's user, and what they mean."""

from __future__ import annotations

from leasewatch.pyvirt.cli import values
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal.commands import Param

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
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
        help="Public key that may log in (repeatable).  [default: yours in ~/.ssh, or a new one]",
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


def chosen(user: str | None, ssh_keys: Sequence[Path], user_data: Path | None) -> tuple[Login, str]:
    """The guest's user with keys, if the caller has any, and the owner's user-data.

    UserError where a file is wrong.
    """
    from leasewatch.pyvirt.defined.login import Login  # noqa: PLC0415  start-up time
    from leasewatch.pyvirt.login import caller  # noqa: PLC0415  start-up time

    if ssh_keys:
        keys = tuple(key for file in ssh_keys for key in caller.keys_of_file(file))
    else:
        keys = caller.keys(caller.user())
    login = Login(user=user or caller.user(), keys=keys).checked()
    return login, caller.user_data_of_file(user_data) if user_data else ""


def with_new_key(login: Login, say: Callable[[str], None]) -> Login:
    """The login with a new key of the caller's, which `say` reports; UserError if that fails."""
    import msgspec  # noqa: PLC0415  start-up time

    from leasewatch.pyvirt.login import caller  # noqa: PLC0415  start-up time

    name = caller.user()
    file = caller.make_key(name)
    say(f"user {name} had no key for ssh: made {file}")
    return msgspec.structs.replace(login, keys=caller.keys(name))
