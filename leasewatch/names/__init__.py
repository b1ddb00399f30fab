"""Which names are trusted: pure rules over leases and domains. No I/O, no clock."""
