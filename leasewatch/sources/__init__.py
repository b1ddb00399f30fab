"""Parsers of lease files: bytes in, leases out. No files, no clock."""
