"""Draws a network's bridge as a tree of ports, guests and addresses. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from leasewatch.pyvirt.networks.attached import Attached, Held
from nss_pyvirt.terminal import frame, show

_NONE = "no address yet"


def lines(bridge: str, found: Attached, now: float) -> Iterator[str]:
    """The lines of the tree; none of them has an end. `now`: Unix seconds."""
    yield bridge
    names = [port.port for port in found.ports]
    width = max(map(len, names), default=0)
    guest = max((len(port.domain or "") for port in found.ports), default=0)
    branches = []
    for port in found.ports:
        if port.domain is None:
            branches.append((f"{port.port:{width}}  (no guest of pyvirt)", list[str]()))
            continue
        head = f"{port.port:{width}}  {port.domain:{guest}}  {port.mac}"
        branches.append((head, _addresses(port.held, now) or [_NONE]))
    if found.others:
        branches.append(("other addresses", _addresses(found.others, now, macs=True)))
    if not branches:
        branches.append(("no guest runs here", []))
    yield from _branches(branches)


def _addresses(held: Sequence[Held], now: float, *, macs: bool = False) -> list[str]:
    """One text for each address, in columns."""
    rows = [
        [
            one.address,
            *([one.mac or "-"] if macs else []),
            show.expiry(one.expires, now) if one.is_leased else "seen",
            frame.printable(one.hostname or ""),
        ]
        for one in held
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = (zip(row, widths, strict=True) for row in rows)
    return ["  ".join(cell.ljust(width) for cell, width in row).rstrip() for row in padded]


def _branches(branches: Sequence[tuple[str, Sequence[str]]]) -> Iterator[str]:
    for number, (head, leaves) in enumerate(branches, start=1):
        is_last = number == len(branches)
        yield f"{'└─' if is_last else '├─'} {head}"
        for at, leaf in enumerate(leaves, start=1):
            corner = "└─" if at == len(leaves) else "├─"
            yield f"{' ' if is_last else '│'}  {corner} {leaf}"
