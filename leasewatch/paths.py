"""DESIGN "Where things live": names of files only, nothing is opened or made here."""

from __future__ import annotations

TYPE_CHECKING = False  # the import of typing takes 4 ms, that of pathlib 8
if TYPE_CHECKING:
    from pathlib import Path

_SOCKET = "run/leasewatch/org.pyvirt.LeaseWatch"


class _Below:
    """A path below the root."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __get__(self, paths: Paths, _: type[Paths]) -> Path:
        from pathlib import Path  # noqa: PLC0415  start-up time

        return Path(paths.top, self.path)


class Paths:
    """Every path of the product below one `root`, so that tests and images can have their own."""

    def __init__(self, root: str | Path = "/") -> None:
        self.top = str(root)

    def text(self, name: str) -> str:
        """The path of that name as text, for commands that start without pathlib."""
        return f"{self.top.rstrip('/')}/{vars(Paths)[name].path}"

    root = _Below("")
    config = _Below("etc/pyvirt/leasewatch.toml")
    """Settings of leasewatch (TOML, root's)."""
    resolvers = _Below("etc/resolv.conf")
    """The host's name servers (resolv.conf(5))."""
    networkd = _Below("run/systemd/network")
    """Settings of systemd-networkd and udev for interfaces, until the next boot."""
    networkmanager = _Below("run/NetworkManager/conf.d")
    """Settings of NetworkManager, until the next boot."""
    network_definitions = _Below("etc/pyvirt/networks")
    """One NAME.toml per network."""
    domain_definitions = _Below("etc/pyvirt/domains")
    """One NAME.toml per domain."""
    image_catalogue = _Below("etc/pyvirt/images.toml")
    """The owner's names of images that can be downloaded."""
    tls = _Below("etc/pyvirt/tls")
    """The certificates of `domain migrate --tls`, by QEMU's file names."""
    qemu_tls = _Below("etc/pki/qemu")
    """Those that libvirt uses, where there are none in `tls`."""
    leases = _Below("var/lib/pyvirt/leases")
    """Lease files of dnsmasq, NAME.leases per network."""
    domain_data = _Below("var/lib/pyvirt/domains")
    """One folder per domain: its disk overlays."""
    images = _Below("var/lib/pyvirt/images")
    """The images that disks start from, and `index.json`."""
    volumes = _Below("var/lib/pyvirt/volumes")
    """Disks that outlive their domains: NAME.qcow2, root's."""
    domain_rename = _Below("var/lib/pyvirt/domains/.rename")
    """Which domain is just being renamed (`domains.rename`)."""
    network_runs = _Below("run/pyvirt/networks")
    """NAME.json while a network is started, and a folder NAME/ of its run files."""
    domain_runs = _Below("run/pyvirt/domains")
    """NAME.json while a domain runs, and a folder NAME/ of its sockets and logs."""
    domain_ends = _Below("run/pyvirt/ended")
    """NAME.json for each domain that has run: how its last run ended."""
    migrations = _Below("run/pyvirt/migrations")
    """A folder of sockets for each command that migrates a domain."""
    ssh_known_hosts = _Below("run/pyvirt/ssh_known_hosts")
    """The domains' public host keys, which every user's ssh reads."""
    ssh_config = _Below("run/pyvirt/ssh_config")
    """By which every user's ssh waits for a domain that boots (`nss-pyvirt install --ssh`)."""
    qemu = _Below("run/pyvirt/qemu")
    """ARCH.json: what this host's QEMU for guests of an architecture has said about itself."""
    network_list = _Below("run/pyvirt/network-list.json")
    domain_list = _Below("run/pyvirt/domain-list.json")
    """What `network list` and `domain list` have read of definitions, for the next one."""
    locks = _Below("run/pyvirt/locks")
    """Locks by which commands exclude each other (`files.locks`); not for plain users."""
    service_run = _Below("run/leasewatch")
    """Run folder of leasewatch."""
    history = _Below("var/lib/leasewatch/history.db")
    """Who held which address when (SQLite); its folder is leasewatch's."""
    snapshot = _Below("run/leasewatch/hosts.v1")
    """The host table that the NSS module reads."""
    varlink = _Below(_SOCKET)
    """The service's Varlink socket."""
    pending = _Below("run/leasewatch/pending.sock")
    """The socket at which lookups of pending names wait."""
    service_lock = _Below("run/leasewatch/lock")
    """Locked by the one running service (`files.locks`): the kernel says which process that is."""
    dns_run = _Below("run/leasewatch-dns")
    """Run folder of `leasewatch dns serve`."""
    dns_state = _Below("var/lib/leasewatch-dns")
    """What it keeps: serials and journals of its zones, updates that wait."""
    dns_keys = _Below("etc/pyvirt/dns")
    """TSIG keys, NAME.key each (BIND's format)."""
    dns_varlink = _Below("run/leasewatch-dns/org.pyvirt.Dns")
    """Its Varlink socket."""
    dns_lock = _Below("run/leasewatch-dns/lock")
    """Locked by the one that runs (`files.locks`)."""
    peers_snapshot = _Below("run/leasewatch-dns/peers.v1")
    """The host table of the peers' names, which the NSS module reads after `snapshot`."""

    @property
    def socket(self) -> str:
        """`varlink` as text."""
        return f"{self.top}/{_SOCKET}"
