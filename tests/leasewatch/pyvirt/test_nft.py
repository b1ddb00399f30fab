"""What becomes of an nft that does not do what it is asked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from leasewatch.pyvirt import nft
from nss_pyvirt.errors import UserError


def put_nft(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "nft"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.mark.parametrize(
    ("why", "in_vain"),
    [
        ("Operation not supported", True),
        ("Address family not supported by protocol", True),
        ("No such file or directory", True),
        ("Cannot allocate memory", False),
        ("Operation not permitted", False),
        ("Device or resource busy", False),
    ],
)
def test_a_missing_kernel_feature_differs_from_a_passing_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str, in_vain: bool
) -> None:
    said = f"internal:0:0-0: Error: Could not process rule: {why}"
    put_nft(tmp_path, monkeypatch, f"echo '{said}' >&2; exit 1")
    with pytest.raises(UserError) as error:
        nft.apply("")
    assert error.value.what == f"nft: Error: Could not process rule: {why}"
    assert isinstance(error.value, nft.UnsupportedError) == in_vain


def test_a_missing_nft_is_reported_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(nft.UnsupportedError, match="nft is not installed") as error:
        nft.has_table("pyvirt_lab", "bridge")
    assert error.value.hint == "apt install nftables"
