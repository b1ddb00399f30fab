"""A web server on loopback that sends what a test wants, as it wants."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Web:
    """Files by their path, and how they are sent."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.files: dict[str, bytes] = {}
        self.moved: dict[str, str] = {}
        """Path -> the location that it redirects to."""
        self.faults: dict[str, int] = {}
        """Path -> the status that it always has."""
        self.cuts: list[int] = []
        """After how many bytes each of the next answers breaks off."""
        self.ranges = True
        self.validators = True
        self.length = True
        self.requests: list[tuple[str, dict[str, str]]] = []
        """Path and headers of each request."""
        self.reached = threading.Event()
        """Set once an answer was cut off."""
        self.hold = threading.Event()
        self.hold.set()
        """Cleared: a cut answer stays open until it is set."""


class _Handler(BaseHTTPRequestHandler):
    web: Web

    def do_GET(self) -> None:
        web = self.web
        web.requests.append((self.path, dict(self.headers)))
        if status := web.faults.get(self.path):
            self.send_error(status)
        elif location := web.moved.get(self.path):
            self.send_response(302)
            self.send_header("Location", location)
            self.end_headers()
        elif self.path in web.files:
            self._send(web.files[self.path])
        else:
            self.send_error(404)

    def _send(self, content: bytes) -> None:
        web = self.web
        tag = f'"{hash(content):x}"'
        start = 0
        asked = self.headers.get("Range", "")
        if asked and web.ranges and self.headers.get("If-Range", tag) == tag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if start >= len(content) and start:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
        else:
            self.send_response(206 if start else 200)
        if 0 < start < len(content):
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if web.validators:
            self.send_header("ETag", tag)
        if web.length:
            self.send_header("Content-Length", str(max(0, len(content) - start)))
        self.end_headers()
        body = content[start:]
        if web.cuts:
            self.wfile.write(body[: web.cuts.pop(0)])
            self.wfile.flush()
            web.reached.set()
            web.hold.wait(30)
            self.connection.close()
            return
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Print nothing."""


@contextlib.contextmanager
def serving() -> Iterator[Web]:
    """A server of its own until this ends."""

    class Handler(_Handler):
        pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Handler.web = Web(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield Handler.web
        finally:
            Handler.web.hold.set()
            server.shutdown()
            thread.join()
