"""`/metrics` for Prometheus, on a Unix socket or a loopback address, if the settings say so.

The numbers are those of `leasewatch admin status`: a field of `StatusReply` is a gauge, one of
`Counters` a counter. No metric has a label for a lease, a name or a client.

Why no server of prometheus_client: its own is a thread and has no Unix socket.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

import msgspec

from leasewatch.api.admin_interface import StatusReply
from leasewatch.daemon import endpoint
from leasewatch.daemon.counters import Counters
from leasewatch.daemon.logs import fields

_PATIENCE: Final = 10.0
"""Seconds that a client has to ask, and to take the answer."""
_MOST_CLIENTS: Final = 8
"""If there are more, the oldest one is cut off: a scraper needs only a moment."""
_LONGEST: Final = 8192
"""Bytes of a request."""
_LOG = logging.getLogger(__name__)


class Metrics:
    """Serves what `status()` returns, once `configure` was given an endpoint."""

    def __init__(self, status: Callable[[], StatusReply]) -> None:
        self._status = status
        self._listen = ""
        self._task: asyncio.Task[None] | None = None
        self._clients: dict[asyncio.Task[None], None] = {}

    def configure(self, listen: str) -> None:
        """Listen there, as in the settings, and nowhere else; a failure is logged."""
        if listen == self._listen and self._task is not None:
            return
        self.stop()
        self._listen = listen
        if not listen:
            return
        try:
            import prometheus_client  # noqa: F401, PLC0415  it is optional

            listener = _listener(endpoint.parse(listen))
        except ImportError:
            why = "the package prometheus_client is not installed"
        except OSError as error:
            why = error.strerror or str(error)
        else:
            self._task = asyncio.get_running_loop().create_task(self._serve(listener))
            return
        _LOG.error("metrics are off %s", fields(listen=listen, why=why, see="man leasewatch"))

    def stop(self) -> None:
        """Stop listening, and remove the socket."""
        if self._task is None:
            return
        for task in (self._task, *self._clients):
            task.cancel()
        self._task = None
        if path := endpoint.parse(self._listen).path:
            Path(path).unlink(missing_ok=True)

    async def _serve(self, listener: socket.socket) -> None:
        server = await asyncio.start_server(self._connected, sock=listener, limit=_LONGEST)
        await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= _MOST_CLIENTS:
            oldest = next(iter(self._clients))
            del self._clients[oldest]
            oldest.cancel()
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  for mypy
        self._clients[task] = None
        try:
            async with asyncio.timeout(_PATIENCE):
                writer.write(self._answer(await reader.readuntil(b"\r\n\r\n")))
                await writer.drain()
        except (OSError, EOFError, asyncio.LimitOverrunError, TimeoutError):
            writer.transport.abort()
        finally:
            self._clients.pop(task, None)
            writer.close()

    def _answer(self, request: bytes) -> bytes:
        """The whole HTTP response; the connection closes after it (RFC 9112)."""
        first, *headers = request.decode("latin-1").split("\r\n")
        method, target, *_ = [*first.split(" "), "", ""]
        kind, body = "text/plain; charset=utf-8", b""
        if method not in {"GET", "HEAD"}:
            status = "405 Method Not Allowed"
        elif target.partition("?")[0] != "/metrics":
            status, body = "404 Not Found", b"the metrics are at /metrics\n"
        else:
            status = "200 OK"
            kind, body = exposition(self._status(), _accepted(headers))
        lines = (
            f"HTTP/1.1 {status}",
            f"Content-Type: {kind}",
            f"Content-Length: {len(body)}",
            "Connection: close",
        )
        head = "".join(f"{line}\r\n" for line in lines) + "\r\n"
        return head.encode() + (body if method == "GET" else b"")


def exposition(status: StatusReply, accept: str = "") -> tuple[str, bytes]:
    """The type and the text of all metrics, in a format that the header `accept` allows."""
    from prometheus_client import CollectorRegistry  # noqa: PLC0415  it is optional
    from prometheus_client.exposition import choose_encoder  # noqa: PLC0415

    class Collector:
        def collect(self) -> Iterator[Any]:
            return _families(status)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector())
    encode, kind = choose_encoder(accept)
    return kind, encode(registry)


def _families(status: StatusReply) -> Iterator[Any]:
    from prometheus_client import core  # noqa: PLC0415  it is optional

    yield core.InfoMetricFamily("leasewatch", "the service", {"version": status.version})
    for name, text, value in _numbers(status):
        if name != "pid":
            unit = "_seconds" if name == "uptime" else ""
            yield core.GaugeMetricFamily(f"leasewatch_{name}{unit}", text, value)
    for name, text, value in _numbers(status.counters):
        if name.endswith("_longest"):
            yield core.GaugeMetricFamily(f"leasewatch_{name}_seconds", text, value)
        else:
            yield core.CounterMetricFamily(f"leasewatch_{name}", text, value)


def _numbers(struct: StatusReply | Counters) -> Iterator[tuple[str, str, float]]:
    """The name, comment and value of each field that is a number."""
    hints = get_type_hints(type(struct), include_extras=True)
    for name, value in msgspec.structs.asdict(struct).items():
        if isinstance(value, int | float):
            hint = hints[name]
            text = get_args(hint)[1] if get_origin(hint) is Annotated else name
            yield name, text, value


def _listener(place: endpoint.Endpoint) -> socket.socket:
    """A socket that listens there; raises OSError. A socket that a killed service left goes."""
    family = socket.AF_UNIX if place.path else socket.AF_INET6 if ":" in place.address else None
    listener = socket.socket(family or socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        if place.path:
            path = Path(place.path)
            if path.is_socket():
                path.unlink()
            listener.bind(place.path)
            path.chmod(0o666)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((place.address, place.port))
        listener.listen()  # from now on a client waits until it is answered
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _accepted(headers: list[str]) -> str:
    """The value of the header Accept."""
    pairs = (line.partition(":") for line in headers)
    found = (value.strip() for name, _, value in pairs if name.lower() == "accept")
    return next(found, "")
