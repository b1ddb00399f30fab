"""DHCPv6 leases of a world's clients, with dhclient."""

from __future__ import annotations

from tests.system.world import Client
from tests.waiting import wait_for


def ask_v6(client: Client, hostname: str, duid: str | None = None) -> str:
    """A DHCPv6 lease with dhclient under `hostname`; `duid` is the client's own choice."""
    conf, leases = f"/run/{client.name}.conf", f"/run/{client.name}.leases"
    lines = [f'send fqdn.fqdn "{hostname}";', "send fqdn.server-update off;"]
    if duid is not None:
        lines.append(f"send dhcp6.client-id {duid};")
    client.run(["tee", conf], input="\n".join(lines))
    files = ["-cf", conf, "-lf", leases, "-pf", f"/run/{client.name}.pid"]
    tentative = ["ip", "-6", "address", "show", "dev", "eth0", "tentative"]
    wait_for("the link-local address to be ready", lambda: not client.run(tentative).stdout)
    client.run(["dhclient", "-6", "-1", "-v", *files, "-sf", "/bin/true", "eth0"], timeout=60)
    shown = client.run(["cat", leases]).stdout
    return shown.partition("iaaddr ")[2].split()[0]


def release_v6(client: Client) -> None:
    """Give back what `ask_v6` got."""
    folder = f"/run/{client.name}"
    files = ["-cf", f"{folder}.conf", "-lf", f"{folder}.leases", "-pf", f"{folder}.pid"]
    client.run(["dhclient", "-6", "-r", *files, "-sf", "/bin/true", "eth0"], timeout=60)
