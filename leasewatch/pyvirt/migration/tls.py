"""The encryption of a migration by QEMU itself (TLS), with this host's certificates.

QEMU reads them once, as files that its root folder has for that moment.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from leasewatch.paths import Paths
from leasewatch.pyvirt.domains import sandbox
from leasewatch.pyvirt.domains.qmp_session import RefusedError
from leasewatch.pyvirt.migration.modes import TLS_CREDENTIALS
from nss_pyvirt.errors import UserError

Endpoint = Literal["client", "server"]
"""The source is the client."""

_SHOWN: Final = "tls"
"""The folder in QEMU's root folder, root's."""
_CA: Final = "ca-cert.pem"
_REVOKED: Final = "ca-crl.pem"
"""It may be missing."""
_NAME_DIFFERS: Final = "does not match the hostname"
_UNKNOWN: Final = "hasn't got a known issuer"
_REFUSED: Final = r"certificate (has expired|is not yet activated|has been revoked|is not trusted)"


class Session(Protocol):
    """A QMP connection."""

    def ask(self, command: str, arguments: Mapping[str, object] = {}) -> Any:
        """The command's return value; RefusedError with QEMU's words."""


def add(session: Session, root: Path, paths: Paths, endpoint: Endpoint) -> None:
    """Give this host's certificates to the QEMU whose root folder is `root`.

    It knows them as `TLS_CREDENTIALS`. UserError if one is missing, expired or not of our CA.
    """
    remove(session)  # what a killed command left
    folder = _folder(paths, endpoint)
    with _shown(folder, root, endpoint):
        words = {"id": TLS_CREDENTIALS, "endpoint": endpoint, "dir": f"/{_SHOWN}"}
        try:
            session.ask("object-add", {"qom-type": "tls-creds-x509", "verify-peer": True, **words})
        except RefusedError as error:
            what = error.desc.replace(f"/{_SHOWN}/", f"{folder}/")
            found = re.search(r"/\S+cert\.pem", what)
            shown = shlex.quote(found[0] if found else str(folder / f"{endpoint}-cert.pem"))
            hint = f"see what it is: openssl x509 -noout -text -in {shown}"
            raise UserError(f"QEMU refuses the certificates: {what}", hint, "invalid") from None


def remove(session: Session) -> None:
    """Have QEMU forget them; the next migration may go without."""
    with contextlib.suppress(RefusedError):  # there are none
        session.ask("object-del", {"id": TLS_CREDENTIALS})
        session.ask("migrate-set-parameters", {"tls-creds": "", "tls-hostname": ""})


def forget(session: Session) -> None:
    """As `remove`, from a QEMU that stays, unless post-copy may still need them."""
    with contextlib.suppress(UserError):
        if not str(session.ask("query-migrate").get("status")).startswith("postcopy"):
            remove(session)


def name_of(host: str) -> str:
    """The name that the destination's certificate has to have: HOST without user and port."""
    plain = re.sub(r"^ssh://", "", host).rpartition("@")[2]
    return re.sub(r":\d+$", "", plain) if host.startswith("ssh://") else plain


def explain(words: str, host: str, name: str) -> UserError | None:
    """What QEMU's words mean for the certificate of `host`, which is called `name`.

    None: they are not about certificates.
    """
    if _NAME_DIFFERS in words:
        what = f"the certificate of {host} is not for the name {name}"
        return UserError(what, "give a name that it has: --tls-destination NAME", "invalid")
    if _UNKNOWN in words:
        what = f"the certificate of {host} is from a CA that this host does not know"
        return UserError(what, f"put the same {_CA} on both hosts", "invalid")
    if match := re.search(_REFUSED, words):
        return UserError(f"the certificate of {host} {match[1]}", f"renew it on {host}", "invalid")
    return None


def _folder(paths: Paths, endpoint: Endpoint) -> Path:
    """Where the certificates are; UserError if one is missing."""
    folder = paths.tls if paths.tls.exists() else paths.qemu_tls
    missing = [name for name in _needed(endpoint) if not (folder / name).exists()]
    if missing:
        places = f"{paths.tls} or {paths.qemu_tls}" if len(missing) == 3 else str(folder)
        what = f"there is no {' and no '.join(missing)} in {places}"
        raise UserError(what, "see pyvirt(1) for the files of --tls, or omit it", "missing")
    return folder


def _needed(endpoint: Endpoint) -> tuple[str, str, str]:
    return _CA, f"{endpoint}-cert.pem", f"{endpoint}-key.pem"


@contextlib.contextmanager
def _shown(folder: Path, root: Path, endpoint: Endpoint) -> Iterator[None]:
    """Copy the files into QEMU's root folder, for its user alone; they are removed afterwards."""
    target = root / _SHOWN
    shutil.rmtree(target, ignore_errors=True)  # of a killed command
    owner = sandbox.account(kvm=False)
    try:
        target.mkdir(mode=0o755)
        for name in (*_needed(endpoint), _REVOKED):
            with contextlib.suppress(FileNotFoundError), (folder / name).open("rb") as source:
                fd = os.open(target / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
                with os.fdopen(fd, "wb") as copy:
                    os.fchown(fd, owner.uid, owner.gid)
                    shutil.copyfileobj(source, copy)
        yield
    finally:
        shutil.rmtree(target, ignore_errors=True)
