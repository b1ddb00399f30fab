"""Checksum files as publishers write them."""

from __future__ import annotations

import pytest

from leasewatch.pyvirt.images import checksums
from nss_pyvirt.errors import UserError

A256, B256, A512 = "a" * 64, "b" * 64, "a1" * 64

SIGNED = f"""-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

# deb.img: 123 bytes
SHA256 (other) = {B256}
SHA256 (deb.img) = {A256}
-----BEGIN PGP SIGNATURE-----
iQIzBAEBCAAdFiEE
-----END PGP SIGNATURE-----
"""
FOUND = {
    "Debian": (f"{'b' * 128}  other.qcow2\n{A512}  deb.img\n", f"sha512:{A512}"),
    "Ubuntu": (f"{B256} *other.img\n{A256} *deb.img\n", f"sha256:{A256}"),
    "Fedora": (
        SIGNED,
        f"sha256:{A256}",
    ),
    "Alpine": (f"{A512}\n", f"sha512:{A512}"),
    "Alpine with a name": (f"{A512}  deb.img\n", f"sha512:{A512}"),
    "a folder in front": (f"{A256}  ./deb.img\n", f"sha256:{A256}"),
    "upper case, DOS": (f"{A256.upper()}  deb.img\r\n", f"sha256:{A256}"),
}


@pytest.mark.parametrize(("text", "wanted"), FOUND.values(), ids=FOUND)
def test_the_checksum_of_a_file_is_found(text: str, wanted: str) -> None:
    assert str(checksums.find(text, "deb.img", "http://x/SUMS")) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>404</html>",
        f"{A256}  other.img\n",
        f"{A256}  xdeb.img\n",
        f"{'a' * 32}  deb.img\n",  # MD5
        f"{'a' * 40}  deb.img\n",  # SHA-1
        f"{'a' * 100}  deb.img\n",
        f"SHA256 (deb.img) = {'a' * 63}\n",
        f"MD5 (deb.img) = {'a' * 32}\n",
    ],
)
def test_a_file_without_it_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"http://x/SUMS has no checksum of deb\.img"):
        checksums.find(text, "deb.img", "http://x/SUMS")


@pytest.mark.parametrize(
    ("algorithm", "text"),
    [
        *(("sha256", text) for text in ("", "abc", "g" * 64, "a" * 63, A512, "a" * 32 + "ä" * 32)),
        ("sha512", A256),
    ],
)
def test_what_is_no_checksum_is_refused(algorithm: str, text: str) -> None:
    with pytest.raises(UserError, match=f"is not a {algorithm} checksum"):
        checksums.given(algorithm, text)


def test_a_typed_checksum_is_taken_in_upper_case() -> None:
    assert str(checksums.given("sha256", f" {A256.upper()} ")) == f"sha256:{A256}"
