"""Commands as virsh spells them, in virsh's layout, for its users and their scripts.

Help lists none of them: each has a command of ours, which shows more.
"""

from __future__ import annotations

from leasewatch.paths import Paths
from leasewatch.pyvirt.cli import halves
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame, show
from nss_pyvirt.terminal.commands import Param

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from typing import Any, Final

    Fields = dict[str, object]

_STATES: Final = {"running": 1, "shutting down": 4, "stopped": 5, "saved": 5, "panicked": 6}
"""libvirt's virDomainState; every other state of ours is one of its paused domain, 3."""
_GROUPS: Final = {
    "--state": "its state",
    "--cpu-total": "processor time",
    "--balloon": "memory",
    "--vcpu": "time of each virtual processor",
    "--interface": "traffic",
    "--block": "use of its disks",
    "--perf": "perf events, counted for a second",
}
_SECONDS: Final = 1.0  # for which perf events are counted
_NOT_COUNTED: Final = (
    "events are counted only while a command asks, so nothing has to be enabled: "
    "pyvirt domain stats --perf"
)
_NO_AGENT: Final = "pyvirt gives guests no channel for an agent"


@commands.command(
    halves.names("domain"),
    *(Param(option, flag=True, help=f"Show {what}.") for option, what in _GROUPS.items()),
    hidden=True,
    epilog=frame.examples("sudo pyvirt domstats --vcpu --block web1"),
)
def domstats(names: Sequence[str], *, perf: bool, **groups: bool) -> int:
    """Show statistics of domains in virsh's layout: all that there are, without an option.

    Times are in nanoseconds, memory is in KiB. `pyvirt domain stats` has rates and JSON.
    """
    from leasewatch.pyvirt.domains.stats import DomainStats  # noqa: PLC0415  start-up time

    domains = DomainStats(Paths())
    wanted = [group for group, asked in groups.items() if asked]
    wanted = wanted or ([] if perf else [*groups])

    def fields(name: str) -> Fields:
        state = str(domains.describe(name)["state"])
        is_there = domains.is_running(name)
        row: dict[str, Any] = domains.of(name) if is_there else {"state": state}
        counted = _counted(row["qemu"]) if perf and is_there else {}
        return _fields(row, wanted) | counted

    several = names or sorted(domains.names(), key=show.natural)
    code = 0
    for name in several:
        try:
            found = fields(name)
        except UserError as error:
            frame.print_error("pyvirt", error)
            code = error.exit_code
            continue
        _print(f"Domain: '{frame.printable(name)}'", found, domain=name)
    return code


def _print(heading: str, found: Fields, **names: str) -> None:
    if commands.Command.prints_json:
        frame.write(frame.render_object({**names, **found}))
    else:
        lines = (f"  {key}={value}\n" for key, value in found.items() if value is not None)
        frame.write(f"{heading}\n{''.join(lines)}\n")


def _fields(row: Mapping[str, Any], groups: Collection[str]) -> Fields:
    """What virsh calls the values of a row of `domain stats`; None: they are not known."""
    found: Fields = {"state.state": _STATES.get(row["state"], 3)} if "state" in groups else {}
    if "qemu" not in row:  # it does not run
        return found
    if "cpu_total" in groups:
        found["cpu.time"] = _nanoseconds(row["cpu_time"])
    if "balloon" in groups:
        found["balloon.current"] = row["memory"] and row["memory"] >> 10
        found["balloon.rss"] = row["rss"] and row["rss"] >> 10
    if "vcpu" in groups:
        found |= _vcpus(row["vcpus"])
    if "interface" in groups:
        found |= _numbered("net", row["cards"], _CARD)
    if "block" in groups:
        found |= _numbered("block", row["disks"], _DISK)
    return found


_CARD: Final = {
    "name": "network",
    "rx.bytes": "received",
    "rx.pkts": "packets_received",
    "tx.bytes": "sent",
    "tx.pkts": "packets_sent",
}
_DISK: Final = {
    "name": "name",
    "rd.reqs": "reads",
    "rd.bytes": "read",
    "wr.reqs": "writes",
    "wr.bytes": "written",
}


def _nanoseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1e9)


def _vcpus(times: Sequence[float] | None) -> Fields:
    if times is None:  # only root may ask QEMU
        return {}
    each = {f"vcpu.{at}.time": _nanoseconds(time) for at, time in enumerate(times)}
    return {"vcpu.current": len(times), "vcpu.maximum": len(times), **each}


def _numbered(
    word: str, rows: Sequence[Mapping[str, Any]] | None, keys: Mapping[str, str]
) -> Fields:
    if rows is None:
        return {}
    each = ((at, row, theirs, ours) for at, row in enumerate(rows) for theirs, ours in keys.items())
    found = {f"{word}.{at}.{theirs}": row[ours] for at, row, theirs, ours in each}
    return {f"{word}.count": len(rows), **found}


def _counted(qemu: int) -> Fields:
    """The perf events of a second. UserError where the kernel refuses all of them."""
    import contextlib  # noqa: PLC0415  start-up time
    import time  # noqa: PLC0415

    from leasewatch.pyvirt.domains.perf_events import EVENTS, PerfCounters  # noqa: PLC0415

    with contextlib.closing(PerfCounters(qemu)) as counters:
        if len(counters.refused) == len(EVENTS):
            why = next(iter(counters.refused.values())).strerror
            raise UserError(f"cannot count perf events: {why}", "sudo pyvirt domstats --perf")
        time.sleep(_SECONDS)
        return {f"perf.{event}": count for event, count in counters.read().items()}


@commands.command(
    halves.one_name("domain"),
    Param("--enable", metavar="EVENT,...", help="Say whether these events can be counted."),
    Param("--disable", metavar="EVENT,...", help="Accepted: no event is counted all the time."),
    hidden=True,
    needs_root=True,
    epilog=frame.examples("sudo pyvirt perf web1"),
)
def perf(name: str, enable: str | None, disable: str | None) -> None:
    """Show which perf events of a running domain can be counted here.

    `pyvirt domain stats --perf` counts all of them while it runs, so none has to be enabled.
    """
    import contextlib  # noqa: PLC0415  start-up time

    from leasewatch.pyvirt.domains.perf_events import EVENTS, PerfCounters  # noqa: PLC0415
    from leasewatch.pyvirt.domains.stats import DomainStats  # noqa: PLC0415

    asked = {option: _events(text, EVENTS) for option, text in (("e", enable), ("d", disable))}
    with contextlib.closing(PerfCounters(DomainStats(Paths()).of(name)["qemu"])) as counters:
        refused = counters.refused
    for event in asked["e"]:
        if event in refused:
            raise UserError(f"{event} cannot be counted here: {refused[event].strerror}")
    if asked["e"] or asked["d"]:
        frame.print_note("pyvirt", _NOT_COUNTED)
    rows = {event: event not in refused for event in asked["e"] + asked["d"] or EVENTS}
    if commands.Command.prints_json:
        frame.write(frame.render_object({"domain": name, **rows}))
        return
    for event, can in rows.items():
        shown = "enabled" if can else f"disabled ({refused[event].strerror})"
        frame.write(f"{event:15}: {shown}\n")


def _events(text: str | None, known: Iterable[str]) -> list[str]:
    found = [each.strip() for each in text.split(",")] if text else []
    for event in found:
        if event not in known:
            what = f'there is no perf event "{frame.printable(event)}" here'
            raise UserError(what, f"there are {', '.join(known)}", "not-found")
    return found


@commands.command(
    halves.one_name("network"),
    Param("card", metavar="[MAC]"),
    Param("--mac", metavar="MAC", help="Only the leases of this card."),
    hidden=True,
    epilog=frame.examples("pyvirt net-dhcp-leases lab"),
)
def net_dhcp_leases(name: str, card: str | None, mac: str | None) -> None:
    """List the DHCP leases of a network in virsh's layout.

    `leasewatch list --network NETWORK` also shows the names, and JSON.
    """
    from leasewatch.pyvirt.networks import dhcp_leases  # noqa: PLC0415  start-up time

    wanted = (mac or card or "").lower()
    rows = [row for row in dhcp_leases.of(Paths(), name) if wanted in {"", row["mac"]}]
    if commands.Command.prints_json:
        frame.write(frame.render_object({"network": name, "leases": rows}))
        return
    frame.write("".join(_table([_lease_cells(row) for row in rows])))


_HEADINGS: Final = (
    *("Expiry Time", "MAC address", "Protocol", "IP address", "Hostname"),
    "Client ID or DUID",
)


def _lease_cells(row: Mapping[str, Any]) -> list[str]:
    import time  # noqa: PLC0415  start-up time

    ends = row["expires"]
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(ends)) if ends else "never"
    rest = (row[key] for key in ("mac", "protocol", "address", "hostname", "client_id"))
    return [when, *(frame.printable(str(cell or "-")) for cell in rest)]


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """As virsh draws one: a space before each line, three between the columns."""
    widths = [max(map(len, column)) for column in zip(_HEADINGS, *rows, strict=True)]

    def line(cells: Iterable[str]) -> str:
        both = zip(cells, widths, strict=True)
        return f" {'   '.join(cell.ljust(width) for cell, width in both).rstrip()}\n"

    yield line(_HEADINGS)
    yield "-" * (sum(widths) + 3 * len(widths)) + "\n"
    yield from map(line, rows)
    yield "\n"


@commands.command(
    halves.one_name("domain"),
    Param("--condition", metavar="domain-inactive", help="What to wait for."),
    Param(
        "--timeout",
        kind=commands.seconds,
        metavar="SECONDS",
        help="How long to wait.  [default: without an end]",
    ),
    hidden=True,
    epilog=frame.examples("pyvirt await web1 --condition domain-inactive --timeout 60"),
)
def await_(name: str, condition: str | None, timeout: int | None) -> int:
    """Wait until a domain no longer runs.

    Exit status: 0 it does not run, 1 error, 2 it still runs after the timeout.
    """
    from leasewatch.pyvirt.domains.known import KnownDomains  # noqa: PLC0415  start-up time

    if condition == "guest-agent-available":
        hint = f"wait until it answers: leasewatch wait {name}"
        raise UserError(f"cannot wait for {condition}: {_NO_AGENT}", hint, "unavailable")
    if condition != "domain-inactive":
        what = "--condition is missing" if condition is None else f'no condition "{condition}"'
        hint = f"pyvirt await {name} --condition domain-inactive"
        raise UserError(what, hint, "invalid")  # wrong usage would have the status of a timeout
    if KnownDomains(Paths()).wait_for_end(name, timeout):
        return 0
    what = f"domain {name} still runs after {timeout} s"
    raise UserError(what, f"sudo pyvirt domain stop {name}", "timeout", exit_code=2)
