"""The edges: files, sockets, processes, netlink. No decisions."""
