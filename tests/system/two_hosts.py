"""Two hosts, between which domains migrate: a world each, with OpenSSH, the service and networks.

| link | kvm1 | kvm2 | what it is |
|---|---|---|---|
| `mg` | 10.99.0.1 | 10.99.0.2 | ssh and migration: `ssh kvm2` works as root, and `ssh kvm1` there |
| `br0` | 10.9.0.1 | 10.9.0.2 | network `lan`, bridged: one layer 2; a router leases |
| `pv-lab` | 10.77.1.1 | 10.77.2.1 | network `lab`: NAT, each host's own |
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from leasewatch.pyvirt.domains import qmp_session
from nss_pyvirt.errors import UserError
from tests.system import certificates
from tests.system.domains import pyvirt
from tests.system.guest import GuestFiles
from tests.system.qemu_suites import use_qemu
from tests.system.world import CHECKOUT, World

ADDRESSES = {"kvm1": "10.99.0.1", "kvm2": "10.99.0.2"}
LINKS = {"mg": "mg", "lan": "lan"}
"""What `cut` and `mend` know: the ends in kvm1."""

_SSHD = CHECKOUT / ".cache/sshd"
_LEASES = Path("/run/site.leases")
_DNSMASQ = (
    *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--port=0"),
    *("--no-ping", "--pid-file=", f"--dhcp-leasefile={_LEASES}", "--bind-dynamic"),
    *("--dhcp-range=10.9.0.10,10.9.0.199,1h", "--interface=eth0"),
)
_SSHD_SETTINGS = f"""
HostKey /etc/ssh/ssh_host_ed25519_key
PidFile none
UsePAM no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
SetEnv PATH={CHECKOUT}/.venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
"""
_COUNT = "n=0; while sleep 0.2; do n=$((n+1)); echo $n; done"
"""Counts on in the guest."""
_DIRTY = "while :; do dd if=/dev/urandom of=/tmp/dirty bs=64k count={} conv=notrunc; done"


class Session:
    """An ssh session through which the guest counts, five times a second."""

    def __init__(self, host: World, guest: GuestFiles, address: str, number: int) -> None:
        self._output = host.root / f"run/session{number}"
        argv: list[str | Path] = ["ssh", "-F", guest.ssh_config, f"root@{address}", _COUNT]
        with self._output.open("w") as file:
            self.program = host.spawn(argv, stdout=file)
        self._host = host
        self.goes_on()

    def number(self) -> int:
        """The last number that has come."""
        return len(self._numbers())

    def goes_on(self, timeout: float = 60) -> None:
        """Wait for two more numbers; AssertionError if it ended, or one is missing."""
        wanted = self.number() + 2

        def more() -> bool:
            assert self.program.poll() is None, "the ssh session has ended"
            return self.number() >= wanted

        self._host.wait_for(f"number {wanted} in the ssh session", more, timeout)
        numbers = self._numbers()
        assert numbers == list(range(1, len(numbers) + 1))

    def _numbers(self) -> list[int]:
        return [int(line) for line in self._output.read_text().split("\n")[:-1]]


class TwoHosts:
    """kvm1 and kvm2, and their guests."""

    def __init__(self, kvm1: World, kvm2: World, guest: GuestFiles) -> None:
        self.kvm1 = kvm1
        self.kvm2 = kvm2
        self.worlds = {"kvm1": kvm1, "kvm2": kvm2}
        self.guest = guest
        self._sessions = 0

    def use_qemu(self, *suites: str) -> None:
        """The QEMU of both hosts, or of one each (`qemu_suites`)."""
        for world, suite in zip(self.worlds.values(), suites * 2, strict=False):
            use_qemu(world, suite)

    def make_certificates(self) -> None:
        """One of each host, by its name, from one CA."""
        folders = {name: world.root / "etc/pyvirt/tls" for name, world in self.worlds.items()}
        certificates.make(folders["kvm1"], "kvm1")
        certificates.make(folders["kvm2"], "kvm2", ca=folders["kvm1"])

    def limit_link(self, rate: str) -> None:
        """Have the link `mg` carry no more than that, e.g. `1gbit` (tc(8))."""
        queue = ("tbf", "rate", rate, "burst", "256kb", "limit", "16mb")
        for world in self.worlds.values():
            world.run(["tc", "qdisc", "add", "dev", LINKS["mg"], "root", *queue])

    def define(self, name: str, *options: str | Path, network: str = "lan") -> None:
        """Define a domain on kvm1: the tiny guest, or what options make of it."""
        append = ("--append", "console=ttyS0 quiet")
        boot = ("--kernel", self.guest.kernel, "--initrd", self.guest.initrd, *append)
        size = ("--memory", "96", "--accel", "tcg")
        pyvirt(self.kvm1, "domain", "create", name, "--network", network, *boot, *size, *options)

    def boot(self, name: str, *options: str | Path) -> str:
        """Define and start a domain in the network `lan` of kvm1; returns its address.

        It counts on its console, five times a second (`counted`).
        """
        self.define(name, *options)
        pyvirt(self.kvm1, "domain", "start", name)
        address = self.kvm1.wait_for(f"a lease for {name}", lambda: self.leased(name), 120)
        self.log_in(address, f"({_COUNT}) >/dev/console 2>&1 </dev/null &")
        self.kvm1.wait_for("the guest to count", lambda: self.counted(name), 60)
        return address

    def leased(self, name: str) -> str:
        """The address that the site's router has leased to a domain of kvm1; empty: none."""
        shown = pyvirt(self.kvm1, "domain", "show", name, "-o", "json").stdout
        (row,) = json.loads(shown)
        leases = self.kvm1.root / str(_LEASES)[1:]
        rows = [line.split() for line in leases.read_text().splitlines()] if leases.exists() else []
        return next((f[2] for f in rows if len(f) == 5 and f[1] in row["macs"]), "")

    def log_in(self, address: str, command: str, host: str = "kvm1") -> str:
        """Run a command in a guest by ssh from a host, as soon as it answers."""
        options = ("-F", self.guest.ssh_config, "-o", "ConnectTimeout=5")
        argv: list[str | Path] = ["ssh", *options, f"root@{address}", command]

        def logged_in() -> list[str]:
            done = self.worlds[host].run(argv, check=False)
            return [] if done.returncode else [done.stdout]

        return self.worlds[host].wait_for(f"ssh to {address}", logged_in, 60)[0]

    def dirty(self, address: str, megabytes: int) -> None:
        """Have a guest write so many megabytes of its memory again and again."""
        loop = f"({_DIRTY.format(16 * megabytes)}) >/dev/null 2>&1 </dev/null"
        self.log_in(address, f"{loop} & echo $! >/tmp/dirty.pid")

    def calm(self, address: str) -> None:
        """End that."""
        self.log_in(address, "kill $(cat /tmp/dirty.pid)")

    def session(self, address: str, host: str = "kvm1") -> Session:
        """An open ssh session from a host to a guest."""
        self._sessions += 1
        return Session(self.worlds[host], self.guest, address, self._sessions)

    def counted(self, name: str) -> int:
        """The last number that the guest wrote to its console, on either host; 0: none."""
        log = f"run/pyvirt/domains/{name}/console.log"
        files = [world.root / log for world in self.worlds.values()]
        texts = [file.read_text(errors="replace") for file in files if file.exists()]
        numbers = [int(n) for text in texts for n in re.findall(r"^(\d+)\r?\n", text, re.MULTILINE)]
        return max(numbers, default=0)

    def counts_on(self, name: str) -> None:
        """Wait until the guest writes further numbers."""
        wanted = self.counted(name) + 2
        self.kvm1.wait_for(f"number {wanted} of {name}", lambda: self.counted(name) >= wanted)

    def copies(self, name: str) -> dict[str, str]:
        """What each QEMU of a domain says of its guest: host -> e.g. running, paused, inmigrate.

        A QEMU that does not answer has the state `unknown`.
        """
        return {
            host: self._asked(world, name)
            for host, world in self.worlds.items()
            if self._has_qemu(world, name)
        }

    def set_link(self, link: str, state: str) -> None:
        """Set a link between the hosts down or up, which both ends see."""
        self.kvm1.run(["ip", "link", "set", LINKS[link], state])

    def cut(self, link: str = "mg") -> None:
        """Take a link away: nothing is sent or answered any more."""
        self.set_link(link, "down")

    def mend(self, link: str = "mg") -> None:
        """Bring a link back."""
        self.set_link(link, "up")

    def _has_qemu(self, world: World, name: str) -> bool:
        programs = world.run(["ps", "ax", "-o", "args="]).stdout
        return bool(re.search(rf"-name guest={re.escape(name)}( |$)", programs, re.MULTILINE))

    def _asked(self, world: World, name: str) -> str:
        try:
            socket = world.root / f"run/pyvirt/domains/{name}/qmp"
            return str(qmp_session.ask(socket, "query-status", timeout=20)["status"])
        except UserError:
            return "unknown"


@contextmanager
def two_hosts(guest: GuestFiles) -> Iterator[TwoHosts]:
    """Both, with everything running; they end with the block."""
    with ExitStack() as stack:
        worlds = {name: stack.enter_context(closing(World())) for name in ADDRESSES}
        _join(worlds["kvm1"], worlds["kvm2"])
        _let_in(worlds)
        for number, (name, world) in enumerate(worlds.items(), 1):
            world.run(["hostname", name])
            _start_sshd(world)
            subnet = ("--subnet", f"10.77.{number}.0/24")
            pyvirt(world, "network", "create", "lan", "--bridge", "br0")
            pyvirt(world, "network", "create", "lab", *subnet)
            for network in ("lan", "lab"):
                pyvirt(world, "network", "start", network)
        for world in worlds.values():
            world.serve()
        yield TwoHosts(worlds["kvm1"], worlds["kvm2"], guest)


def _join(kvm1: World, kvm2: World) -> None:
    """Two cables, a bridge in each world, and the router."""
    for world, number in ((kvm1, 1), (kvm2, 2)):
        world.run(["ip", "link", "add", "br0", "type", "bridge"])
        world.run(["ip", "address", "add", f"10.9.0.{number}/24", "dev", "br0"])
        world.run(["ip", "link", "set", "br0", "up"])
    for link in LINKS.values():
        enter = ["nsenter", f"--net=/proc/{kvm1.root.parts[2]}/ns/net"]
        end = ["type", "veth", "peer", "name", link, "netns", kvm2.root.parts[2]]
        subprocess.run([*enter, "ip", "link", "add", link, *end], check=True, timeout=60)
    for world, address in zip((kvm1, kvm2), ADDRESSES.values(), strict=True):
        world.run(["ip", "address", "add", f"{address}/24", "dev", "mg"])
        world.run(["ip", "link", "set", "mg", "up"])
        world.run(["ip", "link", "set", "lan", "master", "br0", "up"])
    router = kvm1.client("router", "br0")
    router.run(["ip", "address", "add", "10.9.0.254/24", "dev", "eth0"])
    kvm1.spawn(["ip", "netns", "exec", "router", *_DNSMASQ], stderr=subprocess.DEVNULL)


def _let_in(worlds: dict[str, World]) -> None:
    """Root of each host knows the other one, and may log in there."""
    known, keys = [], []
    for name, world in worlds.items():
        world.run(["mkdir", "-p", "-m", "0700", "/root/.ssh"])
        for key in ("/etc/ssh/ssh_host_ed25519_key", "/root/.ssh/id_ed25519"):
            world.run(["rm", "-f", key])
            world.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key])
        host_key = (world.root / "etc/ssh/ssh_host_ed25519_key.pub").read_text()
        known.append(f"{name},{ADDRESSES[name]} {host_key}")
        keys.append((world.root / "root/.ssh/id_ed25519.pub").read_text())
    hosts = "".join(f"{address} {name}\n" for name, address in ADDRESSES.items())
    for world in worlds.values():
        world.run(["tee", "-a", "/etc/hosts"], input=hosts)
        world.run(["tee", "/root/.ssh/known_hosts"], input="".join(known))
        world.run(["tee", "/root/.ssh/authorized_keys"], input="".join(keys))


def _start_sshd(world: World) -> None:
    """OpenSSH's, which forwards sockets; dropbear does not. packaging/prepare --test unpacks it."""
    installed = Path("/usr/sbin/sshd")
    program = installed if installed.exists() else _SSHD / "usr/sbin/sshd"
    world.run(["sed", "-i", "s/^root:[^:]*:/root:*:/", "/etc/shadow"])  # sshd refuses a locked user
    account = (
        "getent passwd sshd || echo sshd:x:99:65534::/run/sshd:/usr/sbin/nologin >>/etc/passwd"
    )
    world.run(["sh", "-c", account])
    world.run(["mkdir", "-p", "/run/sshd"])
    world.run(["tee", "/run/sshd_config"], input=_SSHD_SETTINGS)
    libraries = f"LD_LIBRARY_PATH={_SSHD}/usr/lib/x86_64-linux-gnu"
    world.spawn(["env", libraries, program, "-D", "-e", "-f", "/run/sshd_config"])
    world.wait_for("sshd", lambda: ":22 " in world.run(["ss", "-Hltn"]).stdout)
