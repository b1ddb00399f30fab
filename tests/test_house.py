"""The house rules: linters, types, layers. Every tool's settings are in pyproject.toml."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]

# DESIGN "Rooms": a room may import the rooms in front of it, and the files of the first line.
_ROOMS = (
    *("addresses", "model", "errors", "paths"),
    *("daemon", "files", "names", "sources", "config", "settings"),
    *("leases", "neighbours", "history"),
    *("hosttable", "api", "metrics", "reach", "inventory", "dns"),
    *("service", "cli", "pyvirt", "doctor"),
)
_PYVIRT = (
    *("process", "nft", "ip", "files"),
    *("defined", "login", "mac_filter", "networks", "images", "volumes", "domains"),
    *("migration", "boot", "cli"),
)
_PYVIRT_USES = {
    "addresses",
    "model",
    "errors",
    "paths",
    "daemon",
    "files",
    "names",
    "sources",
    "neighbours",
    "reach",
}

# Pure modules: no file, socket, process or clock. socket is there for inet_pton alone.
_PURE = (
    *(
        "addresses.py",
        "model.py",
        "errors.py",
        "paths.py",
        "config.py",
        "api/answers.py",
        "api/changes.py",
    ),
    *(f"dns/hook_{name}.py" for name in ("answers", "filters", "interface")),
    *("daemon/counters.py", "daemon/endpoint.py", "daemon/service_settings.py"),
    "daemon/dns_settings.py",
    *(
        f"dns/{name}.py"
        for name in (
            "answer",
            "answers",
            "peer_answers",
            "queries",
            "reverse_names",
            "sorted_addresses",
        )
    ),
    *("dns/setup_update.py", "dns/update_messages.py", "dns/update_names.py", "dns/update_plan.py"),
    *("dns/peer_names.py", "dns/peer_zone.py"),
    "dns/table.py",
    "dns/views.py",
    *(f"dns/{name}.py" for name in ("catalog", "site_zones", "wire", "zone")),
    *(f"dns/setup/{name}.py" for name in ("bind", "knot", "nsd", "powerdns")),
    *("api/description.py", "api/interface.py", "api/published.py", "api/records_interface.py"),
    *(
        "cli/export_formats.py",
        "cli/top/drawing.py",
        "cli/top/state.py",
        "cli/top/view.py",
        "history/holdings.py",
        "history/intake.py",
        "history/rows.py",
    ),
    *(f"leases/{name}.py" for name in ("address_book", "allowance")),
    "leases/tracker.py",
    *(f"names/{name}.py" for name in ("aliases", "claimants", "labels", "ledger", "on_link")),
    *(f"names/{name}.py" for name in ("pending", "policy", "running", "suffix")),
    *(f"neighbours/{name}.py" for name in ("given_back", "links", "per_network")),
    *("neighbours/prompts.py", "neighbours/table.py"),
    *(f"sources/{name}.py" for name in ("dnsmasq", "dnsmasq_users", "fields", "incus")),
    *(f"sources/{name}.py" for name in ("json_records", "kea", "libvirt", "networkd")),
    *("sources/registry.py", "sources/source.py"),
    *(f"pyvirt/defined/{name}.py" for name in ("domain", "login", "network", "subnets")),
    *(f"pyvirt/login/{name}.py" for name in ("booting_hosts", "host_entries", "user_data")),
    "pyvirt/domains/qemu.py",
    *(f"pyvirt/domains/{name}.py" for name in ("firmware", "kernel_file", "machines", "schema")),
    "pyvirt/defined/architectures.py",
    *(f"pyvirt/images/{name}.py" for name in ("architecture", "fat", "partitions")),
    "pyvirt/migration/modes.py",
    *(f"pyvirt/images/{name}.py" for name in ("checksums", "image_content", "names")),
    *(f"pyvirt/mac_filter/{name}.py" for name in ("frame_rules", "holders", "ruleset")),
    *(f"pyvirt/networks/{name}.py" for name in ("dnsmasq_conf", "firewall")),
    *("pyvirt/networks/backoff.py", "pyvirt/networks/nat.py"),
    "pyvirt/mac_filter/rule_templates.py",
    *(f"doctor/{name}.py" for name in ("clones", "conflicts", "dnsmasq", "firewall", "host_keys")),
    *(f"doctor/{name}.py" for name in ("hosts_file", "networks", "nscd", "old_leases", "port53")),
    *(f"doctor/{name}.py" for name in ("publishing", "resolved", "routes", "sources")),
    "doctor/dns.py",
    "doctor/following.py",
)
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


@functools.cache
def _imports(file: Path) -> frozenset[str]:
    """The dotted names of all modules a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{file}: relative import"
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def _modules(package: str) -> list[Path]:
    return sorted((CHECKOUT / package).rglob("*.py"))


def _used(file: Path, package: str) -> set[str]:
    """The rooms of `package` that a file imports from."""
    dotted = (name.split(".") for name in _imports(file) if name.startswith(f"{package}."))
    return {parts[package.count(".") + 1] for parts in dotted}


def _may_use(file: Path) -> bool:
    room, *inner = (p.removesuffix(".py") for p in file.relative_to(CHECKOUT / "leasewatch").parts)
    used = _used(file, "leasewatch") - {room}
    if room == "__init__":
        return not used
    if room != "pyvirt":
        return used <= set(_ROOMS[: _ROOMS.index(room)])
    wing = _used(file, "leasewatch.pyvirt") - {inner[0]}
    before = _PYVIRT.index(inner[0]) if inner[0] != "__init__" else 0
    return used <= _PYVIRT_USES and wing <= set(_PYVIRT[:before])


def test_a_room_imports_only_rooms_in_front_of_it() -> None:
    assert not [file for file in _modules("leasewatch") if not _may_use(file)]


@pytest.mark.parametrize("name", _PURE)
def test_a_pure_module_sees_no_file_socket_process_or_clock(name: str) -> None:
    file = CHECKOUT / "leasewatch" / name
    assert not {name.split(".")[0] for name in _imports(file)} & _IMPURE
    assert not re.findall(r"\bsocket\.(?!inet_|AF_)\w+", file.read_text())


def test_a_room_has_its_page() -> None:
    rooms = [
        file for file in _modules("leasewatch") + _modules("nss_pyvirt") if file.stem == "__init__"
    ]
    pages = {file: ast.get_docstring(ast.parse(file.read_text())) or "" for file in rooms}
    assert not [file for file, page in pages.items() if len(page.splitlines()) < 5]


def test_nss_pyvirt_imports_nothing_of_leasewatch() -> None:
    tops = {
        file: {name.split(".")[0] for name in _imports(file)} for file in _modules("nss_pyvirt")
    }
    assert not [file for file, names in tops.items() if "leasewatch" in names]


def test_what_tests_share_is_in_no_test_file() -> None:
    shared = {
        (file, name)
        for file in _modules("tests")
        for name in _imports(file)
        if name.startswith("tests.") and name.rpartition(".")[2].startswith("test_")
    }
    assert not shared


def test_a_file_stays_below_400_lines() -> None:
    sources = _modules("leasewatch") + _modules("nss_pyvirt") + _modules("tests")
    sources += [*(CHECKOUT / "csrc").glob("*.[ch]"), *_modules("packaging/python")]
    assert not [file for file in sources if len(file.read_text().splitlines()) >= 400]
