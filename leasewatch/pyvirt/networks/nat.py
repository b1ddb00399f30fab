"""The nftables table of a network, in nft's own language (nft(8)). Pure.

Other tables are never touched; whether they would drop our traffic is `firewall.py`'s question.
"""

from __future__ import annotations

from leasewatch.pyvirt.defined.network import Network, bridge_name, table_name

_ALWAYS = """
# Guests send out from the network's own addresses only. This chain comes before every `forward`,
# also another network's: a reject there would answer a forged source.
chain sources {{
    type filter hook forward priority -1
    {away} ip saddr != {subnet} drop
    {away} ip6 saddr != {subnet6} drop
}}
# Guests talk among themselves.
chain forward {{
    type filter hook forward priority 0
    iifname {bridge} oifname {bridge} accept
}}
# The host ignores these on its bridge, from any sender. A router advertisement or a redirect could
# name another card's MAC, in any of many options. So could a DHCPv6 relay, which says what MAC a
# client has (RFC 6939); a message in fragments could hide one.
chain unheard {{
    type filter hook input priority -1
    iifname {bridge} icmpv6 type {{ nd-router-advert, nd-redirect }} drop
    iifname {bridge} udp dport 547 @th,64,8 {{ 12, 13 }} drop
    iifname {bridge} udp dport 547 frag more-fragments 1 drop
}}
"""

_ISOLATED = """
chain forward {{
    iifname {bridge} {reject}
    oifname {bridge} {reject}
}}
"""

_NAT = """
# From outside come only answers, and what DNAT has sent.
chain forward {{
    oifname {bridge} ct state established,related accept
    oifname {bridge} ct status dnat accept
    oifname {bridge} {reject}
}}
# Limit how many new neighbours a guest makes the host look for outside: it may send to each address
# of the host's own networks, and the kernel's table holds 1,024. A tunnel has no neighbours there.
set hops4 {{ type ether_addr . ipv4_addr; size 65535; flags timeout; timeout 30s; }}
set hops6 {{ type ether_addr . ipv6_addr; size 65535; flags timeout; timeout 30s; }}
set seekers {{ type ether_addr; size 4096; flags timeout; timeout 2m; }}
chain hops {{
    type filter hook forward priority -1
    {near} ipv4 {hop4} @hops4 update @hops4 {{ {hop4} }} accept
    {near} ipv4 {over} drop
    {near} ipv4 add @hops4 {{ {hop4} }}
    {near} ipv6 {hop6} @hops6 update @hops6 {{ {hop6} }} accept
    {near} ipv6 {over} drop
    {near} ipv6 add @hops6 {{ {hop6} }}
}}
chain postrouting {{
    type nat hook postrouting priority 100
    ip saddr {subnet} oifname != {bridge} masquerade
    ip6 saddr {subnet6} oifname != {bridge} masquerade
}}
"""

_NO_HOST_ACCESS = """
# Guests reach DHCP, DNS and ICMP of the host, and answer what the host has asked them.
chain input {{
    type filter hook input priority 0
    iifname {bridge} ct state established,related accept
    iifname {bridge} meta l4proto {{ icmp, ipv6-icmp }} accept
    iifname {bridge} udp dport {{ 53, 67, 547 }} accept
    iifname {bridge} tcp dport 53 accept
    iifname {bridge} {reject}
}}
"""


def remove(name: str) -> str:
    """The commands that remove the table of this network, if there is one."""
    table = f"table inet {table_name(name)}"
    return f"add {table}\ndelete {table}\n"


def install(network: Network, *, replacing: bool) -> str:
    """The commands that make the table, in place of any earlier one, or that fail if it exists."""
    bridge = f'"{bridge_name(network.name)}"'
    away = f"iifname {bridge} oifname != {bridge}"
    chains = _ALWAYS + (_NAT if network.mode == "nat" else _ISOLATED)
    if not network.host_access:
        chains += _NO_HOST_ACCESS
    content = chains.format(
        bridge=bridge,
        subnet=network.subnet,
        subnet6=network.subnet6,
        away=away,
        near=f"{away} oiftype ether meta nfproto",
        hop4="ether saddr . rt ip nexthop",
        hop6="ether saddr . rt ip6 nexthop",
        over="update @seekers { ether saddr limit rate over 4/second burst 128 packets }",
        reject="reject with icmpx admin-prohibited",
    )
    table = f"inet {table_name(network.name)}"
    before = remove(network.name) if replacing else f"create table {table}\n"
    return f"{before}table {table} {{{content}}}\n"
