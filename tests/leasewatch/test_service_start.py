"""While the service starts, SIGHUP ends nothing and reloads; without leases there is no pause."""

from __future__ import annotations

import os
import signal

import pytest

from tests.leasewatch import serving
from tests.leasewatch.serving import Dnsmasq, Served

HANGUP = """
import importlib, os, signal
def hang_up_in(module, *path):
    *above, name = path
    owner = importlib.import_module(module)
    for each in above:
        owner = getattr(owner, each)
    inner = getattr(owner, name)
    def outer(*given, **named):
        setattr(owner, name, inner)
        os.kill(os.getpid(), signal.SIGHUP)
        return inner(*given, **named)
    setattr(owner, name, outer)
hang_up_in(*{!r})
"""


@pytest.mark.parametrize(
    "moment",
    [
        ("leasewatch.daemon.account", "settle"),
        ("leasewatch.files.locks", "ProcessLock", "acquire"),
        ("leasewatch.settings", "load"),
        ("leasewatch.service", "Service", "run"),
        ("leasewatch.service", "Watcher"),
        ("leasewatch.service", "Service", "_settle"),
        ("leasewatch.api.server", "VarlinkServer", "start"),
    ],
    ids=lambda moment: moment[-1],
)
def test_a_hangup_while_it_starts_is_a_reload(
    served: Served, dnsmasq: Dnsmasq, monkeypatch: pytest.MonkeyPatch, moment: tuple[str, ...]
) -> None:
    monkeypatch.setattr(serving, "_MAIN", HANGUP.format(moment) + serving._MAIN)
    dnsmasq.lease(1, "web1")
    dnsmasq.rewrite()
    served.start()
    served.await_answer("web1", "10.0.0.1")
    served.await_said("reloaded")
    os.kill(served.pid, signal.SIGHUP)  # it is no longer held back
    served.await_notice("RELOADING=1")
    assert served.stop() == 0


def test_a_host_without_leases_is_served_without_a_pause(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_pause = "import asyncio; asyncio.sleep = None\n"
    monkeypatch.setattr(serving, "_MAIN", no_pause + serving._MAIN)
    served.settings("")
    served.start()
    assert served.stop() == 0
