"""`pyvirt domain create`: its options."""

from __future__ import annotations

from leasewatch.paths import Paths
from leasewatch.pyvirt.cli import halves, login_options, secret_options, values
from leasewatch.pyvirt.cli.halves import say
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame
from nss_pyvirt.terminal.commands import Param

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import Any

    from leasewatch.pyvirt.defined.domain import DomainDefinition
    from leasewatch.pyvirt.domains.plan import DomainRequest


@commands.command(
    Param("name", required=True),
    Param(
        "--network",
        name="networks",
        metavar="NETWORK",
        multiple=True,
        required=True,
        complete=halves.complete("network"),
        help="Network to connect to (repeatable).",
    ),
    Param(
        "--mac",
        name="macs",
        metavar="MAC",
        multiple=True,
        help="MAC on the first, second, … network.",
    ),
    Param(
        "--address",
        name="addresses",
        metavar="IPV4",
        multiple=True,
        help="Fixed IPv4 address on the first, second, … network.",
    ),
    Param(
        "--alias",
        name="aliases",
        metavar="NAME",
        multiple=True,
        help="Further name that resolves (repeatable).",
    ),
    Param(
        "--image",
        metavar="NAME",
        kind=values.image_name,
        complete=halves.complete_images,
        help="Image of the first disk, as `pyvirt image list` shows it.",
    ),
    Param(
        "--disk",
        name="disks",
        metavar="FILE",
        kind=values.image_path,
        multiple=True,
        help="qcow2 or raw image, packed or not, which is copied; repeat for further disks.",
    ),
    Param(
        "--size",
        metavar="SIZE",
        kind=values.disk_size,
        help="Size of the first disk, e.g. 20G.  [default: its image's]",
    ),
    Param(
        "--encrypt",
        flag=True,
        help="Encrypt what the guest writes to the first disk, but not the image beneath.",
    ),
    Param(
        "--volume",
        name="volumes",
        metavar="VOLUME",
        multiple=True,
        complete=halves.complete_volumes,
        help="Volume as a further disk (repeatable): pyvirt volume --help.",
    ),
    secret_options.SECRET_FILE,
    Param(
        "--cdrom",
        metavar="FILE",
        kind=values.local_path,
        help="ISO image, e.g. an installer, that starts if no disk has a system.",
    ),
    Param(
        "--firmware",
        kind=("auto", "bios", "uefi"),
        default="auto",
        help="auto: UEFI if the first disk's image starts by nothing else.",
    ),
    Param(
        "--kernel",
        metavar="PATH",
        kind=values.local_path,
        help="Kernel to start, with or without a disk.",
    ),
    Param(
        "--initrd",
        metavar="PATH",
        kind=values.local_path,
        help="Initial RAM disk for the kernel.",
    ),
    Param(
        "--append",
        metavar="TEXT",
        multiple=True,
        help="Kernel command line; repeat to add to it.  [default: the console, and quiet]",
    ),
    Param(
        "--memory",
        metavar="SIZE",
        kind=values.mebibytes(32, 4 << 20),
        default="512M",
        help="Memory, e.g. 2G; a number without a unit is MiB.",
    ),
    Param(
        "--cpus",
        metavar="NUMBER",
        kind=commands.whole_number(1, 255),
        default=1,
        help="Virtual CPUs.",
    ),
    Param(
        "--arch",
        metavar="ARCH",
        kind=values.architecture,
        complete=halves.complete_architectures,
        help="x86_64, aarch64, ppc64le or riscv64.  [default: the image's or kernel's]",
    ),
    Param(
        "--accel",
        kind=("auto", "kvm", "tcg"),
        default="auto",
        help="auto: KVM if a trial guest runs under it, else emulation.",
    ),
    Param(
        "--mac-filtering/--no-mac-filtering",
        flag=True,
        default=True,
        help="Let it send only from its own MACs and addresses; off for a guest that bridges.",
    ),
    Param(
        "--stop-timeout",
        metavar="TIME",
        kind=commands.seconds,
        default="60s",
        help="How long it may take to shut down, also when the host does.",
    ),
    *login_options.PARAMS,
    login_options.NO_SEED,
    needs_root=True,
    epilog=frame.examples(
        "sudo pyvirt domain create web1 --network lab --disk deb12.qcow2 --size 20G",
        "sudo pyvirt domain create db1 --network lab --disk db.qcow2 --alias sql",
        "sudo pyvirt domain create db2 --network lab --disk db.img --address 10.7.0.5",
        "sudo pyvirt domain create tiny --network lab --kernel linux --initrd init.gz",
        "sudo pyvirt domain create new1 --network lab --cdrom debian.iso --size 20G",
    ),
)
def command(
    append: Sequence[str],
    user: str | None,
    ssh_keys: Sequence[Path],
    user_data: Path | None,
    secret_file: str | None,
    *,
    encrypt: bool,
    no_seed: bool,
    **options: Any,
) -> None:
    """Define a domain; while it runs, `ssh NAME` finds it.

    A guest that boots from its disk gets a seed. From it, cloud-init makes your user with your
    public keys and sudo at the first boot; if you have none, ~/.ssh/id_ed25519 is made. With
    --kernel or --cdrom, a guest gets a seed only if --user, --ssh-key or --user-data ask for it.
    """
    from leasewatch.pyvirt.domains.domains import Domains  # noqa: PLC0415  start-up time
    from leasewatch.pyvirt.domains.plan import DomainRequest  # noqa: PLC0415  start-up time
    from leasewatch.pyvirt.images import catalogue  # noqa: PLC0415  start-up time

    if options["image"] is not None:
        image = catalogue.for_architecture(Paths(), options["image"], options["arch"])
        options["image"] = image
    asked = user or ssh_keys or user_data
    if no_seed and asked:
        what = "--no-seed gives the guest no user, key or user-data"
        raise UserError(what, "omit --no-seed", "invalid")
    boots_image = not (options["kernel"] or options["cdrom"])
    if asked or (boots_image and not no_seed):
        login, text = login_options.chosen(user, ssh_keys, user_data)
        options |= {"login": login, "user_data": text}
    request = DomainRequest(append=joined(append), **options)
    if encrypt:
        request = _encrypted(request, secret_file)
    elif secret_file is not None:
        raise UserError("--secret-file is for an encrypted disk", "add --encrypt", "invalid")
    domain = Domains(Paths()).create(_with_key(request))
    warn_unbootable(domain, say)
    cards = ", ".join(f"MAC {nic.mac} on {nic.network}" for nic in domain.nics)
    macs = [nic.mac for nic in domain.nics]
    frame.print_done(f"domain {domain.name} is defined: {cards}", domain=domain.name, macs=macs)


def _encrypted(request: DomainRequest, secret_file: str | None) -> DomainRequest:
    """The request with the new passphrase of its disk."""
    import msgspec  # noqa: PLC0415  start-up time

    from leasewatch.pyvirt.domains.plan import plan  # noqa: PLC0415  start-up time

    request = msgspec.structs.replace(request, secret=b"-")
    plan(Paths(), request)  # before anybody types a passphrase
    secret = secret_options.given(secret_file, f"the disk of {request.name}", new=True)
    return msgspec.structs.replace(request, secret=secret)


def _with_key(request: DomainRequest) -> DomainRequest:
    """The request, with a new key where its login has none; a warning if that cannot be made."""
    if request.login is None or request.login.keys:
        return request
    import msgspec  # noqa: PLC0415  start-up time

    from leasewatch.pyvirt.domains.plan import plan  # noqa: PLC0415  start-up time

    plan(Paths(), request)  # before a key is made
    try:
        login = login_options.with_new_key(request.login, say)
    except UserError as error:
        what = f"user {request.login.user} gets no key: {error.what}"
        frame.print_warning("pyvirt", UserError(what, error.hint, error.code))
        return request
    return msgspec.structs.replace(request, login=login)


def warn_unbootable(domain: DomainDefinition, say: Callable[[str], None]) -> None:
    """Say it if a new domain is to start from a disk that has no boot sector."""
    if not domain.disks or domain.kernel or domain.cdrom:
        return
    from leasewatch.pyvirt.images.known import KnownImages  # noqa: PLC0415  start-up time

    first = domain.disks[0]
    if not KnownImages(Paths()).may_boot(first.sha256):
        say(f"image {first.source} has no boot sector: the guest may not start from it")


def joined(append: Sequence[str]) -> str | None:
    """The kernel command line of these parts; None: the default."""
    return " ".join(append) if append else None
