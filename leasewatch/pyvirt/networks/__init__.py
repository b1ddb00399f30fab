"""Networks: bridge, addresses, NAT, dnsmasq, and what keeps them whole.

In: a network's definition. Out: a running bridge with DHCP and DNS, /run/pyvirt/networks/NAME.json.

- A subnet is free, and a network starts, only if the host sends packets for its guests to its
  bridge. The kernel decides (`diversions`), so policy rules count as they do for packets.
- `pyvirt network run` repairs what others take: rules, MAC filter, bridge, addresses, ports of
  taps, forwarding (`losses`). Netlink wakes it. A part that is taken again and again is repaired
  less and less often.
- A foreign chain that drops by default may stop DHCP: `start` names it and the line to type for
  Docker, ufw and firewalld (`firewall`). It does not judge the chain's rules.
- A bridged network has none of this but the run state, the MAC filter of its guests and their ports
  on a bridge of the host, which is never changed (`bridged`). It has the kernel look for guests
  that show themselves by ARP (`arp_senders`).
- `pyvirt network list` reads definitions once and keeps their rows (`defined.kept_rows`).
- systemd-networkd, udev and NetworkManager leave our bridges and taps alone (`unmanaged`).
- Sysctls change only where needed; the last network's stop restores them unless somebody changed
  them since. IPv6 forwarding makes the kernel ignore routers, so interfaces that listen to one
  (accept_ra=1) get accept_ra=2 first. Values that the kernel sets along are restored too.
- dnsmasq drops root before it is executed, so PR_SET_PDEATHSIG ends it with its parent.
- dnsmasq uses a copy of the host's resolvers, kept up to date (`resolvers`): it may not read
  /etc/resolv.conf, and it does not start if that leads into a missing folder.
- dnsmasq forwards the names of other networks that `[dns.guests]` allows to our DNS server, from
  the bridge's address: by that the server knows who asks (`forwarding`).
- No guest gets a defined or reserved name in dnsmasq's DNS (`dnsmasq_conf`). dnsmasq reads them at
  its start only, so it is restarted when domains are defined or deleted.
- A lease file that a killed dnsmasq left truncated gets its unexpired lines back before the next
  start, from the last settled copy. A dnsmasq that keeps dying is restarted less and less often.
- dnsmasq's log is cut off: a guest can make it write a line with each packet.
- IPv6 has as many addresses to lease as IPv4, at least 1,024, and dhcp-lease-max is the sum. A
  guest that takes every DHCPv6 lease keeps no other from IPv4 and SLAAC.
"""
