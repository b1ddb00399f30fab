#!/usr/bin/env bash
# cloud_image.sh SUITE: make a disk like a distribution's cloud image once, and print its path.
#
# A Debian with GRUB and cloud-init, whose root is locked and which has no host key. It lies in the
# checkout's .cache, takes about 250 MB, and boots from BIOS.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
cache=$(dirname "$(dirname "$here")")/.cache/cloud
# shellcheck source=tests/system/mirror.sh
. "$here/mirror.sh"

packages=(systemd-sysv dbus udev openssh-server sudo iproute2 netplan.io cloud-init
    linux-image-cloud-amd64 grub-pc-bin cloud-guest-utils)

die() {
    printf 'cloud_image.sh: %s\n' "$1" >&2
    exit 1
}

# Namespaces end every mount and process with it.
isolated() {
    timeout 1800 unshare --mount --pid --fork --kill-child=KILL --mount-proc \
        --propagation private "$@"
}

bootstrap() { # ROOT SUITE
    local -a archive
    mapfile -t archive < <(mirror bookworm)
    local list=${packages[*]}
    isolated mmdebstrap --quiet --mode=root --variant=minbase --format=directory \
        --dpkgopt=force-unsafe-io --include="${list// /,}" "$2" "$1" "${archive[@]}"
}

settle() { # ROOT: what a publisher of images does last
    local root=$1
    chroot "$root" passwd --quiet --lock root
    echo '/dev/vda1 / ext4 defaults,x-systemd.growfs 0 1' >"$root/etc/fstab"
    rm -f "$root"/etc/ssh/ssh_host_*
    : >"$root/etc/machine-id"
    cat >"$root/etc/netplan/90-default.yaml" <<EOT
network: {version: 2, ethernets: {all: {match: {name: "e*"}, dhcp4: true, dhcp6: true}}}
EOT
    chmod 0600 "$root/etc/netplan/90-default.yaml"
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}
}

install_grub() { # ROOT
    local root=$1 kernel initrd
    kernel=$(basename "$root"/boot/vmlinuz-*)
    initrd=$(basename "$root"/boot/initrd.img-*)
    mkdir -p "$root/boot/grub/i386-pc"
    cp "$root"/usr/lib/grub/i386-pc/*.{mod,lst} "$root/boot/grub/i386-pc/"
    cat >"$root/boot/grub/grub.cfg" <<EOT
serial --unit=0 --speed=115200
terminal_output serial
linux /boot/$kernel root=/dev/vda1 ro console=ttyS0 quiet
initrd /boot/$initrd
boot
EOT
    chroot "$root" grub-mkimage -O i386-pc -o /boot/grub/core.img -p '(hd0,msdos1)/boot/grub' \
        biosdisk part_msdos ext2 normal linux serial terminal configfile
}

little() { # NUMBER: its four bytes, the lowest first
    local hex
    hex=$(printf %08x "$1")
    printf '%b' "\\x${hex:6:2}\\x${hex:4:2}\\x${hex:2:2}\\x${hex:0:2}"
}

# An MBR with one bootable Linux partition from 1 MiB on, in front of which GRUB lies.
make_disk() { # ROOT WORK
    local root=$1 work=$2 mebibytes=1300
    truncate -s "${mebibytes}M" "$work/partition"
    mkfs.ext4 -q -F -d "$root" "$work/partition"
    truncate -s "$((mebibytes + 1))M" "$work/disk"
    {
        printf '\x80\xfe\xff\xff\x83\xfe\xff\xff'
        little 2048
        little $((mebibytes * 2048))
    } | dd of="$work/disk" bs=1 seek=446 conv=notrunc status=none
    printf '\x55\xaa' | dd of="$work/disk" bs=1 seek=510 conv=notrunc status=none
    dd if="$root/usr/lib/grub/i386-pc/boot.img" of="$work/disk" bs=440 count=1 conv=notrunc status=none
    dd if="$root/boot/grub/core.img" of="$work/disk" bs=512 seek=1 conv=notrunc status=none
    dd if="$work/partition" of="$work/disk" bs=1M seek=1 conv=notrunc,sparse status=none
    qemu-img convert -c -O qcow2 "$work/disk" "$work/image.qcow2"
}

make_image() { # IMAGE SUITE
    rm -rf "$cache/$2".* # of other versions, and what an interrupted run left
    work=$(mktemp -d "$cache/$2.new.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    bootstrap "$work/root" "$2"
    settle "$work/root"
    install_grub "$work/root"
    make_disk "$work/root" "$work"
    mv "$work/image.qcow2" "$1"
}

mkdir -p "$cache"
exec 9>"$cache/lock"
flock -w 1800 9 || die "another build holds $cache/lock for 30 minutes"
image=$cache/$1.$(sha256sum <"${BASH_SOURCE[0]}" | cut -c1-16).qcow2
[ -e "$image" ] || make_image "$image" "$1" >&2
echo "$image"
