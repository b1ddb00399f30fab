"""`pyvirt domain set`: each key and each wrong word; the inverse of a change brings all back."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leasewatch.model import DomainState, Nic
from leasewatch.paths import Paths
from leasewatch.pyvirt.cli import domain_set, keys
from leasewatch.pyvirt.cli.pyvirt import command
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.domain import DomainDefinition, NicDefinition
from leasewatch.pyvirt.defined.network import Network
from leasewatch.pyvirt.defined.setting import Setting
from leasewatch.pyvirt.domains import parts
from leasewatch.pyvirt.files import DomainFiles
from nss_pyvirt import replacing
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import frame
from tests.leasewatch.holding import holding
from tests.system.guest import IDLE_KERNEL

SUBNETS = {"lab": "10.77.0.0/24", "dmz": "10.78.0.0/24"}
HELP = "pyvirt domain set --help"
RESTART = "  hint: sudo pyvirt domain restart web1\n"


def domain(name: str, mac: str, **more: object) -> DomainDefinition:
    nics = (NicDefinition(network="lab", mac=mac),)
    return DomainDefinition(name=name, nics=nics, memory=64, cpus=1, **more)  # type: ignore[arg-type]


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A host with two networks and the domains `web1` and `db1`, and a caller who is root."""
    made = Paths(tmp_path)
    monkeypatch.setattr(domain_set, "Paths", lambda: made)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "k").write_bytes(IDLE_KERNEL)
    (tmp_path / "i").touch()
    for name, subnet in SUBNETS.items():
        network = Network(name=name, subnet=subnet, subnet6="fd77::/64")
        store.write(made.network_definitions, network)
    for number, name in enumerate(("web1", "db1")):
        kernel = str(tmp_path / "k")
        one = domain(name, f"52:54:00:00:00:0{number}", kernel=kernel, append="quiet")
        store.write(made.domain_definitions, one)
    return made


def set_(*words: str) -> int:
    return frame.run(command, "pyvirt", ["domain", "set", "web1", *words])


def defined(paths: Paths) -> DomainDefinition:
    return store.read(paths.domain_definitions, "web1", DomainDefinition)


@pytest.mark.parametrize(
    ("word", "field", "value"),
    [
        ("memory=4G", "memory", 4096),
        ("memory=96", "memory", 96),
        ("cpus=2", "cpus", 2),
        ("alias=www,shop", "aliases", ("www", "shop")),
        ("accel=tcg", "accel", "tcg"),
        ("append=a=b c", "append", "a=b c"),
        ("append=", "append", ""),
        ("mac-filtering=off", "mac_filtering", False),
        ("autostart=on", "autostart", True),
        ("firmware=uefi", "firmware", "uefi"),
        ("cdrom=", "cdrom", None),
    ],
)
def test_a_key_has_its_field(paths: Paths, word: str, field: str, value: object) -> None:
    assert set_(word) == 0
    assert getattr(defined(paths), field) == value


def test_a_path_is_written_whole(paths: Paths) -> None:
    assert set_("initrd=i") == 0
    assert defined(paths).initrd == str(paths.root / "i")
    assert set_("initrd=") == 0
    assert defined(paths).initrd is None


def test_several_keys_are_one_change(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    assert set_("memory=128", "alias+=www", "network+=dmz", "address=10.78.0.9") == 0
    assert capsys.readouterr() == ("domain web1 is changed\n", "")
    found = defined(paths)
    assert (found.memory, found.aliases) == (128, ("www",))
    assert [(nic.network, nic.address) for nic in found.nics] == [
        ("lab", None),
        ("dmz", "10.78.0.9"),
    ]
    assert set_("alias+=www") == 0
    assert capsys.readouterr().out == "domain web1 is as asked already\n"


def test_what_waits_for_a_restart_is_said(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    files = DomainFiles(paths, "web1")
    nics = (Nic("lab", "52:54:00:00:00:00"),)
    runs = DomainState(name="web1", nics=nics, started=1, pending_until=0, pid=1, since=1)
    replacing.replace(files.state, msgspec.json.encode(runs))
    with holding(files.lock):
        assert set_("memory=128", "cpus=2", "autostart=on") == 0
    assert capsys.readouterr() == (
        "domain web1 is changed\n",
        "pyvirt: memory and cpus take effect after a restart\n" + RESTART,
    )


USAGE = {
    "mem=3": ('there is no key "mem"', "did you mean memory?"),
    "quux=3": ('there is no key "quux"', HELP),
    "=3": ('there is no key ""', HELP),
    "memory": ("memory has no value: write memory=SIZE", HELP),
    "memory=": ('memory: "" is not a size like 2048 (MiB), 512M or 2G', HELP),
    "memory=2X": ('memory: "2X" is not a size like 2048 (MiB), 512M or 2G', HELP),
    "memory=8": ('memory: "8" is not from 32 to 4194304 MiB', HELP),
    "memory=4G memory=2G": ("memory is given more than once", HELP),
    "memory+=1G": ("memory has one value: write memory=1G", HELP),
    "cpus=many": ('cpus: "many" is not a whole number from 1 to 255', HELP),
    "cpus=0": ('cpus: "0" is not a whole number from 1 to 255', HELP),
    "alias+=": ("alias+= has no value: write alias+=NAME", HELP),
    "firmware=efi": ('firmware: "efi" is not one of bios, uefi', HELP),
    "accel=xen": ('accel: "xen" is not one of auto, kvm, tcg', HELP),
    "mac-filtering=no": ('mac-filtering: "no" is neither on nor off', HELP),
    "autostart=": ('autostart: "" is neither on nor off', HELP),
    "stop-timeout=1w": ('stop-timeout: "1w" is not a time like 90s, 2m or 1h, 24h at most', HELP),
    "size=big": ('size: "big" is not a size like 20G or 512M', HELP),
    "size=0": ('size: "0" is not a size like 20G or 512M', HELP),
    "disk=a": ("write disk+=FILE or disk-=FILE", HELP),
    "disk+=": ("disk+= has no value: write disk+=FILE", HELP),
    "disk+=https://x/y": ("disk: https://x/y is a URL: download the file first", HELP),
    "kernel=https://x/y": ("kernel: https://x/y is a URL: download the file first", HELP),
}
REFUSED = {
    "alias=db1": "db1 is a name of domain db1 already",
    "alias=web1": "web1 is given twice",
    "alias=a,a": "a is given twice",
    "alias+=Www": 'an alias has upper-case letters or a final dot, which make no difference: "Www"',
    "alias=,": 'an alias is not made of labels of letters, digits, hyphens and underscores: ""',
    "alias-=www": "domain web1 has no alias www",
    "alias=a,b,c,d,e,f,g,h,i": "there are more than 8 aliases",
    "network=": "domain web1 is on no network",
    "network+=lba": 'there is no network "lba"',
    "network-=dmz": "domain web1 has no network dmz",
    "network-=lab": "domain web1 is on no network",
    "address=10.77.0.1": "10.77.0.1 cannot be a guest's address on network lab",
    "address=10.78.0.9": "10.78.0.9 is on no network of domain web1",
    "address=fd77::9": '"fd77::9" is not an IPv4 address',
    "address-=10.77.0.50": "domain web1 has no address 10.77.0.50",
    "kernel=": "domain web1 has nothing to start from",
    "kernel=nowhere": "there is no kernel",
    "cdrom=nowhere": "there is no CD image",
    "initrd=/": "there is no initrd /",
    "disk+=nowhere": "there is no image",
    "disk+=i": "image",
    "disk-=k": 'there is no disk "k"',
    "size=20G": "domain web1 has no disk",
}


def test_a_machine_type_is_one_that_this_qemu_has(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    assert set_("machine=q35") == 0
    newest = defined(paths).machine
    assert re.fullmatch(r"pc-q35-[0-9.]+", newest)
    capsys.readouterr()
    assert set_("machine=pc-q35-1.0") == 1
    what, hint = capsys.readouterr().err.splitlines()
    assert re.fullmatch(
        rf"pyvirt: machine: QEMU [0-9.]+ has no pc-q35-1\.0; its newest is {newest}", what
    )
    assert hint == "  hint: sudo pyvirt domain set web1 machine="
    assert set_(f"machine={newest}") == 0


@pytest.mark.parametrize("words", USAGE)
def test_wrong_usage_is_one_line_with_a_hint(
    paths: Paths, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = defined(paths)
    assert set_("cpus=4", *words.split()) == 2 if "cpus" not in words else set_(words) == 2
    what, hint = USAGE[words]
    assert capsys.readouterr() == ("", f"pyvirt: {what}\n  hint: {hint}\n")
    assert defined(paths) == before


@pytest.mark.parametrize("word", REFUSED)
def test_one_wrong_value_changes_nothing(
    paths: Paths, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = defined(paths)
    assert set_("cpus=4", word, "autostart=on") == 1
    out, err = capsys.readouterr()
    what, hint = err.splitlines()
    assert (out, what.startswith(f"pyvirt: {REFUSED[word]}")) == ("", True), what
    assert hint.startswith("  hint: ")
    assert defined(paths) == before


NAMES = st.lists(st.from_regex("[a-z]{3,9}", fullmatch=True), unique=True, max_size=4)
ADDRESSES = st.integers(10, 99).map("10.77.0.{}".format)


@settings(max_examples=30)
@given(NAMES, NAMES)
def test_an_alias_that_is_added_and_removed_leaves_no_trace(
    there: list[str], added: list[str]
) -> None:
    before = domain("web1", "52:54:00:00:00:00", aliases=tuple(there))
    new = [name for name in added if name not in there]
    after = before
    for sign in ("+=", "-="):
        setting = Setting("alias", sign, tuple(new))
        after = parts.replaced(Paths("/nowhere"), after, "alias", setting.of(after.aliases))
    assert after == before


@settings(max_examples=30)
@given(ADDRESSES, ADDRESSES, st.permutations(["lab", "dmz", "lab"]))
def test_cards_keep_their_macs_and_other_addresses(
    first: str, second: str, networks: list[str]
) -> None:
    nics = tuple(
        NicDefinition(network=network, mac=f"52:54:00:00:00:0{number}")
        for number, network in enumerate(networks)
    )
    before = DomainDefinition(name="web1", nics=nics, memory=64, cpus=1)
    once = parts.with_address(before, "lab", first)
    assert parts.with_address(once, "lab", None, first) == before
    twice = parts.with_address(once, "lab", second, second)
    assert [nic.mac for nic in twice.nics] == [nic.mac for nic in nics]
    if first != second:
        assert len(parts.present(twice, "address")) <= 2


def test_help_and_man_page_say_every_key(paths: Paths) -> None:
    page = (Path(__file__).parents[4] / "packaging/man/pyvirt.1").read_text().replace("\\-", "-")
    section = page.partition(".SS pyvirt domain set")[2].partition("\n.SS")[0]
    for key in domain_set.KEYS:
        assert re.search(rf'^\.B[RI] "?{key}[=[+]', section, re.MULTILINE), key
        assert f"\n  {key}" in f"{domain_set.command.act.__doc__}".replace("\n", "\n  "), key


def test_an_unknown_domain_is_answered_with_the_one_that_was_meant(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    assert frame.run(command, "pyvirt", ["domain", "set", "wbe1", "cpus=2"]) == 1
    assert capsys.readouterr().err.endswith("hint: did you mean web1?\n")
    with pytest.raises(UserError):
        keys.read(["cpus"], domain_set.KEYS, "pyvirt domain set")
