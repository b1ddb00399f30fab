"""The hosts of a site: leasewatch and leasewatch dns, each pair in a mount namespace of its own.

They share the world's network, where each host has an address. Their names are guests' claims:
NAME.lab.HOST.vm.SITE.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.bench import population
from tests.bench.dns_asking import Place, asking
from tests.conftest import children_of

SITE = "bench.test"
SERVERS = "10.99.0.1"
"""The address of the name servers; they differ in their ports."""
_SECONDS = 300
KEY = """key "site" {
\talgorithm hmac-sha256;
\tsecret "YSBrZXkgb2YgYSBiZW5jaG1hcmssIDMyIGJ5dGVzLiE=";
};
"""
# $1: host, $2: its settings, $3: the key.
_HOST = """
for name in leasewatch leasewatch-dns; do
    for folder in run var/lib; do
        mount -t tmpfs -o "mode=0755,uid=$(id -u $name),gid=$(id -g $name)" tmpfs /$folder/$name
    done
done
mount -t tmpfs -o mode=0755 tmpfs /etc/pyvirt
install -m 0644 "$2" /etc/pyvirt/leasewatch.toml
install -d -m 0755 /etc/pyvirt/dns
install -m 0600 -o leasewatch-dns "$3" /etc/pyvirt/dns/site.key
hostname "$1"
serve() {
    setpriv --reuid="$1" --regid="$1" --clear-groups --no-new-privs \
        --inh-caps="$2" --ambient-caps="$2" --bounding-set="$2" -- "${@:3}" &
}
serve leasewatch -all,+dac_read_search leasewatch serve
serve leasewatch-dns -all,+net_bind_service leasewatch dns serve
wait
"""


class Links(NamedTuple):
    """Whom a host tells of changes, and whose zones it pulls."""

    notify: tuple[str, ...] = ()
    pull: tuple[str, ...] = ()
    catalog: str = ""


def host_address(number: int) -> str:
    """Of the host with this number."""
    return f"10.99.0.{2 + number}"


class Host:
    """A host of the site, with `leases` guests."""

    def __init__(self, number: int, folder: Path, leases: int) -> None:
        self.name = f"host{number}"
        self.zone = f"{self.name}.vm.{SITE}"
        self.address = host_address(number)
        self.leases = 0
        self._number = number
        self._folder = folder
        self._file = folder / f"{self.name}.leases"
        self._file.write_text("".join(self._line() for _ in range(leases)))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, links: Links) -> None:
        """Start both services."""
        settings, key = self._folder / f"{self.name}.toml", self._folder / "site.key"
        settings.write_text(self._settings(links))
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *("setpriv", "--pdeathsig", "KILL", "--", "unshare", "--mount", "--uts"),
                    *("--pid", "--fork", "--kill-child=KILL", "--mount-proc"),
                    *("bash", "-ec", _HOST, "host", self.name, str(settings), str(key)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """End the host at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @property
    def log(self) -> Path:
        """What both services have printed."""
        return self._folder / f"{self.name}.log"

    def last(self) -> str:
        """The name of its last lease, as the site has it."""
        return f"vm{self.leases}.lab.{self.zone}"

    def lease(self) -> str:
        """Write one lease more; returns its name."""
        with self._file.open("a") as file:
            file.write(self._line())
        return self.last()

    def enter(self, *argv: str | Path) -> list[str]:
        """A command line that runs a program on this host."""
        there = ["--mount", "--uts", f"--wd={Path.cwd()}", "--target", str(self._init())]
        return ["nsenter", *there, "--", *map(str, argv)]

    def dns_pid(self) -> int:
        """Of `leasewatch dns serve`, which starts last."""
        return max(children_of(self._init()))

    def _init(self) -> int:
        assert self._process is not None
        (init,) = children_of(self._process.pid)
        return init

    def _line(self) -> str:
        self.leases += 1
        high, low = divmod(self.leases, 256)
        mac = f"52:54:00:{self._number:02x}:{high:02x}:{low:02x}"
        expires = int(time.time()) + population.LIFETIME
        return f"{expires} {mac} 10.{self._number + 100}.{high}.{low} vm{self.leases} *\n"

    def _settings(self, links: Links) -> str:
        return f"""
[[source]]
path = "{self._file}"
network = "lab"

[dns]
listen = ["{self.address}"]
site = "{SITE}"
nameservers = ["ns.{SITE}"]
key = "site"
notify = {list(links.notify)}
pull = {list(links.pull)}
catalog = "{links.catalog}"
""".replace("'", '"')


@contextmanager
def site(folder: Path, links: Sequence[Links], leases: Sequence[int]) -> Iterator[list[Host]]:
    """Hosts with these links and so many leases, once all of them serve their names.

    Host N is at `host_address(N)`.
    """
    folder.mkdir()
    (folder / "site.key").write_text(KEY)
    made = [Host(at, folder, count) for at, count in enumerate(leases)]
    script = "ip address replace $1/32 dev lo"
    for address in (SERVERS, *(host.address for host in made)):
        subprocess.run(["sh", "-ec", script, "site", address], check=True)
    with ExitStack() as stack:
        for host, linked in zip(made, links, strict=True):
            stack.callback(host.kill)
            host.start(linked)
        for host in made:
            if host.leases:
                place = {host.name: Place(host.address, 53)}
                with asking(place) as askers:
                    askers.until_answered(host.last(), time.perf_counter(), seconds=_SECONDS)
        yield made
