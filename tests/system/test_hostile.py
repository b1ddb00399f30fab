"""The shipped module in processes and hosts that give it a hard time (tests/system/hostile).

In a world whose nsswitch.conf says what each test wants, through the C library's own functions.
What the module does in a damaged or lying table is in tests/csrc.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from nss_pyvirt.snapshot import Host
from tests.csrc.building import compile_c
from tests.system.lookups import LONG_FROM_NOW, SOURCES, TABLE, V4, address, publish, set_hosts_line
from tests.system.world import World

HOSTILE, STATIC, SETUID, EMPTY = "/run/hostile", "/run/static", "/run/setuid", "/run/empty"
FOUND = "10.77.0.5 |"
NEXT = "10.99.0.1 |"
"""What /etc/hosts says of web1: the answer where the module has none."""


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The hostile program by where it goes in the world, and a module that lies."""
    folder = tmp_path_factory.mktemp("hostile")
    impostor = folder / "impostor.c"
    impostor.write_text(IMPOSTOR)
    shared = ("cc", "-shared", "-fPIC", "-O2")
    # A static program that uses NSS is what the linker warns of, and what is to be tried.
    static = ("cc", "-O2", "-static")
    return {
        HOSTILE: compile_c(folder / "hostile", ("cc", "-O2"), *SOURCES),
        STATIC: compile_c(folder / "static", static, *SOURCES),
        "/run/lies/libnss_pyvirt.so.2": compile_c(folder / "impostor", shared, impostor),
    }


@pytest.fixture(scope="module")
def furnished(_namespaces: None, programs: dict[str, Path]) -> Iterator[World]:
    """One world for all tests here, with the programs in it."""
    with closing(World()) as made:
        for target, program in programs.items():
            made.run(["install", "-D", "-m", "0755", program, target])
        made.run(["install", "-m", "4755", programs[HOSTILE], SETUID])
        made.run(["mkdir", EMPTY])
        made.run(["sh", "-c", "echo 10.99.0.1 web1 >>/etc/hosts"])
        yield made


@pytest.fixture
def world(furnished: World) -> World:
    """The world with a good table and `hosts: pyvirt`."""
    many = tuple(address(f"10.9.0.{i}") for i in range(1, 33))
    web1 = (address("10.77.0.5"), address("fd12::5"))
    starting = Host(("starting",), (), LONG_FROM_NOW)
    # So many that the module makes three reads: header, slots, record.
    filling = (Host((f"filling{i}",), (address(f"10.8.0.{i}"),)) for i in range(1, 41))
    publish(furnished, Host(("web1",), web1), Host(("many",), many), starting, *filling)
    set_hosts_line(furnished, "pyvirt")
    return furnished


def ask(world: World, *before: str, program: str = HOSTILE, user: str | None = None) -> str:
    """What getaddrinfo() says of web1 (IPv4); `before`: a program that starts the asking one."""
    argv = [*before, program, "ask", "web1", str(V4), "0"]
    return world.run(argv, user=user).stdout.strip()


TRIALS = [
    "everything",
    "forks",
    "cancels module",
    "cancels gethostbyname2_r",
    "cancels whole",
    "signalled restart",
    "signalled interrupt",
    "stacks",
    "dlcloses",
    "without-descriptors",
    "without-stdio",
    "closefrom",
    "only-calls-of-files",
    "other-calls-refused",
    *(f"without-call {call}{end}" for call in ("open", "stat", "pread") for end in ("", "!")),
    f"chroot-late {EMPTY}",
    f"chroot-first {EMPTY}",
]


@pytest.mark.parametrize("trial", TRIALS)
def test_look_ups_are_right_and_leave_the_process_as_it_was(world: World, trial: str) -> None:
    world.run([HOSTILE, *trial.split()], timeout=320)


def test_a_static_program_finds_names(world: World) -> None:
    world.run([STATIC, "everything"])


@pytest.mark.parametrize("user", ["root", "nobody"])
def test_a_program_in_a_user_namespace_finds_names(world: World, user: str) -> None:
    """There the table belongs to the user nobody, uid 65534."""
    owner = world.run(["unshare", "-Ur", "stat", "-c", "%u", TABLE], user="nobody").stdout
    assert owner == "65534\n"
    world.run(["unshare", "-Ur", HOSTILE, "everything"], user=user)


def test_a_program_with_its_own_mounts_finds_what_is_there(world: World) -> None:
    world.run(["unshare", "-m", HOSTILE, "everything"])
    set_hosts_line(world, "pyvirt files")
    script = f"mount -t tmpfs tmpfs /run/leasewatch && {HOSTILE} ask web1 {V4} 0"
    assert world.run(["unshare", "-m", "sh", "-c", script]).stdout.strip() == NEXT
    assert ask(world) == FOUND


def test_a_chroot_with_the_table_in_it_finds_names(world: World) -> None:
    script = (
        "mkdir -p /run/jail && mount --rbind / /run/jail && "
        f"exec chroot /run/jail {HOSTILE} everything"
    )
    world.run(["unshare", "-m", "sh", "-c", script])


IMPOSTOR = """
#include <arpa/inet.h>
#include <netdb.h>
#include <nss.h>

enum nss_status _nss_pyvirt_gethostbyname2_r(const char *, int, struct hostent *, char *, size_t,
                                             int *, int *);
enum nss_status _nss_pyvirt_gethostbyname2_r(const char *name, int family, struct hostent *ret,
                                             char *buffer, size_t len, int *error, int *h_error)
{
    static unsigned char bytes[4] = {10, 66, 6, 6};
    static char *none, *addresses[2] = {(char *)bytes, NULL}, canonical[] = "liar";

    (void)name, (void)buffer, (void)len, (void)error;
    *h_error = NETDB_SUCCESS;
    *ret = (struct hostent){canonical, &none, family, 4, addresses};
    return NSS_STATUS_SUCCESS;
}
"""

HOSTILE_ENVIRONMENT = {
    "LD_LIBRARY_PATH": "/run/lies",
    "LD_PRELOAD": "/run/lies/libnss_pyvirt.so.2",
    "LD_AUDIT": "/run/lies/libnss_pyvirt.so.2",
    "LOCALDOMAIN": "lies.example",
    "RES_OPTIONS": "ndots:15 timeout:30 attempts:5",
    "HOSTALIASES": "/run/lies/aliases",
    "RESOLV_HOST_CONF": "/etc/shadow",
    "PYVIRT_SNAPSHOT": "/run/lies/hosts.v1",
    "PYVIRT_PEERS": "/run/lies/peers.v1",
    "PYVIRT_SERVICE": "/run/lies/pending.sock",
    "GLIBC_TUNABLES": "glibc.malloc.check=3",
    "LC_ALL": "tr_TR.UTF-8",
    "TMPDIR": "/run/lies",
}


def test_a_setuid_program_ignores_its_environment(world: World) -> None:
    def asked(program: str, environment: dict[str, str]) -> str:
        variables = [f"{name}={value}" for name, value in environment.items()]
        return ask(world, "env", *variables, program=program, user="nobody")

    path = {"LD_LIBRARY_PATH": "/run/lies"}
    assert asked(HOSTILE, path) == "10.66.6.6 |"  # so the lie would be believed
    assert asked(SETUID, path) == f"secure: {FOUND}"
    assert asked(SETUID, HOSTILE_ENVIRONMENT) == f"secure: {FOUND}"
    ours = {name: value for name, value in HOSTILE_ENVIRONMENT.items() if name[:3] != "LD_"}
    assert asked(HOSTILE, ours) == FOUND


AT_THE_PATH = {
    "nothing": "true",
    "a FIFO": f"mkfifo {TABLE}",
    "a FIFO with a silent writer": f"mkfifo {TABLE}; exec 3<>{TABLE}",
    "a folder": f"mkdir {TABLE}",
    "a link to the good table": f"ln -s /run/good {TABLE}",
    "a link to itself": f"ln -s {TABLE} {TABLE}",
    "a device that never ends": f"mknod -m 0644 {TABLE} c 1 5",
    "a terminal": f"mknod -m 0644 {TABLE} c 5 2",
    "a socket": f"""python3 -c "import socket; socket.socket(socket.AF_UNIX).bind('{TABLE}')" """,
    "an empty file": f": >{TABLE}",
    "zeros": f"head -c 4096 /dev/zero >{TABLE}",
    "half a table": f"head -c 300 /run/good >{TABLE}",
    "a huge file": f"cp /run/good {TABLE}; truncate -s 1T {TABLE}",
    "a file that all may write": f"cp /run/good {TABLE}; chmod 0646 {TABLE}",
    "a file that its group may write": f"cp /run/good {TABLE}; chmod 0664 {TABLE}",
    "a file that may not be read": f"cp /run/good {TABLE}; chmod 0000 {TABLE}",
}


@pytest.mark.parametrize("what", AT_THE_PATH)
def test_the_next_module_answers_with_anything_at_the_path(world: World, what: str) -> None:
    set_hosts_line(world, "pyvirt files")
    assert ask(world, user="nobody") == FOUND
    look = f"setpriv --reuid=nobody --clear-groups {HOSTILE} ask web1 {V4} 0"
    script = f"set -e; mv {TABLE} /run/good; umask 022; {AT_THE_PATH[what]}; {look}"
    assert world.run(["sh", "-c", script]).stdout.strip() == NEXT


ERRORS = [f"error={name}" for name in ("EIO", "EPERM", "ENOSYS", "ERANGE", "ENOMEM", "EAGAIN")]
SHORT = [f"retval={length}" for length in (1, 24)]
"""A read that brings nothing and says that it brought so many bytes."""
EITHER = f"{FOUND} or {NEXT}"
"""The bytes that it did not bring may matter to the answer, or not."""
FAULTS = {
    # system call: what happens to which one of them (empty: to each), and who answers then
    "openat": {
        **{(fault, "1"): NEXT for fault in (*ERRORS, "error=EMFILE", "error=ELOOP")},
        ("error=EINTR", "1"): FOUND,
        ("error=EINTR", ""): NEXT,
    },
    "fstat,newfstatat": {(fault, "1"): NEXT for fault in (*ERRORS, "error=EINTR")},
    "pread64": {
        **{(fault, n): NEXT for fault in (*ERRORS, "retval=0") for n in "123"},
        **{(fault, n): EITHER for fault in SHORT for n in "123"},
        **{("error=EINTR", n): FOUND for n in "123"},
        ("error=EINTR", ""): NEXT,
    },
    "close": {(fault, "1"): FOUND for fault in (*ERRORS, "error=EINTR")},
}


@pytest.mark.parametrize("call", FAULTS)
def test_a_failing_system_call_leaves_the_answer_to_the_next_module(
    world: World, call: str
) -> None:
    """Only what the module does with its table is tampered with."""
    set_hosts_line(world, "pyvirt files")
    trace = f"strace -qq -o /run/trace -P {TABLE} -e trace=openat,fstat,newfstatat,pread64,close"
    expected = FAULTS[call]
    commands = "\n".join(
        f"{trace} -e inject={call}:{fault}{n and f':when={n}'} {HOSTILE} ask web1 {V4} 0"
        " && grep -q INJECTED /run/trace"
        for fault, n in expected
    )
    answers = world.run(["sh", "-e"], input=commands).stdout.splitlines()
    wrong = {
        fault: (answer, allowed)
        for (fault, allowed), answer in zip(expected.items(), answers, strict=True)
        if answer not in allowed.split(" or ")
    }
    assert not wrong
