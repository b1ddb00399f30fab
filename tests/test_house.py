"""The house rules: linters, types, layers. Every tool's settings are in pyproject.toml."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]

# DESIGN "Layers": what a package of leasewatch may import of leasewatch.
_BASE = {"model", "paths", "errors", "suffix", "allowance"}
_PURE = {
    *("appearances", "events", "record_set", "sources", "tracker", "neighbours", "names", "dns"),
    "virt",
}
_LAYERS = (
    dict.fromkeys(_BASE, _BASE)
    | {name: _BASE | {name} for name in _PURE}
    | {"events": _BASE | {"events", "appearances"}}
    | {"tracker": _BASE | {"tracker", "appearances", "record_set"}}
    | {"config": _BASE | {"names", "sources"}, "io": _BASE | _PURE | {"config", "io"}}
    | {name: _BASE | _PURE | {"config", "io", name} for name in ("service", "manager")}
    | {"cli": _BASE | _PURE | {"config", "io", "service", "manager", "cli"}}
)
# Pure packages see no files, sockets, clocks or processes; socket is there for inet_pton alone.
_IMPURE = {"asyncio", "fcntl", "os", "random", "subprocess", "threading", "time"}


def _scripts() -> list[Path]:
    files = [
        *(CHECKOUT / "packaging").rglob("*"),
        *CHECKOUT.glob("tests/**/*.sh"),
        CHECKOUT / ".ci/run",
    ]
    return [f for f in files if f.is_file() and re.match(rb"#!.*sh\b|# shellcheck", f.read_bytes())]


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "--no-cache", "."],
        ["ruff", "format", "--no-cache", "--check", "."],
        ["mypy"],
    ],
    ids=" ".join,
)
def test_linters_and_types_find_nothing(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_shellcheck_finds_nothing() -> None:
    done = subprocess.run(
        ["shellcheck", "-x", *map(str, _scripts())],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def _imports(file: Path) -> set[str]:
    """The dotted names of all modules a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{file}: relative import"
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def _modules(package: str) -> list[Path]:
    return sorted((CHECKOUT / package).rglob("*.py"))


@pytest.mark.parametrize("file", _modules("leasewatch"), ids=lambda f: str(f.relative_to(CHECKOUT)))
def test_imports_go_down_the_layers_only(file: Path) -> None:
    layer = file.relative_to(CHECKOUT / "leasewatch").parts[0].removesuffix(".py")
    if layer == "__init__":
        return
    used = {name.split(".")[1] for name in _imports(file) if name.startswith("leasewatch.")}
    assert used <= _LAYERS[layer]
    if layer in _BASE | _PURE:
        assert not {name.split(".")[0] for name in _imports(file)} & _IMPURE
        assert not re.findall(r"\bsocket\.(?!inet_|AF_)\w+", file.read_text())


@pytest.mark.parametrize("file", _modules("nss_pyvirt"), ids=lambda f: f.name)
def test_nss_pyvirt_imports_nothing_of_leasewatch(file: Path) -> None:
    assert not any(name.split(".")[0] == "leasewatch" for name in _imports(file))


@pytest.mark.parametrize(
    "file",
    [*_modules("leasewatch"), *_modules("nss_pyvirt"), *(CHECKOUT / "csrc").glob("*.[ch]")],
    ids=lambda f: str(f.relative_to(CHECKOUT)),
)
def test_a_file_stays_below_400_lines(file: Path) -> None:
    assert len(file.read_text().splitlines()) < 400
