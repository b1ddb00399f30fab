"""The texts of a seed for cloud-init (NoCloud), and SMBIOS credentials for systemd. Pure.

Values are quoted as JSON, which is YAML. Each key has a line of its own, because the tiny guest
reads them with sed.
"""

from __future__ import annotations

from binascii import b2a_base64

import msgspec

from leasewatch.pyvirt.defined.domain import DomainDefinition
from nss_pyvirt.errors import UserError

MAX_BYTES = 1 << 20
"""The longest user-data of an owner; the seed has 2.8 MB."""
_CLOUD_INIT_READS = ("#", "Content-Type:", "MIME-Version:")
"""How user-data begins: `#cloud-config`, `#!`, `#include` …, or several parts of these."""
_HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"


def check(data: bytes, source: str) -> str:
    """An owner's user-data; UserError where cloud-init would ignore it."""
    hint = "its first line must be #cloud-config, or #! and a program"
    if len(data) > MAX_BYTES:
        raise UserError(f"{source} has more than {MAX_BYTES >> 20} MiB", hint, "invalid")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise UserError(f"{source} is not text in UTF-8", hint, "invalid") from None
    if not text.startswith(_CLOUD_INIT_READS) or "\0" in text:
        raise UserError(f"{source} is no user-data for cloud-init", hint, "invalid")
    return text


def meta_data(domain: DomainDefinition) -> str:
    """Who the guest is. cloud-init sets it up again when the instance-id is a new one."""
    return f"instance-id: {_quoted(domain.uuid)}\nlocal-hostname: {_quoted(domain.name)}\n"


def network_config(domain: DomainDefinition) -> str:
    """DHCP on every card of several, which cloud-init itself would do on one alone.

    The boot waits for the first one's address only: a bridged network may have no DHCP server.
    """
    lines = ["version: 2", "ethernets:"]
    for number, nic in enumerate(domain.nics):
        lines += [f"  card{number}:", f"    match: {{macaddress: {_quoted(nic.mac)}}}"]
        lines += ["    dhcp4: true", *(["    optional: true"] if number else [])]
    return "\n".join(lines) + "\n"


def user_data(domain: DomainDefinition, private: str, public: str, owners: str = "") -> str:
    """What cloud-init does at the first boot; `private` and `public` are the guest's host key.

    `owners`: user-data of the domain's owner, which comes after ours and wins.
    """
    ours = _cloud_config(domain, private, public)
    if not owners:
        return ours
    boundary = f"pyvirt-{domain.uuid}"
    # cloud-init recognises the kind of plain text; several parts bring their own header.
    is_multipart = not owners.startswith("#")
    theirs = owners if is_multipart else f"Content-Type: text/plain; charset=utf-8\n\n{owners}"
    parts = [f'Content-Type: multipart/mixed; boundary="{boundary}"\nMIME-Version: 1.0\n\n']
    parts += [f"--{boundary}\nContent-Type: text/cloud-config; charset=utf-8\n\n{ours}\n"]
    return "".join([*parts, f"--{boundary}\n{theirs}\n--{boundary}--\n"])


def _cloud_config(domain: DomainDefinition, private: str, public: str) -> str:
    """The distribution's default user, with its groups and sudo, is called as the owner wishes."""
    assert domain.login is not None  # noqa: S101  for mypy
    user, keys = domain.login.user, domain.login.keys
    lines = [
        "#cloud-config",
        "manage_etc_hosts: true",  # else sudo cannot resolve the guest's own name
        f"disable_root: {str(user != 'root').lower()}",
        "user:",
        f"  name: {_quoted(user)}",
        "  sudo: ALL=(ALL) NOPASSWD:ALL",
        "  ssh_authorized_keys:" if keys else "  ssh_authorized_keys: []",
        *(f"    - {_quoted(key)}" for key in keys),
        "ssh_deletekeys: true",
        "ssh_keys:",
        f"  ed25519_public: {_quoted(public)}",
        "  ed25519_private: |",
        *(f"    {line}" for line in private.splitlines()),
    ]
    return "\n".join(lines) + "\n"


def credentials(domain: DomainDefinition, private: str) -> dict[str, str]:
    """For systemd.system-credentials(7), by their names; one holds the private host key.

    A guest without cloud-init gets its host name, its host key and the keys of root by them.
    """
    assert domain.login is not None  # noqa: S101  for mypy
    host_key = f"f~ {_HOST_KEY} 0600 root root - {_base64(private)}\n"
    found = {"system.hostname": domain.name, "tmpfiles.extra": host_key}
    if domain.login.user == "root" and domain.login.keys:
        found["ssh.authorized_keys.root"] = "".join(f"{key}\n" for key in domain.login.keys)
    return found


def smbios_value(key: str, text: str) -> str:
    """A credential as a string of SMBIOS type 11."""
    return f"io.systemd.credential.binary:{key}={_base64(text)}"


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _base64(text: str) -> str:
    return b2a_base64(text.encode(), newline=False).decode()
