"""The pages of packaging/docs in headless Chromium: they fit a phone and have enough contrast.

Chromium is a package of 300 MB, so these are `long`, and skipped where it is not installed.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from handbook.__main__ import ROOT, make, put

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not shutil.which("chromium"), reason="apt install chromium"),
]
WIDTHS = (390, 1280, 1920)
DARK, LIGHT = "0", "1"
_PROBE = (Path(__file__).parent / "docs_probe.html").read_text()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    """The address of the pages on loopback, and their names."""
    folder = tmp_path_factory.mktemp("docs") / "html"
    files = make(ROOT)
    pages = sorted(name for name in files if name.endswith(".html"))
    probe = _PROBE.replace("PAGES", json.dumps(pages)).replace("WIDTHS", json.dumps(WIDTHS))
    put(files | {"probe.html": probe}, folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", pages
        server.shutdown()
        thread.join()


def seen(address: str, profile: Path, *options: str) -> tuple[list[Any], str]:
    """What the probe found on each page, and what the browser logged."""
    argv = [
        *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
        *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
        *("--disable-sync", "--enable-logging=stderr", f"--user-data-dir={profile}"),
        *("--window-size=2000,1200", "--virtual-time-budget=60000", "--dump-dom"),
    ]
    done = subprocess.run(
        [*argv, *options, f"{address}/probe.html"],
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    (found,) = re.findall(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    return json.loads(html.unescape(found)), done.stderr


@pytest.mark.parametrize("scheme", [DARK, LIGHT], ids=["dark", "light"])
def test_each_page_fits_has_contrast_and_logs_nothing(
    site: tuple[str, list[str]], tmp_path: Path, scheme: str
) -> None:
    address, pages = site
    found, log = seen(address, tmp_path, f"--blink-settings=preferredColorScheme={scheme}")
    assert len(found) == len(pages) * len(WIDTHS)
    assert {one["dark"] for one in found} == {scheme == DARK}
    assert not [(one["page"], one["width"], one["wider"]) for one in found if one["wider"]]
    assert not [(one["page"], text) for one in found for text in one["faint"]]
    assert not [one["page"] for one in found if one["width"] < 600 and not one["menu"]]
    assert "CONSOLE" not in log


@pytest.mark.parametrize(
    ("options", "states"),
    [
        ([], ["none running", "appear running", "appear paused"]),
        (["--force-prefers-reduced-motion"], ["none running"] * 2 + ["none paused"]),
    ],
    ids=["any", "reduced motion"],
)
def test_the_recording_plays_pauses_and_stands_still_for_who_wants_less_motion(
    site: tuple[str, list[str]], tmp_path: Path, options: list[str], states: list[str]
) -> None:
    found, _ = seen(site[0], tmp_path, *options)
    assert [one["played"] for one in found if one["page"] == "index.html"] == [states] * len(WIDTHS)
