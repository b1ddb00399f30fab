"""/metrics of a real service, as Prometheus reads it."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from leasewatch.api import admin_interface as admin
from leasewatch.api.admin_interface import Done, StatusReply
from leasewatch.api.client import replies
from leasewatch.daemon import endpoint
from tests.leasewatch.serving import Dnsmasq, Served
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("root"))
    dnsmasq = Dnsmasq(made.leases / "lab")
    for number, name in enumerate(("web1", "wpad"), 1):
        dnsmasq.lease(number, name)
    dnsmasq.rewrite()
    dnsmasq.close()
    made.settings(made.paths.config.read_text() + _listening(made))
    made.start()
    yield made
    made.close()


def _socket(served: Served) -> Path:
    return served.paths.service_run / "metrics.sock"


def _listening(served: Served) -> str:
    return f'[metrics]\nlisten = "unix:{_socket(served)}"\n'


def get(where: str | tuple[str, int], request: bytes) -> tuple[str, str, str]:
    """Status, headers and body."""
    family = socket.AF_UNIX if isinstance(where, str) else socket.AF_INET
    with socket.socket(family) as client:
        client.settimeout(60)
        client.connect(where)
        client.sendall(request)
        received = b""
        while piece := client.recv(65536):
            received += piece
    head, _, body = received.decode().partition("\r\n\r\n")
    status, _, headers = head.partition("\r\n")
    return status, headers, body


def metrics(where: str | tuple[str, int]) -> dict[str, float]:
    request = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
    status, headers, body = get(where, request)
    assert status == "HTTP/1.1 200 OK"
    assert "Content-Type: text/plain" in headers
    found = [s for family in text_string_to_metric_families(body) for s in family.samples]
    labels = {label for sample in found for label in sample.labels}
    assert labels == {"version"}
    return {sample.name: sample.value for sample in found}


def test_the_metrics_are_the_numbers_of_the_status(served: Served) -> None:
    shown = metrics(str(_socket(served)))
    (status,) = replies(served.paths.varlink, admin.STATUS, None, StatusReply, more=False)
    assert shown["leasewatch_names"] == status.names == 1
    assert shown["leasewatch_leases"] == status.leases == 2
    assert shown["leasewatch_generation"] == status.generation
    counters = status.counters
    assert shown["leasewatch_publishes_total"] == counters.publishes >= 1
    assert shown["leasewatch_publish_seconds_total"] == pytest.approx(counters.publish_seconds)
    assert shown["leasewatch_publish_longest_seconds"] == pytest.approx(counters.publish_longest)
    assert shown["leasewatch_claims_refused_total"] == counters.claims_refused == 1
    assert shown["leasewatch_uptime_seconds"] > 0
    assert len(shown) > len(counters.__struct_fields__)


def test_each_metric_has_a_help_text_and_openmetrics_is_spoken_on_demand(served: Served) -> None:
    accept = b"Accept: application/openmetrics-text; version=1.0.0\r\n"
    request = b"GET /metrics HTTP/1.1\r\n" + accept + b"\r\n"
    _, headers, body = get(str(_socket(served)), request)
    assert "Content-Type: application/openmetrics-text" in headers
    assert body.endswith("# EOF\n")
    assert "# HELP leasewatch_publishes host tables published\n" in body


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 Not Found"),
        (b"GET /metrics/../x HTTP/1.1\r\n\r\n", "HTTP/1.1 404 Not Found"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 405 Method Not Allowed"),
        (b"\r\n\r\n", "HTTP/1.1 405 Method Not Allowed"),
        (b"\xff\xfe\x00\r\n\r\n", "HTTP/1.1 405 Method Not Allowed"),
        (b"HEAD /metrics?x=1 HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK"),
    ],
)
def test_other_requests_get_their_status_and_no_metrics(
    served: Served, request_: bytes, status: str
) -> None:
    got, _, body = get(str(_socket(served)), request_)
    assert got == status
    assert "leasewatch_" not in body


def test_a_request_without_an_end_is_cut_off(served: Served) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(str(_socket(served)))
        with suppress(OSError):  # reset, or broken pipe
            for _ in range(1000):
                client.sendall(b"x" * 4096)
        with suppress(OSError):
            assert client.recv(1) == b""
    assert metrics(str(_socket(served)))


def test_clients_that_say_nothing_keep_nobody_else_out(served: Served) -> None:
    with ExitStack() as silent:
        for _ in range(40):
            client = silent.enter_context(socket.socket(socket.AF_UNIX))
            client.settimeout(60)
            client.connect(str(_socket(served)))
        assert metrics(str(_socket(served)))


def reload(served: Served) -> None:
    served.ignore_notices()
    replies_ = replies(served.paths.varlink, admin.RELOAD, None, Done, more=False)
    assert list(replies_) == [Done()]


@pytest.mark.skipif(os.getuid() != 0, reason="reloads the service")
def test_a_reload_moves_the_metrics_and_ends_them(served: Served) -> None:
    sound = served.paths.config.read_text()
    pid = os.getpid()  # makes an address that no other test has
    where = f"127.{pid >> 16 & 63}.{pid >> 8 & 255}.{pid & 254 | 1}", 9000 + pid % 2
    try:
        served.settings(sound.replace(f"unix:{_socket(served)}", f"{where[0]}:{where[1]}"))
        reload(served)
        assert not _socket(served).exists()
        assert metrics(where)["leasewatch_names"] == 1
        served.settings(sound.replace(f"unix:{_socket(served)}", ""))
        reload(served)

        def refuses() -> bool:
            try:
                socket.create_connection(where, 20).close()
            except OSError as error:
                return error.errno == errno.ECONNREFUSED
            return False

        wait_for("the port to be closed", refuses)
    finally:
        served.settings(sound)
        reload(served)
    assert metrics(str(_socket(served)))["leasewatch_leases"] == 2


def test_what_hinders_the_metrics_is_logged_and_names_go_on(tmp_path: Path) -> None:
    made = Served(tmp_path)
    try:
        made.settings(made.paths.config.read_text() + '[metrics]\nlisten = "unix:/no/such/x"\n')
        made.start()
        made.await_said('metrics are off listen=unix:/no/such/x why="No such file or directory"')
        made.stop()
        made.start(first=lambda: vars(sys)["modules"].update(prometheus_client=None))
        made.await_said('why="the package prometheus_client is not installed"')
    finally:
        made.close()


ENDPOINTS = {
    "unix:/run/x": endpoint.Endpoint("/run/x"),
    "127.0.0.1:9477": endpoint.Endpoint("", "127.0.0.1", 9477),
    "127.8.8.8:1": endpoint.Endpoint("", "127.8.8.8", 1),
    "[::1]:65535": endpoint.Endpoint("", "::1", 65535),
}
FAULTY = {
    "unix:": "absolute path",
    "unix:run/x": "absolute path",
    "unix:/a\0b": "absolute path",
    "unix:/" + "x" * 107: "more than 107 bytes",
    "9477": "neither",
    ":9477": "neither",
    "localhost:9477": "neither",
    "127.0.0.1": "neither",
    "127.0.0.1:": "no port",
    "127.0.0.1:0": "no port",
    "127.0.0.1:65536": "no port",
    "127.0.0.1:-1": "no port",
    "127.0.0.1:" + "9" * 5000: "no port",
    "127.0.0.1:\u0661": "no port",
    "::1:9477": "needs [ ]",
    "[::1]": "needs [ ]",
    "[127.0.0.1:1": "neither",
    "0.0.0.0:9477": "no loopback",
    "192.168.1.1:9477": "no loopback",
    "[::]:9477": "no loopback",
    "[::ffff:127.0.0.1]:9477": "no loopback",
    "http://127.0.0.1:9477": "needs [ ]",
}


@pytest.mark.parametrize("text", ENDPOINTS)
def test_an_endpoint_is_a_socket_or_a_port_of_this_host(text: str) -> None:
    assert endpoint.parse(text) == ENDPOINTS[text]


@pytest.mark.parametrize("text", FAULTY)
def test_a_faulty_endpoint_is_refused_with_the_reason(text: str) -> None:
    with pytest.raises(ValueError, match=FAULTY[text].replace("[", r"\[").replace("]", r"\]")):
        endpoint.parse(text)
