"""Who may be called what. Pure: values in, values out.

In: leases, neighbours, domains and their aliases, `[[host]]` entries, network suffixes.
Out: host records (name, aliases, addresses) and a verdict with a reason for each claim.

A guest chooses the hostname, client id and DUID of its DHCP request. They are claims, not facts.

Who may have a name:

1. The owner: a domain's name and aliases while it runs, and the names of `[[host]]` in the
   settings. They may contain dots and underscores.
2. The guest: one LDH label that is not reserved. No name or alias of a defined domain, running or
   not. A claim by the last run of a domain that has ended is `ended`, not refused, also once the
   domain is deleted or has moved to another host.

Rules:

- A host answers to NAME and NAME.NETWORK.SUFFIX. If two names could both be `a.b.c`, the longer
  NAME wins; a guest never does.
- A domain's name beats any alias. If two domains have one alias, the one started last has it.
- A `[[host]]` entry whose card belongs to a domain adds its names to that domain.
- An address is attributed to a domain only by a MAC that the host saw on the domain's network. The
  MAC is in the lease or in the bridge's neighbour table. A DUID or hostname proves nothing.
- The same is true for a guest: it also has the addresses where the MAC of its lease is seen. If
  another MAC has answered at a leased address since, the address is no longer the domain's.
- A lease from before the domain's start belongs to its last run. It answers once it is renewed or
  its MAC is seen there. If libvirt listed the domain before the service started, its start is
  unknown. Its leases then count until they end or another MAC answers.
- If two guests claim one name, the newest first appearance of (client, name) wins. Renewals, line
  order and restarts change nothing. On one network the newest IPv4 and DHCPv6 claim go together.
  The loser keeps NAME.NETWORK.SUFFIX on another network.
- If two domains share a name (two projects of Incus), the one with an address or started last has
  it. The other keeps its aliases, and NAME.NETWORK.SUFFIX on another network.
- Clones that share DUID and IAID share one DHCPv6 lease, with the newest hostname. So a claim with
  a recorded MAC wins. A DHCPv6 lease takes its name from the IPv4 lease of the MAC seen there.
- A leased address outside all networks of its bridge does not answer. On a `[[source]]` network
  it comes last instead, because a relay may bring guests.
- The order of addresses: reachable before silent, global before link-local, leases before
  neighbours, the newest first; 32 at most. getaddrinfo() sorts them again (RFC 6724), so the module
  returns a link-local address only if there is no better one.
- A reverse answer is a name that resolves back.
- A started domain is pending while it lacks an address of a family that may still come. Lookups
  wait for IPv4 until `pending_until`; for IPv6 8 s longer than for IPv4, where the network has it.
"""
