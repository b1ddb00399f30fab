"""`pyvirt ssh NAME`: log in to a domain with ssh(1), once it answers."""

from __future__ import annotations

import os

from leasewatch.paths import Paths
from leasewatch.pyvirt.cli import halves, waiting
from nss_pyvirt.terminal import commands, frame
from nss_pyvirt.terminal.commands import Param

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Sequence


@commands.command(
    waiting.timeout("How long to wait for an answer."),
    halves.one_name("domain"),
    Param("words", metavar="[COMMAND]...", multiple=True, rest=True),
    epilog=frame.examples(
        "pyvirt ssh web1",
        "pyvirt ssh web1 systemctl is-system-running --wait",
        "pyvirt ssh --timeout 10 web1 -L 8080:localhost:80",
    ),
)
def command(timeout: int, name: str, words: Sequence[str]) -> None:
    """Log in to a running domain, as the user that it was given.

    Waits until ssh answers. What follows NAME is for ssh: its options, and a command to run.
    """
    from leasewatch.pyvirt.domains.known import KnownDomains  # noqa: PLC0415  start-up time
    from nss_pyvirt import programs  # noqa: PLC0415  start-up time

    domain = KnownDomains(Paths()).get(name)
    waiting.wait_shown(name, "ssh", timeout)
    # Without nss-pyvirt install, ssh would not read that file.
    known = f"GlobalKnownHostsFile=/etc/ssh/ssh_known_hosts {Paths().ssh_known_hosts}"
    argv = [programs.find("ssh", "openssh-client"), "-o", known]
    argv += ["-l", domain.login.user] if domain.login else []
    os.execv(argv[0], [*argv, name, *words])  # noqa: S606  ssh reads options behind the name, too
