"""Definitions of networks and domains, and the plans made from them. No I/O."""
