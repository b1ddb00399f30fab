"""Watches DHCP leases, decides which names are trusted, and publishes them; and `pyvirt`."""
