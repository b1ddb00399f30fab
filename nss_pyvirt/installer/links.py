"""The links by which `man` and shells find what the package brings.

A link is ours if it leads to the package's file. Anything else that is there stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Final

from nss_pyvirt.installer import rootfs
from nss_pyvirt.installer.pieces import System

_MAN: Final = "/usr/local/share/man"
_PROGRAMS: Final = ("leasewatch", "pyvirt", "nss-pyvirt")
_SCRIPTS: Final = "lib/python3*/*-packages/nss_pyvirt/terminal/shells/completion."
_PLACES: Final = {
    "bash": [f"/usr/local/share/bash-completion/completions/{one}" for one in _PROGRAMS],
    "zsh": ["/usr/local/share/zsh/site-functions/_nss_pyvirt"],
    "fish": [f"/etc/fish/completions/{one}.fish" for one in _PROGRAMS],
}
"""Where each shell looks for what the owner of the host adds. One script does for all programs.
Without XDG_DATA_DIRS, fish does not look below /usr/local."""


def install(system: System, undo: ExitStack) -> Iterator[str]:
    """Make the links that are missing."""
    manuals = _link(system, undo, _manual_pages(system))
    if manuals:
        yield f"linked {len(manuals)} man pages into {manuals[0].parents[1]}"
    if _link(system, undo, _completions(system)):
        yield "linked tab completion for bash, zsh and fish"


def remove(system: System) -> Iterator[str]:
    """Remove our links."""
    manuals = _unlink(_manual_pages(system))
    if manuals:
        yield f"removed {len(manuals)} links to man pages from {manuals[0].parents[1]}"
    if _unlink(_completions(system)):
        yield "removed tab completion for bash, zsh and fish"


def _link(system: System, undo: ExitStack, links: dict[Path, str]) -> list[Path]:
    made = []
    for link, target in links.items():
        if system.at(f"/{link.relative_to(system.root)}").exists():
            continue
        undo.callback(rootfs.make_folders(link.parent))
        link.unlink(missing_ok=True)  # it leads nowhere
        link.symlink_to(target)
        undo.callback(link.unlink)
        made.append(link)
    return made


def _unlink(links: dict[Path, str]) -> list[Path]:
    ours = [link for link in links if link.is_symlink() and str(link.readlink()) == links[link]]
    for link in ours:
        link.unlink()
        for folder in link.parents[:2]:
            if folder.name not in {"etc", "man", "share"}:
                rootfs.remove_if_empty(folder)
    return ours


def _manual_pages(system: System) -> dict[Path, str]:
    """Where `man` looks for each page of this installation -> where the page is.

    Empty if `man` finds them anyway or the installation has none.
    """
    prefix = _prefix(system)
    if prefix in {"/usr", "/usr/local"}:
        return {}
    pages = system.at(f"{prefix}/share/man").glob("man[18]/*")
    within = sorted(f"{page.parent.name}/{page.name}" for page in pages)
    return {system.at(_MAN) / path: f"{prefix}/share/man/{path}" for path in within}


def _completions(system: System) -> dict[Path, str]:
    """Where each shell looks -> the script of this installation; empty if it has none."""
    prefix = _prefix(system)
    inside = system.at(prefix)
    found = {
        shell: next(iter(sorted(inside.glob(f"{_SCRIPTS}{shell}"))), None) for shell in _PLACES
    }
    return {
        system.at(str(PurePosixPath(place).parent))
        / PurePosixPath(place).name: f"{prefix}/{script.relative_to(inside)}"
        for shell, script in found.items()
        if script is not None
        for place in _PLACES[shell]
    }


def _prefix(system: System) -> str:
    return str(PurePosixPath(system.program).parents[1])
