"""The rules of the MAC filter as text, in nft's own language: a chain and a rule a line. Pure.

`frame_rules` fills them in. A strict guest's frame passes only by what a rule has read of it. A
rule that cannot read its field does not match, so each chain for strict guests ends with `drop`
(RFC 7113 4).
"""

from __future__ import annotations

FD_SOURCE, FD_TARGET = "@nh,64,128", "@nh,384,128"
"""IPv6 source; and target of a neighbour solicitation or advertisement (no extension header)."""

LINK_LOCAL6 = 0xFE80 << 48
WORDS = {
    "source": FD_SOURCE,
    "target": FD_TARGET,
    # ARP or neighbour discovery of one port.
    "talk": "limit rate over 100/second burst 500 packets drop",
    # DHCP: dnsmasq writes its lease file for each of these, and it is read again.
    "asks": "udp dport { 67, 547 } limit rate over 4/second burst 128 packets drop",
    "one": "ether daddr & 01:00:00:00:00:00 != 01:00:00:00:00:00",
    # A bridge does not forward these (IEEE 802.1D 7.12.6): the host gets them from the port itself.
    "group": "ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00",
    # Router solicitation, neighbour solicitation and advertisement.
    "talks": "icmpv6 type { 133, 135, 136 }",
    "arp": "meta protocol arp",
    "rarp": "0x8035",
    "probe": "arp saddr ip 0.0.0.0",
    "ip6": "meta protocol ip6",  # else nft reads the type behind the MACs, which may be a tag's
}
"""What the rules below say several times."""

JOINED = """
strict_port  {group} drop
strict_port  ether type {rarp} goto announced
strict_port  ether type vmap {{ arp : goto arp4, ip : goto rest4, ip6 : goto rest6 }}
strict_port  drop
arp4  jump arp_form
arp4  accept
announced  {one} drop
announced  @nh,0,64 0x0001080006040003 @nh,112,32 0 @nh,192,32 0 accept
announced  drop
"""
"""The chains of strict guests on a bridge of the host, whose addresses are not ours to judge."""

SHARED = """
strict_port  {group} drop
strict_port  ether type vmap {{ arp : goto arp4, ip : goto ip4 }}
strict_port  drop

# A probe's sender is 0.0.0.0 (RFC 5227)
arp4  jump arp_form
arp4  arp saddr ip 0.0.0.0 goto arp_probe
arp4  arp saddr ip {host4} drop
arp4  arp saddr ip . ether saddr @holders accept
arp4  arp saddr ip @held drop
arp_probe  arp operation != request drop
arp_probe  arp daddr ip {host4} drop
arp_probe  arp daddr ip . ether saddr @holders accept
arp_probe  arp daddr ip @held drop
arp_probe  arp daddr ip != 0.0.0.0 accept
arp_probe  drop

# The host looks for the receiver of a packet that it sends back to the same wire, so receivers are
# counted too. Sources beyond the wire are not: a guest may route for them, and who answers looks
# for that guest alone.
ip4  ip saddr 0.0.0.0 goto rest4
ip4  ip saddr {host4} drop
ip4  ether daddr {mac} ip daddr {subnet} ip daddr != {host4} jump back4
ip4  ip saddr . ether saddr @holders goto rest4
ip4  ip saddr @held drop
ip4  ip saddr != {subnet} ether daddr != {mac} {one} goto rest4
back6  ether daddr != {mac} return
back6  ip6 daddr != {subnet6} return
back6  ip6 daddr {host6} return
far6  ip6 saddr != {near} ether daddr != {mac} {one} goto rest6
far6  iifname . ip6 saddr @known6 update @known6 {{ iifname . ip6 saddr }} goto rest6
far6  jump count_new
over6  add @known6 {{ iifname . ip6 saddr }} goto rest6
over6  drop
"""
"""The chains that strict guests share on a bridge of ours."""

ANNOUNCED = """
{name}  ether type {rarp} @nh,64,48 != {numbers} drop
{name}  ether type {rarp} @nh,144,48 != {numbers} drop
{name}  ether type {rarp} {talk}
"""
"""For such a guest. QEMU sends reverse ARP (RFC 903) with the card's MAC when a guest has just come
from another host, so that switches look for it here."""

FORMS = """
# RFC 826
arp_form  arp htype != 1 drop
arp_form  arp ptype != ip drop
arp_form  arp hlen != 6 drop
arp_form  arp plen != 4 drop
arp_form  arp operation != {{ request, reply }} drop

# A first fragment has ports and types, in its first eight bytes; the others pass. A guest is no
# router. It sends no IGMP query, or the bridge would no longer forward groups without members.
rest4  ip frag-off & 0x1fff != 0 accept
rest4  meta l4proto udp goto udp4
rest4  icmp type {{ redirect, router-advertisement }} drop
rest4  meta l4proto igmp @th,0,8 {{ 0x11, 0x30 }} drop
rest4  meta l4proto != udp accept
rest4  drop

# DHCP (RFC 2131 2): no server's answer. A client's message is whole, for Ethernet, from no relay.
# It has no IPv4 options: some clients read raw packets and do not look for ports behind options.
udp4  ip hdrlength != 5 drop
udp4  udp sport 67 drop
udp4  udp dport 68 drop
udp4  udp dport 67 ip frag-off & 0x3fff != 0 drop
udp4  udp dport 67 @th,64,24 0x010106 @th,256,32 0 @th,288,48 != 0 accept
udp4  udp dport != 67 accept
udp4  drop

# A first fragment has the header of its message and nothing in front (RFC 7112). nft reads on
# behind the end of a shorter one, but the receiver puts something else there.
rest6  frag frag-off > 0 accept
rest6  frag frag-off 0 ip6 nexthdr != 44 drop
rest6  frag frag-off 0 ip6 length < 16 drop
rest6  frag nexthdr {{ 0, 43, 44, 51, 60, 135 }} drop
rest6  meta l4proto udp goto udp6
rest6  meta l4proto icmpv6 goto icmp6
rest6  meta l4proto != {{ udp, icmpv6 }} accept
rest6  drop

# DHCPv6 (RFC 8415 7.3): what clients send; relays send types 12 and 13.
udp6  udp sport 547 drop
udp6  udp dport 546 drop
udp6  udp dport 547 @th,64,8 < 12 accept
udp6  udp dport != 547 accept
udp6  drop

# Neighbour discovery (RFC 4861 4), without what routers send (130 and 151: RFC 2710, RFC 4286). It
# has no option, or the card's address, which was checked before, or the nonce of RFC 7527. It is in
# no fragment and behind no extension header (RFC 6980).
icmp6  {talks} goto discovery
icmp6  icmpv6 type != {{ 130, 134, 137, 151 }} accept
icmp6  drop
discovery  ip6 nexthdr != 58 drop
discovery  ip6 hoplimit != 255 drop
discovery  icmpv6 code != 0 drop
discovery  icmpv6 type 133 ip6 length 8 accept
discovery  icmpv6 type 133 ip6 length 16 @th,64,16 0x0101 accept
discovery  icmpv6 type {{ 135, 136 }} ip6 length 24 accept
discovery  icmpv6 type {{ 135, 136 }} ip6 length 32 @th,192,16 {{ 0x0101, 0x0201 }} accept
discovery  icmpv6 type 135 ip6 length 32 @th,192,16 0x0e01 accept
discovery  drop
"""
"""The chains that strict guests share on any bridge: what a guest may send at all."""

COUNTED = {
    "arp4": ("known4", "arp saddr ip", "accept"),
    "back4": ("known4", "ip daddr", "return"),
    "ip4": ("known4", "ip saddr", "goto rest4"),
    "back6": ("known6", "ip6 daddr", "return"),
    "arp_known": ("known4", "arp saddr ip", "accept"),
    "ip4_known": ("known4", "ip saddr", "accept"),
    "ip6_known": ("known6", "ip6 saddr", "accept"),
}
"""Chains that end with a verdict for known addresses; a new one becomes known while there is room.

Each has the set of known addresses, the field, and the verdict.
"""

OWN_MACS = """
{name}  ether saddr != {macs} drop
{name}  arp saddr ether != {macs} drop
{name}  udp dport 67 @th,288,48 != {numbers} drop
{name}  icmpv6 type {{ 135, 136 }} @th,192,8 {{ 1, 2 }} @th,208,48 != {numbers} drop
{name}  icmpv6 type 133 @th,64,8 {{ 1, 2 }} @th,80,48 != {numbers} drop
{name}  ether type arp {talk}
{name}  {talks} {talk}
{name}  {asks}
"""
"""For a guest that may use only its own MACs."""

STRICT = """
# Each new address may take an entry in a neighbour table.
new_{name}  limit rate 1/second burst 64 packets return
new_{name}  drop

{name}  ether type ip6 goto ip6_{name}
{name}  goto strict_port

# The addresses that follow from MACs; then first come, first served (RFC 6620). Where the guest's
# set is full, the address may be used, but no domain holds it.
ip6_{name}  {group} drop
ip6_{name}  ip6 saddr :: goto probe_{name}
ip6_{name}  icmpv6 type 136 jump target_{name}
ip6_{name}  jump back6
ip6_{name}  {source} {fixed} goto rest6
ip6_{name}  jump fixed_source
ip6_{name}  {source} @of_{name} update @of_{name} {{ {source} }} goto rest6
ip6_{name}  jump used_source
ip6_{name}  jump far6
ip6_{name}  ip6 saddr {near} add @of_{name} {{ {source} }} goto rest6
ip6_{name}  goto over6
probe_{name}  icmpv6 type 135 jump target_{name}
probe_{name}  icmpv6 type 135 {is_near} {target} != {fixed} update @of_{name} {{ {target} }}
probe_{name}  meta l4proto icmpv6 goto rest6
probe_{name}  drop
target_{name}  {target} {fixed} return
target_{name}  jump fixed_target
target_{name}  {target} @of_{name} return
target_{name}  goto used_target
"""
"""For such a guest on a bridge of ours, after `OWN_MACS`."""

OTHERS_MACS = """
{name}  ether saddr {macs} drop
{name}  meta protocol arp arp saddr ether {macs} drop
{name}  meta protocol ip udp dport 67 ip frag-off & 0x2000 != 0 drop
{name}  meta protocol ip udp dport 67 @th,288,48 {numbers} drop
{name}  {ip6} icmpv6 type {{ 135, 136 }} @th,192,8 {{ 1, 2 }} @th,208,48 {numbers} drop
{name}  {ip6} icmpv6 type 133 @th,64,8 {{ 1, 2 }} @th,80,48 {numbers} drop
"""
"""For a port that may use any MAC but those of other guests, `macs`."""

LOOSE = """
# Hosts believe a frame with a tag of VLAN 0, and one tag nft reads as if it were not there.
{name}  meta protocol {{ 8021q, 8021ad }} @ll,116,12 0 drop
{name}  {arp} arp saddr ip {host4} drop
{name}  {arp} arp saddr ip @held arp saddr ip . arp saddr ether != @holders drop
{name}  {arp} {probe} arp daddr ip {host4} drop
{name}  {arp} {probe} arp daddr ip @held arp daddr ip . arp saddr ether != @holders drop
{name}  ip saddr {host4} drop
{name}  ip saddr @held ip saddr . ether saddr != @holders drop
+{name}  {asks}
{name}  meta protocol ip6 goto ip6_{name}
+{name}  {group} drop
+{name}  ether type arp {talk}
+{name}  ether type arp goto arp_known
+{name}  ether type ip ip saddr {subnet} goto ip4_known
+new_{name}  limit rate 8/second burst 256 packets return
+new_{name}  drop

# Another header or option could hide the MAC of another guest.
ip6_{name}  {ip6} {talks} ip6 nexthdr != 58 drop
ip6_{name}  {ip6} icmpv6 type {{ 135, 136 }} ip6 length > 32 drop
ip6_{name}  {ip6} icmpv6 type 133 ip6 length > 16 drop
ip6_{name}  {ip6} icmpv6 type 136 jump target_{name}
ip6_{name}  {ip6} ip6 saddr :: icmpv6 type 135 jump target_{name}
+ip6_{name}  {ip6} {talks} {talk}
+ip6_{name}  {source} {fixed} accept
ip6_{name}  jump fixed_source
+ip6_{name}  jump used_source
-ip6_{name}  ip6 saddr & ffff:ffff:ffff:ffff:ffff:ffff:: != fe80:: jump used_source
+ip6_{name}  ether type ip6 ip6 saddr {near} goto ip6_known
+target_{name}  {target} {fixed} return
target_{name}  jump fixed_target
+target_{name}  jump used_target
-target_{name}  @nh,384,96 != 0xfe8000000000000000000000 jump used_target
"""
"""For a port that may use any MAC.

Rules with + are for domains, rules with - for other ports. Those may be another bridge's, because
not every kernel tells nft the bridge of a port. So only a frame with a MAC or an address of this
network is dropped there, and fe80::1 and its like are free: many a bridge has one.
"""
