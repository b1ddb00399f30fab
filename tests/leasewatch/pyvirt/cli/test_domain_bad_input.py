"""Values of `pyvirt domain` that make no sense: one clear line, a hint, and nothing changes."""

from __future__ import annotations

import gzip
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from leasewatch.paths import Paths
from leasewatch.pyvirt.cli.pyvirt import command
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.network import Network
from leasewatch.pyvirt.login import caller
from nss_pyvirt.terminal import frame
from tests.system.guest import IDLE_KERNEL

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEy+aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
NAME = "is not made of labels of letters, digits, hyphens and underscores"
NONE = "domain web1 has nothing to start from"

CREATE = {
    "'' -k": f'a domain\'s name {NAME}: ""',
    ". -k": f'a domain\'s name {NAME}: "."',
    "a/b -k": f'a domain\'s name {NAME}: "a/b"',
    "ä -k": f'a domain\'s name {NAME}: "ä"',
    "Web1 -k": "a domain's name has upper-case letters or a final dot",
    "-x -k": "there is no option -x",
    "1.2.3.4 -k": "a domain's name would be read as an address",
    "localhost -k": "a domain's name is reserved",
    "db1 -k": "domain db1 already exists",
    "sql -k": "sql is a name of domain db1 already",
    "web1 web2 -k": "unexpected argument (web2)",
    "web1 -k --network ''": '"" is no network\'s name',
    "web1 -k --network Lab": 'there is no network "Lab"',
    "web1 -k --network ../lab": '"../lab" is no network\'s name',
    "web1 -k --mac 1": '"1" is not a MAC address',
    "web1 -k --mac 52:54:00:00:00:09": "MAC 52:54:00:00:00:09 belongs to domain db1",
    "web1 -k --mac ff:ff:ff:ff:ff:ff": "MAC ff:ff:ff:ff:ff:ff is a multicast address",
    "web1 -k --mac 52:54:00:00:00:01 --mac 52:54:00:00:00:02": "there are more MACs than networks",
    "web1 -k --address 10.77.0.9": "10.77.0.9 belongs to domain db1 on network lab",
    "web1 -k --address ''": '"" is not an IPv4 address',
    "web1 -k --address 10.77.0.0/24": '"10.77.0.0/24" is not an IPv4 address',
    "web1 -k --address 10.78.0.9": "10.78.0.9 cannot be a guest's address on network lab",
    "web1 -k --alias ''": f'an alias {NAME}: ""',
    "web1 -k --alias a --alias a": "a is given twice",
    "web1": NONE,
    "web1 --kernel ''": "--kernel: the path is empty",
    "web1 --kernel nowhere": "there is no kernel {here}/nowhere",
    "web1 --kernel dir": "there is no kernel {here}/dir",
    "web1 --kernel fifo": "there is no kernel {here}/fifo",
    "web1 --kernel loop": "there is no kernel {here}/loop",
    "web1 --kernel empty": "{here}/empty is empty",
    "web1 --kernel text": "{here}/text is no kernel",
    "web1 --kernel https://x/y": "--kernel: https://x/y is a URL: download the file first",
    "web1 --initrd k": NONE,
    "web1 --append quiet": NONE,
    "web1 -k --initrd nowhere": "there is no initrd {here}/nowhere",
    "web1 --disk nowhere": "there is no image {here}/nowhere",
    "web1 --disk dir": "there is no image {here}/dir",
    "web1 --disk fifo": "there is no image {here}/fifo",
    "web1 --disk loop": "there is no image {here}/loop",
    "web1 --disk /dev/null": "there is no image /dev/null",
    "web1 --disk empty": "image {here}/empty is empty",
    "web1 --disk text": "image {here}/text is a text file, not a disk",
    "web1 --disk page.qcow2": "image {here}/page.qcow2 is a text file, not a disk",
    "web1 --disk torn.qcow2": "image {here}/torn.qcow2 is damaged or incomplete",
    "web1 --disk torn.gz": "image {here}/torn.gz: cannot unpack it (gzip)",
    "web1 --disk over.qcow2": "image {here}/over.qcow2 continues in another file, a.qcow2",
    "web1 --disk a.qcow2 --size 1M": "1M is smaller than {here}/a.qcow2 (8M)",
    "web1 --disk a.qcow2 --size 0": '--size: "0" is not a size like 20G or 512M',
    "web1 --disk a.qcow2 --size -5G": '--size: "-5G" is not a size like 20G or 512M',
    "web1 --disk a.qcow2 --size 1025T": '--size: "1025T" is more than 1024T',
    "web1 -k --size 10G": "--size is the size of a disk",
    "web1 --image ../x": "--image: ../x is a path: use --disk ../x",
    "web1 --image https://x/y": "--image: https://x/y is a URL: use pyvirt image add",
    "web1 -k --memory 31": '--memory: "31" is not from 32 to 4194304 MiB',
    "web1 -k --memory ٣G": '--memory: "٣G" is not a size like 2048 (MiB), 512M or 2G',
    "web1 -k --cpus 1.5": '--cpus: "1.5" is not a whole number from 1 to 255',
    "web1 -k --accel KVM": "--accel: 'KVM' is not one of 'auto', 'kvm', 'tcg'",
    "web1 -k --stop-timeout 25h": '--stop-timeout: "25h" is not a time like 90s, 2m or 1h',
    "web1 -k --user root:x": '--user: "root:x" cannot be the name of a guest\'s user',
    "web1 -k --ssh-key nowhere": "cannot read nowhere: No such file or directory",
    "web1 -k --ssh-key dir": "cannot read dir: Is a directory",
    "web1 -k --ssh-key fifo": "fifo holds no public key",
    "web1 -k --ssh-key text": 'text: "hello" is not a public key for ssh',
    "web1 -k --user-data nowhere": "cannot read nowhere: No such file or directory",
    "web1 -k --user-data text": "text is no user-data for cloud-init",
    "web1 -k --user x --no-seed": "--no-seed gives the guest no user, key or user-data",
}
OTHERS = {
    "rename db1 a/b": f'a domain\'s name {NAME}: "a/b"',
    "rename db1 db1": "domain db1 already exists",
    "rename nope x": 'there is no domain "nope"',
    "rename db1": "NEW is missing",
    "set nope memory=1G": 'there is no domain "nope"',
    "set db1": "KEY=VALUE... is missing",
    "set db1 disk+=torn.qcow2": "image {here}/torn.qcow2 is damaged or incomplete",
    "set db1 disk+=a.qcow2 size=1M": r"1M is smaller than disk.qcow2 (8M)",
    "set db1 disk+=a.qcow2,text": "image {here}/text is a text file, not a disk",
    "set db1 disk+=a.qcow2 alias=db1": "db1 is given twice",
    "set db1 network=,": '"" is no network\'s name',
    "set db1 address=10.77.0.5,10.77.0.6": "domain db1 has one card on the network of 10.77.0.5",
    "edit db1": "edit needs a terminal",
    **{
        f"{verb} nope": 'there is no domain "nope"'
        for verb in ("start", "stop", "restart", "pause", "resume", "show", "delete", "autostart")
    },
}


def files(root: Path) -> dict[str, bytes]:
    """Every file but locks, and its content."""
    found = (path for path in root.rglob("*") if path.is_file() and "locks" not in path.parts)
    return {str(path): path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of files that are no disks, and below `root` a host with a network and `db1`."""
    here = tmp_path_factory.mktemp("host")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        patch.setattr(Paths, "__init__", lambda self: setattr(self, "top", str(here / "root")))
        patch.setattr("os.geteuid", lambda: 0)
        patch.setenv("HOME", str(here))
        patch.setattr(caller, "keys", lambda _: (KEY,))
        lab = Network(name="lab", subnet="10.77.0.0/24", subnet6="fd77::/64")
        store.write(Paths().network_definitions, lab)
        make_files(here)
        boot = ["--kernel", "k", "--alias", "sql"]
        card = ["--mac", "52:54:00:00:00:09", "--address", "10.77.0.9"]
        argv = ["domain", "create", "db1", "--network", "lab", *boot, *card]
        assert frame.run(command, "pyvirt", argv) == 0
        yield here


def make_files(here: Path) -> None:
    for name, content in (("text", "hello\n" * 99), ("page.qcow2", "<html>")):
        (here / name).write_text(content)
    (here / "k").write_bytes(IDLE_KERNEL)
    (here / "empty").touch()
    (here / "dir").mkdir()
    (here / "loop").symlink_to("loop")
    os.mkfifo(here / "fifo")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "a.qcow2", "8M"], check=True)
    over = ["-f", "qcow2", "-b", "a.qcow2", "-F", "qcow2", "over.qcow2"]
    subprocess.run(["qemu-img", "create", "-q", *over], check=True)
    (here / "torn.qcow2").write_bytes((here / "a.qcow2").read_bytes()[:70_000])
    (here / "torn.gz").write_bytes(gzip.compress(os.urandom(99))[:-20])


def refused(here: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str) -> None:
    """Run the command: an error and a hint, a line each; nothing is printed or changed."""
    before = files(here / "root")
    assert frame.run(command, "pyvirt", ["domain", *words]) in {1, 2}
    out, err = capsys.readouterr()
    what, hint = err.splitlines()
    assert out == ""
    assert what.startswith(f"pyvirt: {says.format(here=here)}")
    assert hint.startswith("  hint: ")
    assert files(here / "root") == before


@pytest.mark.parametrize("words", CREATE)
def test_what_create_cannot_take(
    host: Path, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    given = [word.strip("'") for word in words.split()]
    if "-k" in given:
        at = given.index("-k")
        given[at : at + 1] = ["--kernel", "k"]
    network = [] if "--network" in given else ["--network", "lab"]
    refused(host, capsys, ["create", *given, *network], CREATE[words])


@pytest.mark.parametrize("words", OTHERS)
def test_what_others_cannot_take(
    host: Path, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    refused(host, capsys, words.split(), OTHERS[words])
