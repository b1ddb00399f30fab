"""The text of /run/pyvirt/ssh_config, by which ssh(1) waits for a domain that boots. Pure.

One `Match` line has the names of all domains, so it costs nothing for another host. ssh runs its
command, which sets nothing: it returns once the port answers, or at once if the domain was started
long ago. A name reaches the command only if it is one of these, so the shell meets no other text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_HEAD: Final = "# Made by pyvirt: the domains for which ssh waits while they boot.\n"
_DOMAIN: Final = "# domain:"
_PLAIN: Final = re.compile(r"[a-z0-9._-]+")
_PROGRAM: Final = re.compile(r"/[\w./+-]+", re.ASCII)
"""What neither ssh nor a shell reads as anything else."""


def replaced(text: str, name: str, hosts: Iterable[str], program: str) -> str:
    """The file's text with these names of the domain `name`; none: without the domain.

    `program`: the path of `leasewatch`. Without a usable one there is no `Match` line.
    """
    lines = (line for line in text.splitlines() if line.startswith(_DOMAIN))
    known = {words[0]: words[1:] for words in (line[len(_DOMAIN) :].split() for line in lines)}
    known[name] = [host for host in hosts if _PLAIN.fullmatch(host)]
    known = {each: of for each, of in known.items() if of}
    rows = [f"{_DOMAIN}{' '.join([each, *of])}\n" for each, of in known.items()]
    names = ",".join(dict.fromkeys(host for of in known.values() for host in of))
    wait = f"{program} wait --booting --timeout 5m --for tcp:%p %n"
    match = f'Match originalhost {names} exec "{wait}"\n'
    return "".join([_HEAD, *rows, *[match] * bool(names and _PROGRAM.fullmatch(program))])
