"""Make a domain's host key and its disk `seed.img`, and keep that up to date."""

from __future__ import annotations

import contextlib
from pathlib import Path

from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.files import DomainFiles
from leasewatch.pyvirt.login import user_data
from nss_pyvirt import programs, replacing
from nss_pyvirt.errors import UserError

_IMG = "qemu-img"
_PATIENCE = 60.0  # seconds for each program


def make(files: DomainFiles, domain: DomainDefinition, owners: str = "") -> None:
    """Make everything new for a new domain; `owners` is its owner's user-data.

    UserError where a program fails, OSError where a file cannot be written.
    """
    if owners:
        replacing.replace(files.user_data, owners.encode(), mode=0o600)
    refresh(files, domain)


def refresh(files: DomainFiles, domain: DomainDefinition) -> None:
    """Make what is missing, and the seed also if its content has changed; nothing without a login.

    A guest reads it when it boots; cloud-init applies most of it at the first boot only.
    """
    if domain.login is None:
        return
    private, public = host_key(files)
    owners = files.user_data.read_text() if files.user_data.exists() else ""
    texts = {
        "meta-data": user_data.meta_data(domain),
        "user-data": user_data.user_data(domain, private, public, owners),
    }
    if len(domain.nics) > 1:
        texts["network-config"] = user_data.network_config(domain)
    former = {path for path in files.seed_texts.glob("*") if path.name not in texts}
    same = all(_holds(files.seed_texts / name, text) for name, text in texts.items())
    if files.seed.exists() and same and not former:
        return
    files.seed.unlink(missing_ok=True)  # first, or it would be older than its texts
    files.seed_texts.mkdir(mode=0o700, exist_ok=True)
    for path in former:
        path.unlink()
    for name, text in texts.items():
        replacing.replace(files.seed_texts / name, text.encode(), mode=0o600)
    _make_image(files.seed_texts, files.seed)


def credentials(files: DomainFiles, domain: DomainDefinition) -> dict[str, str]:
    """What systemd takes from QEMU in a guest without cloud-init; nothing without a login."""
    return {} if domain.login is None else user_data.credentials(domain, host_key(files)[0])


def host_key(files: DomainFiles) -> tuple[str, str]:
    """The guest's private and public host key as OpenSSH writes them; made where missing."""
    public = public_part(files.host_key)
    if not public.exists() or not files.host_key.exists():
        for path in (files.host_key, public):
            path.unlink(missing_ok=True)
        # The public half comes last.
        comment = ["-C", files.name, "-f", str(files.host_key)]
        _run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", *comment], "openssh-client")
    return files.host_key.read_text(), public.read_text().strip()


def public_part(key: Path) -> Path:
    """Where OpenSSH keeps the public half of a key."""
    return key.with_name(f"{key.name}.pub")


def _holds(file: Path, text: str) -> bool:
    with contextlib.suppress(OSError):
        return file.read_text() == text
    return False


def _make_image(folder: Path, image: Path) -> None:
    """A FAT disk with the folder's files, as large as a floppy, labelled as cloud-init expects."""
    new = image.with_name(f"{image.name}.new")
    source = f"driver=vvfat,dir={str(folder).replace(',', ',,')},label=cidata,floppy=on"
    _run([_IMG, "convert", "-O", "raw", "--image-opts", source, str(new)], "qemu-utils")
    new.chmod(0o600)
    new.replace(image)


def _run(argv: list[str], package: str) -> None:
    done = programs.run(argv, package=package, timeout=_PATIENCE)
    if done.returncode:
        why = done.stderr.strip().splitlines()[-1:] or [f"exit {done.returncode}"]
        raise UserError(f"cannot make the seed: {argv[0]}: {why[0]}")
