"""What three QEMUs can do together, from what they said of themselves, and what is refused."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from leasewatch.pyvirt.domains import schema
from leasewatch.pyvirt.migration.modes import Options, Side, choose
from nss_pyvirt.errors import UserError

RECORDED = Path(__file__).with_name("recorded")
"""The parts of what `query-qmp-schema` said that are about migration."""
VERSIONS = {"7.2": (7, 2, 22), "10.0": (10, 0, 13), "11.1": (11, 1, 3)}
MACHINE = "pc-q35-7.2"
EVERY: dict[str, Options] = {
    "pre-copy": Options(),
    "post-copy": Options(postcopy=True),
    "post-copy after pre-copy": Options(postcopy_after_precopy=True),
    "xbzrle": Options(compressed=True),
    "parallel": Options(parallel=True),
    "parallel zlib": Options(parallel=True, comp_methods=("zlib",)),
    "parallel zstd": Options(parallel=True, compressed=True),
    "auto-converge": Options(auto_converge=True),
    "tls": Options(tls=True),
}


def side(version: str = "11.1", host: str = "kvm1", **more: object) -> Side:
    known = schema.migration(msgspec.json.decode((RECORDED / f"qemu-{version}.json").read_bytes()))
    made = Side(
        host=host,
        version=VERSIONS[version],
        capabilities=known.capabilities,
        methods=known.methods,
        parameters=known.parameters,
        machines=(MACHINE,),
        accel="tcg",
    )
    return msgspec.structs.replace(made, **more)


def refusal(options: Options, source: Side, destination: Side) -> str:
    with pytest.raises(UserError) as error:
        choose(options, source, destination, MACHINE)
    assert error.value.hint
    return error.value.what


@pytest.mark.parametrize("there", VERSIONS)
@pytest.mark.parametrize("here", VERSIONS)
@pytest.mark.parametrize("mode", EVERY)
def test_each_qemu_is_set_only_to_what_it_knows(mode: str, here: str, there: str) -> None:
    if EVERY[mode].postcopy or EVERY[mode].postcopy_after_precopy:
        there = here
    source, destination = side(here), side(there, "kvm2")
    modes = choose(EVERY[mode], source, destination, MACHINE)
    for each, parameters in ((source, modes.source), (destination, modes.destination)):
        assert {*modes.capabilities} <= {*each.capabilities}
        assert parameters.keys() <= {*each.parameters}
    assert parameters.get("multifd-compression", "none") in {"none", *destination.methods}


def test_a_mode_is_a_capability_on_both_sides_and_parameters() -> None:
    both = ("events", "return-path")
    plain = choose(Options(bandwidth=8), side(), side(), MACHINE)
    assert (plain.capabilities, plain.switch) == (both, "")
    assert plain.destination == {"tls-creds": ""}
    assert plain.source == {"max-bandwidth": 8 << 20, "tls-creds": "", "tls-hostname": ""}
    options = Options(parallel=True, parallel_connections=4, comp_methods=("zlib",), comp_level=9)
    parallel = choose(options, side(), side(), MACHINE)
    common = {"multifd-channels": 4, "multifd-compression": "zlib"}
    assert parallel.destination == {**common, "tls-creds": ""}
    assert parallel.source.items() >= {**common, "multifd-zlib-level": 9}.items()
    assert int(parallel.source["max-bandwidth"]) > 1 << 60
    copied = choose(Options(), side(), side(), MACHINE, disks=True)
    assert copied.capabilities == (*both, "pause-before-switchover")
    tls = choose(Options(tls=True), side(), side(host="kvm2"), MACHINE)
    assert (tls.source["tls-hostname"], "tls-hostname" in tls.destination) == ("kvm2", False)
    named = choose(Options(tls=True, tls_hostname="b.example"), side(), side(), MACHINE)
    assert named.source["tls-hostname"] == "b.example"


@pytest.mark.parametrize(
    ("options", "switch"),
    [
        (Options(timeout=9), ""),
        (Options(postcopy=True), "at-once"),
        (Options(postcopy=True, timeout=9), "at-timeout"),
        (Options(postcopy_after_precopy=True), "after-precopy"),
    ],
)
def test_post_copy_begins_when_it_is_asked_for(options: Options, switch: str) -> None:
    modes = choose(options, side(), side(), MACHINE)
    assert (modes.switch, modes.timeout) == (switch, options.timeout)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (Options(comp_methods=("zlib",)), "--comp-methods zlib needs --parallel"),
        (
            Options(comp_methods=("xbzrle",), parallel=True),
            "--comp-methods xbzrle does not work with --parallel",
        ),
        (
            Options(comp_methods=("zlib", "zstd"), parallel=True),
            "--comp-methods: QEMU compresses by one method",
        ),
        (
            Options(comp_methods=("lzma",)),  # type: ignore[arg-type]
            '--comp-methods: "lzma" is not known',
        ),
        (
            Options(parallel=True, comp_methods=("zlib",), comp_level=10),
            "--comp-level 10: zlib has no such level",
        ),
        (Options(compressed=True, comp_level=1), "--comp-level 1: xbzrle has no such level"),
        (Options(parallel_connections=2), "--parallel-connections needs --parallel"),
        (
            Options(parallel=True, parallel_connections=0),
            "--parallel-connections 0 is out of range",
        ),
    ],
)
def test_options_that_do_not_fit_together_are_refused(options: Options, what: str) -> None:
    assert refusal(options, side(), side()) == what


@pytest.mark.parametrize(
    ("here", "there", "refused"),
    [
        ("7.2", "11.1", "QEMU 7.2.22 on kvm1"),
        ("11.1", "7.2", "QEMU 7.2.22 on kvm2"),
        ("10.0", "10.0", "QEMU 10.0.13 on kvm1"),
        ("11.1", "11.1", ""),
    ],
)
def test_post_copy_over_several_connections_needs_a_qemu_that_does_not_lie(
    here: str, there: str, refused: str
) -> None:
    options = Options(postcopy_after_precopy=True, parallel=True)
    sides = side(here), side(there, "kvm2")
    if refused:
        says = f"{refused} cannot do post-copy with --parallel: that needs 10.1 or newer"
        assert refusal(options, *sides) == says
    else:
        modes = choose(options, *sides, MACHINE)
        assert {"multifd", "postcopy-ram"} <= {*modes.capabilities}


@pytest.mark.parametrize("options", [Options(postcopy=True), Options(postcopy_after_precopy=True)])
def test_post_copy_needs_one_version_on_both_hosts(options: Options) -> None:
    says = "post-copy from QEMU 10.0.13 on kvm1 to QEMU 11.1.3 on kvm2 could lose the guest"
    assert refusal(options, side("10.0"), side("11.1", "kvm2")) == says
    newer = msgspec.structs.replace(side("10.0", "kvm2"), version=(10, 0, 99))
    assert choose(options, side("10.0"), newer, MACHINE).switch


def test_hosts_that_cannot_run_the_same_guest_are_refused() -> None:
    there = side(host="kvm2", machines=("pc-q35-6.0",))
    says = "QEMU 11.1.3 on kvm2 has no machine pc-q35-7.2, which the guest has"
    assert refusal(Options(), side(), there) == says
    other = side(host="kvm2", protocol=0)
    assert "pyvirt on kvm2 is another version" in refusal(Options(), side(), other)
    for lacks, why in (
        ({"capabilities": ("events",)}, "QEMU 11.1.3 on kvm2 lacks multifd"),
        ({"methods": ("none", "zlib")}, "QEMU 11.1.3 on kvm2 cannot compress with zstd"),
    ):
        without = side(host="kvm2", **lacks)
        assert refusal(Options(parallel=True, compressed=True), side(), without) == why
    plain = side(host="kvm2", parameters=())
    assert "kvm2 cannot encrypt a migration" in refusal(Options(tls=True), side(), plain)


def test_a_guest_with_kvm_needs_kvm_and_the_flags_that_it_sees() -> None:
    here = side(accel="kvm", flags=("aes", "avx", "avx2", "avx512f", "sse2"))
    choose(Options(), here, side(accel="kvm", flags=(*here.flags, "amx")), MACHINE)
    choose(Options(), side(), here, MACHINE)  # without KVM it runs anywhere
    says = "the guest runs with KVM, which does not work on kvm2"
    assert refusal(Options(), here, side(host="kvm2")) == says
    few = side(host="kvm2", accel="kvm", flags=("sse2",))
    says = "the processor of kvm2 lacks aes, avx, avx2 and 1 more, which the guest sees"
    assert refusal(Options(), here, few) == says


def test_a_schema_without_migration_is_a_qemu_that_knows_nothing_of_it() -> None:
    assert schema.migration([]) == schema.Migration()
