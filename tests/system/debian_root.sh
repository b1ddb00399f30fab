#!/usr/bin/env bash
# debian_root.sh REQUIREMENT…: make a small Debian 12 with systemd once and print its folder.
#
# It lies in the checkout's .cache and is never booted itself, only as the lower layer of a machine.
# Its /opt/wheels holds the wheels of REQUIREMENT…, for an installation without a network.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
cache=$(dirname "$(dirname "$here")")/.cache/debian
python=$(dirname "$(dirname "$here")")/.venv/bin/python
# shellcheck source=tests/system/mirror.sh
. "$here/mirror.sh"
packages=systemd,python3-venv,dnsmasq-base,nftables,iproute2,busybox-static

# In namespaces, so that its mounts and processes end with it.
bootstrap() {
    timeout 400 unshare --mount --pid --fork --kill-child=KILL --mount-proc --propagation private \
        debootstrap --variant=minbase --include="$packages" bookworm "$@"
    rm -rf "$1"/var/cache/apt/archives/*.deb "$1"/var/lib/apt/lists/*
}

make_root() {
    local work
    find "$cache" -mindepth 1 -maxdepth 1 -type d -exec rm -rf {} + # of other versions
    work=$(mktemp -d "$cache/new.XXXXXX")
    chmod 0755 "$work"
    # shellcheck disable=SC2046  # none or one: debootstrap's own
    bootstrap "$work" $(mirror bookworm)
    timeout 200 "$python" -m pip --disable-pip-version-check download --python-version 3.11 \
        --only-binary=:all: --dest "$work/opt/wheels" -- "${@:2}"
    mv -T "$work" "$1"
}

mkdir -p "$cache"
exec 9>"$cache/lock"
flock -w 900 9 || {
    echo "debian_root.sh: another build holds $cache/lock for 5 minutes" >&2
    exit 1
}
root=$cache/$({ cat "${BASH_SOURCE[0]}" && printf '%s\n' "$@"; } | sha256sum | cut -c1-16)
[ -e "$root" ] || make_root "$root" "$@" >&2
echo "$root"
