"""Images as a person has them: added, used by domains, removed; what others may see."""

from __future__ import annotations

import json

from tests.system.domains import pyvirt
from tests.system.world import World

IMAGES = "/var/lib/pyvirt/images"


def test_an_image_is_added_used_and_removed_without_a_program_of_ssh(idle_lab: World) -> None:
    idle_lab.run(["sh", "-c", "mount --bind /dev/null $(command -v ssh-keygen)"])
    idle_lab.run(["sh", "-ec", "cd /var/lib; qemu-img create -qf qcow2 a.img 8M; xz -k a.img"])
    added = pyvirt(idle_lab, "image", "add", "base", "/var/lib/a.img.xz").stdout
    assert added.startswith("image base is here: qcow2, 8M, sha256 ")
    create = ("--network", "lab", "--memory", "64", "--accel", "tcg", "--no-seed")
    for name in ("db1", "db2"):
        pyvirt(idle_lab, "domain", "create", name, "--image", "base", "--size", "16M", *create)
    pyvirt(idle_lab, "domain", "create", "db3", "--disk", "/var/lib/a.img", *create)
    (row,) = json.loads(pyvirt(idle_lab, "image", "list", "-o", "json", user="nobody").stdout)
    assert (row["name"], row["used_by"]) == ("base", ["db1", "db2", "db3"])
    pyvirt(idle_lab, "domain", "start", "db1", "db2")
    used = pyvirt(idle_lab, "image", "remove", "base", check=False)
    assert used.stderr.startswith("pyvirt: image base is used by db1, db2, db3\n")
    pyvirt(idle_lab, "domain", "stop", "--force", "db1", "db2")
    pyvirt(idle_lab, "domain", "delete", "db1", "db2", "db3")
    pyvirt(idle_lab, "image", "remove", "base")
    assert idle_lab.run(["test", "-e", IMAGES], check=False).returncode == 1


def test_only_root_reads_an_image_and_changes_one(idle_lab: World) -> None:
    idle_lab.run(["qemu-img", "create", "-qf", "qcow2", "/var/lib/a.img", "8M"])
    pyvirt(idle_lab, "image", "add", "base", "/var/lib/a.img")
    shown = pyvirt(idle_lab, "image", "show", "base", "-o", "json", user="nobody").stdout
    (row,) = json.loads(shown)
    assert idle_lab.run(["cat", row["file"]], user="nobody", check=False).returncode == 1
    for words in (("add", "x", "/var/lib/a.img"), ("pull", "debian-12"), ("remove", "base")):
        refused = pyvirt(idle_lab, "image", *words, user="nobody", check=False)
        assert f"pyvirt image {words[0]} needs root" in refused.stderr
    pyvirt(idle_lab, "image", "remove", "base")
