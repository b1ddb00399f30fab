"""The MAC filter: a network card may use only its own MACs and addresses.

In: run states, lease file and `hosts.d` of a network. Out: table `bridge pyvirt_NAME` in nftables.

- A strict card may send IPv4, IPv6 and ARP, untagged, with the domain's own MAC as sender in the
  frame, in DHCP, in ARP and in neighbour discovery. Router advertisements, redirects, DHCP server
  answers, and neighbour discovery in a fragment or behind an extension header are dropped.
- IPv4: an address in the set `held` passes only with a MAC that `holders` lists for it. Both follow
  the lease file within 50 ms (`held_addresses`). A lease is added at once. It is removed when
  another contradicts it, or when the file has stood still for 100 ms. No MAC holds the host's own
  address. A free address may be used.
- IPv6: an address that follows from a domain's MAC is that domain's, the host's are the host's. Any
  other belongs to the first domain that uses or probes it, until it has been silent for two hours
  or ends (RFC 6620); 16 for each domain, in sets that the kernel fills.
- A card may use 64 new addresses at once and one more a second: each may cost a neighbour entry.
  It may send 100 packets of ARP and of neighbour discovery a second (500 at once). It may send 4 of
  DHCP (128 at once), because dnsmasq writes its lease file for each.
- Other ports may show neither a domain's MAC nor a held address. Not every kernel tells nft the
  bridge of a port, so these rules name our MACs and addresses only.
- On a bridge of the host the filter judges our guests' ports only: their MACs, and what only
  routers and servers send. Addresses are not ours there. A guest that has come from another host
  may announce its MAC by reverse ARP.
- All rules are replaced, from the run states, whenever a domain starts or ends; the sets stay.
- A domain whose filter fails does not start, unless the host has no nft or its kernel cannot filter
  on bridges: then `start` says that it runs without.

It does not decide who may use a free IPv4 address. Nor does it prove that an IPv6 address was
leased to the guest that used it first: a guest that takes one while its owner is stopped keeps it.
A virtio guest may also place its checksum anywhere: a receiver without checksum offload gets two
unchecked bytes.
"""
