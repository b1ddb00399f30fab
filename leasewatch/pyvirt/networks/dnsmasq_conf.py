"""dnsmasq's configuration of one network, and the repair of its lease file (dnsmasq(8)).

Pure: text in, text out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from ipaddress import IPv4Network

from leasewatch.names import labels
from leasewatch.pyvirt.defined import subnets
from leasewatch.pyvirt.defined.network import Network, bridge_name
from leasewatch.sources import dnsmasq

CAPABILITIES = ("net_admin", "net_bind_service", "net_raw")
"""What dnsmasq needs without root: ARP entries, ports 53 and 67, ICMPv6."""

_FEWEST6 = 1024
"""DHCPv6 leases that a network has at least; its guests hardly need more.

More would cost time: a guest may ask for any number of them (RFC 8415 12). For each, dnsmasq
searches all leases for a free address and writes them all.
"""

_RESERVED = labels.RESERVED | {"gateway", "ip6-*"}
"""`gateway` is what older versions of systemd call the router (nss-myhostname(8))."""

_KEYWORD = re.compile(r"ignore|infinite|[0-9]+[wdhms]?")
"""Of --dhcp-host: give this card no lease, or one for so long."""


def render(
    network: Network,
    lease_file: str,
    hosts_dir: str,
    resolv_file: str,
    kept: Iterable[str],
    forwarded: Iterable[str] = (),
) -> str:
    """The file's text; it ends with the lines `forwarded`.

    `hosts_dir` holds a file of `hosts_line`s per domain, `resolv_file` the `nameservers` of the
    host. dnsmasq rereads both when they change. No guest can claim a label of `kept`; a final `*`
    stands for anything.
    """
    bridge, zone = bridge_name(network.name), f"{network.name}.{network.suffix}"
    subnet = IPv4Network(network.subnet)
    first, last = subnets.guest_range(network.subnet)
    size6 = max(subnet.num_addresses, _FEWEST6)
    first6, last6 = subnets.guest_range6(network.subnet6, size6)
    way_out = [f"resolv-file={resolv_file}"]
    if network.mode == "isolated":
        way_out = ["no-resolv", "dhcp-option=option:router", f"ra-param={bridge},0,0"]
    text = f"""\
keep-in-foreground
pid-file
log-facility=-
quiet-dhcp
quiet-dhcp6
quiet-ra
bind-dynamic
interface={bridge}
except-interface=lo

# DNS: our hosts, then the host's own resolvers
no-hosts
domain-needed
bogus-priv
domain={zone}
local=/{zone}/
expand-hosts

# DHCP; many guests have no DHCPv6 client and use SLAAC
dhcp-range={first},{last},{subnet.netmask},7d
dhcp-range={first6},{last6},slaac,64,7d
enable-ra
dhcp-leasefile={lease_file}
# as many as both ranges have, so that neither family uses up the other's
dhcp-lease-max={subnet.num_addresses + size6}
dhcp-hostsdir={hosts_dir}
dhcp-authoritative
# a probe before each first lease costs 3 s
no-ping
# clones share a machine-id, hence a client id, hence an address
dhcp-ignore-clid
dhcp-option=option6:dns-server,[::]
"""
    return text + "".join(f"{line}\n" for line in (*way_out, *_unclaimable(kept), *forwarded))


def kept_names(defined: Iterable[str], host: str, zone: str) -> list[str]:
    """The names that no guest gets by claiming them: defined, reserved, and the host's own.

    dnsmasq publishes a name in its DNS for the first guest that claims it, so guests could be led
    to an impostor. Guests are called LABEL and LABEL.ZONE there, and nothing else.
    """
    found = set(_RESERVED)
    for name in map(labels.fold, (*defined, host.partition(".")[0])):
        label = name.removesuffix(f".{zone}")
        if "." not in label and labels.owner_fault(label) is None:
            found.add(label)
    return sorted(found)


def _unclaimable(kept: Iterable[str]) -> Iterator[str]:
    """`web1.example` needs a line too: dnsmasq compares it as it is, and makes it `web1` then."""
    for name in kept:
        yield f"dhcp-name-match=set:kept,{name}"
        if not name.endswith("*"):
            yield f"dhcp-name-match=set:kept,{name}.*"
    yield "dhcp-ignore-names=tag:kept"


def hosts_line(mac: str, address: str | None, name: str | None) -> str:
    """A line of --dhcp-hostsdir: which address and name dnsmasq gives to the card `mac`."""
    return ",".join(part for part in (mac, address, name) if part) + "\n"


def nameservers(resolv_conf: bytes) -> bytes:
    """The lines of a resolv.conf(5) that dnsmasq uses."""
    lines = resolv_conf.splitlines()
    return b"".join(line + b"\n" for line in lines if line.split()[:1] == [b"nameserver"])


def is_keyword(name: str) -> bool:
    """Whether dnsmasq takes `name` in a `hosts_line` for a keyword (dnsmasq(8), --dhcp-host)."""
    return _KEYWORD.fullmatch(name) is not None


def merge_leases(current: bytes, settled: bytes, now: int, kept: Collection[str] = ()) -> bytes:
    """The lease file `current`, with the unexpired leases that only `settled` has.

    A dnsmasq that is killed during a rewrite leaves its file truncated; `settled` is the last whole
    version known. Whole lines of `current` win. `now` is in Unix seconds. A lease that has a name
    of `kept` (see `render`) loses it; dnsmasq gives a domain its own name by its MAC.
    """
    merged: dict[bytes, bytes] = {}
    for line in [*_whole_lines(current), *_whole_lines(settled)]:
        lease = dnsmasq.columns(line)
        if lease is not None and _alive(lease.expires, now):
            if is_kept(lease.hostname.decode(errors="replace"), kept):
                line = b" ".join(lease._replace(hostname=b"*"))  # noqa: PLW2901
            merged.setdefault(lease.address, line)
    duid = dnsmasq.server_duid(current) or dnsmasq.server_duid(settled)
    note = [b"duid " + duid] if duid else []
    v4 = [line for address, line in merged.items() if b":" not in address]
    v6 = [line for address, line in merged.items() if b":" in address]
    return b"".join(line + b"\n" for line in [*v4, *note, *v6])


def is_kept(name: str, kept: Collection[str]) -> bool:
    """Whether a label is one of the names, ignoring case, or matches one that ends with `*`."""
    folded = name.lower()
    return folded in kept or any(
        each.endswith("*") and folded.startswith(each[:-1]) for each in kept
    )


def _whole_lines(content: bytes) -> list[bytes]:
    return content.split(b"\n")[:-1]


def _alive(expires: bytes, now: int) -> bool:
    return expires.isdigit() and (int(expires) == 0 or int(expires) > now)
