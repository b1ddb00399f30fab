"""Downloads from a server on loopback: whole, or continued later, and never half there."""

from __future__ import annotations

import contextlib
import http.client
import io
import os
import re
import resource
import signal
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from leasewatch.pyvirt.images import download
from nss_pyvirt.errors import UserError
from tests.forking import fork
from tests.leasewatch.pyvirt.images.web import Web, serving

CONTENT = os.urandom(1 << 20)


@pytest.fixture
def web() -> Iterator[Web]:
    """A server with one file."""
    with serving() as server:
        server.files["/deb.img"] = CONTENT
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where downloads are; it is made and removed with the first and the last."""
    return tmp_path / "downloads"


@pytest.fixture(autouse=True)
def _in_no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_PAUSE", 0.0)


def get(folder: Path, url: str) -> bytes:
    with download.downloaded(folder, url, lambda *_: None) as file:
        return file.read_bytes()


def test_a_file_is_downloaded_with_its_progress_and_leaves_nothing(web: Web, folder: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    with download.downloaded(folder, f"{web.base}/deb.img", lambda *a: seen.append(a)) as f:
        assert f.read_bytes() == CONTENT
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert not (folder).exists()
    assert web.requests[0][1]["User-Agent"].startswith("pyvirt/")


@pytest.mark.parametrize("validators", [True, False])
@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_connection_is_continued_at_once(
    web: Web, folder: Path, ranges: bool, validators: bool
) -> None:
    web.ranges, web.validators = ranges, validators
    web.cuts = [300_000, 200_000]
    assert get(folder, f"{web.base}/deb.img") == CONTENT
    asked = [headers.get("Range") for _, headers in web.requests]
    assert len(asked) == 3
    if ranges and validators:
        assert asked == [None, "bytes=300000-", "bytes=500000-"]


def test_a_server_that_always_breaks_off_is_given_up_and_continued_later(
    web: Web, folder: Path
) -> None:
    web.cuts = [400_000, 0, 0, 0]
    with pytest.raises(UserError, match="the connection ended after 400000 of 1048576") as error:
        get(folder, f"{web.base}/deb.img")
    assert error.value.hint == "try again: what is here already is kept"
    assert error.value.code == "unavailable"
    assert get(folder, f"{web.base}/deb.img") == CONTENT
    assert web.requests[-1][1]["Range"] == "bytes=400000-"


def test_a_body_without_a_length_ends_where_it_ends(web: Web, folder: Path) -> None:
    web.length = False
    assert get(folder, f"{web.base}/deb.img") == CONTENT


def killed_in_the_middle(web: Web, folder: Path, number: int) -> None:
    """End a download by a signal once a part is here."""
    web.cuts = [500_000]
    web.hold.clear()

    def child() -> int:
        with contextlib.suppress(KeyboardInterrupt):
            get(folder, f"{web.base}/deb.img")
        return 0

    pid = fork(child)
    assert web.reached.wait(20)
    (part,) = _wait_for_part(folder)
    os.kill(pid, number)
    os.waitpid(pid, 0)
    web.hold.set()
    assert part.stat().st_size == 500_000


def _wait_for_part(folder: Path) -> list[Path]:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = [path for path in folder.glob("*.part") if path.stat().st_size == 500_000]
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("nothing has arrived")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_download_is_continued_by_the_next_command(
    web: Web, folder: Path, number: int
) -> None:
    killed_in_the_middle(web, folder, number)
    assert get(folder, f"{web.base}/deb.img") == CONTENT
    assert web.requests[-1][1]["Range"] == "bytes=500000-"
    assert not folder.exists()


def test_a_file_that_has_changed_meanwhile_is_downloaded_from_its_beginning(
    web: Web, folder: Path
) -> None:
    killed_in_the_middle(web, folder, signal.SIGKILL)
    web.files["/deb.img"] = newer = os.urandom(700_000)
    assert get(folder, f"{web.base}/deb.img") == newer


def test_a_complete_part_is_not_downloaded_again(web: Web, folder: Path) -> None:
    killed_in_the_middle(web, folder, signal.SIGKILL)
    (part,) = folder.glob("*.part")
    part.write_bytes(CONTENT)
    assert get(folder, f"{web.base}/deb.img") == CONTENT
    assert web.requests[-1][1]["Range"] == "bytes=1048576-"


def test_a_part_that_is_too_long_is_thrown_away(web: Web, folder: Path) -> None:
    killed_in_the_middle(web, folder, signal.SIGKILL)
    (part,) = folder.glob("*.part")
    part.write_bytes(CONTENT + b"more")
    assert get(folder, f"{web.base}/deb.img") == CONTENT


@pytest.mark.parametrize("notes", [b"", b"{", b'{"url": "http://other/", "validator": "x"}'])
def test_notes_of_a_part_that_make_no_sense_cost_only_the_part(
    web: Web, folder: Path, notes: bytes
) -> None:
    killed_in_the_middle(web, folder, signal.SIGKILL)
    next(folder.glob("*.json")).write_bytes(notes)
    assert get(folder, f"{web.base}/deb.img") == CONTENT
    assert "Range" not in web.requests[-1][1]


def test_two_commands_do_not_download_the_same_at_once(web: Web, folder: Path) -> None:
    url = f"{web.base}/deb.img"
    with (
        download.downloaded(folder, url, lambda *_: None),
        pytest.raises(UserError, match="another command is just downloading"),
    ):
        get(folder, url)


def test_a_redirect_is_followed(web: Web, folder: Path) -> None:
    web.moved["/latest.img"] = "/deb.img"
    assert get(folder, f"{web.base}/latest.img") == CONTENT


REFUSED = {
    "404": ("/none.img", r"HTTP 404 Not Found$", "not-found"),
    "403": ("/secret.img", r"HTTP 403 Forbidden$", "failed"),
    "503": ("/busy.img", r"HTTP 503 Service Unavailable$", "unavailable"),
    "a loop": ("/loop.img", r"HTTP 302 .*infinite loop", "failed"),
    "redirected to a file": (
        "/file.img",
        r"HTTP 302 .*file:///etc/passwd' is not allowed",
        "failed",
    ),
    "redirected to ftp": ("/ftp.img", r"redirects to ftp://x/y, which is not http$", "invalid"),
}


@pytest.mark.parametrize(("path", "why", "code"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_downloaded_is_one_clear_line_and_leaves_nothing(
    web: Web, folder: Path, path: str, why: str, code: str
) -> None:
    web.faults = {"/secret.img": 403, "/busy.img": 503}
    web.moved = {"/loop.img": "/loop.img", "/file.img": "file:///etc/passwd"}
    web.moved["/ftp.img"] = "ftp://x/y"
    with pytest.raises(UserError) as error:
        get(folder, f"{web.base}{path}")
    assert re.search(why, error.value.what)
    assert "\n" not in error.value.what
    assert error.value.code == code
    assert not folder.exists()


def test_a_secure_url_is_never_redirected_to_an_insecure_one() -> None:
    asked = urllib.request.Request("https://example.org/a.img")
    headers = http.client.HTTPMessage()
    with pytest.raises(UserError, match="which is not https"):
        download._SafeRedirect().redirect_request(
            asked, io.BytesIO(), 302, "Found", headers, "http://example.org/a.img"
        )


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "deb.img",
            "/deb.img",
            "ftp://x/deb.img",
            "file:///etc/passwd",
            "http://",
            "http:///a",
        ),
        *("http://x/a b.img", "http://x/ä.img", "http://x/a\n.img", "http://[x/a.img"),
        *("http://x", "http://x/", "http://x/folder/", "javascript:alert(1)"),
    ],
)
def test_what_is_no_url_of_a_file_is_refused(folder: Path, url: str) -> None:
    with pytest.raises(UserError, match=r"is not an http or https URL|is the URL of a folder"):
        get(folder, url)
    assert not (folder).exists()


def test_a_server_that_cannot_be_reached_or_says_nothing_is_reported(
    web: Web, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="Connection refused"):
        get(folder, "http://127.0.0.1:1/deb.img")
    monkeypatch.setattr(download, "_SILENCE", 0.3)
    web.cuts = [0, 0, 0]
    web.hold.clear()
    with pytest.raises(UserError, match=r"the server has sent nothing for 0\.3 s"):
        get(folder, f"{web.base}/deb.img")


def test_a_file_for_which_there_is_no_room_is_refused_before_it_is_downloaded(
    web: Web, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fstatvfs

    def full(fd: int) -> os.statvfs_result:
        values = list(real(fd))
        values[4] = 0  # f_bavail
        return os.statvfs_result(values)

    monkeypatch.setattr("os.fstatvfs", full)
    with pytest.raises(UserError, match="needs 1 MiB, but there are 0 MiB free") as error:
        get(folder, f"{web.base}/deb.img")
    assert "make room" in error.value.hint
    assert not folder.exists()


def test_a_disk_that_is_full_in_the_middle_is_one_clear_line_and_leaves_nothing(
    web: Web, folder: Path
) -> None:
    def child() -> int:
        resource.setrlimit(resource.RLIMIT_FSIZE, (700_001, 700_001))
        with pytest.raises(UserError, match=r"cannot download .*: File too large$"):
            get(folder, f"{web.base}/deb.img")
        return 0

    assert os.waitpid(fork(child), 0)[1] == 0
    assert not folder.exists()


def test_a_part_that_nobody_has_continued_for_a_week_is_removed(web: Web, folder: Path) -> None:
    killed_in_the_middle(web, folder, signal.SIGKILL)
    for path in folder.iterdir():
        os.utime(path, (1, 1))
    web.files["/other.img"] = b"other"
    assert get(folder, f"{web.base}/other.img") == b"other"
    assert not folder.exists()


def test_a_text_is_read_and_a_long_one_is_refused(web: Web) -> None:
    web.files["/SUMS"] = b"text\xff"
    assert download.text(f"{web.base}/SUMS") == "text�"
    web.files["/SUMS"] = b"x" * (2 << 20)
    with pytest.raises(UserError, match="is too long for a text"):
        download.text(f"{web.base}/SUMS")
    with pytest.raises(UserError, match="Connection refused"):
        download.text("http://127.0.0.1:1/SUMS")
