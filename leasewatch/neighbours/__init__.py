"""The neighbour tables of the networks' bridges: what counts of them. No sockets, no clock."""
