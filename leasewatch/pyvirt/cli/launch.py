"""`pyvirt launch NAME`: from nothing to a login."""

from __future__ import annotations

import contextlib
import os

from leasewatch.paths import Paths
from leasewatch.pyvirt.cli import (
    domain_create,
    halves,
    login_options,
    secret_options,
    values,
    waiting,
)
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame
from nss_pyvirt.terminal.commands import Param
from nss_pyvirt.terminal.status_line import StatusLine

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from typing import Any, Final

    from leasewatch.pyvirt.defined.domain import DomainDefinition
    from leasewatch.pyvirt.domains.domains import Domains
    from leasewatch.pyvirt.domains.plan import DomainRequest
    from leasewatch.pyvirt.domains.secrets import Secrets
    from leasewatch.pyvirt.images.known import Image

_NETWORK: Final = "default"
_IMAGE: Final = "debian-12"
_MEMORY: Final = 1024  # MiB
_DISK: Final = 10 << 30  # bytes
_FIRST: Final = "disk.qcow2"
_OF_CREATE: Final = {param.name: param for param in domain_create.command.params}


@commands.command(
    Param("name", required=True),
    Param(
        "--image",
        metavar="NAME|FILE|URL",
        complete=halves.complete_images,
        help="Image to start from; a name or URL is downloaded once.  [default: debian-12]",
    ),
    Param(
        "--network",
        metavar="NETWORK",
        default=_NETWORK,
        complete=_OF_CREATE["networks"].complete,
        help="Network to connect to. The default one is made if there is none.",
    ),
    Param(
        "--memory",
        metavar="SIZE",
        kind=values.mebibytes(32, 4 << 20),
        help="Memory, e.g. 2G.  [default: 1G]",
    ),
    Param(
        "--cpus",
        metavar="NUMBER",
        kind=commands.whole_number(1, 255),
        help="Virtual CPUs.  [default: 2, or 1 if the host has no more]",
    ),
    Param(
        "--disk-size",
        metavar="SIZE",
        kind=values.disk_size,
        help="Size of the disk, e.g. 20G.  [default: 10G, or the image's]",
    ),
    *(_OF_CREATE[name] for name in ("encrypt", "secret_file")),
    *login_options.PARAMS,
    *(_OF_CREATE[name] for name in ("kernel", "initrd", "append", "arch", "accel")),
    waiting.timeout("How long to wait until the guest's ssh answers."),
    needs_root=True,
    epilog=frame.examples(
        "sudo pyvirt launch web1 && ssh web1",
        "sudo pyvirt launch db1 --image ubuntu-24.04 --memory 4G --disk-size 40G",
        "sudo pyvirt launch web2 --image ./web.qcow2 --user-data setup.sh",
    ),
)
def command(name: str, network: str, timeout: int, secret_file: str | None, **options: Any) -> None:
    """Make a virtual machine, start it, and wait until you can log in.

    Makes and starts the network, downloads the image, creates your user in the guest with your
    public keys and sudo, and starts the domain, also when the host boots. If you have no key, it
    makes ~/.ssh/id_ed25519. If any step fails or is interrupted, the same command continues from
    there. With --encrypt it asks for a new passphrase, and the domain does not start at boot.
    """
    from leasewatch.pyvirt.domains.domains import Domains  # noqa: PLC0415  start-up time

    domains = Domains(Paths())
    if secret_file is not None and not options["encrypt"]:
        raise UserError("--secret-file is for an encrypted disk", "add --encrypt", "invalid")
    secrets = _secrets(domains, name, secret_file, encrypt=options["encrypt"])
    with StatusLine("pyvirt") as line:
        try:
            if name in domains.names():
                _check_same(domains.get(name), options)
            else:
                _create(domains, _request(name, network, options, secrets.get(_FIRST)), line)
            domain = domains.get(name)
            for used in sorted({nic.network for nic in domain.nics}):
                _start_network(used, line)
            line(f"starting {name}")
            domains.start(name, line.note, lambda _: secrets)
            address = waiting.wait(name, "ssh", timeout, line)
        except KeyboardInterrupt:
            if name in domains.names():
                line.note(f"domain {name} is defined; to continue: sudo pyvirt launch {name}")
            raise
        seconds = round(line.seconds, 1)
    login = _how_to_log_in(domain)
    frame.print_done(
        f"{name} is ready after {seconds:g} s: {login}",
        domain=name,
        address=address,
        seconds=seconds,
        login=login,
    )


def _secrets(domains: Domains, name: str, secret_file: str | None, *, encrypt: bool) -> Secrets:
    """The passphrases that the start needs: asked for before a status line is there."""
    if name not in domains.names():
        if not encrypt:
            return {}
        return {_FIRST: secret_options.given(secret_file, f"the disk of {name}", new=True)}
    domain = domains.get(name)
    if not domain.may_be_encrypted or domains.is_running(name):
        return {}
    given = secret_options.Given([secret_file] if secret_file else [])
    return secret_options.of_domain(domain, given)


def _check_same(domain: DomainDefinition, options: dict[str, Any]) -> None:
    """UserError if the domain is there and differs from what is asked for."""
    wanted = {key: options[key] for key in ("memory", "cpus", "arch") if options[key] is not None}
    wanted |= {key: os.path.realpath(options[key]) for key in ("kernel", "initrd") if options[key]}
    differs = [key for key, value in wanted.items() if getattr(domain, key) != value]
    image, user = options["image"], options["user"]
    if image and _source(image) not in {disk.source for disk in domain.disks}:
        differs.append("image")
    if user and (domain.login is None or domain.login.user != user):
        differs.append("user")
    if options["encrypt"] and not any(disk.encrypted for disk in domain.disks):
        differs.append("encryption")
    if differs:
        what = f"domain {domain.name} exists already, with another {' and '.join(differs)}"
        hint = f"start it as it is: sudo pyvirt launch {domain.name}"
        raise UserError(what, hint, "exists")


def _request(
    name: str, network: str, options: dict[str, Any], secret: bytes | None
) -> DomainRequest:
    from leasewatch.pyvirt.domains.plan import DomainRequest  # noqa: PLC0415  start-up time
    from leasewatch.pyvirt.images import catalogue  # noqa: PLC0415  start-up time

    login, text = login_options.chosen(options["user"], options["ssh_keys"], options["user_data"])
    image = options["image"] or (None if options["kernel"] else _IMAGE)
    if image is not None:
        image = catalogue.for_architecture(Paths(), image, options["arch"])
    source = _source(image, check=True) if image else ""
    return DomainRequest(
        name=name,
        networks=[network],
        image=image,
        image_source=source,
        size=options["disk_size"],
        memory=options["memory"] or _MEMORY,
        cpus=options["cpus"] or min(2, os.cpu_count() or 1),
        kernel=options["kernel"],
        initrd=options["initrd"],
        append=domain_create.joined(options["append"]),
        arch=options["arch"],
        accel=options["accel"],
        autostart=secret is None,
        secret=secret,
        login=login,
        user_data=text,
    )


def _create(domains: Domains, request: DomainRequest, line: StatusLine) -> None:
    """Define the domain, and the default network where it is missing."""
    import msgspec  # noqa: PLC0415  start-up time

    from leasewatch.pyvirt.domains import probe  # noqa: PLC0415  start-up time
    from leasewatch.pyvirt.domains.plan import plan  # noqa: PLC0415  start-up time
    from leasewatch.pyvirt.networks.networks import Networks  # noqa: PLC0415  start-up time

    networks = Networks(Paths())
    if _NETWORK in request.networks and _NETWORK not in networks.names():
        networks.create(_NETWORK, "auto", "nat", "internal", line.note)
    plan(Paths(), request)  # before a key is made and an image is downloaded
    if request.arch is not None:
        probe.look(Paths(), request.arch)
    if request.login is not None and not request.login.keys:
        login = login_options.with_new_key(request.login, line.note)
        request = msgspec.structs.replace(request, login=login)
    with contextlib.ExitStack() as held:
        if request.image is not None:
            image = _image(held, request.image_source, line)
            size = request.size or max(_DISK, image.size)
            request = msgspec.structs.replace(request, image=image.sha256, size=size)
        line(f"creating {request.name}")
        domain_create.warn_unbootable(domains.create(request), line.note)
        if request.secret is not None:
            line.note(f"{request.name} does not start when the host boots: it needs a passphrase")


def _source(image: str, *, check: bool = False) -> str:
    """What the definition calls the image that is asked for; `check`: it must be there."""
    from leasewatch.pyvirt.images import pull  # noqa: PLC0415  start-up time

    source = pull.source_of(Paths(), image)
    if check:
        pull.check(source)
    return source


def _image(held: contextlib.ExitStack, source: str, line: StatusLine) -> Image:
    """The image, copied or downloaded where it is missing; it stays while `held` lasts."""
    from leasewatch.pyvirt.cli import image  # noqa: PLC0415  start-up time
    from leasewatch.pyvirt.images import names, pull  # noqa: PLC0415  start-up time

    if source.startswith("/"):
        line(f"copying {source}")
    shown = names.file_name(source)  # a whole URL may be longer than the line
    with image.downloading(shown, line) as progress:
        return held.enter_context(pull.found(Paths(), source, progress))


def _start_network(name: str, line: StatusLine) -> None:
    from leasewatch.pyvirt.files import started_network  # noqa: PLC0415  start-up time

    try:
        started_network(Paths(), name)
    except UserError:
        from leasewatch.pyvirt.networks.networks import Networks  # noqa: PLC0415  start-up time

        line(f"starting network {name}")
        Networks(Paths()).start(name)


def _how_to_log_in(domain: DomainDefinition) -> str:
    """What to type: without the user's name where it is the caller's."""
    from leasewatch.pyvirt.login import caller  # noqa: PLC0415  start-up time

    user = domain.login.user if domain.login else caller.user()
    return f"ssh {domain.name}" if user == caller.user() else f"ssh {user}@{domain.name}"
