"""Every byte of a Debian's files, to compare before with after, as piuparts does."""

from __future__ import annotations

from collections.abc import Callable, Iterable

EXCLUDED = {
    "the kernel's": ["/proc", "/sys", "/dev"],
    "systemd's own state, and the container's": [
        *("/run/systemd", "/run/host", "/run/log", "/run/udev", "/run/user"),
        *("/var/lib/systemd/timers", "/var/lib/systemd/random-seed", "/var/lib/systemd/linger"),
        *("/tmp/systemd-private-*", "/var/tmp/systemd-private-*", "/var/lib/systemd/catalog"),
    ],
    "records of apt, dpkg and debconf": [
        *("/var/lib/apt", "/var/cache/apt", "/var/cache/debconf"),
        *("/var/lib/dpkg/status*", "/var/lib/dpkg/lock*", "/var/lib/dpkg/available*"),
        *("/var/lib/dpkg/triggers/*", "/var/lib/dpkg/*-old"),
    ],
    "logs, and a note of agetty": ["/var/log", "/run/utmp", "/run/agetty.reload"],
    "the generation before, which each edit of the file keeps": [
        *("/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/sub?id-"),
        "/etc/.pwd.lock",
    ],
    "what any program may cache there": ["/var/cache/ldconfig", "/var/cache/man"],
}
"""What differs without a package's doing: why, and which paths (find's patterns)."""

_NAMES = r"find / \( {} \) -prune -o -printf '%p\t%y %m %u:%g %l\0'"
_HASHES = r"find / \( {} \) -prune -o -type f -print0 | xargs -0 sha256sum --zero"


def files(sh: Callable[[str], str], besides: Iterable[str] = ()) -> dict[str, str]:
    """Path -> type, mode, owner and target of a link; and the hash of a file's content.

    `sh` runs a script there. `besides`: patterns of what is excluded too.
    """
    patterns = [*(pattern for group in EXCLUDED.values() for pattern in group), *besides]
    pruned = " -o ".join(f"-path '{pattern}'" for pattern in patterns)
    found = dict(line.split("\t", 1) for line in sh(_NAMES.format(pruned)).split("\0")[:-1])
    for line in sh(_HASHES.format(pruned)).split("\0")[:-1]:
        digest, path = line.split("  ", 1)
        found[path] = f"{found.get(path, 'f')}{digest}"
    return found


def differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """One line for each path that came, went or changed; [] if every byte is the same."""
    return [
        *(f"left: {path} {after[path]}" for path in sorted(after.keys() - before.keys())),
        *(f"gone: {path} {before[path]}" for path in sorted(before.keys() - after.keys())),
        *(
            f"changed: {path} {before[path]} -> {after[path]}"
            for path in sorted(before.keys() & after.keys())
            if before[path] != after[path]
        ),
    ]
