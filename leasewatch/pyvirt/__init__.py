"""pyvirt, the manager of networks and domains (VMs). Nothing outside imports it.

In: commands and definitions (/etc/pyvirt). Out: bridges, dnsmasq, QEMU, and run states in
/run/pyvirt that the service reads.

There is no daemon. Each started network or domain has one parent process, `pyvirt network run NAME`
or `pyvirt domain run NAME`, which cleans up when it ends. `start` starts the parent (an instance of
the installed unit where systemd is PID 1, else a fork that leads its own session) and returns when
it reports READY=1.

- `nft` and `ip` run the system's own tools (nftables, iproute2); no library stands between.
- Definitions become plans (pure), plans are carried out with an undo stack: all or nothing.
- Killing any process at any moment loses no definition. The next command repairs what is left.
- `start` on something started repairs what is missing.
- `stop` and `delete` undo every change on the host. They leave alone what somebody else has changed
  since. The host's own connectivity survives.
- READY=1 reaches systemd through $NOTIFY_SOCKET, else `start` through an inherited pipe, which no
  other user can fill. The fork keeps nothing else that is open in the command: no lock.
- A parent that has undone everything removes its lock file last. `stop` takes down what is left
  only if that file is still there.
- A holder that was killed is waited for: QEMU or dnsmasq may still have sockets, leases or disk.
"""
