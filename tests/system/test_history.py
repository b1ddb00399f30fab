"""The history beside real DHCP servers and clients, run as the service's user; disks that fail."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.system.asking import finds
from tests.system.world import Client, World

HISTORY = "/var/lib/leasewatch"
SAID = "/run/said"


class Host:
    """A world with networks of one address each, and the service, whose words are kept."""

    def __init__(self, world: World, *networks: str) -> None:
        self.world = world
        self.service: subprocess.Popen[str] | None = None
        settings = ""
        for number, name in enumerate(networks):
            for command in (
                f"link add br{number} type bridge",
                f"addr add 10.9.{number}.1/24 dev br{number}",
                f"link set br{number} up",
            ):
                world.run(["ip", *command.split()])
            leases = f"/var/lib/misc/{name}.leases"
            settings += f'[[source]]\npath = "{leases}"\nnetwork = "{name}"\n'
        world.run(["mkdir", "-p", "/var/lib/misc"])
        world.run(["tee", "/etc/pyvirt/leasewatch.toml"], input=settings)
        world.run(["install", "-m", "0666", "/dev/null", SAID])
        for number, name in enumerate(networks):
            only = f"10.9.{number}.10,10.9.{number}.10,2m"
            world.spawn(
                [
                    *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root"),
                    *("--port=0", f"--interface=br{number}", "--bind-interfaces", "--no-ping"),
                    *("--pid-file=", f"--dhcp-range={only}", "--dhcp-authoritative"),
                    f"--dhcp-leasefile=/var/lib/misc/{name}.leases",
                ]
            )

    def serve(self) -> None:
        self.service = self.world.serve("sh", "-c", f'exec "$0" "$@" 2>>{SAID}')

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        assert self.service is not None
        self.world.signal(self.service, number)
        self.service.wait(30)

    def said(self) -> str:
        return self.world.run(["cat", SAID]).stdout

    def await_said(self, text: str) -> None:
        self.world.wait_for(f"{text!r} in: {self.said()}", lambda: text in self.said())

    def asked(self, *what: str) -> list[dict[str, Any]]:
        """The rows of `leasewatch history`; none where nothing is known, or no file is there."""
        shown = self.world.run(["leasewatch", "history", *what, "-o", "json"], check=False)
        rows: list[dict[str, Any]] = json.loads(shown.stdout or "[]")
        return rows

    def await_rows(
        self, what: str, query: str, meant: Callable[[list[dict[str, Any]]], object]
    ) -> list[dict[str, Any]]:
        """Wait until the history of `query` is what is meant."""
        self.world.wait_for(f"{what}: {self.asked(query)}", lambda: meant(self.asked(query)))
        return self.asked(query)

    def renew(self, client: Client) -> None:
        """Let the client ask for its lease again, and wait until dnsmasq has written it down."""
        dhcp = client._dhcp
        assert dhcp is not None
        before = self.leases()
        self.world.run(["sleep", "1.1"])  # its end has a resolution of seconds
        self.world.signal(dhcp, signal.SIGUSR1)
        self.world.wait_for("the renewal", lambda: self.leases() != before)

    def leases(self) -> str:
        return self.world.run(["sh", "-c", "cat /var/lib/misc/*.leases"]).stdout


@pytest.fixture
def host(world: World) -> Host:
    """Its one network is `own`, on br0, and has one address."""
    return Host(world, "own")


def test_it_says_who_had_an_address_one_after_the_other(host: Host) -> None:
    host.serve()
    first = host.world.client("c1", "br0")
    address = first.dhcp("web1")
    (row,) = host.await_rows("the first", address, lambda rows: len(rows) == 1)
    assert (row["name"], row["network"], row["mac"]) == ("web1", "own", first.mac)
    host.renew(first)
    (renewed,) = host.await_rows(
        "the renewal", address, lambda rows: rows[0]["expires"] > row["expires"]
    )
    assert renewed["since"] == row["since"]
    first.release()
    host.await_rows("the release", address, lambda rows: rows[0]["state"] == "released")
    second = host.world.client("c2", "br0")
    assert second.dhcp("db1") == address
    rows = host.await_rows("the second", address, lambda rows: len(rows) == 2)
    assert [(r["name"], r["mac"], r["state"]) for r in rows] == [
        ("web1", first.mac, "released"),
        ("db1", second.mac, "holds"),
    ]
    assert rows[0]["until"] <= rows[1]["since"]
    for query in ("web1", first.mac.upper(), "web1.own.internal"):
        assert [r["address"] for r in host.asked(query)] == [address], query
    kinds = [e["event"] for e in host.asked("--events", address)]
    assert kinds == ["added", "released", "added"]
    table = host.world.run(["leasewatch", "history", address], user="nobody").stdout
    assert [line.split()[-1] for line in table.splitlines()] == ["STATE", "released", "holds"]


def test_a_refused_claim_is_an_event_once(host: Host) -> None:
    host.serve()
    liar = host.world.client("liar", "br0")
    address = liar.dhcp("ip6-gateway")
    host.world.wait_for("the refusal", lambda: len(host.asked("--events", address)) == 2)
    host.renew(liar)
    host.renew(liar)
    ends = int(host.leases().split()[0])
    (row,) = host.await_rows("the renewals", address, lambda rows: rows[0]["expires"] == ends)
    assert (row["name"], row["hostname"]) == (None, "ip6-gateway")
    assert row["claim"] == 'refused: "ip6-gateway" is reserved'
    added, refused = host.asked("--events", address)
    assert (added["event"], refused["event"], refused["name"]) == (
        "added",
        "refused",
        "ip6-gateway",
    )
    assert refused["mac"] == liar.mac


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_later_of_two_claims_keeps_the_name_over_a_restart(
    world: World, number: signal.Signals
) -> None:
    host = Host(world, "later", "first")  # in this order a service that knows nothing reads them
    host.serve()
    first, later = world.client("c1", "br1"), world.client("c2", "br0")
    one = first.dhcp("web1")
    world.wait_for("the first", lambda: finds(world, "web1") == [one])
    two = later.dhcp("web1")
    world.wait_for("the later", lambda: finds(world, "web1") == [two])
    host.await_rows("both", "web1", lambda rows: len(rows) == 2)
    host.end(number)
    host.renew(first)
    host.serve()
    assert finds(world, "web1") == [two]
    assert [e["event"] for e in host.asked("--events")].count("added") == 2
    host.end()
    world.run(["sh", "-c", f"rm {HISTORY}/history.db*"])
    host.serve()
    assert finds(world, "web1") == [one]  # nothing but the history knew


def test_a_damaged_file_is_set_aside_and_the_names_go_on(host: Host) -> None:
    world = host.world
    host.serve()
    client = world.client("c1", "br0")
    address = client.dhcp("web1")
    host.await_rows("it", "web1", lambda rows: rows)
    host.end()
    world.run(["sh", "-c", f"head -c 20000 /dev/urandom > {HISTORY}/history.db"])
    host.serve()
    assert finds(world, "web1") == [address]
    host.await_said("history is damaged, renamed")
    host.await_rows("it again", "web1", lambda rows: len(rows) == 1)
    files = world.run(["ls", HISTORY]).stdout.split()
    assert any(name.startswith("history.db.damaged-") for name in files)


def test_a_full_disk_is_logged_once_and_waiting_entries_are_written_later(
    host: Host,
) -> None:
    world = host.world
    world.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", HISTORY])
    world.run(["chown", "leasewatch:leasewatch", HISTORY])
    host.serve()
    client = world.client("c1", "br0")
    address = client.dhcp("web1")
    host.await_rows("it", "web1", lambda rows: rows)
    world.run(["sh", "-c", f"head -c 1M /dev/zero > {HISTORY}/filler || true"])
    client.release()
    host.await_said("history is not written, trying again")
    assert client.dhcp("db1") == address
    world.wait_for("db1", lambda: finds(world, "db1") == [address])
    assert not finds(world, "web1")
    assert host.said().count("history is not written") == 1
    world.run(["rm", f"{HISTORY}/filler"])
    rows = host.await_rows("the rest", address, lambda rows: len(rows) == 2)
    assert [(r["name"], r["state"]) for r in rows] == [("web1", "released"), ("db1", "holds")]
    host.await_said("history is written again")


@pytest.mark.parametrize(
    ("harm", "cure"),
    [
        (f"mount -t tmpfs -o ro tmpfs {HISTORY}", f"umount {HISTORY}"),
        (f"rmdir {HISTORY}", f"install -d -o leasewatch -g leasewatch {HISTORY}"),
        (f"chmod 0555 {HISTORY}", f"chmod 0755 {HISTORY}"),
    ],
    ids=["read-only disk", "no folder, and none may be made", "closed folder"],
)
def test_a_folder_that_cannot_be_written_is_logged_once_and_retried(
    host: Host, harm: str, cure: str
) -> None:
    world = host.world
    world.run(["sh", "-c", harm])
    host.serve()
    address = world.client("c1", "br0").dhcp("web1")
    world.wait_for("web1", lambda: finds(world, "web1") == [address])
    host.await_said("history is not written, trying again")
    world.run(["sh", "-c", cure])
    host.await_rows("it", "web1", lambda rows: rows)
    assert host.said().count("history is not written") == 1


def test_without_the_service_root_reads_the_history_as_its_owner_and_others_get_the_reason(
    host: Host,
) -> None:
    world = host.world
    host.serve()
    world.client("c1", "br0").dhcp("web1")
    host.await_rows("it", "web1", lambda rows: rows)
    host.end(signal.SIGKILL)  # its log is not merged
    shown = world.run(["leasewatch", "history", "web1"])
    assert "web1" in shown.stdout
    assert f"reading {HISTORY}/history.db instead" in shown.stderr
    owners = world.run(["sh", "-c", f"stat -c %U {HISTORY}/*"]).stdout.split()
    assert set(owners) == {"leasewatch"}
    world.run(["chmod", "0750", HISTORY])  # as the unit makes it
    refused = world.run(["leasewatch", "history"], user="nobody", check=False)
    assert refused.returncode == 1
    assert f"{HISTORY}/history.db: Permission denied" in refused.stderr
    assert "hint: run it with sudo, or start the service" in refused.stderr
    host.serve()
    host.await_rows("it", "web1", lambda rows: len(rows) == 1)
    assert "not written" not in host.said()
