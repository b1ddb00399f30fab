"""The text of a Varlink interface, made from a class of typed methods and the structs they name.

https://varlink.org/Interface-Definition describes the language.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import AsyncIterator, Callable, Iterator
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NamedTuple,
    TypeVar,
    Union,
    get_args,
    get_origin,
)
from typing import get_type_hints as hints

import msgspec

_PLAIN: Final = {str: "string", int: "int", float: "float", bool: "bool"}
_WIDTH: Final = 100
_STREAMS: Final = "[Supports 'more' flag]"
"""How systemd's interfaces say so."""
_ENDLESS: Final = "[Requires 'more' flag]"
_PRIVILEGED: Final = "[Only for root and members of the group pyvirt]"

_F = TypeVar("_F", bound=Callable[..., Any])


class Method(NamedTuple):
    """One method of an interface."""

    name: str
    attribute: str
    """What it is called in Python."""
    comment: str
    parameters: type[msgspec.Struct] | None
    reply: type[msgspec.Struct]
    streams: bool
    """Its reply is a list, which comes in pages."""
    privileged: bool
    """Only root and the group pyvirt may call it."""
    waits: bool
    """It takes as long as it takes."""


def privileged(function: _F) -> _F:
    """Mark a method that only root and the group pyvirt may call."""
    function.__dict__["privileged"] = True
    return function


def waits(function: _F) -> _F:
    """Mark a method whose answer may come late. If it streams, it yields encoded replies."""
    function.__dict__["waits"] = True
    return function


def methods(interface: type) -> Iterator[Method]:
    """The public methods of a class, as `describe` takes it: `get_info` is `GetInfo`.

    A method takes one struct or nothing. It returns a struct, or an AsyncIterator of them: pages
    of the list that is their first field. `Annotated[bytes, STRUCT]` is a reply that is encoded.
    """
    for attribute, function in vars(interface).items():
        if attribute.startswith("_") or not inspect.isfunction(function):
            continue
        types = hints(function, include_extras=True)
        reply = types.pop("return")
        streams = get_origin(reply) is AsyncIterator
        reply = get_args(reply)[0] if streams else reply
        if get_origin(reply) is Annotated:  # bytes
            reply = get_args(reply)[1]
        yield Method(
            name="".join(map(str.title, attribute.split("_"))),
            attribute=attribute,
            comment=inspect.getdoc(function) or "",
            parameters=next(iter(types.values()), None),
            reply=reply,
            streams=streams,
            privileged="privileged" in vars(function),
            waits="waits" in vars(function),
        )


def describe(name: str, interface: type, errors: tuple[type[msgspec.Struct], ...]) -> str:
    """The interface's text. Docstrings become comments, and so do strings in `Annotated`."""
    found = list(methods(interface))
    structs = [*(m.parameters for m in found), *(m.reply for m in found), *errors]
    types = dict.fromkeys(used for kind in structs if kind for used in _used(kind))
    parts = [_comment(inspect.getdoc(interface)) + f"interface {name}\n"]
    parts += [_comment(inspect.getdoc(t)) + f"type {_name(t)} {_fields(t)}\n" for t in types]
    parts += map(_method, found)
    parts += [_comment(inspect.getdoc(e)) + f"error {_name(e)} {_fields(e)}\n" for e in errors]
    return "\n".join(parts)


def _method(method: Method) -> str:
    streams = _ENDLESS if method.waits else _STREAMS
    notes = [streams] * method.streams + [_PRIVILEGED] * method.privileged
    comment = "\n".join([method.comment, *notes])
    takes = _fields(method.parameters) if method.parameters else "()"
    return _comment(comment) + f"method {method.name}{takes} -> {_fields(method.reply)}\n"


def _name(kind: type) -> str:
    return str(getattr(kind, "VARLINK", kind.__name__))


def _used(kind: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    """The structs in the fields of a struct, innermost first."""
    for hint in hints(kind).values():
        for part in _parts(hint):
            if isinstance(part, type) and issubclass(part, msgspec.Struct):
                yield from _used(part)
                yield part


def _parts(hint: Any) -> Iterator[Any]:
    """The type, and those in its brackets."""
    yield hint
    for argument in get_args(hint):
        yield from _parts(argument)


def _fields(kind: type[msgspec.Struct]) -> str:
    """The fields in brackets: in one line if none has a comment."""
    types = hints(kind, include_extras=True)
    names = zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True)
    fields = {name: f"{encoded}: {_type(types[name])}" for name, encoded in names}
    comments = {name: _comment(_note(types[name]), "  ") for name in fields}
    if not any(comments.values()):
        return f"({', '.join(fields.values())})"
    return "(\n" + ",\n".join(f"{comments[name]}  {text}" for name, text in fields.items()) + "\n)"


def _note(hint: Any) -> str:
    """The string in a field's `Annotated`."""
    return next((part for part in getattr(hint, "__metadata__", ()) if isinstance(part, str)), "")


def _type(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _type(arguments[0])
    if origin in (Union, UnionType):
        (inner,) = (part for part in arguments if part is not NoneType)
        return f"?{_type(inner)}"
    if origin is list:
        return f"[]{_type(arguments[0])}"
    if origin is Literal:
        return _PLAIN[type(arguments[0])]
    return _PLAIN.get(hint) or _name(hint)


def _comment(text: str | None, indent: str = "") -> str:
    """Comment lines above what they explain, no wider than the rest of our text."""
    lines = (text or "").splitlines()
    wrapped = (textwrap.wrap(line, _WIDTH - len(indent) - 2) or [""] for line in lines)
    return "".join(f"{indent}# {line}".rstrip() + "\n" for part in wrapped for line in part)
