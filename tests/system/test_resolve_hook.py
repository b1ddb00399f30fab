"""The hook in the real systemd-resolved of Debian sid, as PID 1's child, beside other hooks."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from leasewatch.model import DomainState, NetworkState, Nic
from tests import readme
from tests.system.conftest import NETWORK_PROGRAMS
from tests.system.debian import PIP, debian, packages
from tests.system.installed import is_active, main_pid, resolves
from tests.system.machine import Machine
from tests.system.writers import Note
from tests.waiting import wait_for

pytestmark = pytest.mark.long

PACKAGES = [
    *("systemd-resolved", "systemd-container", "libnss-resolve", "libnss-mymachines"),
    "gcc",
    "musl-tools",
]
HOOKS = "/run/systemd/resolve.hook"
SOCKETS = ("leasewatch-resolve-names.socket", "leasewatch-resolve-zones.socket")
LEASES = "/var/lib/misc/dnsmasq.leases"
SETTINGS = f"""
[[source]]
path = "{LEASES}"
network = "office"
bridge = "br9"
"""
NETWORK = """
ip link add br9 type bridge
ip address add 10.9.0.1/24 dev br9
ip address add fd09::1/64 dev br9 nodad
ip link set br9 up
mkdir -p /etc/pyvirt /var/lib/misc /run/pyvirt/domains /run/pyvirt/networks
"""
INSTALL = """
python3 -m venv /opt/pyvirt
/opt/pyvirt/bin/pip install --quiet /root/nss_pyvirt-*.whl
ln -s /opt/pyvirt/bin/leasewatch /opt/pyvirt/bin/nss-pyvirt /opt/pyvirt/bin/pyvirt /usr/local/bin/
nss-pyvirt install
nss-pyvirt status
"""
# A program without glibc: it asks the stub, A and AAAA at once.
MUSL = r"""
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found, *at;
    char text[128];
    int error = argc > 1 ? getaddrinfo(argv[1], NULL, &hints, &found) : 99;

    for (at = error ? NULL : found; at != NULL; at = at->ai_next) {
        getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST);
        puts(text);
    }
    return -error;
}
"""
NO_NAME = 2  # EAI_NONAME
STUB = "127.0.0.53"
# A question to the stub; it prints the rcode, the data and how long it took.
ASK = """
import sys, time, dns.message, dns.query, dns.rcode
began = time.monotonic()
name, kind, server = sys.argv[1:]
reply = dns.query.udp(dns.message.make_query(name, kind), server, timeout=40)
data = sorted(str(item) for rrset in reply.answer for item in rrset)
print(dns.rcode.to_text(reply.rcode()), *data)
print(time.monotonic() - began)
"""


@pytest.fixture(scope="module")
def sid(
    _namespaces: None, source: Path, wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    """An installed service with web1 and six, beside the hooks of networkd and machined."""
    wanted = packages(readme.section("Get it") + readme.script("Install elsewhere", PIP))
    console = tmp_path_factory.mktemp("machine") / "console"
    installed = [*wanted, *NETWORK_PROGRAMS, *PACKAGES]
    with debian("sid", source, console, installed=installed, fetched=[]) as made:
        made.sh(NETWORK)
        (made.root / "etc/pyvirt/leasewatch.toml").write_text(SETTINGS)
        write_leases(made, "10.9.0.5 web1", "fd09::6 six")
        made.sh("systemctl start systemd-networkd-resolve-hook.socket systemd-machined")
        shutil.copy(wheel, made.root / "root")
        made.sh(INSTALL, timeout=600)
        (made.root / "root/musl.c").write_text(MUSL)
        made.run(["musl-gcc", "-static", "-o", "/root/musl", "/root/musl.c"])
        wait_for("six", lambda: query(made, "six", "AAAA") == "NOERROR fd09::6")
        yield made


@pytest.fixture
def serving(sid: Machine) -> Iterator[Machine]:
    """Whatever a test has done to the service, the next one finds it running."""
    yield sid
    sid.run(["systemctl", "start", "leasewatch.service"])
    wait_for("web1", lambda: query(sid, "web1", "A") == "NOERROR 10.9.0.5")


def write_leases(machine: Machine, *held: str) -> None:
    """Replace the lease file; each lease is an address and a name."""
    ends = int(time.time()) + 3600
    lines = []
    for number, lease in enumerate(sorted(held, key=lambda text: ":" in text)):
        client = f"52:54:00:00:00:{number:02x}" if ":" not in lease else f"{number}"
        lines.append(f"{ends} {client} {lease} *\n")
    made = machine.root / f"{LEASES[1:]}.new"
    made.write_text("".join(lines))
    made.rename(machine.root / LEASES[1:])


def query(machine: Machine, name: str, kind: str, server: str = STUB) -> str:
    """The stub's rcode and data."""
    return timed_query(machine, name, kind, server)[0]


def timed_query(machine: Machine, name: str, kind: str, server: str = STUB) -> tuple[str, float]:
    asked = ["/opt/pyvirt/bin/python", "-c", ASK, name, kind, server]
    shown = machine.run(asked).stdout.splitlines()
    return shown[0], float(shown[1])


def musl(machine: Machine, name: str) -> tuple[int, list[str]]:
    """What musl's getaddrinfo says: an error, and addresses."""
    done = machine.run(["/root/musl", name], check=False)
    return done.returncode, done.stdout.split()


def ours(machine: Machine) -> list[str]:
    """The sockets of our hook that are there."""
    return [name for name in machine.run(["ls", HOOKS]).stdout.split() if "pyvirt" in name]


def times_closed(machine: Machine) -> int:
    """How often systemd has closed the socket of bare names."""
    journal = ["journalctl", "-b", "-u", SOCKETS[0], "-o", "cat", "--no-pager"]
    return machine.run(journal).stdout.count("Closed ")


def state(machine: Machine, kind: str, name: str, value: msgspec.Struct) -> Path:
    """Write a run state by rename, as pyvirt does."""
    path = machine.root / f"run/pyvirt/{kind}/{name}.json"
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(msgspec.json.encode(value))
    return temporary.rename(path)


def test_resolvectl_getent_and_the_stub_get_names_and_addresses(
    sid: Machine, record_property: Note
) -> None:
    record_property("systemd", sid.run(["resolvectl", "--version"]).stdout.split()[1])
    names = sid.run(["ls", HOOKS]).stdout.split()
    assert {"10-pyvirt-names", "10-pyvirt-zones", "io.systemd.Machine", "io.systemd.Network"} == {
        *names
    }
    for name in ("web1", "WEB1", "web1.office.internal"):
        shown = sid.run(["resolvectl", "query", name]).stdout
        assert "10.9.0.5" in shown
        assert "Data from: hook" in shown
        assert query(sid, name, "A") == "NOERROR 10.9.0.5"
        assert query(sid, name, "AAAA") == "NOERROR"
    assert query(sid, "six", "AAAA") == "NOERROR fd09::6"
    assert query(sid, "six", "A") == "NOERROR"
    assert query(sid, "web1", "MX") == "NOERROR"
    back = query(sid, "5.0.9.10.in-addr.arpa", "PTR")
    assert back == "NOERROR web1. web1.office.internal."
    getent = ["getent", "-s", "resolve", "hosts"]
    assert sid.run([*getent, "10.9.0.5"]).stdout.split() == [
        *("10.9.0.5", "web1", "web1.office.internal")
    ]
    found = sid.run(["getent", "-s", "resolve", "ahosts", "web1"]).stdout
    assert found.split()[:3] == ["10.9.0.5", "STREAM", "web1"]


def test_varlinkctl_reads_the_interface_and_asks(sid: Machine) -> None:
    place = f"{HOOKS}/10-pyvirt-zones"
    text = sid.run(["varlinkctl", "introspect", place, "io.systemd.Resolve.Hook"]).stdout
    assert "interface io.systemd.Resolve.Hook" in text
    sid.run(["varlinkctl", "validate-idl"], stdin=text)
    question = '{"question":[{"key":{"class":1,"type":1,"name":"nope.office.internal"}}]}'
    asked = [place, "io.systemd.Resolve.Hook.ResolveRecord", question]
    assert sid.run(["varlinkctl", "call", "--json=short", *asked]).stdout == '{"rcode":3}\n'


def test_every_user_sees_that_it_works(sid: Machine) -> None:
    as_nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    (row,) = (
        line
        for line in sid.run([*as_nobody, "leasewatch", "doctor"], check=False).stdout.splitlines()
        if " resolved " in line
    )
    assert row.split()[:2] == ["ok", "resolved"]
    followed = sid.run([*as_nobody, "leasewatch", "doctor", "web1"], check=False).stdout
    assert "get it from systemd-resolved" in followed


def test_a_program_without_glibc_gets_names_through_the_stub(sid: Machine) -> None:
    assert musl(sid, "web1") == (0, ["10.9.0.5"])
    assert musl(sid, "six.office.internal") == (0, ["fd09::6"])
    assert musl(sid, "nope.office.internal") == (NO_NAME, [])


def test_an_extra_stub_gives_containers_the_same_names(sid: Machine) -> None:
    folder = sid.root / "etc/systemd/resolved.conf.d"
    folder.mkdir()
    settings = folder / "extra.conf"
    settings.write_text("[Resolve]\nDNSStubListenerExtra=10.9.0.1\n")
    try:
        sid.run(["systemctl", "restart", "systemd-resolved"])
        assert query(sid, "web1", "A", "10.9.0.1") == "NOERROR 10.9.0.5"
        assert query(sid, "nope.office.internal", "A", "10.9.0.1") == "NXDOMAIN"
    finally:
        settings.unlink()
        folder.rmdir()
        sid.run(["systemctl", "restart", "systemd-resolved"])


def test_only_below_a_network_unknown_names_end_the_lookup(sid: Machine) -> None:
    assert query(sid, "nope.office.internal", "A") == "NXDOMAIN"
    assert query(sid, "office.internal", "A") == "NOERROR"
    for name in ("nope", "www.web1", "nope.internal"):
        assert query(sid, name, "A") != "NOERROR"
    denied = sid.run(["resolvectl", "query", "www.web1"], check=False).stderr
    assert "not found" not in denied  # but that there is no name server to ask


def test_a_machine_of_machined_with_our_name_hides_nothing(sid: Machine) -> None:
    register = '{"name":"web1","class":"vm"}'
    socket = "/run/systemd/machine/io.systemd.Machine"
    hold = sid.sh("systemd-run --quiet --unit=held sleep 600; systemctl show -P MainPID held")
    words = register.replace("}", f',"leader":{hold.strip()}}}')
    sid.run(["varlinkctl", "call", socket, "io.systemd.Machine.Register", words])
    try:
        assert sid.run(["machinectl", "list", "--no-legend"]).stdout.split()[0] == "web1"
        assert query(sid, "web1", "A") == "NOERROR 10.9.0.5"
        assert query(sid, "web1.office.internal", "A") == "NOERROR 10.9.0.5"
    finally:
        sid.run(["systemctl", "stop", "held"])
        wait_for(
            "it to end", lambda: "web1" not in sid.run(["machinectl", "list"], check=False).stdout
        )


def test_a_pending_name_is_held_until_its_lease_comes(sid: Machine) -> None:
    now = time.time()
    domain = DomainState(
        name="db1",
        nics=(Nic("office", "52:54:00:00:00:00"),),
        pid=1,
        started=now,
        pending_until=int(now) + 120,
    )
    write_leases(sid, "fd09::6 six")
    path = state(sid, "domains", "db1", domain)
    try:
        wait_for("db1 to be pending", lambda: _is_pending(sid, "db1"))
        answer, seconds = timed_query(sid, "db1", "A")
        assert answer == "SERVFAIL"
        assert seconds < 20, "systemd-resolved waits 30 s for a hook"
        assert query(sid, "db1", "AAAA") in {"NOERROR", "SERVFAIL"}
        later = ["sh", "-ec", "/root/musl db1 >/root/found & sleep 1; echo asked; wait"]
        assert sid.run(later, check=False).stdout == "asked\n"
        assert (sid.root / "root/found").read_text() == ""
        write_leases(sid, "10.9.0.5 fedora", "fd09::6 six")
        wait_for("db1", lambda: query(sid, "db1", "A") == "NOERROR 10.9.0.5")
        assert musl(sid, "db1") == (0, ["10.9.0.5"])
    finally:
        path.unlink()
        write_leases(sid, "10.9.0.5 web1", "fd09::6 six")
        wait_for("web1", lambda: query(sid, "web1", "A") == "NOERROR 10.9.0.5")


def _is_pending(machine: Machine, name: str) -> bool:
    shown = machine.run(["leasewatch", "list", "-o", "csv"], check=False).stdout
    return any(name in line and "pending" in line for line in shown.splitlines())


def test_a_new_network_is_asked_for_at_once_and_a_former_one_no_more(sid: Machine) -> None:
    assert query(sid, "nope.dmz.internal", "A") != "NXDOMAIN"
    lease_file = sid.root / "var/lib/misc/dmz.leases"
    lease_file.write_text(f"{int(time.time()) + 3600} 52:54:00:00:00:77 10.8.0.5 web7 *\n")
    network = NetworkState(
        name="dmz",
        bridge="br8",
        suffix="internal",
        lease_file="/var/lib/misc/dmz.leases",
        subnets=("10.8.0.0/24",),
        pid=1,
        started=time.time(),
    )
    path = state(sid, "networks", "dmz", network)
    wait_for("web7", lambda: query(sid, "web7.dmz.internal", "A") == "NOERROR 10.8.0.5")
    assert query(sid, "nope.dmz.internal", "A") == "NXDOMAIN"
    path.unlink()
    lease_file.unlink()
    wait_for("it to go", lambda: query(sid, "nope.dmz.internal", "A") != "NXDOMAIN")


def test_lookups_wait_for_a_service_that_restarts(serving: Machine) -> None:
    before = main_pid(serving)
    asked = f"""
: >/root/asked
while [ ! -e /root/enough ]; do
    /opt/pyvirt/bin/python -c '{ASK}' web1.office.internal A {STUB} >>/root/asked
done &
sleep 1
systemctl restart leasewatch
sleep 1
touch /root/enough
wait
rm /root/enough
grep -v '^[0-9]' /root/asked
"""
    answers = serving.sh(asked).splitlines()
    lost = [answer for answer in answers if answer != "NOERROR 10.9.0.5"]
    assert len(answers) > 1
    assert len(lost) <= 1, "only what is sent just as the former process hangs up"
    assert main_pid(serving) not in {"0", before}


def test_a_stopped_service_leaves_no_socket_and_no_lookup_waits(serving: Machine) -> None:
    serving.run(["systemctl", "stop", "leasewatch"])
    wait_for("the sockets to go", lambda: not ours(serving), 20)
    answer, seconds = timed_query(serving, "web1", "A")
    assert answer != "NOERROR"
    assert seconds < 20, "systemd-resolved waits 30 s for a hook"
    assert is_active(serving, "leasewatch") == "inactive"
    serving.run(["systemctl", "start", "leasewatch"])
    assert [is_active(serving, unit) for unit in SOCKETS] == ["active", "active"]


def test_a_killed_service_comes_back_with_its_sockets(serving: Machine) -> None:
    before, closed = main_pid(serving), times_closed(serving)
    serving.run(["systemctl", "kill", "--kill-whom=main", "--signal=KILL", "leasewatch"])
    assert timed_query(serving, "web1.office.internal", "A")[1] < 20
    wait_for("another process", lambda: main_pid(serving) not in {"0", before})
    assert times_closed(serving) == closed + 1
    wait_for("web1", lambda: query(serving, "web1", "A") == "NOERROR 10.9.0.5")
    assert [is_active(serving, unit) for unit in SOCKETS] == ["active", "active"]


BREAK = "cd /opt/pyvirt/lib/python3*/site-packages/leasewatch; mv service.py away"
MEND = "cd /opt/pyvirt/lib/python3*/site-packages/leasewatch; mv away service.py"


def test_a_service_that_cannot_start_hangs_no_lookup(serving: Machine) -> None:
    serving.sh(BREAK)
    try:
        serving.run(["systemctl", "restart", "leasewatch"], check=False)
        for _ in range(8):  # it is tried again every two seconds
            answer, seconds = timed_query(serving, "web1.office.internal", "A")
            assert answer != "NOERROR"
            assert seconds < 20
            time.sleep(0.5)
    finally:
        serving.sh(MEND)
    wait_for("web1", lambda: query(serving, "web1", "A") == "NOERROR 10.9.0.5")


def test_sockets_that_are_disabled_leave_the_service_as_it_was(serving: Machine) -> None:
    serving.run(["systemctl", "disable", "--now", *SOCKETS])
    try:
        serving.run(["systemctl", "restart", "leasewatch"])
        assert is_active(serving, "leasewatch") == "active"
        assert query(serving, "web1", "A") != "NOERROR 10.9.0.5"
        assert resolves(serving, "web1")[:2] == ["10.9.0.5", "web1"]
        doctor = serving.run(["leasewatch", "doctor"], check=False).stdout
        assert "systemctl enable" in doctor
    finally:
        serving.run(["systemctl", "enable", *SOCKETS])
        serving.run(["systemctl", "restart", "leasewatch"])


def test_remove_takes_the_hook_away_and_install_brings_it_back(serving: Machine) -> None:
    serving.run(["nss-pyvirt", "remove"])
    assert not ours(serving)
    assert not list((serving.root / "etc/systemd/system").glob("leasewatch*"))
    assert timed_query(serving, "web1", "A")[1] < 20
    done = serving.run(["nss-pyvirt", "install"]).stdout
    assert f"{SOCKETS[0]} and {SOCKETS[1]}\n" in done
    wait_for("web1", lambda: query(serving, "web1", "A") == "NOERROR 10.9.0.5")
    serving.run(["nss-pyvirt", "status"])
    warned = serving.run(["journalctl", "-b", "-p", "warning", "-u", "leasewatch*"]).stdout
    assert "Unknown key" not in warned
