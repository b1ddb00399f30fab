"""A service that gives known answers, for tests of the commands that ask it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from leasewatch.paths import Paths

ENTRY = {
    "name": "web1", "trust": "owner", "verdict": "published", "reason": "r", "network": "lab",
    "domain": None, "address": "10.77.0.5", "family": 4, "ifindex": 0, "origin": "lease",
    "mac": "52:54:00:00:00:01", "hostname": None, "client_id": None, "iaid": None,
    "expires": None, "source": "/l",
}  # fmt: skip


@contextmanager
def answering(paths: Paths, entries: Sequence[dict[str, Any]], page: int = 3) -> Iterator[None]:
    """Serve `List`, in pages, `Resolve` and `Sources`. Other names are unknown."""
    paths.service_run.mkdir(parents=True, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(paths.socket)
    listener.listen()

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # shut down
                return
            with connection:
                connection.settimeout(10)
                call = b""
                while not call.endswith(b"\0"):
                    call += connection.recv(65536)
                for reply in _replies(json.loads(call[:-1]), entries, page):
                    connection.sendall(json.dumps(reply).encode() + b"\0")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        listener.close()
        paths.varlink.unlink()


def _replies(
    call: dict[str, Any], entries: Sequence[dict[str, Any]], page: int
) -> Iterator[dict[str, Any]]:
    if call["method"].endswith(".List"):
        starts = range(0, len(entries), page) or [0]
        for at in starts:
            shown = {"entries": entries[at : at + page], "generation": 7}
            yield {"parameters": shown, "continues": at != starts[-1]}
        return
    if call["method"].endswith(".Sources"):
        files = {"pyvirt": ENTRY["source"], "libvirt": "/other"}
        sources = [{"source": k, "state": "watched", "path": path} for k, path in files.items()]
        yield {"parameters": {"sources": sources}}
        return
    query = call["parameters"]["query"]
    own = [entry for entry in entries if query in {entry["name"], entry["address"]}]
    if not any(entry["verdict"] in {"published", "pending"} for entry in own):
        error = "org.pyvirt.LeaseWatch.NoSuchName"
        yield {"error": error, "parameters": {"query": query, "candidates": own}}
        return
    fields = ("address", "family", "network", "expires", "ifindex", "origin")
    published = [entry for entry in own if entry["verdict"] == "published"]
    yield {
        "parameters": {
            "name": own[0]["name"], "aliases": [], "trust": "owner", "pending_until": None,
            "addresses": [{key: entry[key] for key in fields} for entry in published],
            "candidates": own,
        }
    }  # fmt: skip
