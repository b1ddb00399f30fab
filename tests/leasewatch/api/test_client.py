"""The blocking client against peers that answer, refuse, lie, stall and vanish."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from leasewatch.api import client as varlink_client
from leasewatch.api import exchange
from leasewatch.api.client import NoHistoryError, NoServiceError, NoSuchNameError
from leasewatch.history.rows import HistoryParameters
from nss_pyvirt.errors import UserError

ENTRY = {
    "name": "web1", "trust": "guest", "verdict": "published", "reason": "r", "network": "lab",
    "address": "10.77.0.5", "family": 4, "mac": "52:54:00:00:00:01", "expires": None,
}  # fmt: skip


@contextmanager
def peer(folder: Path, answer: Callable[[socket.socket], None]) -> Iterator[Path]:
    """A service that takes one connection, and the path of its socket."""
    path = folder / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        listener.settimeout(10)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(10)
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield path
        finally:
            thread.join(10)


def reply(message: object, *, pieces: int = 1) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        data = json.dumps(message).encode() + b"\0"
        size = len(data) // pieces + 1
        for start in range(0, len(data), size):
            connection.sendall(data[start : start + size])

    return answer


@pytest.mark.parametrize("pieces", [1, 7])
def test_a_reply_is_read_whole_however_it_is_cut(tmp_path: Path, pieces: int) -> None:
    message = {"parameters": {"entries": [ENTRY] * 3, "generation": 7}}
    with peer(tmp_path, reply(message, pieces=pieces)) as path:
        listed = varlink_client.list_entries(path)
    assert (listed.generation, len(listed.entries)) == (7, 3)
    assert listed.entries[0].name == "web1"
    assert listed.entries[0].expires is None


def test_the_call_is_one_varlink_message(tmp_path: Path) -> None:
    asked: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        asked.append(connection.recv(65536))

    with peer(tmp_path, answer) as path, pytest.raises(NoServiceError, match="ended while"):
        varlink_client.resolve(path, "wéb1")
    assert asked[0].endswith(b"\0")
    assert json.loads(asked[0][:-1]) == {
        "method": "org.pyvirt.LeaseWatch.Resolve",
        "parameters": {"query": "wéb1"},
    }


@pytest.mark.parametrize("pieces", [1, 7])
def test_a_list_is_asked_for_in_pages_and_put_together(tmp_path: Path, pieces: int) -> None:
    asked: list[bytes] = []
    pages = [
        {"parameters": {"entries": [ENTRY] * 2, "generation": 7}, "continues": True},
        {"parameters": {"entries": [], "generation": 7}, "continues": True},
        {"parameters": {"entries": [ENTRY], "generation": 7}},
    ]
    data = b"".join(json.dumps(page).encode() + b"\0" for page in pages)
    size = len(data) // pieces + 1

    def answer(connection: socket.socket) -> None:
        asked.append(connection.recv(65536))
        for start in range(0, len(data), size):
            connection.sendall(data[start : start + size])

    with peer(tmp_path, answer) as path:
        listed = varlink_client.list_entries(path)
    assert json.loads(asked[0][:-1])["more"] is True
    assert (listed.generation, len(listed.entries)) == (7, 3)


def test_an_error_after_some_pages_is_an_error(tmp_path: Path) -> None:
    page = {"parameters": {"events": []}, "continues": True}
    error = {"error": "org.pyvirt.LeaseWatch.NoHistory", "parameters": {"why": "harmed"}}

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"".join(json.dumps(m).encode() + b"\0" for m in (page, error)))

    with peer(tmp_path, answer) as path, pytest.raises(NoHistoryError, match="harmed"):
        varlink_client.events(path, HistoryParameters())


@pytest.mark.parametrize("error", ["InterfaceNotFound", "MethodNotFound"])
def test_a_service_of_an_older_version_is_to_be_restarted(tmp_path: Path, error: str) -> None:
    reply = {"error": f"org.varlink.service.{error}", "parameters": {}}

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(json.dumps(reply).encode() + b"\0")

    with peer(tmp_path, answer) as path, pytest.raises(UserError, match="another ver") as caught:
        varlink_client.events(path, HistoryParameters())
    assert caught.value.hint == "sudo systemctl restart leasewatch"


def test_an_argument_that_is_no_text_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not UTF-8"):
        varlink_client.resolve(tmp_path / "socket", os.fsdecode(b"web\xff"))


def test_an_unknown_name_carries_its_refused_candidates(tmp_path: Path) -> None:
    refused = ENTRY | {"verdict": "refused", "reason": '"wpad" is reserved'}
    message = {
        "error": "org.pyvirt.LeaseWatch.NoSuchName",
        "parameters": {"query": "wpad", "candidates": [refused]},
    }
    with peer(tmp_path, reply(message)) as path, pytest.raises(NoSuchNameError) as caught:
        varlink_client.resolve(path, "wpad")
    assert (caught.value.exit_code, caught.value.hint) == (3, "leasewatch resolve wpad --explain")
    assert [entry.verdict for entry in caught.value.candidates] == ["refused"]


BAD_REPLIES = {
    "another error": ({"error": "org.varlink.service.InvalidParameter"}, "InvalidParameter"),
    "no object": ([], "cannot understand"),
    "a missing key": ({"parameters": {"entries": []}}, "generation"),
    "a wrong type": ({"parameters": {"entries": [{"name": 5}], "generation": 1}}, "name"),
    "an unknown verdict": (
        {"parameters": {"entries": [ENTRY | {"verdict": "?"}], "generation": 1}},
        "verdict",
    ),
}


@pytest.mark.parametrize(("message", "fault"), BAD_REPLIES.values(), ids=BAD_REPLIES)
def test_a_reply_that_breaks_the_interface_is_an_error_that_says_where(
    tmp_path: Path, message: object, fault: str
) -> None:
    with peer(tmp_path, reply(message)) as path, pytest.raises(UserError, match=fault) as caught:
        varlink_client.list_entries(path)
    assert not isinstance(caught.value, NoServiceError)


def test_a_silent_service_counts_as_none_after_the_deadline(tmp_path: Path) -> None:
    def drip(connection: socket.socket) -> None:
        connection.recv(65536)
        try:
            while True:  # a byte now and then must not extend the deadline
                connection.sendall(b" ")
                threading.Event().wait(0.05)
        except OSError:
            return

    with peer(tmp_path, drip) as path, pytest.raises(NoServiceError, match="no answer"):
        list(exchange.messages(str(path), exchange.LIST, timeout=0.2))


def test_an_endless_reply_is_cut_off(tmp_path: Path) -> None:
    def flood(connection: socket.socket) -> None:
        connection.recv(65536)
        try:
            while True:
                connection.sendall(b"x" * 65536)
        except OSError:
            return

    with peer(tmp_path, flood) as path, pytest.raises(UserError, match="over 1048576 bytes"):
        list(exchange.messages(str(path), exchange.LIST, most=1 << 20))


@pytest.mark.parametrize("left_over", [False, True])
def test_a_missing_service_differs_from_an_error(tmp_path: Path, left_over: bool) -> None:
    path = tmp_path / "socket"
    if left_over:  # of a service that was killed
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
    with pytest.raises(NoServiceError, match="service is not running"):
        varlink_client.list_entries(path)
