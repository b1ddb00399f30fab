"""A world made by packaging/world, as tests use it: run programs in it, wait, add DHCP clients.

It knows nothing of what is tested: no lease, network or domain.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from tests.conftest import children_of
from tests.waiting import T, wait_for

CHECKOUT = Path(__file__).resolve().parents[2]
_UDHCPC_SCRIPT = Path(__file__).with_name("udhcpc.sh")


def host_state() -> dict[str, object]:
    """What a world could change on the host if it were not one: to compare before and after."""
    forwarding = ["/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"]
    looks = {
        "links": ["ip", "-brief", "link"],
        "routes": ["ip", "route", "show", "table", "all"],
        "firewall": ["nft", "list", "ruleset"],
        "forwarding": ["cat", *forwarding],
    }
    folders = {
        folder: {
            str(path): path.lstat().st_mtime_ns
            for path in Path(folder).iterdir()
            if str(path) != "/var/tmp"  # any other program may use it
        }
        for folder in ("/etc", "/etc/ssh", "/run", "/var", "/var/lib", "/var/snap", "/root")
        if Path(folder).is_dir()
    }
    return {
        "mounts": Path("/proc/self/mountinfo").read_text(),
        **{name: subprocess.check_output(look, text=True) for name, look in looks.items()},
        **folders,
    }


class World:
    """Own network, mounts, processes, /etc, /run, /var/lib; ends with `close`, or with pytest."""

    def __init__(self) -> None:
        self._programs: list[subprocess.Popen[str]] = []
        # cat ends when our end of its stdin does, so the world cannot outlive this process.
        self._holder = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "KILL", str(CHECKOUT / "packaging/world")),
                *("sh", "-c", "echo ready; exec cat"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != "ready\n":
            self.close()
            raise AssertionError("packaging/world failed; its message is on stderr")
        (unshare,) = children_of(self._holder.pid)
        (self._init,) = children_of(unshare)
        self.root = Path(f"/proc/{self._init}/root")
        """Its files, as they are reached from here."""

    def close(self) -> None:
        """End every program of the world and the world."""
        for program in self._programs:
            program.kill()
            program.communicate()
        with contextlib.suppress(BrokenPipeError):
            self._holder.communicate(timeout=60)

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        check: bool = True,
        timeout: float = 60,
        user: str | None = None,
        env: Mapping[str, str] | None = None,
        input: str | None = None,  # noqa: A002  # subprocess's own word
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in the world to its end; `env` is added to the world's environment.

        `user` is a name of the world's passwd (as root otherwise). With `check`, a non-zero exit
        is an AssertionError that shows what was printed.
        """
        done = subprocess.run(
            self._enter(argv, user),
            capture_output=True,
            check=False,
            text=True,
            timeout=timeout,
            env=_environment(env),
            **({"stdin": subprocess.DEVNULL} if input is None else {"input": input}),
        )
        shown = f"{' '.join(map(str, argv))}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        assert done.returncode == 0 or not check, shown
        return done

    def spawn(
        self,
        argv: Sequence[str | Path],
        *,
        user: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: int | IO[str] | None = subprocess.DEVNULL,
        stdout: int | IO[str] | None = None,
        stderr: int | IO[str] | None = None,
    ) -> subprocess.Popen[str]:
        """Start a program in the world; it is killed with the world at the latest.

        The process returned stands outside: `wait`, `poll` and `kill` act on the program as usual
        (kill: SIGKILL), any other signal goes through `signal`. Output goes to pytest's capture
        unless asked otherwise.
        """
        program = subprocess.Popen(
            self._enter(argv, user),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            text=True,
            env=_environment(env),
        )
        self._programs.append(program)
        return program

    def signal(self, program: subprocess.Popen[str], number: signal.Signals) -> None:
        """Send a signal to a program that `spawn` started."""
        (inner,) = wait_for("the program to start", lambda: children_of(program.pid))
        os.kill(inner, number)

    def start_service(self, *before: str) -> subprocess.Popen[str]:
        """Start `leasewatch serve` as its unit would.

        `before`: a program with arguments that starts it, e.g. env.
        """
        powers = "-all,+dac_read_search"
        return self.spawn(
            [
                *("setpriv", "--reuid=leasewatch", "--regid=leasewatch", "--clear-groups"),
                *(f"--inh-caps={powers}", f"--ambient-caps={powers}", f"--bounding-set={powers}"),
                *("--no-new-privs", *before, "leasewatch", "serve"),
            ]
        )

    def serve(self, *before: str) -> subprocess.Popen[str]:
        """`start_service`, and wait until it has published."""
        service = self.start_service(*before)

        def is_up() -> bool:
            assert service.poll() is None, "leasewatch serve has ended"
            return not self.run(["leasewatch", "sources"], check=False).returncode

        self.wait_for("leasewatch serve to answer", is_up, 120)
        return service

    def wait_for(self, what: str, predicate: Callable[[], T], timeout: float = 60) -> T:
        """See the function of the same name."""
        return wait_for(what, predicate, timeout)

    def client(self, name: str, bridge: str, mac: str | None = None) -> Client:
        """A machine on a bridge of the world: a network namespace `name` with an eth0."""
        return Client(self, name, bridge, mac)

    def _enter(self, argv: Sequence[str | Path], user: str | None) -> list[str]:
        # PDEATHSIG: killing nsenter from here kills the program too.
        become = []
        if user:
            passwd = (self.root / "etc/passwd").read_text().splitlines()
            group = next(line.split(":")[3] for line in passwd if line.startswith(f"{user}:"))
            become = [f"--reuid={user}", f"--regid={group}", "--init-groups"]
        return [
            *("nsenter", "--all", "--root", "--wd", f"--target={self._init}"),
            *("setpriv", "--pdeathsig", "KILL", *become, "--", *map(str, argv)),
        ]


class Client:
    """A network namespace on a bridge, as a machine that asks for a lease."""

    def __init__(self, world: World, name: str, bridge: str, mac: str | None) -> None:
        self.name = name
        self._world = world
        self._dhcp: subprocess.Popen[str] | None = None
        port, address = f"v-{name}"[:15], f"address {mac}" if mac else ""
        script = f"""
            ip netns add {name}
            ip -batch - <<EOT
link add {port} type veth peer name eth0 netns {name} {address}
link set {port} master {bridge} up
EOT
            ip -n {name} -batch - <<EOT
link set lo up
link set eth0 up
EOT
        """
        world.run(["sh", "-ec", script])

    @property
    def mac(self) -> str:
        """eth0's hardware address, lower case with colons."""
        return str(self._links()[0]["address"])

    @property
    def addresses(self) -> list[str]:
        """eth0's global addresses, IPv4 first."""
        infos = self._links()[0]["addr_info"]
        return [info["local"] for info in infos if info["scope"] == "global"]

    def _links(self) -> list[dict[str, list[dict[str, str]]]]:
        shown = self._world.run(["ip", "-n", self.name, "-json", "addr", "show", "dev", "eth0"])
        links: list[dict[str, list[dict[str, str]]]] = json.loads(shown.stdout)
        return links

    def run(self, argv: Sequence[str | Path], **how: object) -> subprocess.CompletedProcess[str]:
        """`World.run`, on this machine."""
        return self._world.run(["ip", "netns", "exec", self.name, *argv], **how)  # type: ignore[arg-type]

    def dhcp(
        self, hostname: str | None = None, timeout: float = 60, options: Sequence[str] = ()
    ) -> str:
        """`ask`, and return the address once it is leased."""
        self.ask(hostname, options)
        return self.leased(timeout)

    def ask(self, hostname: str | None = None, options: Sequence[str] = ()) -> None:
        """Ask for an IPv4 lease with busybox udhcpc, and keep it renewed.

        `options`: further ones of udhcpc.
        """
        say = ["-x", f"hostname:{hostname}"] if hostname else []
        self._dhcp = self._world.spawn(
            [
                *("ip", "netns", "exec", self.name),
                *("busybox", "udhcpc", "-f", "-R", "-C", "-t", "30", "-T", "1"),
                *("-i", "eth0", "-s", str(_UDHCPC_SCRIPT), *say, *options),
            ]
        )

    def leased(self, timeout: float = 60) -> str:
        """The IPv4 address that was asked for, waited for."""

        def found() -> str:
            return next((address for address in self.addresses if "." in address), "")

        return self._world.wait_for(f"a lease for {self.name}", found, timeout)

    def renew(self) -> None:
        """Ask for the same lease again, before its time."""
        assert self._dhcp is not None
        self._world.signal(self._dhcp, signal.SIGUSR1)

    def stop(self) -> None:
        """Ask for nothing more and give nothing back, as a machine does that is switched off."""
        assert self._dhcp is not None
        self._world.signal(self._dhcp, signal.SIGKILL)
        self._dhcp.wait(30)
        self.run(["ip", "-4", "address", "flush", "dev", "eth0"])

    def end(self) -> None:
        """Give the lease back, if there is one, so that nothing of the machine runs any more."""
        if self._dhcp is not None and self._dhcp.poll() is None:
            self.release()

    def release(self, timeout: float = 60) -> None:
        """Give the lease back (DHCPRELEASE), as a machine does that shuts down."""
        assert self._dhcp is not None
        self._world.signal(self._dhcp, signal.SIGTERM)  # -R: release on exit
        self._dhcp.wait(timeout)


def _environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    path = f"{CHECKOUT}/.venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    base = {"PATH": path, "HOME": "/root", "LC_ALL": "C.UTF-8", "TERM": "dumb"}
    return base | dict(extra or {})
