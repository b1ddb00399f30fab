"""A domain's disk: a copy-on-write overlay of an image that is never written to."""

from __future__ import annotations

import shlex
from pathlib import Path

from leasewatch.pyvirt.domains import image_content, qemu
from nss_pyvirt import programs
from nss_pyvirt.errors import UserError

_PATIENCE = 60  # seconds for qemu-img


def make_overlay(base: Path, overlay: Path, size: int | None) -> None:
    """Make `overlay` (and its folder) over `base`; `size` in bytes, None: the base's.

    UserError where the image is missing or none, and for a size that would cut the image off.
    """
    image = _describe(base)
    if size is not None and size < image.size:
        what = f"{_spelt(size)} is smaller than {base} ({_spelt(image.size)})"
        raise UserError(what, "omit --size, or enlarge it", "invalid")
    overlay.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    _run(qemu.overlay_command(base, image.format, overlay, size), f"cannot make {overlay}")


def check_content(base: Path) -> None:
    """UserError if an image is no disk by its first bytes; qemu-img would take it for a raw one."""
    if found := image_content.fault(_head(base)):
        what, hint = found
        raise UserError(f"image {base} {what}", hint.format(shlex.quote(str(base))), "invalid")


def may_boot(base: Path) -> bool:
    """Whether firmware may find a system on an image."""
    return image_content.may_boot(_head(base))


def _head(base: Path) -> bytes:
    try:
        with base.open("rb") as file:
            return file.read(image_content.HEAD)
    except OSError as error:
        raise UserError(f"cannot read image {base}: {error.strerror}") from None


def check_base(overlay: Path) -> None:
    """UserError where QEMU would read more of the host than one image beneath `overlay`.

    Who may write where the image lies may have put another into its place since `make_overlay`.
    """
    made = qemu.parse_info(_run(qemu.info_command(overlay), f"cannot read disk {overlay}"))
    if made.base is None:
        return
    base = Path(made.base)
    target = base.resolve()
    image = _describe(target, overlay)
    if target != base:
        rebase = shlex.join(qemu.rebase_command(target, image.format, overlay))
        what = f"a symbolic link leads from image {base} to {target}"
        raise UserError(what, f"if you trust it: {rebase}", "invalid")


def _describe(base: Path, overlay: Path | None = None) -> qemu.Image:
    """What a base image is; UserError where it is none. `overlay`: the disk made of it already."""
    image = qemu.parse_info(_run(qemu.info_command(base), f"cannot read image {base}"))
    if base.suffix.lower() == ".qcow2" and image.format == "raw":
        # qemu-img takes an unknown format, such as an error page, for a raw disk.
        raise UserError(
            f"image {base} is not qcow2 but raw, says qemu-img",
            f"see what it is: file {shlex.quote(str(base))}; a raw disk is taken as NAME.img",
            "invalid",
        )
    # QEMU would open another file as root, any file of the host, and show it to the guest.
    fault = None
    if image.format not in qemu.BASE_FORMATS:
        fault = f"is neither qcow2 nor raw but {image.format}, says qemu-img"
    elif image.refers_to is not None:
        fault = f"continues in another file, {image.refers_to}"
    if fault is not None:
        whole = base.with_name(f"{base.name}.whole.qcow2")
        commands = [qemu.convert_command(base, whole)]
        if overlay is not None:
            commands.append(qemu.rebase_command(whole, "qcow2", overlay))
        hint = f"if you trust it: {' && '.join(map(shlex.join, commands))}"
        raise UserError(f"image {base} {fault}", hint, "invalid")
    return image


def _spelt(count: int) -> str:
    """A size as `--size` takes it, in the largest unit that divides it."""
    unit = next((u for u in (4, 3, 2, 1) if count and not count % (1 << 10 * u)), 0)
    return f"{count >> 10 * unit}{'kMGT'[unit - 1] if unit else ''}"


def _run(argv: list[str], failed: str) -> str:
    try:
        done = programs.run(argv, package=qemu.PACKAGES[argv[0]], timeout=_PATIENCE)
    except UserError as error:
        raise UserError(f"{failed}: {error.what}", error.hint, error.code) from None
    if done.returncode:
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"exit {done.returncode}"
        raise UserError(f"{failed}: {qemu.complaint(done.stderr) or f'{argv[0]} ended by {how}'}")
    return done.stdout
