"""Certificates for QEMU's TLS, made by openssl."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
_EXTENSIONS = "subjectAltName=DNS:{}\nextendedKeyUsage={}Auth\nkeyUsage=digitalSignature\n"


def make(folder: Path, name: str, *, ca: Path | None = None, days: int = 2) -> None:
    """Those of the host `name`, by QEMU's file names; `ca`: the folder of a CA made earlier.

    They are expired if `days` is negative.
    """
    folder.mkdir(parents=True)
    if ca is None:
        _run(
            *("req", "-x509", *_KEY, "-days", "2", "-subj", "/CN=pyvirt test CA"),
            *("-addext", "basicConstraints=critical,CA:TRUE"),
            *("-addext", "keyUsage=critical,keyCertSign"),
            *("-keyout", folder / "ca-key.pem", "-out", folder / "ca-cert.pem"),
        )
    else:
        for file in ("ca-key.pem", "ca-cert.pem"):
            shutil.copy(ca / file, folder)
    for end in ("server", "client"):
        request, extensions = folder / f"{end}.csr", folder / f"{end}.ext"
        extensions.write_text(_EXTENSIONS.format(name, end))
        key = folder / f"{end}-key.pem"
        _run("req", *_KEY, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        _run(
            *("x509", "-req", "-in", request, "-days", str(days), "-extfile", extensions),
            *("-CA", folder / "ca-cert.pem", "-CAkey", folder / "ca-key.pem"),
            *("-out", folder / f"{end}-cert.pem"),
        )


def _run(*words: str | Path) -> None:
    done = subprocess.run(
        ["openssl", *words], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
