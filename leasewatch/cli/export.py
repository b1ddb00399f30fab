"""`leasewatch export FORMAT`: the published hosts as a file of ssh, Ansible or Prometheus."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from leasewatch import addresses
from leasewatch.cli import ask, export_formats
from leasewatch.cli.export_formats import FORMATS, Host
from leasewatch.paths import Paths
from nss_pyvirt import snapshot
from nss_pyvirt.errors import UserError
from nss_pyvirt.installer.pieces import start_command
from nss_pyvirt.terminal import commands, frame, show
from nss_pyvirt.terminal.commands import Param


@commands.command(
    Param(
        "form",
        kind=(*FORMATS, "prometheus"),
        required=True,
        metavar="FORMAT",
    ),
    Param("wanted", multiple=True, metavar="[NAME]...", complete=ask.complete_name),
    ask.NETWORKS,
    Param(
        "--port",
        kind=commands.whole_number(1, 65535),
        default=9100,
        metavar="NUMBER",
        help="The port that Prometheus scrapes.",
    ),
    epilog=frame.examples(
        "leasewatch export ssh-config > ~/.ssh/config.d/guests",
        "leasewatch export known-hosts >> ~/.ssh/known_hosts",
        "leasewatch export hosts web1 web2",
        "leasewatch export ansible --network lab > inventory.yaml",
        "leasewatch export prometheus --port 9100 > /etc/prometheus/guests.json",
    ),
)
def command(
    paths: Paths, form: str, wanted: Sequence[str], networks: Sequence[str], port: int
) -> None:
    """Print the published hosts as a file of another program.

    \b
    ssh-config   a Host block for each host: programs without our NSS module
                 reach it, too
    known-hosts  the host keys that pyvirt gave its domains
    hosts        lines for /etc/hosts
    ansible      an inventory in YAML, with a group for each network
    prometheus   targets for file_sd_configs, in JSON

    A file holds what is published now: write it again when guests come and go.
    Link-local addresses are omitted. Exits with 3 if no host matches.
    """  # noqa: D301  click means the character
    hosts = [*_exported(paths, wanted, networks)]
    if not hosts and (wanted or networks):
        hint = "leasewatch list --state published"
        raise UserError("no published host matches", hint, "not-found", exit_code=3)
    if form == "known-hosts" and not any(host.keys for host in hosts):
        what = "pyvirt has given none of these hosts a host key"
        frame.print_warning("leasewatch", UserError(what, code="not-found"))
    make = FORMATS.get(form)
    frame.write(export_formats.prometheus(hosts, port) if make is None else make(hosts))


def _exported(paths: Paths, wanted: Sequence[str], networks: Sequence[str]) -> Iterator[Host]:
    """The published hosts that are asked for and fit into files, in natural order."""
    asked = {word.lower().removesuffix(".") for word in wanted}
    for host in sorted(_published(paths), key=lambda one: show.natural(one.names[0])):
        if (asked and asked.isdisjoint(host.names)) or (networks and host.network not in networks):
            continue
        why = export_formats.omitted(host)
        if why is None:
            yield host
        else:
            what = f"{host.names[0]} is omitted: {why}"
            frame.print_warning("leasewatch", UserError(what, code="incomplete"))


def _published(paths: Paths) -> Iterator[Host]:
    """Every published host that has an address."""
    if not paths.snapshot.exists():
        raise UserError("no names are published", start_command(), "unavailable")
    found = ask.entries(paths, lambda entry: (entry["address"], entry["network"]))
    places, keys, now = dict(found), _keys(paths.ssh_known_hosts), time.time()
    for host in snapshot.read(paths.snapshot).hosts:
        alive = [address for address in host.addresses if address.expires > now]
        texts = tuple(addresses.text(one.packed) for one in alive if not one.ifindex)
        if alive:
            network = next((places[text] for text in texts if text in places), "")
            yield Host(host.names, texts, network, tuple(keys.get(host.names[0], ())))


def _keys(file: Path) -> dict[str, list[str]]:
    """The host keys in a known_hosts file by each name; empty: there is no file."""
    keys: dict[str, list[str]] = {}
    lines = file.read_text(errors="replace").splitlines() if file.exists() else []
    for line in lines:
        words = line.split()
        if len(words) >= 3 and words[0][:1] not in "#@|":
            for name in words[0].split(","):
                keys.setdefault(name, []).append(f"{words[1]} {words[2]}")
    return keys
