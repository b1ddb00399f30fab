"""`leasewatch dns setup`: prints the configuration of a name server of the site."""

from __future__ import annotations

import os
from collections.abc import Sequence

from leasewatch import settings
from leasewatch.daemon.dns_settings import Place, Update, place
from leasewatch.dns import setup_update
from leasewatch.dns.setup import SERVERS, describe
from leasewatch.paths import Paths
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame
from nss_pyvirt.terminal.commands import Param


def _place(text: str) -> Place:
    try:
        return place(text)
    except ValueError as error:
        raise ValueError(f'"{text}" {error}') from None


@commands.command(
    Param("server", kind=tuple(SERVERS), required=True, metavar="SERVER"),
    Param(
        "--primary",
        name="primaries",
        kind=_place,
        multiple=True,
        metavar="ADDRESS[:PORT]",
        help="Where the name server asks this host. Default: where [dns] notify is sent from.",
    ),
    Param(
        "--key-file",
        metavar="PATH",
        help="The file of the key on the name server. Default: in its own folder below /etc.",
    ),
    Param(
        "--catalog",
        flag=True,
        help="Let NSD follow the catalog; it can from version 4.9 on. BIND and Knot always do.",
    ),
    epilog=frame.examples(
        "leasewatch dns setup bind",
        "leasewatch dns setup knot --primary 10.99.0.2:5300",
        "leasewatch dns setup nsd --key-file /etc/nsd/site.conf > leasewatch.conf",
    ),
)
def command(
    paths: Paths,
    server: str,
    primaries: Sequence[Place],
    key_file: str | None,
    catalog: bool,
) -> None:
    """Print the configuration for a name server of the site.

    SERVER is bind, knot, nsd or powerdns, of Debian 12 or newer. With the text it
    takes the zones of this host, and updates if [dns.update] is set. The comments
    say where to paste what, and why. The text never has the secret of a key.
    """
    found, faults = settings.load(paths.config)
    wrong = [fault for fault in faults if "dns" in fault.what]
    if wrong:
        raise wrong[0]
    if server == "powerdns" and catalog:
        what = "PowerDNS does not sign its questions for the zones of a catalog"
        raise UserError(what, "leasewatch dns setup powerdns", "usage", exit_code=2)
    texts = []
    if found.dns.site or not found.dns.update.server:
        site = describe(
            found.dns,
            os.uname().nodename,
            SERVERS[server],
            primaries=primaries,
            key_file=key_file,
            folder=str(paths.dns_keys),
            with_catalog=catalog,
        )
        texts.append(SERVERS[server].text(site))
    if found.dns.update.server:
        folder = str(paths.dns_keys)
        texts += _for_updates(found.dns.update, server, folder, is_alone=not texts)
    frame.write("\n".join(texts))


def _for_updates(update: Update, server: str, folder: str, *, is_alone: bool) -> list[str]:
    """What the server of [dns.update] needs; nothing if it can only be a secondary."""
    makes = {"bind": setup_update.bind, "knot": setup_update.knot}
    if server in makes:
        return [makes[server](update, folder)]
    if is_alone:
        what = f"leasewatch knows no configuration of {server} for [dns.update]"
        raise UserError(what, "leasewatch dns setup bind, or knot", "invalid")
    return []
