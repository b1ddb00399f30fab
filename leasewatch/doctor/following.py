"""Follow one name from its definition to the programs that ask for it. Pure.

Each step is a row. The last row is where the name ends: the first that is bad.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Final

from leasewatch import addresses
from leasewatch.api.client import NoServiceError
from leasewatch.api.interface import Entry
from leasewatch.doctor import firewall, host_keys, hosts_file, networks, resolved
from leasewatch.model import DomainState
from leasewatch.names import labels
from nss_pyvirt.checks import Row
from nss_pyvirt.installer import installation
from nss_pyvirt.installer.pieces import start_command
from nss_pyvirt.terminal import hints, show

if TYPE_CHECKING:
    from leasewatch.doctor.host import Host

_HOLDS: Final = {"published", "pending"}
_RESOLVED: Final = "static Go, musl, Flatpak and containers get it from systemd-resolved"
_OUTSIDE: Final = "static Go, musl, Flatpak and containers do not ask NSS"


def follow(host: Host, name: str) -> Iterator[Row]:
    """The rows of a name, up to the first that is bad."""
    traced = Traced(host, labels.fold(name))
    for step in _STEPS:
        for row in step(traced):
            yield row
            if row.state == "bad":
                return


class Traced:
    """A name, and what is known of the machine that should have it."""

    def __init__(self, host: Host, name: str) -> None:
        self.host, self.name = host, name
        self.typed = shlex.quote(name)

    @cached_property
    def domain(self) -> str:
        """The domain of pyvirt, if the name is one's; else empty."""
        known = {labels.fold(alias): name for alias, name in self.host.aliases.items()}
        known |= {labels.fold(name): name for name in self.host.domain_names}
        whole, first = self.name, self.name.partition(".")[0]
        is_full = any(
            whole == f"{first}.{each.name}.{each.definition.suffix}" for each in self.host.networks
        )
        return known.get(whole) or (known.get(first, "") if is_full else "")

    @cached_property
    def run(self) -> DomainState | None:
        """The domain's run state; None: it does not run."""
        return next((each for each in self.host.domains if each.name == self.domain), None)

    @cached_property
    def entries(self) -> list[Entry]:
        """The candidates for the name, or of the domain; first those that have it."""
        wanted = {self.name, *([labels.fold(self.domain)] if self.domain else self.published_names)}
        found = [
            one
            for one in self.host.entries
            if not wanted.isdisjoint(map(labels.fold, filter(None, (one.name, one.hostname))))
            or (self.domain and one.domain == self.domain)
        ]
        return sorted(found, key=lambda one: one.verdict not in _HOLDS)

    @cached_property
    def published_names(self) -> tuple[str, ...]:
        """All names of the published host that has this one."""
        found = (each.names for each in self.host.table if self.name in each.names)
        return next(found, ())

    @cached_property
    def answered(self) -> set[str]:
        """The addresses in the published table."""
        return {addresses.text(one.packed) for one in self.host.answer(self.name).addresses}


def _definition(traced: Traced) -> Iterator[Row]:
    if traced.domain:
        yield Row("ok", "definition", f"domain {traced.domain} of pyvirt")
    elif traced.entries:
        one = traced.entries[0]
        by = "the host's owner gives it to" if one.trust == "owner" else "it is claimed by"
        yield Row("ok", "definition", f"{by} a machine on network {one.network}")
    elif traced.answered:
        whole = traced.host.answer(traced.name).names[0]
        yield Row("ok", "definition", f"another host of the site has it: {whole}")
    elif addresses.queried(traced.name) is not None:
        what = f"{traced.name} is an address, not a name"
        yield Row("bad", "definition", what, f"leasewatch resolve {traced.typed}")
    else:
        what = "no domain, lease or setting has this name"
        known = {*traced.host.domain_names, *(one.name for one in traced.host.entries if one.name)}
        meant = hints.likely(traced.name, known)
        fix = f"leasewatch doctor {shlex.quote(meant)}" if meant else "leasewatch list"
        yield Row("bad", "definition", what, fix)


def _running(traced: Traced) -> Iterator[Row]:
    if not traced.domain:
        return
    if traced.run is None:
        what = f"domain {traced.domain} is not running"
        yield Row("bad", "running", what, f"sudo pyvirt domain start {traced.domain}")
        return
    for name in dict.fromkeys(nic.network for nic in traced.run.nics):
        network = traced.host.network(name)
        yield from networks.judge(network, traced.host.missing(network.definition))
    if traced.run.state == "running":
        age = show.age(traced.run.started, traced.host.now)
        yield Row("ok", "running", "just started" if age == "now" else f"for {age}")
    else:
        why = f": {traced.run.why}" if traced.run.why else ""
        fix = f"pyvirt domain show {traced.domain}"
        yield Row("warn", "running", f"{traced.run.state}{why}", fix)


def _lease(traced: Traced) -> Iterator[Row]:
    held = [one for one in traced.entries if one.verdict in _HOLDS] or traced.entries
    leased = [one for one in held if one.origin == "lease" and one.verdict != "ended"]
    seen = [one for one in held if one.origin == "neighbour" and one.address]
    if leased:
        one = leased[0]
        more = f", and {len(leased) - 1} more" if leased[1:] else ""
        left = f"{show.expiry(one.expires, traced.host.now)} left" if one.expires else "never ends"
        yield Row("ok", "lease", f"{one.address} on {one.network}, {left}{more}")
    elif seen:
        yield Row("ok", "lease", f"none, but the bridge sees {seen[0].address} in use")
    elif traced.run is not None:
        yield from _no_lease(traced, traced.run)
    else:
        yield Row("ok", "lease", "none")


def _no_lease(traced: Traced, run: DomainState) -> Iterator[Row]:
    """How far the guest's request for an address has got."""
    sent = sum(traced.host.frames_from(nic.tap) or 0 for nic in run.nics if nic.tap)
    console = f"sudo pyvirt domain console {traced.domain}"
    if not sent:
        what = "the guest has sent nothing yet: it boots, or has no driver for its card"
        yield Row("bad", "lease", what, console)
        return
    for row in firewall.check(traced.host):
        if row.state != "ok":
            yield row
    what = f"none: the guest has sent {sent} frames, and has not been given an address"
    yield Row("bad", "lease", what, console)


def _service(traced: Traced) -> Iterator[Row]:
    """Nothing if it answers."""
    if isinstance(traced.host.served, NoServiceError):
        what = f"{traced.host.served.what}: new leases are not published"
        yield Row("warn" if traced.answered else "bad", "service", what, start_command())


def _verdict(traced: Traced) -> Iterator[Row]:
    held = [one for one in traced.entries if one.verdict in _HOLDS]
    if held:
        yield Row("ok", "verdict", f"{held[0].verdict}: {held[0].reason}".rstrip(": "))
    elif traced.entries:
        one = traced.entries[0]
        explain = f"leasewatch resolve {traced.typed} --explain"
        yield Row("bad", "verdict", f"{one.verdict}: {one.reason}", explain)


def _table(traced: Traced) -> Iterator[Row]:
    status = traced.host.answer(traced.name).status
    if traced.answered:
        yield Row("ok", "table", " ".join(sorted(traced.answered)))
    elif status == "not yet":
        what = "it has no address yet: a lookup waits for it"
        yield Row("bad", "table", what, f"leasewatch resolve {traced.typed} --explain")
    else:
        what = f"{traced.host.paths.snapshot} does not have it"
        yield Row("bad", "table", what, start_command())


def _module(traced: Traced) -> Iterator[Row]:
    if traced.answered.isdisjoint(_plain(traced.host.getent(traced.name, "-s", "hosts:pyvirt"))):
        what = "the module does not answer: it is missing, or cannot read the table"
        yield Row("bad", "module", what, installation.repair("libnss-pyvirt"))
    else:
        yield Row("ok", "module", "answers")


def _order(traced: Traced) -> Iterator[Row]:
    yield from (row for row in traced.host.installation if row.subject == "nsswitch")
    known = {traced.name: {addresses.parse(one) for one in traced.answered}}
    yield from (row for _, row in hosts_file.hiding(traced.host.hosts_file, known))


def _programs(traced: Traced) -> Iterator[Row]:
    got = _plain(traced.host.getent(traced.name))
    if got & traced.answered:
        yield Row("ok", "getaddrinfo", "a fresh process gets these addresses")
        return
    what = f"a fresh process gets {', '.join(sorted(got)) or 'nothing'}"
    fix = f"getent -s hosts:dns ahosts {traced.typed}"
    if traced.host.nscd:
        what, fix = f"{what}: nscd keeps an old answer", "sudo nscd -i hosts"
    yield Row("bad", "getaddrinfo", what, fix)


def _ssh(traced: Traced) -> Iterator[Row]:
    settings = traced.host.ssh(traced.name)
    if not traced.domain or settings is None:
        return
    own = traced.host.known_keys(traced.name, host_keys.FILE)
    if not own:
        what = "pyvirt has given this domain no host key: ssh asks at the first login"
        yield Row("warn", "ssh", what, f"ssh {traced.typed}")
        return
    row = host_keys.judge(settings)
    yield row._replace(subject="ssh")
    for file in settings.get("userknownhostsfile", "").split():
        kept = traced.host.known_keys(traced.name, file)
        if kept and kept.isdisjoint(own):
            what = f"{file} has the key of an earlier {traced.name}: ssh refuses to connect"
            yield Row("bad", "ssh", what, f"ssh-keygen -R {traced.typed} -f {file}")


def _outside(traced: Traced) -> Iterator[Row]:
    if resolved.judge(traced.host.resolve_hook).state == "ok":
        yield Row("ok", "outside NSS", _RESOLVED)
    else:
        yield Row("off", "outside NSS", _OUTSIDE, f"leasewatch ip {traced.typed}")


def _plain(found: list[str]) -> set[str]:
    """The addresses without the interface of a link-local one."""
    return {one.partition("%")[0] for one in found}


_STEPS: Final[tuple[Callable[[Traced], Iterator[Row]], ...]] = (
    *(_definition, _running, _lease, _service, _verdict, _table, _module, _order),
    *(_programs, _ssh, _outside),
)
