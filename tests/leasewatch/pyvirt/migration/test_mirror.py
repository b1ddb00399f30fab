"""Copying disks between two real QEMUs without guests; qemu-io writes what a guest would."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from leasewatch.pyvirt.domains.qmp_session import QmpSession
from leasewatch.pyvirt.migration import mirror
from nss_pyvirt.errors import UserError
from tests.waiting import wait_for

SIZE = 16 << 20
_OPTIONS = ("-nodefaults", "-display", "none", "-machine", "q35", "-accel", "tcg", "-m", "32")
_STRICT = ("-compat", "deprecated-input=reject")
_NODES = "query-named-block-nodes"


class Qemu:
    """A QEMU with the disk `disk0`, an overlay of an image that both have."""

    def __init__(self, folder: Path, name: str, *options: str) -> None:
        self.overlay = folder / f"{name}.qcow2"
        base = {"driver": "file", "filename": str(folder / "base.img")}
        qemu_img("create", "-f", "qcow2", "-F", "raw", "-b", folder / "base.img", self.overlay)
        disk = {
            "driver": "qcow2",
            "node-name": "disk0",
            "discard": "unmap",
            "file": {"driver": "file", "filename": str(self.overlay), "discard": "unmap"},
            "backing": {"driver": "raw", "read-only": True, "file": base},
        }
        monitor = folder / f"{name}.qmp"
        argv = ["qemu-system-x86_64", *_OPTIONS, *_STRICT, "-S", "-blockdev", json.dumps(disk)]
        argv += ["-device", "virtio-blk-pci,drive=disk0,id=virtio0"]
        argv += ["-qmp", f"unix:{monitor},server=on,wait=off", *options]
        self.program = subprocess.Popen(argv)

        def connected() -> QmpSession | None:
            try:
                return QmpSession(monitor, 20)
            except UserError:  # it does not listen yet
                return None

        found = wait_for("QEMU's monitor", connected)
        assert found is not None
        self.session = found

    def ask(self, command: str, **arguments: Any) -> Any:
        return self.session.ask(command, arguments)

    def write(self, what: str) -> None:
        """Write as the guest does, through the device: `-P BYTE OFFSET LENGTH`."""
        line = f'qemu-io -d virtio0/virtio-backend "write {what}"'
        self.ask("human-monitor-command", **{"command-line": line})

    def nodes(self) -> set[str]:
        names = {node["node-name"] for node in self.ask(_NODES, flat=True)}
        return {name for name in names if name[0] != "#"}

    def close(self) -> None:
        self.session.close()
        self.program.kill()
        self.program.wait()


def qemu_img(*words: str | Path) -> str:
    argv = ["qemu-img", words[0], *(["-q"] * (words[0] == "create")), *words[1:]]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Qemu, Qemu]]:
    """The source with a guest that runs, and the destination that waits for it."""
    (tmp_path / "base.img").write_bytes(b"b" * SIZE)
    with ExitStack() as stack:
        source = stack.enter_context(closing(Qemu(tmp_path, "source")))
        target = stack.enter_context(closing(Qemu(tmp_path, "target", "-incoming", "defer")))
        source.ask("cont")
        source.write("-P 1 1M 2M")
        mirror.export(target.session, socket=str(tmp_path / "nbd"))
        yield source, target


def quiet(_done: int, _total: int) -> None:
    """Show no progress."""


def mirrored(source: Qemu, tmp_path: Path) -> mirror.Mirror:
    return mirror.Mirror(source.session, "kvm2", str(tmp_path / "nbd"))


def test_the_copy_is_complete_and_the_source_is_left_as_it_was(
    pair: tuple[Qemu, Qemu], tmp_path: Path
) -> None:
    source, target = pair
    before = source.nodes()
    copying = mirrored(source, tmp_path)
    copying.start()
    source.write("-P 2 6M 1M")
    seen: list[tuple[int, int]] = []
    copying.wait(lambda *counts: seen.append(counts))
    assert seen[-1][0] == seen[-1][1] >= 3 << 20
    source.write("-P 3 2M 1M")
    source.write("-z 8M 1M")
    source.ask("stop")
    copying.finish()
    assert (source.nodes(), source.ask("query-jobs")) == (before, [])
    mirror.close(target.session)
    source.ask("quit")
    target.ask("quit")
    source.program.wait(20)
    target.program.wait(20)
    assert "identical" in qemu_img("compare", source.overlay, target.overlay)
    assert "No errors" in qemu_img("check", target.overlay)
    used = [each.overlay.stat().st_blocks for each in pair]
    assert used[1] <= used[0] + 1024  # it has no copy of the image


def test_the_guest_goes_on_with_its_own_disks_after_a_cancel(
    pair: tuple[Qemu, Qemu], tmp_path: Path
) -> None:
    source, _ = pair
    before = source.nodes()
    copying = mirrored(source, tmp_path)
    copying.start()
    copying.cancel()
    assert (source.nodes(), source.ask("query-jobs")) == (before, [])
    source.write("-P 4 1M 1M")
    copying.start()
    mirrored(source, tmp_path).start()  # the command before it was killed
    copying.wait(quiet)
    copying.cancel()
    assert source.nodes() == before


def test_a_destination_that_dies_is_one_line_and_the_guest_goes_on(
    pair: tuple[Qemu, Qemu], tmp_path: Path
) -> None:
    source, target = pair
    before = source.nodes()
    copying = mirrored(source, tmp_path)
    copying.start()
    copying.wait(quiet)
    target.close()
    source.write("-P 5 3M 1M")
    with pytest.raises(UserError, match="disk0 was not copied to kvm2: "):
        wait_for("the failure", lambda: not copying.look())
    with pytest.raises(UserError, match="disk0 was not copied to kvm2: "):
        copying.finish()
    copying.cancel()
    source.write("-P 6 3M 1M")
    assert (source.nodes(), source.ask("query-jobs")) == (before, [])
    with pytest.raises(UserError, match="cannot reach the disks on kvm2: "):
        copying.start()
    assert source.nodes() == before
