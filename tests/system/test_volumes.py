"""Encrypted volumes in real guests: what is written, who can read it, and where secrets go."""

from __future__ import annotations

import os
import pty
import secrets
import subprocess
from pathlib import Path

import pytest

from tests.system.domains import define, lease, log_in, pyvirt, read, row, traces
from tests.system.guest import GuestFiles
from tests.system.hunt import KEYS, hunted, on_disk
from tests.system.world import World

DATA1 = Path("/var/lib/pyvirt/volumes/data1.qcow2")
MARK = "written by the guest "
WRITE = f"i=0; while [ $i -lt 999 ]; do echo '{MARK}'; i=$((i+1)); done | dd of=/dev/vda conv=fsync"
COUNT = f"dd if=/dev/vda bs=4k count=8 | grep -c '{MARK}'"
FAST = ("--iter-time", "1")
EVERY = "sudo pyvirt domain set web1 secret-file=FILE"
START = ("domain", "start", "web1")


@pytest.fixture
def secret() -> str:
    """A passphrase that nothing else can hold by chance."""
    return f"hunted-{secrets.token_hex(16)}"


def typed(
    world: World, text: str, *words: str, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run `pyvirt` with a text on its standard input."""
    return world.run(["pyvirt", *words], input=text, timeout=120, check=check)


def make(world: World, secret: str, name: str = "data1") -> None:
    fast = ("--size", "8M", "--encrypt", *FAST, "--secret-file", "-")
    typed(world, secret, "volume", "create", name, *fast)


def key_file(world: World, name: str, secret: str) -> Path:
    """A file of root's with a passphrase, in the one folder that is not hunted through."""
    file = world.root / str(KEYS)[1:] / name
    file.parent.mkdir(exist_ok=True)
    file.touch(0o600)
    file.write_text(f"{secret}\n")
    return KEYS / name


def refusal(world: World, *words: str | Path, text: str | None = None) -> list[str]:
    """What `pyvirt` says where it fails."""
    done = world.run(["pyvirt", *words], input=text, timeout=120, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stderr.splitlines()


def test_what_a_guest_writes_is_unreadable_outside_and_no_secret_shows(
    lab: World, guest_files: GuestFiles, secret: str
) -> None:
    with hunted(secret.encode()):
        make(lab, secret)
        pyvirt(lab, "domain", "set", "web1", "volume+=data1")
        wrong = refusal(lab, *START, "--secret-file", "-", text=f"not {secret}")
        assert wrong[0] == "pyvirt: the passphrase does not open volume data1"
        assert traces(lab) == []
        unasked = refusal(lab, *START)
        assert unasked == [
            "pyvirt: volume data1 needs a passphrase, and there is no terminal to ask for it",
            f"  hint: give it in a file: --secret-file FILE, or for every start: {EVERY}",
        ]
        typed(lab, f"{secret}\n", *START, "--secret-file", "-")
        address = lease(lab, "web1")
        log_in(lab, guest_files, address, f"{WRITE}; echo done")
        assert log_in(lab, guest_files, address, COUNT) == "999\n"
        busy = refusal(lab, "volume", "key", "add", "data1", "--secret-file", "-", text=secret)
        assert busy[0] == "pyvirt: domain web1 is using volume data1"
        pyvirt(lab, "domain", "stop", "--force", "web1")
        last = refusal(lab, "volume", "key", "remove", "data1", "--secret-file", "-", text=secret)
        assert last[0] == "pyvirt: this is the last passphrase that opens volume data1"
    assert MARK.encode() not in (lab.root / str(DATA1)[1:]).read_bytes()
    assert on_disk(lab, secret.encode()) == []
    assert traces(lab) == []


@pytest.mark.long
def test_a_passphrase_no_longer_opens_what_it_was_removed_from(lab: World, secret: str) -> None:
    other = f"{secret}-other"
    keys = ("--secret-file", key_file(lab, "old", secret))
    new = ("--new-secret-file", key_file(lab, "new", other))
    with hunted(secret.encode()):
        make(lab, secret)
        pyvirt(lab, "domain", "set", "web1", "volume+=data1")
        pyvirt(lab, "volume", "key", "add", "data1", *keys, *new, *FAST)
        shown = pyvirt(lab, "volume", "show", "data1").stdout
        assert "slots:     0, 1\n" in shown
        pyvirt(lab, "volume", "key", "remove", "data1", *keys)
        gone = ["pyvirt: the passphrase does not open volume data1", "  hint: try again"]
        assert refusal(lab, *START, *keys) == gone
        pyvirt(lab, *START, "--secret-file", KEYS / "new")
        pyvirt(lab, "domain", "stop", "--force", "web1")
        pyvirt(
            lab,
            "volume",
            "key",
            "change",
            "data1",
            "--secret-file",
            KEYS / "new",
            *new[:1],
            KEYS / "old",
            *FAST,
        )
        assert refusal(lab, *START, "--secret-file", KEYS / "new") == gone
        pyvirt(lab, *START, *keys)
        last = refusal(lab, "volume", "key", "remove", "data1", *keys)
        assert last[0] == "pyvirt: domain web1 is using volume data1"
        pyvirt(lab, "domain", "stop", "--force", "web1")
        last = refusal(lab, "volume", "key", "remove", "data1", *keys)
        assert last[0] == "pyvirt: this is the last passphrase that opens volume data1"
    assert on_disk(lab, secret.encode()) == []


@pytest.mark.long
def test_a_domain_with_a_secret_file_starts_without_a_question(lab: World, secret: str) -> None:
    file = key_file(lab, "web1.key", secret)
    make(lab, secret)
    pyvirt(lab, "domain", "set", "web1", "volume+=data1", f"secret-file={file}", "autostart=on")
    with hunted(secret.encode()):
        pyvirt(lab, "up")
        assert row(lab, "web1")["state"] == "running"
        pyvirt(lab, "domain", "restart", "--force", "web1")
        pyvirt(lab, "domain", "stop", "--force", "web1")
    lab.run(["chmod", "644", file])
    assert refusal(lab, *START) == [
        f"pyvirt: other users can read or write secret file {file}",
        f"  hint: make it private: sudo chmod 600 {file}",
    ]
    assert on_disk(lab, secret.encode()) == []
    assert traces(lab) == []


@pytest.mark.long
def test_a_volume_belongs_to_one_domain(lab: World, guest_files: GuestFiles, secret: str) -> None:
    make(lab, secret)
    pyvirt(lab, "volume", "create", "plain", "--size", "8M")
    define(lab, guest_files, "db1", "--volume", "data1", "--volume", "plain")
    taken = refusal(lab, "domain", "set", "web1", "volume+=data1")
    assert taken[0] == "pyvirt: volume data1 belongs to domain db1 already"
    assert refusal(lab, "volume", "delete", "data1") == [
        "pyvirt: volume data1 belongs to domain db1",
        "  hint: sudo pyvirt domain set db1 volume-=data1",
    ]
    typed(lab, secret, "domain", "start", "db1", "--secret-file", "data1=-")
    address = lease(lab, "db1")
    serials = log_in(lab, guest_files, address, "cat /sys/block/vd*/serial")
    assert serials == "data1plain"
    using = refusal(lab, "domain", "set", "db1", "volume-=data1")
    assert "volumes are added and removed while it is stopped" in using[0]
    pyvirt(lab, "domain", "stop", "--force", "db1")
    pyvirt(lab, "domain", "delete", "db1")
    pyvirt(lab, "volume", "delete", "data1", "plain")
    assert lab.run(["ls", "-A", DATA1.parent]).stdout == ""


@pytest.mark.long
def test_a_domains_own_disk_is_encrypted_and_asks_at_a_terminal(
    lab: World, guest_files: GuestFiles, secret: str
) -> None:
    lab.run(["qemu-img", "create", "-q", "-f", "qcow2", "/var/lib/base.qcow2", "8M"])
    file = key_file(lab, "db1.key", secret)
    disk = ("--disk", "/var/lib/base.qcow2", "--encrypt", "--secret-file", file)
    with hunted(secret.encode()):
        define(lab, guest_files, "db1", *disk)
        ours, theirs = pty.openpty()
        start = lab.spawn(["pyvirt", "domain", "start", "db1"], stdin=theirs, stderr=theirs)
        os.close(theirs)
        said = b""
        while b"Passphrase of disk.qcow2 of db1: " not in said:
            said += os.read(ours, 4096)
        os.write(ours, f"{secret}\n".encode())
        assert start.wait(120) == 0
        os.close(ours)
        address = lease(lab, "db1")
        log_in(lab, guest_files, address, f"{WRITE}; echo done")
        assert log_in(lab, guest_files, address, COUNT) == "999\n"
        pyvirt(lab, "domain", "stop", "--force", "db1")
        new = ("--new-secret-file", key_file(lab, "db1.new", f"{secret}-new"))
        pyvirt(lab, "volume", "key", "change", "db1", "--secret-file", file, *new, *FAST)
        stale = refusal(lab, "domain", "start", "db1", "--secret-file", file)
        assert stale[0] == "pyvirt: the passphrase does not open disk.qcow2 of db1"
        pyvirt(lab, "domain", "start", "db1", "--secret-file", KEYS / "db1.new")
        key = ("volume", "key", "add", "--secret-file", KEYS / "db1.new", *new)
        assert refusal(lab, *key, "db1/disk.qcow2")[0] == (
            "pyvirt: domain db1 is using disk.qcow2 of db1"
        )
        assert refusal(lab, *key, "db1/disk1.qcow2")[0] == (
            'pyvirt: there is no volume "db1/disk1.qcow2"'
        )
        pyvirt(lab, "domain", "stop", "--force", "db1")
    overlay = lab.root / "var/lib/pyvirt/domains/db1/disk.qcow2"
    assert MARK.encode() not in overlay.read_bytes()
    assert read(lab, "/etc/pyvirt/domains/db1.toml").count("encrypted = true") == 1
    assert on_disk(lab, secret.encode()) == []


@pytest.mark.long
def test_launch_encrypts_the_disk_and_goes_on_with_its_passphrase(
    world: World, guest_files: GuestFiles, secret: str
) -> None:
    world.serve()
    world.run(["truncate", "-s", "2M", "/run/disk.img"])
    boot = ("--kernel", guest_files.kernel, "--initrd", guest_files.initrd, "--accel", "tcg")
    launch = ("launch", "web1", "--encrypt", "--secret-file", "-")
    words = (*launch, "--image", "/run/disk.img", *boot, "--memory", "96", "--cpus", "1")
    with hunted(secret.encode()):
        done = typed(world, secret, *map(str, words))
        assert "web1 does not start when the host boots: it needs a passphrase" in done.stderr
        shown = row(world, "web1")
        assert (shown["encrypted"], shown["autostart"]) == (True, False)
        pyvirt(world, "domain", "stop", "--force", "web1")
        wrong = refusal(world, *launch, text="wrong")
        assert wrong[0] == "pyvirt: the passphrase does not open disk.qcow2 of web1"
        assert "web1 is ready" in typed(world, secret, *launch).stdout
    assert on_disk(world, secret.encode()) == []
