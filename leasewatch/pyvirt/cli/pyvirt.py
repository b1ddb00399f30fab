"""`pyvirt`: the command group; its two halves are loaded only when used."""

from __future__ import annotations

import os

from nss_pyvirt import __version__
from nss_pyvirt.terminal import commands, frame

_OF_DOMAINS = (
    *("list", "ls", "show", "info", "start", "stop", "shutdown", "restart", "reboot"),
    *("pause", "suspend", "resume", "console", "save", "restore"),
    *("managedsave", "managedsave-remove"),
)
"""Commands on domains that can be nothing else, with or without the word `domain`."""
_ALIASES = {
    **dict.fromkeys(("vm", "vms", "machine", "instance", "domains"), "domain"),
    **dict.fromkeys(("net", "networks"), "network"),
    **dict.fromkeys(("volumes", "vol"), "volume"),
    "vol-list": "volume list",
    "vol-info": "volume show",
    "vol-create-as": "volume create",
    "vol-delete": "volume delete",
    **dict.fromkeys(("images", "img", "template"), "image"),
    **{word: f"domain {word}" for word in _OF_DOMAINS},
    **dict.fromkeys(("shell", "exec"), "ssh"),
    "domifaddr": "domain show",
}
_SYNONYMS = {"help": "--help"}


class _Halves(commands.Group):
    """Knows where a command is that was looked for here: `pyvirt start web1`."""

    def meant(self, name: str) -> str | None:
        """One of the two halves, or a command of `pyvirt domain`."""
        half = self.find("domain")
        if name not in _SYNONYMS and isinstance(half, commands.Group):
            words = {**half.aliases, **half.synonyms}
            found = name if name in half.members else words.get(name)
            if found:
                return f"domain {found}"
        return super().meant(name)


command = _Halves(
    "Virtual networks and machines whose names resolve.",
    version=__version__,
    aliases=_ALIASES,
    synonyms=_SYNONYMS,
    members={
        "network": "leasewatch.pyvirt.cli.network",
        "domain": "leasewatch.pyvirt.cli.domain",
        "volume": "leasewatch.pyvirt.cli.volume",
        "image": "leasewatch.pyvirt.cli.image",
        "launch": "leasewatch.pyvirt.cli.launch",
        "ssh": "leasewatch.pyvirt.cli.ssh",
        "up": "leasewatch.pyvirt.cli.up:up",
        "down": "leasewatch.pyvirt.cli.up:down",
    },
    unlisted={
        "domstats": "leasewatch.pyvirt.cli.virsh:domstats",
        "perf": "leasewatch.pyvirt.cli.virsh:perf",
        "await": "leasewatch.pyvirt.cli.virsh:await_",
        "net-dhcp-leases": "leasewatch.pyvirt.cli.virsh:net_dhcp_leases",
    },
    epilog=frame.examples(
        "sudo pyvirt launch web1 && ssh web1",
        "pyvirt domain list",
        "sudo pyvirt domain stop web1 && sudo pyvirt domain delete web1",
    ),
)


def main() -> int:
    """Entry point of the console script; returns the exit code."""
    os.umask(0o022)  # others than root read what is made, dnsmasq for one; secrets have their mode
    return frame.run(command, "pyvirt")


if __name__ == "__main__":
    raise SystemExit(main())
