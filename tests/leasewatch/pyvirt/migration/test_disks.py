"""The files of a domain that moves, between two roots on one machine, by a real qemu-img."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE, Popen

import msgspec
import pytest

from leasewatch.paths import Paths
from leasewatch.pyvirt.defined.domain import DiskDefinition, DomainDefinition, NicDefinition
from leasewatch.pyvirt.domains.disk import make_overlays
from leasewatch.pyvirt.files import DomainFiles
from leasewatch.pyvirt.images.store import Images
from leasewatch.pyvirt.migration import disks, images
from nss_pyvirt.errors import UserError

_RECEIVE = """
import sys
from pathlib import Path
from leasewatch.paths import Paths
from leasewatch.pyvirt.migration import images
from nss_pyvirt.errors import UserError
try:
    paths = Paths(Path(sys.argv[1]))
    images.receive(paths, sys.stdin.buffer, lambda: print("received", flush=True))
except UserError as error:
    sys.exit(error.what)
"""


class There:
    """The other host: a root folder, in which `pyvirt image receive` runs."""

    def __init__(self, root: Path) -> None:
        self.paths = Paths(root)
        self.started: list[Popen[bytes]] = []

    def start(self, argv: Sequence[str]) -> Popen[bytes]:
        assert tuple(argv) == images.COMMAND
        words = [sys.executable, "-c", _RECEIVE, str(self.paths.root)]
        self.started.append(Popen(words, stdin=PIPE, stdout=PIPE, stderr=PIPE))
        return self.started[-1]

    def failure(self, session: Popen[bytes]) -> UserError:
        return UserError(session.communicate()[1].decode().strip())

    def files(self) -> list[str]:
        return sorted(path.name for path in self.paths.images.glob("*") if path.name[0] != ".")


@pytest.fixture
def here(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "here")


@pytest.fixture
def there(tmp_path: Path) -> There:
    return There(tmp_path / "there")


@pytest.fixture
def domain(here: Paths, tmp_path: Path) -> DomainDefinition:
    """web1 with a disk over the image `base`, and a seed."""
    base = tmp_path / "base.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", base, "4M"], check=True)
    image = Images(here).add("base", base)
    disk = DiskDefinition(file="disk.qcow2", sha256=image.sha256, source="base", size=8 << 20)
    files = DomainFiles(here, "web1")
    files.seed_texts.mkdir(parents=True)
    (files.seed_texts / "meta-data").write_text("id: 1\n")
    files.seed.write_bytes(bytes(1 << 20))
    files.host_key.touch(mode=0o600)
    files.host_key.write_text("secret")
    nic = NicDefinition(network="lab", mac="52:54:00:12:34:56")
    made = DomainDefinition(name="web1", nics=(nic,), memory=64, cpus=1, disks=(disk,))
    make_overlays(here, made)
    use(here, made)
    return made


def use(paths: Paths, domain: DomainDefinition) -> None:
    """Define the domain, as far as images see it."""
    paths.domain_definitions.mkdir(parents=True, exist_ok=True)
    file = paths.domain_definitions / f"{domain.name}.toml"
    file.write_text("".join(disk.sha256 for disk in domain.disks))


def quiet(_done: int, _total: int) -> None:
    """Show no progress."""


def send(here: Paths, there: There, domain: DomainDefinition) -> DomainFiles:
    """Do what a migration does; the destination's files."""
    with ExitStack() as held:
        with disks.offered(here, domain) as offer:
            answer = disks.answer(held, there.paths, domain, offer)
        with images.sent(there, here, offer, answer.missing, quiet):
            given = msgspec.json.encode(disks.content(here, domain))
            content = msgspec.json.decode(given, type=disks.DisksContent)
            disks.make(held, there.paths, domain, content)
        use(there.paths, domain)
        disks.name_images(there.paths, offer)
    return DomainFiles(there.paths, domain.name)


def test_the_destination_gets_the_image_an_overlay_and_the_small_files(
    here: Paths, there: There, domain: DomainDefinition
) -> None:
    files = send(here, there, domain)
    (image,) = Images(there.paths).known()
    assert (image.names, image.format) == (("base",), "qcow2")
    assert Images(there.paths).file(image.sha256).path.stat().st_mode & 0o777 == 0o400
    assert sorted(path.name for path in files.data.iterdir()) == [
        *("disk.qcow2", "seed", "seed.img", "ssh_host_ed25519_key", "unfinished")
    ]
    assert files.seed.read_bytes() == bytes(1 << 20)
    assert files.host_key.read_text() == "secret"
    assert files.host_key.stat().st_mode & 0o777 == 0o600
    assert not DomainFiles(here, "web1").moving.exists()
    disks.keep(there.paths, domain)
    disks.discard(there.paths, domain)
    assert files.overlay.exists()
    disks.remove(here, domain, shared=False)
    assert not DomainFiles(here, "web1").data.exists()


def test_an_image_that_is_there_is_not_sent(
    here: Paths, there: There, domain: DomainDefinition
) -> None:
    (image,) = Images(here).known()
    Images(there.paths).add("mine", Images(here).file(image.sha256).path)
    send(here, there, domain)
    assert there.started == []
    assert [each.names for each in Images(there.paths).known()] == [("mine", "base")]


def test_a_name_that_another_image_has_there_stays_with_it(
    here: Paths, there: There, domain: DomainDefinition, tmp_path: Path
) -> None:
    other = tmp_path / "other.img"
    other.write_bytes(bytes(1024))
    taken = Images(there.paths).add("base", other)
    send(here, there, domain)
    assert Images(there.paths).get("base").sha256 == taken.sha256


def test_a_damaged_image_leaves_nothing(
    here: Paths, there: There, domain: DomainDefinition
) -> None:
    path = Images(here).file(domain.disks[0].sha256).path
    path.chmod(0o600)
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(UserError, match=r"base\.qcow2 was not sent: its content has"):
        send(here, there, domain)
    assert there.files() == []
    assert not DomainFiles(there.paths, "web1").data.exists()


def test_an_interrupted_image_leaves_nothing(
    here: Paths, there: There, domain: DomainDefinition
) -> None:
    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with ExitStack() as held, disks.offered(here, domain) as offer:
        answer = disks.answer(held, there.paths, domain, offer)
        sending = images.sent(there, here, offer, answer.missing, interrupt)
        with pytest.raises(KeyboardInterrupt):
            held.enter_context(sending)
    assert there.files() == []


def test_an_image_does_not_stay_without_its_domain(
    here: Paths, there: There, domain: DomainDefinition
) -> None:
    with ExitStack() as held:
        with disks.offered(here, domain) as offer:
            answer = disks.answer(held, there.paths, domain, offer)
        with images.sent(there, here, offer, answer.missing, quiet):
            disks.make(held, there.paths, domain, disks.content(here, domain))
        assert there.files() != []
        disks.discard(there.paths, domain)
    assert there.files() == []


def test_shared_storage_is_noticed_and_nothing_is_made_or_removed(
    here: Paths, domain: DomainDefinition, tmp_path: Path
) -> None:
    shared = Paths(tmp_path / "there")
    for path in ("domain_data", "images"):
        getattr(shared, path).parent.mkdir(parents=True, exist_ok=True)
        getattr(shared, path).symlink_to(getattr(here, path))
    with ExitStack() as held, disks.offered(here, domain) as offer:
        assert disks.answer(held, shared, domain, offer) == disks.DisksAnswer(shared=True)
    disks.discard(shared, domain)
    disks.remove(here, domain, shared=True)
    assert DomainFiles(here, "web1").overlay.exists()


def test_a_folder_that_no_domain_owns_is_left_alone(
    here: Paths, there: There, domain: DomainDefinition
) -> None:
    files = DomainFiles(there.paths, "web1")
    files.data.mkdir(parents=True)
    with pytest.raises(UserError, match=r"web1 already exists"):
        send(here, there, domain)
    disks.discard(there.paths, domain)
    assert files.data.exists()


def test_what_a_killed_migration_left_is_replaced(
    here: Paths, there: There, domain: DomainDefinition
) -> None:
    files = send(here, there, domain)
    files.overlay.write_bytes(b"old")
    assert send(here, there, domain).overlay.stat().st_size > 3


def test_a_full_disk_is_noticed_before_anything_is_sent(
    here: Paths, there: There, domain: DomainDefinition
) -> None:
    with ExitStack() as held, disks.offered(here, domain) as offer:
        large = msgspec.structs.replace(offer, overlays={"disk.qcow2": 1 << 60})
        with pytest.raises(UserError, match=r"the disk is full: .* has \d+ MiB free"):
            disks.answer(held, there.paths, domain, large)


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot read kernel .* here: No such file"), (b"b", "is another file here than on")],
)
def test_a_kernel_must_be_the_same_there(
    here: Paths,
    there: There,
    domain: DomainDefinition,
    tmp_path: Path,
    content: bytes | None,
    said: str,
) -> None:
    kernel = tmp_path / "vmlinuz"
    kernel.write_bytes(b"a")
    direct = msgspec.structs.replace(domain, kernel=str(kernel))
    with ExitStack() as held, disks.offered(here, direct) as offer:
        disks.answer(held, there.paths, direct, offer)
        kernel.unlink()
        if content is not None:
            kernel.write_bytes(content)
        with pytest.raises(UserError, match=said):
            disks.answer(held, there.paths, direct, offer)


def test_a_name_that_leads_out_of_the_folder_is_refused(
    there: There, domain: DomainDefinition
) -> None:
    bad = disks.SmallFile(name="../../x", mode=0o600, packed=b"")
    direct = msgspec.structs.replace(domain, disks=())
    with ExitStack() as held, pytest.raises(UserError, match="is no file of a domain"):
        disks.make(held, there.paths, direct, disks.DisksContent(files=(bad,)))
    assert not DomainFiles(there.paths, "web1").data.exists()
