"""Make a program of the Debian packages from one of packaging/bin.

    python3 -m debs.script SCRIPT TARGET

It runs Debian's Python without the module site (-S) and without the user's own packages (-I), which
starts faster.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

_FIRST: Final = "#!/usr/bin/env python3\n"
_IMPORT: Final = "import os\n"
_OURS: Final = "#!/usr/bin/python3 -IS\n"
_PATH: Final = """import os
import sys

sys.path += ["/usr/lib/nss-pyvirt", "/usr/lib/python3/dist-packages"]
"""


def program(text: str) -> str:
    """The script, with Debian's Python and the folders of its packages."""
    first, _, rest = text.partition("\n")
    head, found, body = rest.partition(_IMPORT)
    if f"{first}\n" != _FIRST or not found:
        raise ValueError("the script does not begin as those of packaging/bin do")
    docstring = head.replace("; pip writes its own Python into the first line", "")
    return f"{_OURS}{docstring}{_PATH}{body}"


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(program(source.read_text()))
    target.chmod(0o755)
