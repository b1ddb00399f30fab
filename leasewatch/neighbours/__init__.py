"""Who is seen at which address: the kernel's neighbour table of each watched bridge.

In: rtnetlink messages, the bridges and the running domains, leases that were given back.
Out: `NeighbourChange` values; questions to the kernel about addresses that are likely.

DHCPv6 leases, SLAAC, private and static addresses share one fact: to answer a guest, the host must
find its MAC, and then the kernel's table has both. So that table decides. `kernel` reads it,
`table` says what counts, `watch` connects the two.

- An entry counts if it has a MAC, is on a bridge of a watched network, lies in a prefix of that
  bridge or is link-local, and is not the host's own: a guest can make the kernel note any address.
- On a network with leases, a new IPv4 entry counts once its guest has answered the kernel, 6 s
  later. dnsmasq adds an entry for each address that it offers, before the guest has it.
- What was seen before a domain started or ended must prove itself again. When a domain ends, its
  entries are removed from the kernel's table too.
- So must what was seen at an address whose lease was given back before its end. The card's other
  addresses are then asked for at once. A lease that reached its end contradicts nothing: a machine
  may sleep longer than that.
- An entry stays while nothing contradicts it, because the kernel forgets what is unused. It goes
  when another MAC takes the address, when nothing has answered for a minute (until then it comes
  last in every answer), when its bridge goes, or after a day without proof. After an hour without
  proof an IPv6 entry is asked for.
- A MAC has at most 16 addresses: the latest proven ones, global before link-local. An address
  proven within the last minute is not pushed out. A guest with 1,000 addresses gets 16.
- A MAC of no domain and no lease is kept only as long as the kernel keeps it.
- An entry is published like a lease without end, so a dead service leaves it for 24 hours at most.

To ask is to send one empty UDP datagram to the discard port, hop limit 1, bound to the bridge
(`prompter`). The kernel then resolves the address. Each new DHCPv6 address is asked for, EUI-64
addresses of domains' cards, addresses of a domain's last run, each new address once, the other
addresses of a card that gave a lease back, and addresses that the owner assigned (running domains:
every 5 s; `[[host]]`: every 30 s; 32 at a time). All others get at most seven questions within a
minute, less and less often, 32 a second: each unanswered one takes a place in the kernel's table.

A socket filter (classic BPF) lets only lasting changes on watched bridges wake the service. A
table that a guest keeps busy is read ten times a second, and as a whole after an overflow.

What the table cannot prove: on a bridge that lets a guest use ARP and NDP with another's MAC, that
guest can add dead addresses to the other's name for a minute. pyvirt's bridges prevent it
(`leasewatch.pyvirt.mac_filter`).
"""
