"""The list of what a release ships: files, their hashes, and what is inside a Debian package."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tomllib
from pathlib import Path

import pytest

from releasing import sbom
from tests.shipped import ROOT

LOCK = """\
# from PyPI
Foo.Bar==1.2.3 \\
    --hash=sha256:00aa \\
    --hash=sha256:00bb
other==2 --hash=sha256:00cc
"""
CONTROL = """\
Package: one
Version: 1
Architecture: all
Maintainer: A <a@example.org>
Depends: python3 (>= 3.11), python3-click | python3-rich
Recommends: libnss-pyvirt (= 1)
Description: a package
"""


def package(folder: Path) -> Path:
    """A Debian package with our own metadata, and those of a wheel that it brings along."""
    control = folder / "one/DEBIAN/control"
    control.parent.mkdir(parents=True)
    control.write_text(CONTROL)
    for name, licence in (("nss_pyvirt-1", ""), ("foo_bar-1.2.3", "License-Expression: MIT\n")):
        info = folder / f"one/usr/lib/nss-pyvirt/{name}.dist-info/METADATA"
        info.parent.mkdir(parents=True)
        info.write_text(f"Metadata-Version: 2.4\nName: foo_bar\nVersion: 1.2.3\n{licence}\nText\n")
    deb = folder / "made/one.deb"
    deb.parent.mkdir()
    subprocess.run(["dpkg-deb", "--build", "-Znone", "one", deb], cwd=folder, check=True)
    return deb


def test_a_list_has_files_declared_libraries_and_the_wheels_in_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deb = package(tmp_path)
    wheel = deb.with_name("nss_pyvirt-1-py3-none-any.whl")
    wheel.write_bytes(b"wheel")
    (tmp_path / "lock").write_text(LOCK)
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    written = []
    for output in (tmp_path / "1.json", tmp_path / "2.json"):
        assert sbom.main(["1", str(deb.parent), str(output), str(tmp_path / "lock")]) == 0
        written.append(output.read_text())
    assert written[0] == written[1]

    made = json.loads(written[0])
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.6")
    assert made["metadata"]["timestamp"] == "2023-11-14T22:13:20+00:00"
    parts = {part["bom-ref"]: part for part in made["components"]}
    digest = hashlib.sha256(b"wheel").hexdigest()
    assert parts[f"file:{wheel.name}"]["hashes"] == [{"alg": "SHA-256", "content": digest}]
    inside = parts["pkg:pypi/foo-bar@1.2.3"]
    assert [one["content"] for one in inside["hashes"]] == ["00aa", "00bb"]
    assert inside["licenses"] == [{"expression": "MIT"}]

    needs = {edge["ref"]: edge["dependsOn"] for edge in made["dependencies"]}
    debs = [f"pkg:deb/debian/{name}" for name in ("libnss-pyvirt", "python3", "python3-click")]
    alternative = "pkg:deb/debian/python3-rich"
    assert needs[f"file:{deb.name}"] == [*debs, alternative, "pkg:pypi/foo-bar@1.2.3"]
    assert parts["pkg:deb/debian/libnss-pyvirt"]["scope"] == "optional"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {f"pkg:pypi/{text.partition('>')[0]}" for text in project["dependencies"]}
    assert {*needs[f"file:{wheel.name}"]} == declared | {"pkg:pypi/prometheus-client"}
    assert all(parts[ref]["licenses"] for ref in needs[f"file:{wheel.name}"])
    assert {ref for on in needs.values() for ref in on} <= {*parts}


def test_a_wheel_without_a_hash_in_the_lock_is_no_part_of_a_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deb = package(tmp_path)
    monkeypatch.chdir(ROOT)
    assert sbom.main(["1", str(deb.parent), str(tmp_path / "list")]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "release: foo-bar 1.2.3 is in a package, and in no lock file",
        "  hint: pin it, with its hashes",
    ]
    assert not (tmp_path / "list").exists()
