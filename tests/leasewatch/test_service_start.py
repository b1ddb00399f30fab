"""While the service starts, SIGHUP ends nothing and reloads; without leases there is no pause."""

from __future__ import annotations

import asyncio
import functools
import importlib
import os
import signal
from typing import Any

import pytest

from tests.leasewatch.serving import Dnsmasq, Served


def hang_up_in(module: str, *path: str) -> None:
    """Send this process SIGHUP when it first gets there."""
    *above, name = path
    owner = functools.reduce(getattr, above, importlib.import_module(module))
    inner = getattr(owner, name)

    def outer(*given: Any, **named: Any) -> Any:
        setattr(owner, name, inner)
        os.kill(os.getpid(), signal.SIGHUP)
        return inner(*given, **named)

    setattr(owner, name, outer)


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
    served: Served, dnsmasq: Dnsmasq, moment: tuple[str, ...]
) -> None:
    dnsmasq.lease(1, "web1")
    dnsmasq.rewrite()
    served.start(first=lambda: hang_up_in(*moment))
    served.await_answer("web1", "10.0.0.1")
    served.await_said("reloaded")
    os.kill(served.pid, signal.SIGHUP)  # it is no longer held back
    served.await_notice("RELOADING=1")
    assert served.stop() == 0


def test_a_host_without_leases_is_served_without_a_pause(served: Served) -> None:
    served.settings("")
    served.start(first=lambda: delattr(asyncio, "sleep"))
    assert served.stop() == 0
