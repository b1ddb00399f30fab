#!/usr/bin/env bash
# writers_root.sh SUITE: make a small Debian of that suite with the programs that write lease files,
# and on sid with name servers, once; print its folder.
#
# It lies in the checkout's .cache, takes about 500 MB and is only ever the lower layer of a root.
# Packages are the suite's newest of that day; whoever wants newer ones removes the folder. Making it
# starts no service: its own policy-rc.d forbids that, and packages are set up without a network.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
cache=$(dirname "$(dirname "$here")")/.cache/roots
# shellcheck source=tests/system/mirror.sh
. "$here/mirror.sh"

die() {
    printf 'writers_root.sh: %s\n' "$1" >&2
    exit 1
}

packages=(systemd dnsmasq-base kea-dhcp4-server kea-dhcp6-server incus-base incus-client
    iproute2 nftables busybox-static ca-certificates)
case "${1:-}" in
trixie) packages+=(lxd lxd-client) ;;
sid)
    packages+=(libvirt-daemon libvirt-daemon-driver-network libvirt-daemon-driver-qemu
        libvirt-clients qemu-system-x86
        bind9 bind9-dnsutils knot knot-dnsutils nsd pdns-server pdns-backend-sqlite3 unbound)
    ;;
*) die "which suite? trixie or sid" ;;
esac

# isolated OPTION… COMMAND…: in namespaces, so that mounts and processes end with COMMAND or with us.
isolated() {
    local bound=(setpriv --pdeathsig KILL)
    "${bound[@]}" timeout 900 "${bound[@]}" unshare --mount --pid --fork --kill-child=KILL \
        --mount-proc --propagation private "$@"
}

# The host's apt fetches, by the host's ways through the network, what the root's then installs
# without any.
install_packages() {
    local root=$1 ours=(-o "Dir=$1" -o "Dir::State::status=$1/var/lib/dpkg/status")
    ours+=(-o APT::Sandbox::User=root -o Acquire::Languages=none -o APT::Update::Error-Mode=any)
    apt-get "${ours[@]}" update
    apt-get "${ours[@]}" install --yes --no-install-recommends --download-only "${packages[@]}"
    # shellcheck disable=SC2016  # for the shell in there
    DEBIAN_FRONTEND=noninteractive isolated --net sh -ec \
        'mount -t proc proc "$0/proc"; exec chroot "$0" apt-get "$@"' "$root" \
        install --yes --no-install-recommends --no-download "${packages[@]}"
}

make_root() {
    local suite=$2
    local -a archive
    mapfile -t archive < <(mirror bookworm)
    rm -rf "$cache/$suite".* # of other versions, and what an interrupted run left
    work=$(mktemp -d "$cache/$suite.new.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    chmod 0755 "$work"
    isolated debootstrap --variant=minbase "$suite" "$work" "${archive[@]}"
    printf '#!/bin/sh\nexit 101\n' >"$work/usr/sbin/policy-rc.d"
    chmod 0755 "$work/usr/sbin/policy-rc.d"
    install_packages "$work"
    rm -rf "$work"/var/cache/apt/*.bin "$work"/var/cache/apt/archives/*.deb \
        "$work"/var/lib/apt/lists/* "$work"/usr/share/{doc,man,locale}
    mv -T "$work" "$1"
}

mkdir -p "$cache"
exec 9>"$cache/lock"
flock -w 1800 9 || die "another build holds $cache/lock for 30 minutes"
root=$cache/$1.$(sha256sum <"${BASH_SOURCE[0]}" | cut -c1-16)
[ -e "$root" ] || make_root "$root" "$1" >&2
echo "$root"
