"""Start QEMU in a sandbox: a user, namespaces and a root folder of its own.

A guest may find a fault in QEMU and take it over. It is then the user pyvirt-qemu without
capabilities, alone in its process, network and IPC namespaces. Its root folder is a tmpfs with
/usr, which holds QEMU and its firmware, and the files that it was given. All else it has are open
descriptors.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import signal
import struct
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

from nss_pyvirt import pidfds, programs
from nss_pyvirt.errors import UserError
from nss_pyvirt.users import QEMU_USER

KVM: Final = Path("/dev/kvm")
FAILED: Final = 127
"""The exit code if the sandbox could not be made; the reason is the last line on stderr."""
HINT: Final = "run it as root; a container needs CAP_SYS_ADMIN"
_NEWNS, _NEWIPC, _NEWPID, _NEWNET = 0x20000, 0x8000000, 0x20000000, 0x40000000  # linux/sched.h
_BIND, _REC, _SLAVE, _DETACH = 0x1000, 0x4000, 0x80000, 2  # linux/mount.h
_PDEATHSIG, _CAPBSET_DROP, _NO_NEW_PRIVS = 1, 24, 38  # linux/prctl.h
_KEEPCAPS, _CAP_AMBIENT, _AMBIENT_RAISE = 8, 47, 2  # linux/prctl.h
_CAPABILITY_VERSION, _SYS_PTRACE = 0x20080522, 19  # linux/capability.h
_STAGE: Final = "/proc"
"""Where the new root is mounted: a folder that every host has and a sandbox does not need."""
_SHOWN: Final = ("/usr", "/nix", "/gnu", "/etc/ld.so.cache", "/dev/null")
"""What the new root has of the host's, if it exists: programs, libraries, firmware.

QEMU locks no image if it cannot open /dev/null (qemu_probe_lock_ops)."""
_LINKS: Final = ("bin", "sbin", "lib", "lib32", "lib64")
"""Links into /usr, or folders on hosts that keep these apart."""


class Account(NamedTuple):
    """QEMU's user and groups."""

    uid: int
    gid: int
    groups: tuple[int, ...]


def account(*, kvm: bool) -> Account:
    """The user pyvirt-qemu, with the group of /dev/kvm where `kvm`; UserError if it is missing."""
    try:
        entry = pwd.getpwnam(QEMU_USER)
    except KeyError:
        what = f"there is no user {QEMU_USER}, as which QEMU runs"
        from nss_pyvirt.installer import installation  # noqa: PLC0415  rare

        raise UserError(what, installation.repair("pyvirt"), "missing") from None
    groups: tuple[int, ...] = ()
    with contextlib.suppress(FileNotFoundError):
        status = KVM.stat()
        if kvm and status.st_gid and status.st_mode & 0o060 == 0o060:
            groups = (status.st_gid,)
    return Account(entry.pw_uid, entry.pw_gid, groups)


def spawn(
    argv: Sequence[str],
    streams: Sequence[int | None],
    *,
    account: Account,
    kept: Iterable[int] = (),
    files: Mapping[str, Path | bytes] | None = None,
    kvm: bool = False,
    userfaultfd: bool = False,
) -> programs.Child:
    """Start `argv` in a sandbox; it ends when this thread ends.

    `streams` and `kept` are as for `programs.Child`. `files` are shown in the root folder: name ->
    a file of the host, or content; every one can be read. `kvm` shows /dev/kvm. `userfaultfd` lets
    it fetch memory on demand (userfaultfd(2)). UserError if the kernel refuses a process namespace;
    all other failures are the child's (FAILED).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    ours = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    parent = os.pidfd_open(os.getpid())
    try:
        _call(libc, "unshare", _NEWPID)  # for children, of which the first is PID 1 there
        try:
            pid = os.fork()
            if not pid:
                sandbox = _Sandbox(libc, account, parent, (_SYS_PTRACE,) if userfaultfd else ())
                sandbox.enter_and_run(argv, streams, kept, files or {}, kvm=kvm)
        finally:
            _call(libc, "setns", ours, _NEWPID)
    except OSError as error:
        raise _refusal(error) from error
    finally:
        os.close(ours)
        os.close(parent)
    return programs.Child.adopt(pid)


def _refusal(error: OSError) -> UserError:
    return UserError(f"cannot make a sandbox for QEMU: {error.strerror}", HINT, "needs-root")


class _Sandbox:
    """What the child does between fork(2) and execve(2)."""

    def __init__(
        self, libc: ctypes.CDLL, account: Account, parent: int, capabilities: Collection[int]
    ) -> None:
        self._libc, self._account, self._parent = libc, account, parent
        self._capabilities = capabilities

    def enter_and_run(
        self,
        argv: Sequence[str],
        streams: Sequence[int | None],
        kept: Iterable[int],
        files: Mapping[str, Path | bytes],
        *,
        kvm: bool,
    ) -> NoReturn:
        """Never returns: it becomes the program or ends."""
        try:
            signal.set_wakeup_fd(-1)  # the parent's
            _open_streams(streams)
            for fd in kept:
                os.set_inheritable(fd, True)
            for number in programs.IGNORED:
                signal.signal(number, signal.SIG_DFL)
            os.setsid()  # Ctrl-C is for the parent to act on
            os.umask(0o022)
            self._call("unshare", _NEWNS | _NEWIPC | _NEWNET)
            self._change_root(argv[0], files, kvm=kvm)
            self._drop_privileges()
            os.execve(argv[0], list(argv), {"PATH": os.defpath})  # noqa: S606  # no shell on purpose
        except BaseException as error:  # noqa: BLE001  # the child must never return
            os.write(2, f"cannot make a sandbox for QEMU: {error}\n".encode(errors="replace"))
        finally:
            os._exit(FAILED)

    def _change_root(self, program: str, files: Mapping[str, Path | bytes], *, kvm: bool) -> None:
        self._mount("none", "/", _REC | _SLAVE)  # the host sees none of these mounts
        self._mount("tmpfs", _STAGE, 0, "tmpfs", "mode=0755")
        for name in _LINKS:
            if Path("/", name).is_symlink():
                Path(_STAGE, name).symlink_to(Path("/", name).readlink())
            else:
                self._show(Path("/", name), name)
        for path in (*_SHOWN, *([str(KVM)] if kvm else [])):
            self._show(Path(path), path[1:])
        if not program.startswith(("/usr/", "/bin/", "/nix/", "/gnu/")):
            folder = Path(program).parent.parent  # /opt/qemu of /opt/qemu/bin/qemu-system-x86_64
            self._show(folder, str(folder)[1:])
        for name, source in files.items():
            self._give(source, name)
        os.chdir(_STAGE)
        self._call("pivot_root", b".", b".")
        self._call("umount2", b".", _DETACH)
        os.chdir("/")

    def _show(self, source: Path, name: str) -> None:
        """Bind a file or folder of the host, if it exists."""
        target = Path(_STAGE, name)
        if source.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        elif source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        else:
            return
        self._mount(str(source), str(target), _BIND | _REC)

    def _give(self, source: Path | bytes, name: str) -> None:
        """Bind a file that every user may read; copy others."""
        if isinstance(source, bytes):
            Path(_STAGE, name).write_bytes(source)
        elif source.stat().st_mode & 0o004:
            self._show(source, name)
        else:
            import shutil  # noqa: PLC0415  start-up time

            shutil.copyfile(source, Path(_STAGE, name))

    def _drop_privileges(self) -> None:
        for capability in set(range(64)).difference(self._capabilities):
            self._libc.prctl(_CAPBSET_DROP, capability, 0, 0, 0)  # there are fewer
        self._call("prctl", _KEEPCAPS, bool(self._capabilities), 0, 0, 0)
        os.setgroups(self._account.groups)
        os.setresgid(*[self._account.gid] * 3)
        os.setresuid(*[self._account.uid] * 3)
        if self._capabilities:
            self._keep_capabilities()
        self._call("prctl", _NO_NEW_PRIVS, 1, 0, 0, 0)
        # A change of user clears it. Whoever died before this would not be noticed.
        self._call("prctl", _PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if pidfds.wait(self._parent, 0):
            os._exit(FAILED)

    def _keep_capabilities(self) -> None:
        """Have the program start with these alone, though it is not root (capabilities(7))."""
        low = sum(1 << number for number in self._capabilities)
        header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
        self._call("capset", header, struct.pack("=6I", low, low, low, 0, 0, 0))
        for number in self._capabilities:
            self._call("prctl", _CAP_AMBIENT, _AMBIENT_RAISE, number, 0, 0)

    def _mount(
        self, source: str, target: str, flags: int, kind: str = "none", data: str = ""
    ) -> None:
        words = (source, target, kind)
        self._call("mount", *(os.fsencode(word) for word in words), flags, data.encode())

    def _call(self, name: str, *arguments: int | bytes) -> None:
        _call(self._libc, name, *arguments)


def _call(libc: ctypes.CDLL, name: str, *arguments: int | bytes) -> None:
    """Call a function of libc; OSError with its name if it fails."""
    converted = [ctypes.c_ulong(each) if isinstance(each, int) else each for each in arguments]
    if getattr(libc, name)(*converted) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _open_streams(streams: Sequence[int | None]) -> None:
    empty = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for number, fd in enumerate(streams):
        os.dup2(empty if fd is None else fd, number)
