"""A host of a site: lease file, `leasewatch serve` and `leasewatch dns serve`, below a folder."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.leasewatch.dns_serving import DnsServed
from tests.leasewatch.serving import Dnsmasq, Served

SITE = "example.org"


class SiteHost:
    """Its service runs; `dns` is started by the test."""

    def __init__(self, root: Path, name: str, key: Path, listen: str, more: str) -> None:
        self.apex = f"{name}.vm.{SITE}"
        root.mkdir()
        self.served = Served(root)
        self.dns = DnsServed(self.served.paths)
        self.state = self.served.paths.dns_state
        self._dnsmasq = Dnsmasq(self.served.leases / "lab")
        (self.served.paths.dns_keys / key.name).write_bytes(key.read_bytes())
        (self.served.paths.dns_keys / key.name).chmod(0o600)
        self.dns.settings(
            f"""{self.served.paths.config.read_text()}
[dns]
listen = ["{listen}"]
host = "{name}"
site = "{SITE}"
key = "{key.stem}"
{more}
"""
        )

    def lease(self, number: int, name: str) -> str:
        """A guest of network lab gets 10.0.0.NUMBER; returns its name in the site."""
        self._dnsmasq.lease(number, name)
        self._dnsmasq.rewrite()
        return f"{name}.lab.{self.apex}"

    def close(self) -> None:
        """End everything."""
        self._dnsmasq.close()
        self.dns.stop(signal.SIGKILL)
        self.served.close()


@contextmanager
def site_host(root: Path, name: str, key: Path, listen: str, more: str = "") -> Iterator[SiteHost]:
    """`listen`: ADDRESS:PORT; `more`: further lines of [dns]. The key's file is copied."""
    made = SiteHost(root, name, key, listen, more)
    try:
        made.served.start()
        yield made
    finally:
        made.close()
        assert "Traceback" not in made.dns.said()
