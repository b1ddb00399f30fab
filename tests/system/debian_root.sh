#!/usr/bin/env bash
# debian_root.sh SUITE PYTHON INSTALLED FETCHED REQUIREMENT…: make a small Debian with systemd once
# and print its folder.
#
# It lies in the checkout's .cache and is never booted itself, only as the lower layer of a machine.
# INSTALLED and FETCHED are packages, separated by blanks. The latter, and what they need, are not
# installed: apt finds them in /opt/debs, its only source. pip finds the wheels of REQUIREMENT… for
# that PYTHON in /opt/wheels, so that both work without a network.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
cache=$(dirname "$(dirname "$here")")/.cache/debian
environment=$(dirname "$(dirname "$here")")/.venv/bin/python
# shellcheck source=tests/system/mirror.sh
. "$here/mirror.sh"

# In namespaces, so that its mounts and processes end with it. mmdebstrap needs half of debootstrap's
# processor time. A mirror of sid may lag behind for longer than its Release file is valid.
bootstrap() { # ROOT SUITE PACKAGES
    local -a archive
    mapfile -t archive < <(mirror bookworm) # none or one: mmdebstrap's own
    timeout 1200 unshare --mount --pid --fork --kill-child=KILL --mount-proc --propagation private \
        mmdebstrap --quiet --mode=root --variant=minbase --format=directory \
        --dpkgopt=force-unsafe-io --aptopt='Acquire::Check-Valid-Until "false"' \
        --include="${3// /,}" "$2" "$1" "${archive[@]}"
}

# The host's apt fetches, by the host's ways through the network.
fetch() { # ROOT PACKAGES
    local root=$1 deb
    local -a wanted ours=(-o "Dir=$1" -o "Dir::State::status=$1/var/lib/dpkg/status")
    read -ra wanted <<<"$2"
    ours+=(-o APT::Sandbox::User=root -o Acquire::Languages=none -o APT::Update::Error-Mode=any)
    mkdir -p "$root/opt/debs"
    if [ "${#wanted[@]}" -gt 0 ]; then
        timeout 300 apt-get "${ours[@]}" update
        timeout 600 apt-get "${ours[@]}" install --yes --no-install-recommends --download-only \
            "${wanted[@]}"
        mv "$root"/var/cache/apt/archives/*.deb "$root/opt/debs/"
    fi
    for deb in "$root"/opt/debs/*.deb; do
        [ -e "$deb" ] || continue
        dpkg-deb --field "$deb"
        printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "${deb##*/}" "$(stat -c %s "$deb")" \
            "$(sha256sum <"$deb" | cut -d' ' -f1)"
    done >"$root/opt/debs/Packages"
    rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin
    echo 'deb [trusted=yes] file:/opt/debs ./' >"$root/etc/apt/sources.list"
}

make_root() { # ROOT SUITE PYTHON INSTALLED FETCHED REQUIREMENT…
    local root=$1 work
    rm -rf "${root%.*}".* # of other versions, and what an interrupted run left
    work=$(mktemp -d "${root%.*}.new.XXXXXX")
    chmod 0755 "$work"
    bootstrap "$work" "$2" "$4"
    fetch "$work" "$5"
    timeout 200 "$environment" -m pip --disable-pip-version-check download \
        --python-version "$3" --only-binary=:all: --dest "$work/opt/wheels" -- "${@:6}"
    printf '[global]\nno-index = true\nfind-links = /opt/wheels\n' >"$work/etc/pip.conf"
    mv -T "$work" "$root"
}

mkdir -p "$cache"
exec 9>"$cache/lock"
flock -w 1500 9 || {
    echo "debian_root.sh: another build holds $cache/lock for 25 minutes" >&2
    exit 1
}
root=$cache/$1${4:+-fetched}.$({ cat "${BASH_SOURCE[0]}" && printf '%s\n' "$@"; } | sha256sum | cut -c1-16)
[ -e "$root" ] || make_root "$root" "$@" >&2
echo "$root"
