"""`pyvirt network|domain autostart`: names and `on` or `off` in, sentences out."""

from __future__ import annotations

from leasewatch.paths import Paths
from leasewatch.pyvirt.cli import halves
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import frame
from nss_pyvirt.terminal.commands import Command, Param

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

_ON = {"on": True, "off": False}


def _made(kind: str, example: str) -> Command:
    """The command of one half; `kind` is "network" or "domain"."""
    known = halves.complete(kind)

    def act(words: Sequence[str]) -> int:
        on = _ON.get(words[-1], True)
        names = words[: len(words) - (words[-1] in _ON)]
        if not names:
            hint = f"sudo pyvirt {kind} autostart {example} {words[-1]}"
            raise UserError("NAME... is missing", hint, "usage", exit_code=2)
        done = "starts when the host boots" if on else "does not start when the host boots"
        return halves.each(kind, names, _switch(kind, on=on), done)

    def complete(obj: object, given: Sequence[str]) -> list[str]:
        return [*known(obj, given), *(_ON if given else ())]

    act.__doc__ = f"Have {kind}s start when the host boots; `off`: no longer."
    words = Param(
        "words", multiple=True, required=True, metavar="NAME... [on|off]", complete=complete
    )
    examples = [f"sudo pyvirt {kind} autostart {example}{word}" for word in (" on", " off")]
    return Command(act, (words,), needs_root=True, epilog=frame.examples(*examples))


def _switch(kind: str, *, on: bool) -> Callable[[str], None]:
    """A function that sets the key `autostart` of a "network" or "domain"."""
    import msgspec  # noqa: PLC0415  start-up time

    changes = halves.changes(kind, Paths())

    def make(defined: Any) -> Any:
        return msgspec.structs.replace(defined, autostart=on)

    def switch(name: str) -> None:
        changes.change(name, make)

    return switch


network, domain = _made("network", "lab"), _made("domain", "web1")
