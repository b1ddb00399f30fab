"""A whole Debian with systemd as its PID 1, in a container: run programs in it.

Everything of it is its own: network, mounts, processes, /dev, /run, /tmp, and a subtree of the
cgroups. The host's /run and /tmp are covered already before systemd-nspawn starts, so that no init
ever sees them. It knows nothing of what is tested.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TextIO

from tests.conftest import children_of
from tests.waiting import wait_for

# open_by_handle_at: what the unit itself forbids must not be forbidden by the container.
_BOOT = """
set -eu
exec 3<"$1"
unified=$2
shift 2
mount -t tmpfs -o mode=0755 tmpfs /run
mount -t tmpfs tmpfs /tmp
mkdir /run/systemd /run/machine /run/lower /run/layer
mount --bind /proc/self/fd/3 /run/lower
exec 3<&-
mount -t tmpfs -o mode=0755 tmpfs /run/layer
mkdir /run/layer/upper /run/layer/work
layers=lowerdir=/run/lower,upperdir=/run/layer/upper,workdir=/run/layer/work
mount -t overlay -o "$layers" overlay /run/machine
remount='
    umount -R /sys/fs/cgroup || :
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    exec "$@"'
if [ -n "$unified" ]; then
    sh -c "$remount" remount mkdir "/sys/fs/cgroup/$unified"
    set -- "/sys/fs/cgroup/$unified"
    mkdir "$1/init.scope"  # where systemd-nspawn expects PID 1: this shell
    echo 0 >"$1/init.scope/cgroup.procs"
fi
status=133  # of a reboot
while [ "$status" = 133 ]; do
    status=0
    (
        for cgroup; do echo 0 >"$cgroup/cgroup.procs"; done
        set -- systemd-nspawn --directory=/run/machine --private-network --register=no \
            --keep-unit --console=read-only --machine=pyvirt --boot \
            --system-call-filter=open_by_handle_at
        [ -z "$unified" ] || export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
        [ -z "$unified" ] || set -- unshare --cgroup sh -c "$remount" remount "$@"
        exec "$@"
    ) || status=$?
done
"""
_END_UNIFIED = """
umount -R /sys/fs/cgroup || :
mount -t cgroup2 cgroup2 /sys/fs/cgroup
cd "/sys/fs/cgroup/$0" || exit 0
while grep -q 'populated 1' cgroup.events; do sleep 0.05; done
cd ..
find "$0" -depth -type d -exec rmdir {} +
"""
_NUMBERS = itertools.count()
"""Of the machines of this process, which may run at the same time."""
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
}


def cgroup_trees() -> list[Path]:
    """Where the cgroup hierarchies are mounted that systemd keeps its units in; cgroups(7)."""
    mounts = Path("/proc/self/mountinfo").read_text()
    systemds = r"^(?:\S+ ){4}(\S+) .* - (?:cgroup2 \S+ |cgroup \S+ \S*name=systemd)"
    return [Path(folder) for folder in re.findall(systemds, mounts, re.MULTILINE)]


class Machine:
    """Boots a copy of `root`, which stays as it is; ends with `close`, or with pytest.

    `unified`: give it cgroups of version 2 alone, also where the host has others. From 258 on,
    systemd needs them.
    """

    def __init__(self, root: Path, console: Path, *, unified: bool = False) -> None:
        name = f"pyvirt-test-{os.getpid()}-{next(_NUMBERS)}"
        self._unified = name if unified else ""
        self._cgroups = [] if unified else [tree / name for tree in cgroup_trees()]
        for cgroup in self._cgroups:
            cgroup.mkdir(exist_ok=True)  # empty: left by a killed pytest of the same pid
        with console.open("wb") as output:
            self._holder = subprocess.Popen(
                [
                    *("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork"),
                    *("--kill-child=KILL", "--mount-proc", "--propagation", "private"),
                    *("sh", "-c", _BOOT, "boot", str(root), self._unified),
                    *map(str, self._cgroups),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            self._wait_until_it_runs()
        except BaseException as error:
            error.add_note(console.read_text(errors="replace"))
            self.close()
            raise

    def reboot(self) -> None:
        """Shut it down as systemd does, and boot it again with the files that it has now."""
        with self.root.parent.joinpath("stat").open() as init:
            self.run(["systemctl", "reboot"])
            wait_for("the machine to end", partial(_has_ended, init), 180)
        self._wait_until_it_runs()

    def _wait_until_it_runs(self) -> None:
        self._init = wait_for("systemd to be PID 1", self._find_init, 120)
        self.root = Path(f"/proc/{self._init}/root")
        wait_for("systemd to listen", (self.root / "run/systemd/private").exists, 120)
        self.run(["systemctl", "is-system-running", "--wait"], timeout=180)

    def close(self) -> None:
        """End every process of the machine, and take its cgroups back."""
        self._holder.kill()
        self._holder.wait()
        for cgroup in self._cgroups:
            wait_for(f"{cgroup} to be empty", partial(_remove_tree, cgroup))
        if self._unified:
            unshared = ["unshare", "--mount", "--propagation", "private", "sh", "-ec"]
            ended = [*unshared, _END_UNIFIED, self._unified]
            subprocess.run(ended, check=True, capture_output=True, timeout=60)

    def run(
        self, argv: Sequence[str], *, check: bool = True, timeout: float = 60, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a program there, as root, to its end.

        With `check`, a non-zero exit is an AssertionError that shows what was printed.
        """
        done = subprocess.run(
            # PDEATHSIG: killing nsenter from here kills the program too.
            [
                *("nsenter", "--all", "--root", "--wd", f"--target={self._init}"),
                *("setpriv", "--pdeathsig", "KILL", "--", *argv),
            ],
            capture_output=True,
            check=False,
            text=True,
            timeout=timeout,
            env=_ENVIRONMENT,
            input=stdin,
        )
        shown = f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        assert done.returncode == 0 or not check, shown
        return done

    def sh(self, script: str, *, timeout: float = 60) -> str:
        """Run a shell script there; returns what it printed on stdout."""
        return self.run(["sh", "-ec", script], timeout=timeout).stdout

    def _find_init(self) -> int:
        """The pid, as seen from here, of the machine's PID 1 once it is systemd; 0 before."""
        assert self._holder.poll() is None, "systemd-nspawn has ended"
        pids = [self._holder.pid]
        for pid in pids:
            pids += children_of(pid)
            if _name(pid) == "systemd":
                return pid
        return 0


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _has_ended(stat: TextIO) -> bool:
    """Whether the process whose /proc/PID/stat was opened has ended."""
    try:
        stat.seek(0)
        return stat.read() == ""
    except ProcessLookupError:
        return True


def _remove_tree(cgroup: Path) -> bool:
    """Remove a cgroup and those below it; False if one still has processes."""
    try:
        for folder, _, _ in os.walk(cgroup, topdown=False):
            Path(folder).rmdir()
    except OSError:
        return False
    return True
