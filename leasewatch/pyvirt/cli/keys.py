"""The words of `set`: KEY=VALUE, and KEY+=VALUE and KEY-=VALUE of a list. Knows no key itself."""

from __future__ import annotations

from leasewatch.pyvirt.defined.setting import Setting
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import hints
from nss_pyvirt.terminal.commands import Param

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Final

_SIGNS: Final = ("+=", "-=", "=")


class Key:
    """A key of `set`.

    `convert` makes the value of a text, or raises ValueError or UserError with the reason.
    `is_list`: `+=` adds values and `-=` removes them; a comma stands between several. `replaces`:
    `=` is allowed, too.
    """

    def __init__(
        self,
        convert: Callable[[str], Any],
        metavar: str,
        help: str,  # noqa: A002  click's word
        *,
        is_list: bool = False,
        replaces: bool = True,
    ) -> None:
        self.convert, self.metavar, self.help = convert, metavar, help
        self.is_list, self.replaces = is_list, replaces


def read(words: Sequence[str], keys: Mapping[str, Key], command: str) -> list[Setting]:
    """The changes that the words ask for; UserError with `COMMAND --help` for wrong usage."""
    found = [_setting(word, keys, command) for word in words]
    set_ = [one.key for one in found if one.sign == "="]
    for one in found:
        if set_.count(one.key) > 1:
            raise _wrong(f"{one.key} is given more than once", command)
    return found


def _setting(word: str, keys: Mapping[str, Key], command: str) -> Setting:
    name, equals, text = word.partition("=")
    sign = next(sign for sign in _SIGNS if (name + equals).endswith(sign) or sign == "=")
    name = name.removesuffix(sign[:-1])
    if name not in keys:
        meant = hints.likely(name, keys)
        hint = f"did you mean {meant}?" if meant else f"{command} --help"
        raise UserError(f'there is no key "{name}"', hint, "usage", exit_code=2)
    key = keys[name]
    if not equals:
        raise _wrong(f"{name} has no value: write {name}={key.metavar}", command)
    if sign != "=" and not key.is_list:
        raise _wrong(f"{name} has one value: write {name}={text or key.metavar}", command)
    if sign == "=" and not key.replaces:
        raise _wrong(f"write {name}+={key.metavar} or {name}-={key.metavar}", command)
    try:
        value: Any = key.convert(text) if not key.is_list else tuple(map(key.convert, _split(text)))
    except ValueError as error:
        raise _wrong(f"{name}: {error}", command) from None
    if sign != "=" and not value:
        raise _wrong(f"{name}{sign} has no value: write {name}{sign}{key.metavar}", command)
    return Setting(name, sign, value)


def _split(text: str) -> list[str]:
    return text.split(",") if text else []


def _wrong(what: str, command: str) -> UserError:
    return UserError(what, f"{command} --help", "usage", exit_code=2)


def words(keys: Mapping[str, Key]) -> Param:
    """The argument with all that is to be changed."""
    return Param(
        "changes", multiple=True, required=True, metavar="KEY=VALUE...", complete=complete(keys)
    )


def switch(text: str) -> bool:
    """A value that is `on` or `off`; raises ValueError."""
    if text not in {"on", "off"}:
        raise ValueError(f'"{text}" is neither on nor off')
    return text == "on"


def one_of(*texts: str) -> Callable[[str], str]:
    """Values that are one of these; others raise ValueError."""

    def convert(text: str) -> str:
        if text not in texts:
            raise ValueError(f'"{text}" is not one of {", ".join(texts)}')
        return text

    return convert


def described(keys: Mapping[str, Key]) -> str:
    """A paragraph of help, which click does not wrap: each key, its value and what it means."""
    shown = {f"{name}{_sign(key)}{key.metavar}": key.help for name, key in keys.items()}
    width = max(map(len, shown)) + 2
    return "\b\n" + "\n".join(f"{key:{width}}{text}" for key, text in shown.items())


def _sign(key: Key) -> str:
    if not key.replaces:
        return "+-="
    return "[+-]=" if key.is_list else "="


def complete(keys: Mapping[str, Key]) -> Callable[[object, object], list[str]]:
    """Shell completion: the keys, as far as the sign."""

    def known(_obj: object, _given: object) -> list[str]:
        return [f"{name}=" for name in keys]

    return known
