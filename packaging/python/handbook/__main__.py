"""`python -m handbook OUTPUT`: make all pages, check their links, put them in place as a whole."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from handbook import layout, links, sources, start
from nss_pyvirt.errors import UserError

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
ASSETS = ("style.css", "mark.svg")
MARK = '<meta name="generator" content="packaging/docs">'


def make(root: Path) -> dict[str, str]:
    """The text of each file. Raises UserError if one cannot be made or a link leads nowhere."""
    pages = list(sources.pages(root))
    files = layout.files([start.page(root, sources.page_files(root)), *pages], root)
    found = links.faults(files, set(ASSETS))
    if found:
        raise UserError("\ndocs: ".join(found))
    return files | {name: (HERE / name).read_text() for name in ASSETS}


def put(files: dict[str, str], output: Path) -> None:
    """Replace the folder whole. Raises UserError if it holds something else than an earlier one."""
    start_page = output / "index.html"
    ours = start_page.is_file() and MARK in start_page.read_text()
    if output.exists() and not ours and (not output.is_dir() or any(output.iterdir())):
        raise UserError(f"{output} is there, and not from packaging/docs", "name a new folder")
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".docs-") as work:
        new = Path(work) / "new"
        new.mkdir()
        for name, text in files.items():
            (new / name).write_text(text)
        if output.exists():
            output.rename(Path(work) / "former")
        new.rename(output)


def main() -> int:
    """Make the pages in the folder that the one argument names."""
    output = Path(sys.argv[1])
    try:
        put(make(ROOT), output)
    except UserError as error:
        print(f"docs: {error.what}", file=sys.stderr)
        if error.hint:
            print(f"  hint: {error.hint}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"docs: {error}", file=sys.stderr)
        return 1
    print(f"the documentation is in {output / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
