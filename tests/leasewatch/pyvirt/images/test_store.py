"""The images that pyvirt owns, by a real qemu-img: what is taken, found, shared and removed."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import resource
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from leasewatch.paths import Paths
from leasewatch.pyvirt.images import unpacking
from leasewatch.pyvirt.images.store import Images
from nss_pyvirt.errors import UserError
from tests.forking import fork
from tests.leasewatch.killing import everything, killed_at_each_step


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A root of its own."""
    return Paths(tmp_path / "root")


@pytest.fixture
def images(paths: Paths) -> Images:
    """No images yet."""
    return Images(paths)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A good image of 1 MiB."""
    return create("-f", "qcow2", tmp_path / "base.qcow2")


def create(*words: str | Path) -> Path:
    *options, image = words
    subprocess.run(["qemu-img", "create", "-q", *options, image, "1M"], check=True)
    return Path(image)


def use(paths: Paths, sha256: str, name: str = "web1") -> Path:
    """A definition of a domain that uses an image; nothing else of it is right."""
    paths.domain_definitions.mkdir(parents=True, exist_ok=True)
    file = paths.domain_definitions / f"{name}.toml"
    file.write_text(f'sha256 = "{sha256}"\n')
    return file


def test_an_image_is_a_copy_that_only_root_reads(images: Images, base: Path) -> None:
    content = base.read_bytes()
    image = images.add("debian-12", base)
    base.write_bytes(b"another one")
    assert image.sha256 == hashlib.sha256(content).hexdigest()
    assert (image.names, image.format, image.size) == (("debian-12",), "qcow2", 1 << 20)
    path, format_ = images.file(image.sha256)
    assert (path.read_bytes(), format_) == (content, "qcow2")
    assert path.stat().st_mode & 0o777 == 0o400
    assert images.known() == [image]


def test_zeros_take_no_room(images: Images, tmp_path: Path) -> None:
    raw = tmp_path / "disk.img"
    with raw.open("wb") as file:
        file.write(os.urandom(1 << 20))
        file.truncate(100 << 20)
    image = images.add("raw", raw)
    path, format_ = images.file(image.sha256)
    assert (format_, path.stat().st_size) == ("raw", 100 << 20)
    assert path.stat().st_blocks * 512 < 4 << 20
    with raw.open("rb") as file:
        assert image.sha256 == hashlib.file_digest(file, "sha256").hexdigest()


def test_the_same_file_is_not_copied_again(
    images: Images, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = images.add("debian-12", base)
    monkeypatch.setattr(unpacking, "copy", None)
    assert images.add("bookworm", base).sha256 == image.sha256
    with images.taken(base) as same:
        assert same.names == ("debian-12", "bookworm")


def test_a_full_disk_leaves_nothing(images: Images, paths: Paths, tmp_path: Path) -> None:
    raw = tmp_path / "disk.img"
    raw.write_bytes(b"\xff" * (2 << 20))

    def child() -> int:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_001, 1_000_001))
        with pytest.raises(UserError, match=rf"^cannot copy image {raw}: File too large$") as full:
            images.add("raw", raw)
        assert full.value.hint == f"make room below {paths.images}"
        return 0

    assert os.waitpid(fork(child), 0)[1] == 0
    assert not paths.images.exists()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "xz": lzma.compress,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "zst": lambda content: (
        subprocess.run(["zstd", "-qc"], input=content, stdout=subprocess.PIPE, check=True).stdout
    ),
}


@pytest.mark.parametrize("packer", PACKERS)
def test_a_packed_image_is_unpacked(
    images: Images, base: Path, tmp_path: Path, packer: str
) -> None:
    packed = tmp_path / f"base.qcow2.{packer}"
    packed.write_bytes(PACKERS[packer](base.read_bytes()))
    image = images.add("debian-12", packed)
    assert images.file(image.sha256).path.read_bytes() == base.read_bytes()
    assert image.source == str(packed)


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("harm", ["cut", "changed"])
def test_a_packed_image_that_is_damaged_is_refused(
    images: Images, paths: Paths, tmp_path: Path, packer: str, harm: str
) -> None:
    content = PACKERS[packer](os.urandom(300_000))
    half = len(content) // 2
    other = bytes(byte ^ 0xFF for byte in content[half : half + 99])
    harmed = content[:half] if harm == "cut" else content[:half] + other + content[half + 99 :]
    packed = tmp_path / f"base.img.{packer}"
    packed.write_bytes(harmed)
    with pytest.raises(UserError, match=rf"image {packed}: cannot unpack it") as refused:
        images.add("debian-12", packed)
    assert "\n" not in refused.value.what
    assert not paths.images.exists()


def test_a_small_file_that_unpacks_to_no_end_is_refused(
    images: Images, paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leasewatch.pyvirt.images.unpacking._MOST", 4 << 20)
    bomb = tmp_path / "bomb.img.gz"
    bomb.write_bytes(gzip.compress(bytes(16 << 20), 1))
    with pytest.raises(UserError, match="are packed in it"):
        images.add("bomb", bomb)
    assert not paths.images.exists()


def test_a_missing_zstd_is_named_with_its_package(
    images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = tmp_path / "base.img.zst"
    packed.write_bytes(PACKERS["zst"](bytes(512)))
    programs = tmp_path / "bin"
    programs.mkdir()
    found = shutil.which("qemu-img")
    assert found
    (programs / "qemu-img").symlink_to(found)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr("nss_pyvirt.programs.os.defpath", str(programs))
    with pytest.raises(UserError, match="zstd is not installed") as refused:
        images.add("debian-12", packed)
    assert refused.value.hint == "apt install zstd"


def craft(kind: str, image: Path) -> str:
    """Make an image that shows `/etc/shadow` to its guest; why it is to be refused."""
    if kind == "backing file":
        create("-f", "qcow2", "-u", "-b", "/etc/shadow", "-F", "raw", image)
        return "continues in another file, /etc/shadow"
    if kind == "data file":
        other = image.with_name("data.raw")
        create("-f", "qcow2", "-o", f"data_file={other}", image)
        return f"continues in another file, {other}"
    if kind == "vdi":
        create("-f", "vdi", image)
        return "is neither qcow2 nor raw but vdi"
    image.write_bytes(b"KDMV" + bytes(600))
    return "qemu-img: Could not open"


@pytest.mark.parametrize("kind", ["backing file", "data file", "vdi"])
@pytest.mark.parametrize("name", ["it's.qcow2", "crafted.img"])
def test_an_image_that_continues_in_another_file_or_has_a_foreign_format_is_refused(
    images: Images, paths: Paths, tmp_path: Path, kind: str, name: str
) -> None:
    crafted = tmp_path / name
    why = craft(kind, crafted)
    with pytest.raises(UserError, match=why) as error:
        images.add("web", crafted)
    typed = shlex.split(error.value.hint.partition(": ")[2])
    assert typed == [
        *("qemu-img", "convert", "-O", "qcow2", str(crafted), f"{crafted}.whole.qcow2")
    ]
    assert not paths.images.exists()
    if kind != "backing file":  # this one cannot be read whole
        subprocess.run(typed, check=True)
        images.add("web", Path(typed[-1]))


def test_a_file_that_is_not_the_qcow2_of_its_name_is_refused(
    images: Images, paths: Paths, tmp_path: Path
) -> None:
    named = tmp_path / "debian-12.QCOW2"
    named.write_bytes(b"\xff\xfe nothing" * 999)
    with pytest.raises(UserError, match=r"debian-12\.QCOW2 is not qcow2 but raw") as error:
        images.add("web", named)
    assert f"file {named}" in error.value.hint
    assert not paths.images.exists()


@pytest.mark.parametrize(
    ("does", "why"),
    [
        ("kill -9 $$", "qemu-img ended by signal 9"),
        ("exit 1", "qemu-img ended by exit 1"),
        ("printf 'no image here\\377\\n' >&2; exit 1", "no image here\ufffd"),
        ('echo "qemu-img: cannot open $4" >&2; exit 1', "qemu-img: cannot open {base}"),
    ],
)
def test_a_qemu_img_that_fails_is_one_clear_line(
    images: Images, base: Path, monkeypatch: pytest.MonkeyPatch, does: str, why: str
) -> None:
    _replace_qemu_img(monkeypatch, base.parent / "bin", does)
    with pytest.raises(UserError) as error:
        images.add("web", base)
    assert error.value.what == f"cannot read image {base}: {why.format(base=base)}"


def test_a_qemu_img_that_does_not_end_is_reported_with_a_hint(
    images: Images, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _replace_qemu_img(monkeypatch, base.parent / "bin", "exec sleep 60")
    monkeypatch.setattr("leasewatch.pyvirt.images.qemu_img._PATIENCE", 0.5)
    with pytest.raises(UserError, match=r"qemu-img has not ended within 0\.5 s$") as error:
        images.add("web", base)
    assert error.value.hint.startswith("see whether this ends: qemu-img info -U --output=json ")


def _replace_qemu_img(monkeypatch: pytest.MonkeyPatch, folder: Path, does: str) -> None:
    program = folder / "qemu-img"
    folder.mkdir()
    program.write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


BAD_NAMES = ["", "Debian", "-x", ".x", "x.", "a/b", "../x", "a b", "ä", "a\n", "x" * 64, "0" * 64]


@pytest.mark.parametrize("name", [*BAD_NAMES[1:], "deadbeef"])
def test_a_bad_name_is_refused_before_anything_is_copied(
    images: Images, base: Path, paths: Paths, name: str
) -> None:
    with pytest.raises(UserError, match="cannot be an image's name") as refused:
        images.add(name, base)
    assert refused.value.code == "invalid"
    assert not paths.images.exists()


@pytest.mark.parametrize("wanted", BAD_NAMES)
def test_a_name_that_is_none_is_not_found(images: Images, wanted: str) -> None:
    with pytest.raises(UserError, match="there is no image") as missing:
        images.get(wanted)
    assert missing.value.code == "not-found"


def test_an_image_is_found_by_each_name_and_by_its_digest(images: Images, base: Path) -> None:
    image = images.add("debian-12", base)
    both = images.add("bookworm", base)
    assert both.sha256 == image.sha256
    assert both.names == ("debian-12", "bookworm")
    for wanted in ("debian-12", "bookworm", image.sha256, f"sha256:{image.sha256[:12]}"):
        assert images.get(wanted) == both
    with pytest.raises(UserError) as missing:
        images.get("debian12")
    assert missing.value.hint == "did you mean debian-12?"
    with pytest.raises(UserError) as missing:
        images.get("fedora-44")
    assert missing.value.hint == "sudo pyvirt image pull fedora-44"


def test_a_name_has_one_image(images: Images, base: Path, tmp_path: Path) -> None:
    image = images.add("debian-12", base)
    assert images.add("debian-12", base) == image
    with pytest.raises(UserError, match="there is another image debian-12 already") as taken:
        images.add("debian-12", create("-f", "raw", tmp_path / "other.img"))
    assert taken.value.hint == "sudo pyvirt image remove debian-12"
    assert images.known() == [image]


def test_an_image_in_use_is_not_removed(images: Images, paths: Paths, base: Path) -> None:
    image = images.add("debian-12", base)
    use(paths, image.sha256)
    definition = use(paths, image.sha256, "db1")
    with pytest.raises(UserError, match="image debian-12 is used by db1, web1") as used:
        images.remove("debian-12")
    assert (used.value.code, used.value.hint) == ("running", "pyvirt domain show db1")
    images.add("bookworm", base)
    images.remove("bookworm")  # one of its two names
    for file in (definition, definition.with_name("web1.toml")):
        file.unlink()
    with images.held("debian-12"), pytest.raises(UserError, match="another command is just using"):
        images.remove("debian-12")
    images.remove("debian-12")
    assert not paths.images.exists()


def test_an_image_without_a_name_goes_with_its_last_domain(
    images: Images, paths: Paths, base: Path, tmp_path: Path
) -> None:
    other = create("-f", "raw", tmp_path / "other.img")
    with images.taken(base) as image:
        images.forget_unused()
        with images.taken(other) as second:
            definition = use(paths, image.sha256)
        assert images.known() == [image]
    assert second.sha256 != image.sha256
    images.forget_unused()
    assert images.known() == [image]
    definition.unlink()
    images.forget_unused()
    assert not paths.images.exists()


def test_what_is_gone_or_broken_is_one_clear_line(
    images: Images, paths: Paths, base: Path, tmp_path: Path
) -> None:
    image = images.add("debian-12", base)
    images.file(image.sha256).path.unlink()
    with pytest.raises(UserError, match=f"image sha256-{image.sha256} is gone from"):
        images.file(image.sha256)
    with pytest.raises(UserError, match=r"cannot copy image .*none: No such file"):
        images.add("web", tmp_path / "none")
    os.mkfifo(tmp_path / "fifo")
    for other in (tmp_path, Path("/dev/zero"), tmp_path / "fifo"):
        with pytest.raises(UserError, match=f"image {other} is not a file"):
            images.add("web", other)
    index = paths.images / "index.json"
    for content in (b"{", b'{"images": [1]}', b"\xff"):
        index.write_bytes(content)
        with pytest.raises(UserError, match=r"index\.json: "):
            images.known()


def test_an_image_that_is_gone_can_be_added_again(images: Images, base: Path) -> None:
    image = images.add("debian-12", base)
    images.file(image.sha256).path.unlink()
    again = images.add("debian-12", base)
    assert again.names == ("debian-12",)
    assert images.known() == [again]
    assert images.file(image.sha256).path.read_bytes() == base.read_bytes()


def test_add_takes_what_a_killed_add_has_left(images: Images, paths: Paths, base: Path) -> None:
    def clear() -> None:
        if images.known():
            images.remove("debian-12")

    step = 0
    for step in killed_at_each_step(lambda: images.add("debian-12", base), clear):  # noqa: B007
        image = images.add("debian-12", base)
        assert {path.name for path in paths.images.iterdir()} - {".index.json.new"} == {
            "index.json",
            f"sha256-{image.sha256}.qcow2",
        }
    assert step > 5


def test_remove_takes_what_a_killed_remove_has_left(
    images: Images, paths: Paths, base: Path
) -> None:
    def add() -> None:
        images.add("debian-12", base)

    step = 0
    for step in killed_at_each_step(lambda: images.remove("debian-12"), add):  # noqa: B007
        if images.known():
            images.remove("debian-12")
        images.forget_unused()
        assert not {path for path in everything(paths.root) if "sha256" in path}
    assert step > 2
