"""`Records` against a real service: all published names, and then each change."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from leasewatch import addresses
from leasewatch.api import client, interface, records
from leasewatch.api.records_interface import RecordsReply, host_record, named_records
from leasewatch.model import DomainState, HostAddress, HostRecord, Nic
from tests.leasewatch.serving import Dnsmasq, Served

SECONDS = 60


def follow(served: Served) -> Iterator[RecordsReply]:
    until = time.monotonic() + SECONDS
    return client.replies(served.paths.varlink, interface.RECORDS, None, RecordsReply, until=until)


def until_synced(replies: Iterator[RecordsReply]) -> list[RecordsReply]:
    found = [next(replies)]
    while not found[-1].synced:
        found.append(next(replies))
    return found


def shown(reply: RecordsReply) -> dict[str, list[str]]:
    """The addresses of each name."""
    return {
        one.name: [address.address for record in one.records for address in record.addresses]
        for one in reply.names
    }


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path)
    yield made
    made.close()


@pytest.fixture
def dnsmasq(served: Served) -> Iterator[Dnsmasq]:
    made = Dnsmasq(served.leases / "lab")
    made.lease(1, "web1")
    made.rewrite()
    yield made
    made.close()


def test_a_follower_gets_all_names_and_then_each_change(served: Served, dnsmasq: Dnsmasq) -> None:
    served.start()
    replies = follow(served)
    first, synced = until_synced(replies)
    assert shown(first) == {"web1": ["10.0.0.1"]}
    (record,) = first.names[0].records
    assert (record.names, record.trust) == (["web1", "web1.lab.internal"], "guest")
    assert record.addresses[0].expires == dnsmasq.expires
    assert synced.names == []
    assert synced.networks is not None
    assert [(one.name, one.suffix) for one in synced.networks] == [("lab", "internal")]

    dnsmasq.lease(2, "web2")
    dnsmasq.rewrite()
    added = next(replies)
    assert shown(added) == {"web2": ["10.0.0.2"]}
    assert (added.networks, added.blocked, added.synced) == (None, None, True)
    assert served.answer("web2") == ["10.0.0.2"]  # it was published before

    del dnsmasq.lines["web1"]
    dnsmasq.rewrite()
    assert shown(next(replies)) == {"web1": []}


def test_changes_of_one_moment_are_one_reply(served: Served, dnsmasq: Dnsmasq) -> None:
    served.start()
    replies = follow(served)
    until_synced(replies)
    for number in range(10, 10 + records.PAGE // 2):
        dnsmasq.lease(number, f"vm{number}")
    dnsmasq.rewrite()
    assert len(next(replies).names) == records.PAGE // 2


def test_many_names_come_in_pages(served: Served, dnsmasq: Dnsmasq) -> None:
    many = 3 * records.PAGE
    for number in range(2, many + 2):
        dnsmasq.lease(number, f"vm{number}")
    dnsmasq.rewrite()
    served.start()
    pages = until_synced(follow(served))
    assert all(len(page.names) <= records.PAGE for page in pages)
    assert len({name for page in pages for name in shown(page)}) == many + 1


def test_what_others_may_not_name_and_networks_come_when_they_change(
    served: Served, dnsmasq: Dnsmasq, tmp_path: Path
) -> None:
    served.start()
    replies = follow(served)
    blocked = until_synced(replies)[-1].blocked
    assert blocked is not None
    assert "printer" not in blocked
    served.settings(
        f'[[source]]\npath = "{served.leases}/lab"\nnetwork = "lab"\n'
        f'[[source]]\npath = "{tmp_path}/none"\nnetwork = "dmz"\n[names]\nreserved = ["printer"]\n'
    )
    served.rescan()
    changed = next(replies)
    assert changed.names == []
    assert changed.networks is not None
    assert [one.name for one in changed.networks] == ["dmz", "lab"]
    assert changed.blocked == sorted([*blocked, "printer"])


def test_a_domain_that_has_just_started_is_pending(served: Served, dnsmasq: Dnsmasq) -> None:
    served.start()
    replies = follow(served)
    until_synced(replies)
    now = int(time.time())
    nic = Nic("lab", "52:54:00:00:09:09")
    served.domain(
        DomainState(name="db", nics=(nic,), started=now, pending_until=now + 60, pid=os.getpid())
    )
    while "db" not in shown(reply := next(replies)):
        pass
    (record,) = reply.names[0].records
    assert (record.trust, record.addresses, record.awaited) == ("owner", [], [4])
    assert record.pending_until == now + 60


def test_names_in_this_hosts_zone_are_left_out_because_readers_make_them() -> None:
    names = ("db", "db.hosta.vm.example.org", "db.lab.internal", "db.lab.hosta.vm.example.org")
    shown = named_records("db", [HostRecord(names, (), "owner")], "hosta.vm.example.org")
    assert shown.records[0].names == ["db", "db.lab.internal"]


def test_a_record_is_the_same_after_its_way_through_the_interface() -> None:
    record = HostRecord(
        names=("web1", "web1.lab.internal"),
        addresses=(
            HostAddress(
                address=addresses.parse("fe80::1"),
                expires=0,
                network="lab",
                ifindex=3,
                origin="neighbour",
            ),
        ),
        trust="owner",
        pending_until=99,
        awaited=(4, 6),
    )
    (sent,) = named_records("web1", [record]).records
    assert host_record(msgspec.convert(msgspec.to_builtins(sent), type(sent))) == record


ROUNDS = 12
"""Even if each name is only reported as gone, that is more than the socket and the service hold."""


def long_name(round_: int, number: int) -> str:
    return f"vm{round_}-{number}-".ljust(62, "x") + "x"


def test_who_does_not_read_is_cut_off_and_may_start_again(served: Served, dnsmasq: Dnsmasq) -> None:
    served.start(first=lambda: vars(records).update(KEPT=20, PAGE=5))
    call = msgspec.json.encode({"method": interface.RECORDS, "more": True}) + b"\0"
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(served.paths.varlink))
        peer.settimeout(SECONDS)
        peer.sendall(call)
        assert peer.recv(1)  # from now on it follows
        for round_ in range(ROUNDS):
            dnsmasq.lines.clear()
            for number in range(2, 402):
                dnsmasq.lease(number, long_name(round_, number))
            dnsmasq.rewrite()
            served.await_answer(long_name(round_, 401), "10.0.1.145")
        with contextlib.suppress(ConnectionResetError):
            while peer.recv(1 << 20):
                pass
    names = {name for page in until_synced(follow(served)) for name in shown(page)}
    assert names == {long_name(ROUNDS - 1, number) for number in range(2, 402)}
    assert "Traceback" not in served.said()
