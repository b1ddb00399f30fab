"""A site of 50 hosts with 400 leases each: how soon name servers and another host know a lease.

The first host pulls all zones and has the catalog for BIND. One Knot takes each zone from its host;
another takes them from a hub, which is one more host without leases. All of them run on this
machine, so what the others do meanwhile is part of each figure.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from tests.bench import serving
from tests.bench.counts import Counts
from tests.bench.dns_asking import Askers, Place, asking
from tests.bench.dns_hosts import SERVERS, Host, Links, host_address, site
from tests.bench.table import Row, at_most, figure
from tests.bench.timing import BenchError, percentile
from tests.name_servers import BIND, KNOT, NameServer, free_port, running

LEASES = 400
HUB = "Knot behind a hub"
LABELS = ("BIND", "Knot", HUB)
_PAUSES = (0.02, 0.06)


def measure(folder: Path, counts: Counts) -> Iterator[Row]:
    """Rows of one site and its name servers."""
    work = folder / "site"
    count = counts.site_hosts
    ports = {label: free_port() for label in LABELS}
    with site(work, _links(count, ports), [LEASES] * count + [0]) as hosts:
        time.sleep(counts.settle_s)  # what each host does after its start
        yield from _first_starts(work, hosts, ports)
        with _servers(work, hosts, ports) as askers:
            _until_served(askers, hosts)
            lags = _lags(hosts, askers, counts.changes)
            lags["another host's NSS"] = _seen(hosts, counts.changes)
            yield from _healed(hosts, askers, max(1, counts.changes // 50))
        memory = _memory(hosts)
    for label, seconds in lags.items():
        for share, most in ((50, 20), (99, 50)):
            value = percentile(seconds, share) * 1e3
            what = f"lease write -> {label}, p{share}"
            if label == HUB or (share == 50 and label not in LABELS):
                yield Row(what, measured=f"{figure(value)} ms")
            else:
                yield at_most(what, value, most, "ms")
    yield from memory


def measure_large(folder: Path, counts: Counts) -> Iterator[Row]:
    """Rows of a site of 100,000 names on fewer hosts: latency and memory.

    None in a quick run, whose sites are equally small.
    """
    work = folder / "large-site"
    count, leases = max(3, counts.site_hosts // 5), counts.site_hosts * 200
    if count >= counts.site_hosts:
        return
    ports = {label: free_port() for label in LABELS}
    with site(work, _links(count, ports), [leases] * count + [0]) as hosts:
        with _servers(work, hosts, ports) as askers:
            _until_served(askers, hosts)
            lags = _lags(hosts, askers, counts.changes)
            lags["another host's NSS"] = _seen(hosts, counts.changes)
        memory = _memory(hosts)
    for label, seconds in lags.items():
        shown = f"{_ms(seconds, 50)} / {_ms(seconds, 99)}"
        what = f"{count * leases:,} names on {count} hosts: lease write -> {label}, p50 / p99"
        yield Row(what, measured=shown)
    yield from memory


def _links(count: int, ports: dict[str, int]) -> list[Links]:
    """Of the hosts with leases, and of the hub."""
    bind, knot, behind = (f"{SERVERS}:{ports[label]}" for label in LABELS)
    first, hub = host_address(0), host_address(count)
    each = [f"host{at} {host_address(at)}" for at in range(count)]
    return [
        Links((bind, knot, hub), tuple(each[1:]), "direct"),
        *([Links((bind, knot, first, hub))] * (count - 1)),
        Links((behind,), tuple(each), "hub"),
    ]


@contextmanager
def _servers(folder: Path, hosts: Sequence[Host], ports: dict[str, int]) -> Iterator[Askers]:
    """BIND and Knot with the configuration that `leasewatch dns setup` prints, and nothing yet."""
    with ExitStack() as stack:
        for label, start in zip(LABELS, (_bind, _knot, _knot_behind_a_hub), strict=True):
            stack.enter_context(start(folder, hosts, ports[label]))
        yield stack.enter_context(
            asking({label: Place(SERVERS, port) for label, port in ports.items()})
        )


def _bind(folder: Path, hosts: Sequence[Host], port: int) -> AbstractContextManager[NameServer]:
    setup = _setup(hosts[0], "bind", folder / "site.key")
    options, _, config = setup.partition("// 3.")
    place = _fresh(folder / "bind")
    return running(BIND, place, SERVERS, port, options=options, config=f"//{config}")


def _knot(folder: Path, hosts: Sequence[Host], port: int) -> AbstractContextManager[NameServer]:
    """With a remote and a zone for each host, as setup prints them on each of them."""
    served = hosts[:-1]
    remotes = "".join(
        f"  - id: {host.name}\n    address: {host.address}@53\n    key: site\n"
        "    block-notify-after-transfer: on\n"
        for host in served
    )
    zones = "".join(
        f"  - domain: {host.zone}\n    template: leasewatch\n    master: {host.name}\n"
        for host in served
    )
    config = f"""{_knot_key(folder)}remote:
{remotes}
acl:
  - id: site
    key: site
    action: notify
template:
  - id: leasewatch
    acl: site
    zonefile-sync: -1
    zonefile-load: none
    journal-content: all
zone:
{zones}"""
    return running(KNOT, _fresh(folder / "knot"), SERVERS, port, config=config)


def _knot_behind_a_hub(
    folder: Path, hosts: Sequence[Host], port: int
) -> AbstractContextManager[NameServer]:
    place = _fresh(folder / "knot")
    setup = _setup(hosts[-1], "knot", place / "site.conf")
    files = {"site.conf": _knot_key(folder)}
    return running(KNOT, place, SERVERS, port, config=setup, files=files)


def _knot_key(folder: Path) -> str:
    key = (folder / "site.key").read_text().split('"')
    return f"key:\n  - id: {key[1]}\n    algorithm: hmac-sha256\n    secret: {key[3]}\n"


def _setup(host: Host, engine: str, key: Path) -> str:
    command = host.enter("leasewatch", "dns", "setup", engine, "--key-file", key)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise BenchError(done.stderr)
    return done.stdout


def _fresh(folder: Path) -> Path:
    """A folder of this name that is not there yet."""
    at = 0
    while (found := folder.with_name(f"{folder.name}{at}")).exists():
        at += 1
    return found


def _until_served(askers: Askers, hosts: Sequence[Host]) -> None:
    for host in hosts:
        if host.leases:
            askers.until_answered(host.last(), time.perf_counter(), seconds=120)


def _first_starts(folder: Path, hosts: Sequence[Host], ports: dict[str, int]) -> Iterator[Row]:
    """From the start of a name server that has nothing to the answers for every host."""
    served = [host for host in hosts if host.leases]
    what = f"{len(served)} x {LEASES} names"
    for label, start in zip(LABELS, (_bind, _knot, _knot_behind_a_hub), strict=True):
        begin = time.perf_counter()
        with (
            start(folder, hosts, ports[label]),
            asking({label: Place(SERVERS, ports[label])}) as one,
        ):
            _until_served(one, served)
            took = time.perf_counter() - begin
        yield at_most(f"{label} starts with nothing -> {what} answer", took, 6, "s")


def _lags(hosts: Sequence[Host], askers: Askers, changes: int) -> dict[str, list[float]]:
    """Seconds from the write of a lease to the answers of each name server."""
    lags: dict[str, list[float]] = {label: [] for label in LABELS}
    for _ in range(changes):
        host = random.choice(hosts[1:-1])
        begin = time.perf_counter()
        for label, seconds in askers.until_answered(host.lease(), begin).items():
            lags[label].append(seconds)
        time.sleep(random.uniform(*_PAUSES))
    return lags


def _seen(hosts: Sequence[Host], changes: int) -> list[float]:
    """Seconds from the write of a lease to the NSS module of the first host."""
    command = hosts[0].enter(sys.executable, "-m", "tests.bench.dns_seeing")
    lags = []
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as seeing:
        assert seeing.stdin is not None
        assert seeing.stdout is not None
        seeing.stdout.readline()
        for _ in range(changes):
            host = random.choice(hosts[1:-1])
            begin = time.perf_counter_ns()
            seeing.stdin.write(f"{host.lease()}\n")
            found = seeing.stdout.readline()
            if not found:
                raise BenchError(f"{host.last()} is not known on {hosts[0].name}")
            lags.append((int(found) - begin) * 1e-9)
            time.sleep(random.uniform(*_PAUSES))
    return lags


def _healed(hosts: Sequence[Host], askers: Askers, rounds: int) -> Iterator[Row]:
    """Cut a host off, give it a lease, and see how soon that answers once the link is back."""
    lags: dict[str, list[float]] = {label: [] for label in LABELS}
    for at in range(rounds):
        host = random.choice(hosts[1:-1])
        with _cut_off(host):
            name = host.lease()
            time.sleep(2 + at % 5 * 2)
        for label, seconds in askers.until_answered(name, time.perf_counter()).items():
            lags[label].append(seconds)
    for label in LABELS:
        value = max(lags[label])
        yield at_most(f"link back after 2 to 10 s -> {label} answers, longest", value, 5, "s")


@contextmanager
def _cut_off(host: Host) -> Iterator[None]:
    """Drop what leaves and reaches a host's address."""
    rules = f"ip saddr {host.address} drop; ip daddr {host.address} drop;"
    chain = f"chain lost {{ type filter hook input priority 0; {rules} }}"
    add = f"table inet cut {{ {chain}; }}\n"
    subprocess.run(["nft", "-f", "-"], input=add, text=True, check=True)
    try:
        yield
    finally:
        subprocess.run(["nft", "delete table inet cut"], check=True)


def _memory(hosts: Sequence[Host]) -> list[Row]:
    total = sum(host.leases for host in hosts)
    rows = []
    for host, what in ((hosts[0], "pulls all peers"), (hosts[1], "pulls none")):
        mib = figure(serving.resident_memory(host.dns_pid()))
        of = f"memory of leasewatch dns that {what}, {total // 1000:,},000 names in the site"
        rows.append(Row(of, measured=f"{mib} MiB"))
    return rows


def _ms(seconds: Sequence[float], share: int) -> str:
    return f"{figure(percentile(seconds, share) * 1e3)} ms"
