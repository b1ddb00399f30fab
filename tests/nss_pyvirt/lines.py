"""`hosts:` lines of nsswitch.conf, as distributions have them, and as they are with our entry."""
# ruff: noqa: E501  a table's line holds the file's line before and after

from __future__ import annotations

OURS = "pyvirt [TRYAGAIN=return]"
FILES = "files [SUCCESS=return TRYAGAIN=continue]"

# (hosts line before, the same line after)
PLACED = {
    "debian": ("hosts:          files dns", f"hosts:          files {OURS} dns"),
    "debian desktop": (
        "hosts: files mdns4_minimal [NOTFOUND=return] dns",
        f"hosts: files {OURS} mdns4_minimal [NOTFOUND=return] dns",
    ),
    "fedora": (
        "hosts:      files myhostname resolve [!UNAVAIL=return] dns",
        f"hosts:      files {OURS} myhostname resolve [!UNAVAIL=return] dns",
    ),
    "libvirt": ("hosts: files libvirt libvirt_guest dns", f"hosts: files {OURS} libvirt libvirt_guest dns"),
    "arch asks resolved before files, which must still win over guests": (
        "hosts: mymachines resolve [!UNAVAIL=return] files myhostname dns",
        f"hosts: mymachines {FILES} {OURS} resolve [!UNAVAIL=return] files myhostname dns",
    ),
    "resolved first of all": (
        "hosts:\tresolve [!UNAVAIL=return] files",
        f"hosts:\t{FILES} {OURS} resolve [!UNAVAIL=return] files",
    ),
    "files that end the search": (
        "hosts: files [NOTFOUND=return] dns",
        f"hosts: {FILES} {OURS} files [NOTFOUND=return] dns",
    ),
    "harmless action after files": (
        "hosts: files [notfound=Continue] dns",
        f"hosts: files [notfound=Continue] {OURS} dns",
    ),
    "action without a blank": ("hosts: files[SUCCESS=return] dns", f"hosts: files[SUCCESS=return] {OURS} dns"),
    "somebody's own action, and files again": (
        "hosts: files [SUCCESS=return] dns files",
        f"hosts: files [SUCCESS=return] {OURS} dns files",
    ),
    "local modules before files": ("hosts: myhostname files dns", f"hosts: myhostname files {OURS} dns"),
    "no files at all": ("hosts: dns", f"hosts: {OURS} dns"),
    "no modules": ("hosts:", f"hosts: {OURS}"),
    "no modules, odd head": ("hosts : # none", f"hosts : {OURS} # none"),
    "files alone": ("hosts: files", f"hosts: files {OURS}"),
    "comment": ("hosts: files dns # files resolve", f"hosts: files {OURS} dns # files resolve"),
    "comment glued on": ("hosts: files#dns", f"hosts: files {OURS}#dns"),
    "indented, no colon": ("  hosts files dns", f"  hosts files {OURS} dns"),
    "carriage return": ("hosts: files dns\r", f"hosts: files {OURS} dns\r"),
    "tabs": ("hosts:\tfiles\tdns", f"hosts:\tfiles {OURS}\tdns"),
    "backslash is a module's name to glibc": ("hosts: files \\", f"hosts: files {OURS} \\"),
}  # fmt: skip
