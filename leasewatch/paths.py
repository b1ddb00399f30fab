"""DESIGN "Where things live": names of files only, nothing is opened or made here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Paths:
    """Every path of the product below one `root`, so that tests and images can have their own."""

    root: Path = Path("/")

    @property
    def config(self) -> Path:
        """Settings of leasewatch (TOML, root's)."""
        return self.root / "etc/pyvirt/leasewatch.toml"

    @property
    def resolvers(self) -> Path:
        """Whom the host asks for names (resolv.conf(5))."""
        return self.root / "etc/resolv.conf"

    @property
    def networkd(self) -> Path:
        """Settings of systemd-networkd and udev for interfaces, until the next boot."""
        return self.root / "run/systemd/network"

    @property
    def networkmanager(self) -> Path:
        """Settings of NetworkManager, until the next boot."""
        return self.root / "run/NetworkManager/conf.d"

    @property
    def network_definitions(self) -> Path:
        """One NAME.toml per network."""
        return self.root / "etc/pyvirt/networks"

    @property
    def domain_definitions(self) -> Path:
        """One NAME.toml per domain."""
        return self.root / "etc/pyvirt/domains"

    @property
    def leases(self) -> Path:
        """Lease files of dnsmasq, NAME.leases per network."""
        return self.root / "var/lib/pyvirt/leases"

    @property
    def domain_data(self) -> Path:
        """One folder per domain: its disk overlay."""
        return self.root / "var/lib/pyvirt/domains"

    @property
    def network_runs(self) -> Path:
        """NAME.json while a network is started, and a folder NAME/ of its run files."""
        return self.root / "run/pyvirt/networks"

    @property
    def domain_runs(self) -> Path:
        """NAME.json while a domain runs, and a folder NAME/ of its sockets and logs."""
        return self.root / "run/pyvirt/domains"

    @property
    def locks(self) -> Path:
        """What commands hold to keep others out (`io.place`); nothing in it is for plain users."""
        return self.root / "run/pyvirt/locks"

    @property
    def service_run(self) -> Path:
        """Run folder of leasewatch."""
        return self.root / "run/leasewatch"

    @property
    def history(self) -> Path:
        """Who held which address when (SQLite); its folder is leasewatch's."""
        return self.root / "var/lib/leasewatch/history.db"

    @property
    def snapshot(self) -> Path:
        """The host table that the NSS module reads."""
        return self.service_run / "hosts.v1"

    @property
    def varlink(self) -> Path:
        """The service's Varlink socket."""
        return self.service_run / "org.pyvirt.LeaseWatch"

    @property
    def pending(self) -> Path:
        """The socket at which lookups of pending names wait."""
        return self.service_run / "pending.sock"

    @property
    def service_lock(self) -> Path:
        """Locked by the one running service (`io.place`): the kernel says which process that is."""
        return self.service_run / "lock"
