"""Images from URLs and from the catalogue, and the commands that show them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import lzma
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from leasewatch.paths import Paths
from leasewatch.pyvirt.cli import halves, image
from leasewatch.pyvirt.defined.architectures import Arch
from leasewatch.pyvirt.images import catalogue, checksums, download, pull
from leasewatch.pyvirt.images.known import Image
from leasewatch.pyvirt.images.store import Images
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import frame
from tests.leasewatch.killing import everything, killed_at_each_step
from tests.leasewatch.pyvirt.images.web import Web, serving


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A root of its own."""
    return Paths(tmp_path / "root")


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A qcow2 image of 1 MiB."""
    file = tmp_path_factory.mktemp("image") / "deb.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", file, "1M"], check=True)
    return file.read_bytes()


@pytest.fixture
def web(paths: Paths, content: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """A publisher of `deb`, which is in the owner's catalogue."""
    monkeypatch.setattr(download, "_PAUSE", 0.0)
    with serving() as server:
        publish(server, content)
        paths.image_catalogue.parent.mkdir(parents=True)
        paths.image_catalogue.write_text(
            f'[deb]\nurl = "{server.base}/deb.qcow2"\nchecksums = "{server.base}/SHA512SUMS"\n'
            f'user = "debian"\n[plain]\nurl = "{server.base}/deb.qcow2"\n'
        )
        yield server


def publish(web: Web, content: bytes) -> None:
    web.files["/deb.qcow2"] = content
    sums = f"{hashlib.sha512(content).hexdigest()}  deb.qcow2\n"
    web.files["/SHA512SUMS"] = sums.encode()


def newer(content: bytes) -> bytes:
    """The same image with another virtual size."""
    return content[:24] + (2 << 20).to_bytes(8, "big") + content[32:]


def get(paths: Paths, name: str = "deb") -> Image:
    return pull.pull(paths, name, lambda *_: None)


def find(paths: Paths, wanted: str) -> Image:
    with pull.found(paths, pull.source_of(paths, wanted), lambda *_: None) as image:
        return image


def asked(web: Web) -> list[str]:
    return [path for path, _ in web.requests]


def test_an_image_of_the_catalogue_is_downloaded_once(
    web: Web, paths: Paths, content: bytes
) -> None:
    found = find(paths, "deb")
    assert (found.names, found.size) == (("deb",), 1 << 20)
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert found.checksum == f"sha512:{hashlib.sha512(content).hexdigest()}"
    assert found.source == f"{web.base}/deb.qcow2"
    assert Images(paths).file(found.sha256).path.read_bytes() == content
    assert {path.name for path in paths.images.iterdir()} == {
        "index.json",
        f"sha256-{found.sha256}.qcow2",
    }
    assert asked(web) == ["/SHA512SUMS", "/deb.qcow2"]
    assert find(paths, "deb") == found
    assert get(paths) == found
    assert asked(web)[2:] == ["/SHA512SUMS"]


def test_a_newer_version_takes_the_name_and_domains_keep_theirs(
    web: Web, paths: Paths, content: bytes
) -> None:
    old = get(paths)
    paths.domain_definitions.mkdir(parents=True)
    definition = paths.domain_definitions / "web1.toml"
    definition.write_text(old.sha256)
    publish(web, newer(content))
    new = get(paths)
    assert new.size == 2 << 20
    assert Images(paths).get("deb") == new
    assert {image.sha256: image.names for image in Images(paths).known()} == {
        new.sha256: ("deb",),
        old.sha256: (),
    }
    definition.unlink()
    publish(web, content)
    assert get(paths).sha256 == old.sha256
    assert [image.sha256 for image in Images(paths).known()] == [old.sha256]


def test_a_version_that_is_here_under_another_name_only_gets_the_name(
    web: Web, paths: Paths
) -> None:
    get(paths)
    text = paths.image_catalogue.read_text()
    paths.image_catalogue.write_text(text.replace("[deb]", "[debian]"))
    assert get(paths, "debian").names == ("deb", "debian")
    assert asked(web).count("/deb.qcow2") == 1


def test_an_image_with_a_wrong_checksum_is_not_kept(web: Web, paths: Paths, content: bytes) -> None:
    web.files["/deb.qcow2"] = newer(content)
    with pytest.raises(UserError, match=r"/deb\.qcow2 has sha512 .*, not ") as error:
        get(paths)
    assert error.value.code == "invalid"
    assert not paths.images.exists()


@pytest.mark.parametrize("sums", [b"", b"<html>", b"0" * 64 + b"  other.qcow2\n"])
def test_nothing_is_downloaded_without_a_checksum_that_was_promised(
    web: Web, paths: Paths, sums: bytes
) -> None:
    web.files["/SHA512SUMS"] = sums
    with pytest.raises(UserError, match=r"/SHA512SUMS has no checksum of deb\.qcow2"):
        get(paths)
    assert asked(web) == ["/SHA512SUMS"]
    assert not paths.images.exists()


def test_what_was_downloaded_and_is_no_disk_is_named_by_its_url(web: Web, paths: Paths) -> None:
    web.files["/deb.qcow2"] = b"<html>Welcome to our captive portal</html>"
    with pytest.raises(UserError, match=rf"image {web.base}/deb\.qcow2 is a text file") as error:
        get(paths, "plain")
    assert error.value.hint == "see in a browser what is there"
    assert not paths.images.exists()


def test_a_packed_download_is_checked_as_it_is_published(
    web: Web, paths: Paths, content: bytes
) -> None:
    packed = lzma.compress(content)
    web.files["/deb.qcow2.xz"] = packed
    wanted = checksums.given("sha256", hashlib.sha256(packed).hexdigest())
    url = f"{web.base}/deb.qcow2.xz"
    made = pull.add(paths, "deb", url, wanted, lambda *_: None)
    assert made.sha256 == hashlib.sha256(content).hexdigest()
    assert made.checksum == str(wanted)
    assert not (paths.images / "downloads").exists()


def test_a_file_here_is_checked_too(paths: Paths, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "deb.qcow2"
    file.write_bytes(content)
    wrong = checksums.given("sha256", "0" * 64)
    with pytest.raises(UserError, match=r"deb\.qcow2 has sha256 .*, not 000"):
        pull.add(paths, "deb", str(file), wrong, lambda *_: None)
    with pytest.raises(UserError, match=r"cannot read .*none: No such file"):
        pull.add(paths, "deb", str(tmp_path / "none"), wrong, lambda *_: None)
    with pytest.raises(UserError, match="cannot be an image's name"):
        pull.add(paths, "Deb", str(file), None, lambda *_: None)
    with pytest.raises(UserError, match="is not an http or https URL"):
        pull.add(paths, "deb", "ftp://x/deb.qcow2", None, lambda *_: None)
    assert not paths.images.exists()


def test_a_file_or_url_is_taken_without_a_name_and_stays_while_it_is_used(
    web: Web, paths: Paths, tmp_path: Path, content: bytes
) -> None:
    web.files["/other.qcow2"] = newer(content)
    file = tmp_path / "deb.qcow2"
    file.write_bytes(content)
    for source in (str(file), f"{web.base}/other.qcow2"):
        with pull.found(paths, pull.source_of(paths, source), lambda *_: None) as image:
            assert (image.names, image.source) == ((), source)
            Images(paths).forget_unused()
            assert Images(paths).get(image.sha256) == image
            assert find(paths, source) == image
        assert not paths.images.exists()
    assert asked(web).count("/other.qcow2") == 1


def test_a_name_is_that_of_an_image_before_that_of_a_file(
    web: Web, paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert web.base
    monkeypatch.chdir(tmp_path)
    for name in ("deb", "mine.qcow2"):
        Path(name).touch()
    file = str(tmp_path / "mine.qcow2")
    assert pull.source_of(paths, "deb") == "deb"
    assert pull.source_of(paths, "./deb") == str(tmp_path / "deb")
    assert pull.source_of(paths, "mine.qcow2") == pull.source_of(paths, file) == file


@pytest.mark.parametrize(
    ("wanted", "what", "hint"),
    [
        ("dbe", 'there is no image "dbe"', "did you mean deb?"),
        ("", 'there is no image ""', "pyvirt image list --available"),
        ("./none.qcow2", "there is no image /.*/none.qcow2", "give the path of a file"),
        ("ftp://host/a.qcow2", '"ftp://host/a.qcow2" is not an http or https URL', ""),
        ("https://host/", "https://host/ is the URL of a folder", "give the URL of a file"),
    ],
)
def test_what_is_no_image_is_refused_before_anything_is_made(
    web: Web, paths: Paths, wanted: str, what: str, hint: str
) -> None:
    with pytest.raises(UserError, match=what) as error:
        pull.check(pull.source_of(paths, wanted))
    assert error.value.hint == hint
    assert asked(web) == []


def test_pull_takes_what_a_killed_pull_has_left(web: Web, paths: Paths, content: bytes) -> None:
    def clear() -> None:
        with contextlib.suppress(UserError):
            Images(paths).remove("deb")

    step = 0
    for step in killed_at_each_step(lambda: get(paths), clear):  # noqa: B007
        assert find(paths, "deb").size == 1 << 20
        left = {path.split("/")[-1] for path in everything(paths.images)} - {".index.json.new"}
        assert left <= {
            *("index.json", "downloads", f"sha256-{hashlib.sha256(content).hexdigest()}.qcow2"),
            *(name for name in left if name.endswith(".json")),
        }
    assert step > 10


def test_the_packages_catalogue_is_good_and_an_owner_adds_and_replaces_entries(
    paths: Paths,
) -> None:
    ours = catalogue.read(paths)
    assert {"debian-12", "debian-13", "ubuntu-24.04"} <= set(ours)
    for entry in ours.values():
        assert entry.url.startswith("https://")
        assert entry.checksums.startswith("https://")
        assert entry.user
    paths.image_catalogue.parent.mkdir(parents=True)
    paths.image_catalogue.write_text(
        '[debian-12]\nurl = "https://mirror/d.img"\n[mine]\nurl = "http://x/m.img"\n'
    )
    theirs = catalogue.read(paths)
    assert set(theirs) == {*ours, "mine"} - {"debian-12-aarch64", "debian-12-ppc64le"}
    assert theirs["debian-12"] == catalogue.Entry(url="https://mirror/d.img")
    with pytest.raises(UserError) as error:
        find(paths, "debian12")
    assert error.value.hint.startswith("did you mean debian-1")
    for act in (find, get):
        with pytest.raises(UserError, match='no image "nothing-like-it"') as error:
            act(paths, "nothing-like-it")
        assert error.value.hint == "pyvirt image list --available"


def test_a_name_means_the_image_for_this_host_and_others_have_their_architecture(
    paths: Paths,
) -> None:
    here, there = catalogue.read(paths, "x86_64"), catalogue.read(paths, "aarch64")
    assert here["debian-12-aarch64"] == there["debian-12"]
    assert here["debian-12"] == there["debian-12-x86_64"]
    assert here["debian-12-aarch64"].url.endswith("arm64.qcow2")
    assert here["debian-12-aarch64"].user == "debian"
    other: Arch = "aarch64" if os.uname().machine == "x86_64" else "x86_64"
    assert catalogue.for_architecture(paths, "debian-12", other) == f"debian-12-{other}"
    assert catalogue.for_architecture(paths, "debian-12", None) == "debian-12"
    assert catalogue.for_architecture(paths, "mine", other) == "mine"
    with pytest.raises(UserError, match="debian-12 is not published for riscv64") as error:
        catalogue.for_architecture(paths, "debian-12", "riscv64")
    assert "debian-13" in error.value.hint


BROKEN = {
    "no TOML": ("[", r"images\.toml: "),
    "no table": ("x = 1\n", r"images\.toml: .*\$"),
    "no url": ("[x]\n", r"images\.toml: .*url"),
    "another key": ('[x]\nurl = "http://x/y"\ncolour = 1\n', r"images\.toml: .*colour"),
    "a number": ("[x]\nurl = 1\n", r"images\.toml: .*str"),
    "a path": ('[x]\nurl = "/etc/passwd"\n', r"images\.toml: x: .*not an http or https URL"),
    "a folder": ('[x]\nurl = "http://x/"\n', r"images\.toml: x: .*URL of a folder"),
    "a bad name": ('[X]\nurl = "http://x/y"\n', r"images\.toml: X: .*image's name"),
    "bad checksums": ('[x]\nurl = "http://x/y"\nchecksums = "no"\n', r"images\.toml: x: "),
}


@pytest.mark.parametrize(("text", "why"), BROKEN.values(), ids=BROKEN)
def test_a_broken_catalogue_is_one_clear_line(paths: Paths, text: str, why: str) -> None:
    paths.image_catalogue.parent.mkdir(parents=True)
    paths.image_catalogue.write_text(text)
    with pytest.raises(UserError, match=why) as error:
        find(paths, "x")
    assert "\n" not in error.value.what


@pytest.fixture
def _here(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands run as root, and below `paths`."""
    for module in (image, halves):
        monkeypatch.setattr(module, "Paths", lambda: paths)
    monkeypatch.setattr("os.geteuid", lambda: 0)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = frame.run(image.command, "pyvirt image", words)
    return code, *capsys.readouterr()


@pytest.mark.usefixtures("_here", "web")
def test_the_commands_show_what_is_here(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "list")[:2] == (0, "")
    code, said, noted = run(capsys, "pull", "deb")
    assert (code, said) == (0, "image deb is here: qcow2, 1M\n")
    assert noted.startswith("pyvirt: downloading deb: ")
    assert run(capsys, "pull", "deb")[1] == "image deb is up to date\n"
    found = Images(paths).get("deb")
    paths.domain_definitions.mkdir(parents=True)
    (paths.domain_definitions / "web1.toml").write_text(found.sha256)
    (row,) = json.loads(run(capsys, "list", "-o", "json")[1])
    assert (row["name"], row["size"], row["used_by"]) == ("deb", 1 << 20, ["web1"])
    shown = run(capsys, "show", "deb")[1]
    assert f"sha256:   {found.sha256}\n" in shown
    assert "used by:  web1\n" in shown
    assert found.checksum in shown
    assert run(capsys, "list", "-o", "name")[1] == "deb\n"
    assert halves.complete_images(None, ()) == ["deb"]
    assert {"deb", "debian-12"} <= set(run(capsys, "list", "--available", "-o", "name")[1].split())
    code, _, said = run(capsys, "remove", "deb")
    assert code == 1
    assert said == "pyvirt: image deb is used by web1\n  hint: pyvirt domain show web1\n"
    (paths.domain_definitions / "web1.toml").unlink()
    assert run(capsys, "remove", "deb")[:2] == (0, "image deb is removed\n")


@pytest.mark.usefixtures("_here", "web")
def test_an_image_without_a_name_is_listed_by_its_digest(
    paths: Paths, capsys: pytest.CaptureFixture[str], content: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "deb.qcow2"
    file.write_bytes(content)
    with Images(paths).taken(file) as unnamed:
        heading, line = run(capsys, "list")[1].splitlines()
        assert heading.startswith("NAME")
        digest = line.split()[0]
        assert digest == f"sha256:{unnamed.sha256[:12]}"
        assert (
            f"file:     {Images(paths).file(unnamed.sha256).path}\n"
            in run(capsys, "show", digest)[1]
        )
        assert json.loads(run(capsys, "list", "-o", "json")[1])[0]["name"] is None


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("add", "x", "http://x/y.img", "--sha256", "abc"), '--sha256: "abc" is not a sha256'),
        (("add", "x", "y.img", "--sha512", "0" * 64), "is not a sha512 checksum"),
        (
            ("add", "x", "y.img", "--sha256", "0" * 64, "--sha512", "0" * 128),
            "--sha256 and --sha512 are both given",
        ),
        (("add", "x"), "FILE|URL is missing"),
        (("add", "X", "y.img"), '"X" cannot be an image\'s name'),
        (("pull", "debian-99"), "there is no image"),
        (("show", "none"), 'there is no image "none"'),
        (("remove", "none"), 'there is no image "none"'),
    ],
)
def test_wrong_words_are_one_line_with_a_hint(
    paths: Paths, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], what: str
) -> None:
    code, _, said = run(capsys, *words)
    assert code > 0
    first, hint = said.splitlines()
    assert what in first
    assert hint.startswith("  hint: ")
    assert not paths.images.exists()
