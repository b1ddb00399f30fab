"""How a guest migrates: what is asked, what both hosts can do, and what their QEMUs are set to.

It asks nothing and changes nothing: both sides have been probed before.
"""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from nss_pyvirt.errors import UserError

Method = Literal["zlib", "zstd", "xbzrle"]
Switch = Literal["", "at-once", "after-precopy", "at-timeout"]
"""When the guest goes on at the destination although memory is still here; empty: never."""

PROTOCOL = 2
"""Of the requests between the hosts; both must have the same."""
TLS_CREDENTIALS = "migration-tls"
"""The id of QEMU's object that has the certificates."""
POSTCOPY_WITH_PARALLEL = (10, 1)
"""The first QEMU that can do both. 7.2 accepts both and loses the guest; 10.0 refuses."""

_UNLIMITED = (2**63 - 1) >> 20 << 20  # as libvirt
_MAX_CONNECTIONS = 255
_LEVELS = {"zlib": (1, 9), "zstd": (1, 20)}
_OPTIONS = {
    "postcopy-ram": "--postcopy",
    "multifd": "--parallel",
    "xbzrle": "--comp-methods xbzrle",
    "auto-converge": "--auto-converge",
}
"""Capabilities, and the options that ask for them."""
_WELCOME = ("events", "return-path")
"""Capabilities that every migration uses if both sides have them."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the owner asked for."""

    postcopy: bool = False
    postcopy_after_precopy: bool = False
    compressed: bool = False
    comp_methods: tuple[Method, ...] = ()
    comp_level: int | None = None
    parallel: bool = False
    parallel_connections: int | None = None
    auto_converge: bool = False
    tls: bool = False
    tls_hostname: str = ""
    """The name in the destination's certificate; empty: the host's."""
    timeout: float | None = None
    """Seconds after which post-copy begins if it is asked for, else the guest stops."""
    bandwidth: int | None = None
    """MiB/s; None: no limit."""


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """What one of the two hosts is."""

    host: str
    version: tuple[int, int, int]
    """QEMU's."""
    capabilities: tuple[str, ...]
    methods: tuple[str, ...]
    parameters: tuple[str, ...]
    machines: tuple[str, ...]
    accel: Literal["kvm", "tcg"]
    """The source: what the guest runs with. The destination: kvm if that works there."""
    flags: tuple[str, ...] = ()
    """The processor's, which a guest sees with KVM."""
    protocol: int = PROTOCOL

    @property
    def qemu(self) -> str:
        """Which QEMU it has, as people say it."""
        return f"QEMU {'.'.join(map(str, self.version))} on {self.host}"


class Modes(msgspec.Struct, frozen=True):
    """What the QEMUs are set to."""

    capabilities: tuple[str, ...]
    """Of both."""
    source: dict[str, str | int]
    """Parameters of the source."""
    destination: dict[str, str | int]
    """Parameters of the destination."""
    switch: Switch = ""
    timeout: float | None = None
    """Seconds until the switch, or until the guest stops; None: no limit."""


def choose(
    options: Options, source: Side, destination: Side, machine: str, *, disks: bool = False
) -> Modes:
    """How both QEMUs are set up for a guest with this machine type; UserError if that cannot be.

    `disks`: they are copied too, so the guest pauses before it goes over until they are complete.
    The guest runs with the source's `accel` at the destination too.
    """
    check_options(options)
    _check_hosts(source, destination, machine)
    method = _method(options)
    wanted = {
        "postcopy-ram": _is_postcopy(options),
        "multifd": options.parallel,
        "xbzrle": method == "xbzrle",
        "auto-converge": options.auto_converge,
        "pause-before-switchover": disks,
    }
    needed = [name for name, want in wanted.items() if want]
    for side in (source, destination):
        _check_side(side, needed, method, options)
    _check_versions(options, source, destination)
    both = {*source.capabilities} & {*destination.capabilities}
    given = [name for name in _WELCOME if name in both]
    ours, theirs = _parameters(options, method, destination.host)
    return Modes((*given, *needed), ours, theirs, _switch(options), options.timeout)


def _is_postcopy(options: Options) -> bool:
    return options.postcopy or options.postcopy_after_precopy


def _switch(options: Options) -> Switch:
    if options.postcopy_after_precopy:
        return "after-precopy"
    if options.postcopy:
        return "at-once" if options.timeout is None else "at-timeout"
    return ""


def _method(options: Options) -> Method | Literal["none"]:
    """How memory is compressed."""
    if options.comp_methods:
        return options.comp_methods[0]
    if options.compressed:
        return "zstd" if options.parallel else "xbzrle"
    return "none"


def _parameters(
    options: Options, method: str, host: str
) -> tuple[dict[str, str | int], dict[str, str | int]]:
    """Those of the source, and of the destination with the name `host`."""
    common: dict[str, str | int] = {}
    if options.parallel:
        common["multifd-channels"] = options.parallel_connections or 2
        common["multifd-compression"] = method
    common["tls-creds"] = TLS_CREDENTIALS if options.tls else ""
    limit = (options.bandwidth or 0) << 20  # 0: none in post-copy
    ours = common | {"max-bandwidth": limit or _UNLIMITED}
    if _is_postcopy(options):
        ours["max-postcopy-bandwidth"] = limit
    if options.comp_level is not None:
        ours[f"multifd-{method}-level"] = options.comp_level
    ours["tls-hostname"] = (options.tls_hostname or host) if options.tls else ""
    return ours, common


def check_options(options: Options) -> None:
    """UserError for options that do not fit together."""
    for each in options.comp_methods:
        if each not in get_args(Method):
            known = ", ".join(get_args(Method))
            raise _wrong(f'--comp-methods: "{each}" is not known', f"use one of: {known}")
    if len(options.comp_methods) > 1:
        raise _wrong("--comp-methods: QEMU compresses by one method", "name one of them")
    method = _method(options)
    if method in _LEVELS and not options.parallel:
        raise _wrong(f"--comp-methods {method} needs --parallel", "add --parallel, or use xbzrle")
    if method == "xbzrle" and options.parallel:
        hint = "omit --parallel, or use --comp-methods zstd"
        raise _wrong("--comp-methods xbzrle does not work with --parallel", hint)
    _check_numbers(options, method)


def _check_numbers(options: Options, method: str) -> None:
    if options.comp_level is not None:
        lowest, highest = _LEVELS.get(method, (1, 0))
        if not lowest <= options.comp_level <= highest:
            what = f"--comp-level {options.comp_level}: {method} has no such level"
            known = ", ".join(
                f"{low} to {high} with {name}" for name, (low, high) in _LEVELS.items()
            )
            raise _wrong(what, f"use {known}")
    connections = options.parallel_connections
    if connections is not None and not options.parallel:
        raise _wrong("--parallel-connections needs --parallel", "add --parallel")
    if connections is not None and not 1 <= connections <= _MAX_CONNECTIONS:
        what = f"--parallel-connections {connections} is out of range"
        raise _wrong(what, f"use 1 to {_MAX_CONNECTIONS}")


def _check_hosts(source: Side, destination: Side, machine: str) -> None:
    """UserError if the guest could not go on at the destination."""
    here, there = source.host, destination.host
    if source.protocol != destination.protocol:
        what = f"pyvirt on {there} is another version, which migrates in another way"
        raise _missing(what, "install the same version of pyvirt on both hosts")
    if machine not in destination.machines:
        what = f"{destination.qemu} has no machine {machine}, which the guest has"
        raise _missing(what, f"upgrade QEMU on {there}, or use a host with {source.qemu}")
    if source.accel == "tcg":
        return
    if destination.accel != "kvm":
        what = f"the guest runs with KVM, which does not work on {there}"
        raise _missing(what, f"see why: ssh {there} ls -l /dev/kvm")
    lacking = sorted({*source.flags} - {*destination.flags})
    if lacking:
        more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
        what = (
            f"the processor of {there} lacks {', '.join(lacking[:3])}{more}, which the guest sees"
        )
        raise _missing(what, f"use a host with a processor like that of {here}")


def _check_versions(options: Options, source: Side, destination: Side) -> None:
    """UserError for post-copy between two versions.

    A QEMU says only when it has the devices whether it can read them. Post-copy has no way back
    from there: QEMU 11.1 cannot read those of 10.0.13, whose queues are longer.
    """
    if _is_postcopy(options) and source.version[:2] != destination.version[:2]:
        what = f"post-copy from {source.qemu} to {destination.qemu} could lose the guest"
        hint = "use pre-copy: the guest goes on here if the other QEMU cannot take it"
        raise _missing(what, hint)


def _check_side(side: Side, needed: list[str], method: str, options: Options) -> None:
    """UserError if a QEMU lacks something that is needed."""
    if _is_postcopy(options) and options.parallel and side.version < POSTCOPY_WITH_PARALLEL:
        first = ".".join(map(str, POSTCOPY_WITH_PARALLEL))
        what = f"{side.qemu} cannot do post-copy with --parallel: that needs {first} or newer"
        raise _missing(what, "omit one of them")
    for capability in needed:
        if capability not in side.capabilities:
            option = _OPTIONS.get(capability)
            hint = f"omit {option}" if option else f"upgrade QEMU on {side.host}"
            raise _missing(f"{side.qemu} lacks {capability}", hint)
    if options.parallel and method not in {"none", *side.methods}:
        known = " or ".join(name for name in side.methods if name in _LEVELS)
        hint = f"use --comp-methods {known}" if known else "omit --comp-methods"
        raise _missing(f"{side.qemu} cannot compress with {method}", hint)
    if options.tls and "tls-creds" not in side.parameters:
        raise _missing(f"{side.qemu} cannot encrypt a migration", "omit --tls")


def _wrong(what: str, hint: str) -> UserError:
    return UserError(what, hint, "usage", exit_code=2)


def _missing(what: str, hint: str) -> UserError:
    return UserError(what, hint, "missing")
