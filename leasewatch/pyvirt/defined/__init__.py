"""What is defined: networks and domains as TOML files in /etc/pyvirt, checked when read.

In: the options of `create`, files. Out: `Network` and `DomainDefinition`, whose parts fit together.

- `store` reads, writes (by rename) and lists them. A broken file costs its own entry.
- `subnets` picks a free subnet: the host must not route any part of it elsewhere.
- A fixed address belongs to one domain, also while that is stopped (`address_pool`).
- Sizes, MACs and names are checked here, so a plan can trust them.
"""
