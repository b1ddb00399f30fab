"""Write debian/changelog from CHANGELOG.md.

python3 -m debs.changelog VERSION SUITE SECONDS
"""

from __future__ import annotations

import re
import sys
import textwrap
from email.utils import formatdate
from pathlib import Path
from typing import Final

_MAINTAINER: Final = re.compile(r"^Maintainer: (.*)$", re.MULTILINE)


def entry(changes: str, version: str, suite: str, maintainer: str, seconds: int) -> str:
    """The newest section of CHANGELOG.md as an entry of debian/changelog."""
    section = re.split(r"^## ", changes, flags=re.MULTILINE)[1]
    bullets = re.findall(r"^- (.*(?:\n  .*)*)", section, re.MULTILINE)
    wrapped = textwrap.TextWrapper(78, initial_indent="  * ", subsequent_indent="    ")
    lines = [wrapped.fill(" ".join(bullet.split())) for bullet in bullets]
    signed = f" -- {maintainer}  {formatdate(seconds)}"
    head = f"nss-pyvirt ({version}) {suite}; urgency=medium"
    return "\n".join([head, "", *lines, "", signed, ""])


if __name__ == "__main__":
    control = Path("debian/control").read_text()
    whose = "".join(_MAINTAINER.findall(control))
    text = Path("CHANGELOG.md").read_text()
    print(entry(text, sys.argv[1], sys.argv[2], whose, int(sys.argv[3])), end="")
