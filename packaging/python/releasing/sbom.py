"""List what a release ships: `python -m releasing.sbom VERSION FOLDER OUTPUT [LOCK…]`.

FOLDER has the built files, the current folder is the tree that they come from, and each LOCK names
the pinned wheels with their hashes, as pip reads them. OUTPUT gets CycloneDX 1.6 in JSON
(https://cyclonedx.org/docs/1.6/json): each file with its hash, what it depends on, and what is in
the Debian packages. SOURCE_DATE_EPOCH is its time, so the same files give the same bytes.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import importlib.metadata
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Any, Final

from nss_pyvirt.errors import UserError

Component = dict[str, Any]

_LICENCE: Final = "LGPL-2.1-or-later"
_INFO: Final = re.compile(r"\./usr/lib/nss-pyvirt/(?!nss_pyvirt-)[^/]+\.dist-info/METADATA")
_PINNED: Final = re.compile(r"^([\w.-]+)==(\S+)((?:\s+--hash=sha256:\w+)+)", re.MULTILINE)


def document(
    version: str,
    when: int,
    files: Sequence[Component],
    libraries: Iterable[Component],
    needs: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """The whole list. `when`: seconds since 1970. `needs`: for a component, what it depends on."""
    root = f"pkg:pypi/nss-pyvirt@{version}"
    ours = _component("application", root, "nss-pyvirt", version=version, purl=root)
    ours["licenses"] = [{"license": {"id": _LICENCE}}]
    components = [*files, *libraries]
    edges = {root: [file["bom-ref"] for file in files], **needs}
    of = json.dumps([components, edges], sort_keys=True)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, of)}",
        "version": 1,
        "metadata": {
            "timestamp": dt.datetime.fromtimestamp(when, dt.UTC).isoformat(),
            "component": ours,
        },
        "components": components,
        "dependencies": [
            {"ref": ref, "dependsOn": sorted(on)} for ref, on in sorted(edges.items())
        ],
    }


def _component(kind: str, ref: str, name: str, **more: Any) -> Component:
    return {"type": kind, "bom-ref": ref, "name": name, **more}


def file(path: Path) -> Component:
    """A file of the release."""
    hashes = _hashes([hashlib.sha256(path.read_bytes()).hexdigest()])
    return _component("file", f"file:{path.name}", path.name, hashes=hashes)


def _hashes(digests: Iterable[str]) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": digest} for digest in digests]


def pinned(lock: str) -> dict[str, list[str]]:
    """`NAME==VERSION` of a lock file's wheels, each with its SHA-256 digests."""
    joined = lock.replace("\\\n", " ")
    return {
        f"{_name(name)}=={version}": re.findall(r"sha256:(\w+)", digests)
        for name, version, digests in _PINNED.findall(joined)
    }


def declared(project: Mapping[str, Any]) -> Iterator[Component]:
    """What the wheel asks pip for, without versions: pip chooses them when it installs."""
    optional = project["optional-dependencies"]["metrics"]
    for scope, wanted in (("required", project["dependencies"]), ("optional", optional)):
        for name, bound in (re.split(r"(?=[<>=~])", text, maxsplit=1) for text in wanted):
            purl = f"pkg:pypi/{_name(name)}"
            said = [{"name": "nss-pyvirt:versions", "value": bound}]
            licences = _licences(importlib.metadata.metadata(name))
            yield _component(
                "library", purl, name, scope=scope, purl=purl, licenses=licences, properties=said
            )


def inside(metadata: Message, digests: Mapping[str, Sequence[str]]) -> Component:
    """A pinned wheel that a package brings along; UserError where `digests` lacks it."""
    name, version = _name(metadata["Name"]), metadata["Version"]
    if f"{name}=={version}" not in digests:
        hint = "pin it, with its hashes"
        raise UserError(f"{name} {version} is in a package, and in no lock file", hint, "missing")
    purl = f"pkg:pypi/{name}@{version}"
    return _component(
        "library",
        purl,
        name,
        version=version,
        scope="required",
        purl=purl,
        licenses=_licences(metadata),
        hashes=_hashes(digests[f"{name}=={version}"]),
    )


def _name(text: str) -> str:
    """A package's name as PyPI normalises it."""
    return re.sub(r"[-_.]+", "-", text).lower()


def _licences(metadata: Any) -> list[dict[str, Any]]:
    """What a package says of its licence: an SPDX expression, or the words of its classifiers."""
    if metadata["License-Expression"]:
        return [{"expression": metadata["License-Expression"]}]
    found = [text for text in metadata.get_all("Classifier") or [] if text.startswith("License ::")]
    names = [text.rpartition(" :: ")[2] for text in found] or [metadata["License"] or "unknown"]
    return [{"license": {"name": name}} for name in names]


def of_package(deb: Path) -> tuple[list[Message], dict[str, list[str]]]:
    """The wheels inside a Debian package, and the packages of its fields Depends, Recommends."""
    content = subprocess.run(
        ["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE, check=True
    ).stdout
    found = []
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for entry in archive:
            text = archive.extractfile(entry) if _INFO.fullmatch(entry.name) else None
            if text is not None:
                found.append(Parser().parsestr(text.read().decode()))
    fields = {}
    for field in ("Depends", "Recommends"):
        asked = ["dpkg-deb", "--field", str(deb), field]
        text_ = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        fields[field] = re.findall(r"(?:^|[,|])\s*([a-z0-9][a-z0-9.+-]*)", text_)
    return found, fields


def _of_debs(
    debs: Iterable[Path], digests: Mapping[str, Sequence[str]]
) -> tuple[dict[str, Component], dict[str, list[str]]]:
    """All that packages bring along or need, and which of them needs what."""
    found: dict[str, Component] = {}
    needs = {}
    for deb in debs:
        wheels, fields = of_package(deb)
        parts = [inside(metadata, digests) for metadata in wheels]
        for scope, names in zip(("required", "optional"), fields.values(), strict=True):
            for name in names:
                purl = f"pkg:deb/debian/{name}"
                parts.append(_component("library", purl, name, scope=scope, purl=purl))
        needs[f"file:{deb.name}"] = sorted({part["bom-ref"] for part in parts})
        for part in parts:
            found.setdefault(part["bom-ref"], part)
    return found, needs


def main(argv: Sequence[str]) -> int:
    """Write the list; the exit code."""
    try:
        _write(*argv)
    except UserError as error:
        sys.stderr.write(f"release: {error.what}\n  hint: {error.hint}\n")
        return 1
    return 0


def _write(version: str, folder: str, output: str, *locks: str) -> None:
    made = sorted(Path(folder).iterdir())
    digests: dict[str, list[str]] = {}
    for lock in locks:
        digests |= pinned(Path(lock).read_text())
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    wanted = {part["bom-ref"]: part for part in declared(project)}
    found, needs = _of_debs([path for path in made if path.suffix == ".deb"], digests)
    needs |= {f"file:{path.name}": [*wanted] for path in made if path.suffix == ".whl"}
    when = int(os.environ["SOURCE_DATE_EPOCH"])
    libraries = [part for _, part in sorted((wanted | found).items())]
    text = json.dumps(document(version, when, [*map(file, made)], libraries, needs), indent=1)
    Path(output).write_text(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
