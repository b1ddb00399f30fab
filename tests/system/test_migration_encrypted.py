"""Encrypted disks move with their guest, and stay encrypted."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from tests.system.domains import pyvirt
from tests.system.hunt import KEYS, hunted, on_disk
from tests.system.two_hosts import TwoHosts

pytestmark = pytest.mark.long
KEY = KEYS / "web1.key"
WRITE = "for d in vda vdb; do echo hidden words | dd of=/dev/$d conv=fsync; done; echo done"
READ = "for d in vda vdb; do dd if=/dev/$d bs=512 count=1; done"
VOLUMES = Path("/var/lib/pyvirt/volumes")


def test_encrypted_disks_move_and_no_secret_shows(hosts: TwoHosts) -> None:
    secret = f"hunted-{secrets.token_hex(16)}"
    key = ("--encrypt", "--secret-file", KEY)
    make = f"umask 077; mkdir -p {KEYS}; cat >{KEY}; qemu-img create -q -f qcow2 /var/lib/base 8M"
    hosts.kvm1.run(["sh", "-c", make], input=secret)
    with hunted(secret.encode()):
        size = ("--size", "8M", "--iter-time", "1")
        pyvirt(hosts.kvm1, "volume", "create", "data1", *size, *key)
        hosts.define("web1", "--disk", "/var/lib/base", *key, "--volume", "data1")
        pyvirt(hosts.kvm1, "domain", "start", "web1", *key[1:])
        address = hosts.kvm1.wait_for("a lease", lambda: hosts.leased("web1"), 120)
        hosts.log_in(address, WRITE)
        pyvirt(hosts.kvm1, "domain", "migrate", "web1", "kvm2", *key[1:])
        assert hosts.log_in(address, READ, "kvm2").count("hidden words") == 2
        assert hosts.copies("web1") == {"kvm2": "running"}
        pyvirt(hosts.kvm2, "domain", "stop", "--force", "web1")
        again = ["pyvirt", "domain", "start", "web1", "--secret-file", "-"]
        hosts.kvm2.run(again, input=secret, timeout=120)
        pyvirt(hosts.kvm2, "domain", "stop", "--force", "web1")
    assert on_disk(hosts.kvm1, secret.encode()) == on_disk(hosts.kvm2, secret.encode()) == []
    hidden = ["grep", "-rl", "hidden words", "/var/lib/pyvirt"]
    assert hosts.kvm2.run(hidden, check=False).stdout == ""
    assert hosts.kvm1.run(["ls", "-A", VOLUMES]).stdout == ""
    assert hosts.kvm2.run(["ls", "-A", VOLUMES]).stdout == "data1.qcow2\n"
