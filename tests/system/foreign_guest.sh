#!/usr/bin/env bash
# foreign_guest.sh ARCH: build the tiny guest for another architecture once, and print the folder with
# its vmlinuz, initrd.gz and ssh_config. ARCH: aarch64, ppc64le or riscv64.
#
# It is packaging/tiny-guest with that architecture's kernel, busybox and dropbear, which lie in the
# checkout's .cache. Nothing is installed, and no script of a package runs.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
checkout=$(dirname "$(dirname "$here")")
cache=$checkout/.cache/guest
recipe=$checkout/packaging/tiny-guest
export LC_ALL=C
# shellcheck source=tests/system/mirror.sh
. "$here/mirror.sh"
# In the order of loading; what a kernel has built in is left out. The last ones press its button.
modules=(virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci failover
    net_failover virtio_net virtio_blk evdev gpio_keys virtio_input)
seed_modules=(nls_cp437 nls_ascii fat vfat)
applets=(acpid cat chmod chown cp cut dd df findfs free grep hostname id init insmod ip kill ls mkdir
    mount ping ping6 poweroff ps reboot rm route sh sleep tr uname udhcpc wget)

die() {
    printf 'foreign_guest.sh: %s\n' "$1" >&2
    exit 1
}

fetch() { # ROOT
    local -a archive
    mapfile -t archive < <(mirror bookworm) # none or one: mmdebstrap's own
    timeout 1200 unshare --mount --pid --fork --kill-child=KILL --mount-proc --propagation private \
        mmdebstrap --quiet --mode=root --variant=extract --format=directory \
        --aptopt='Acquire::Check-Valid-Until "false"' --architectures="$debian" \
        --include="busybox-static,dropbear-bin,$kernel" "$suite" "$1" "${archive[@]}"
}

find_in() { # ROOT TEST...: print the files of programs and libraries; Debian 12 has some in /lib
    local root=$1 folder
    shift
    for folder in bin lib lib64 usr/bin usr/lib usr/lib64; do
        [ ! -d "$root/$folder" ] || find "$root/$folder" "$@"
    done
}

copy_modules() { # FROM TO LIST MODULE...
    local from=$1 to=$2 list=$3 module
    shift 3
    for module in "$@"; do
        find_in "$from" -name "$module.ko*" -exec cp {} "$to/" \;
        find "$to" -name "$module.ko.xz" -exec xz -d {} +
        [ ! -e "$to/$module.ko" ] || echo "$module" >>"$to/$list"
    done
}

fill_root() { # FROM TO
    local from=$1 to=$2 applet
    mkdir -p "$to"/{bin,dev,proc,sys,run,tmp,var/run,etc/acpi/PWRF,lib/modules,root/.ssh}
    ln -s bin "$to/sbin" # a ppc64le kernel runs /sbin/poweroff
    ln -s lib "$to/lib64"
    find_in "$from" -name busybox -type f -exec cp {} "$to/bin/" \;
    for applet in "${applets[@]}"; do ln -s busybox "$to/bin/$applet"; done
    cp "$from/usr/sbin/dropbear" "$from/usr/bin/dropbearconvert" "$to/bin/"
    find_in "$from" \( -name 'ld-linux-*.so.1' -o -name 'ld64.so.2' -o -name 'libc.so.6' \
        -o -name 'libm.so.6' -o -name 'libz.so.1' -o -name 'libtom*.so.?' -o -name 'libgmp.so.*' \
        -o -name 'libcrypt.so.1' \) -xtype f -exec cp -L {} "$to/lib/" \;
    copy_modules "$from" "$to/lib/modules" order "${modules[@]}"
    copy_modules "$from" "$to/lib/modules" seed "${seed_modules[@]}"
    cp "$recipe/init" "$to/"
    cp "$recipe/lease" "$recipe/seed" "$to/bin/"
    sed "s/ttyS0/$console/" "$recipe/inittab" >"$to/etc/inittab"
    cp "$recipe/power-button" "$to/etc/acpi/PWRF/00000080"
    cp "$cache/keys/host_key" "$to/etc/dropbear_host_key"
    cp "$cache/keys/id_ed25519.pub" "$to/root/.ssh/authorized_keys"
    echo 'root:x:0:0:root:/root:/bin/sh' >"$to/etc/passwd"
    echo 'root:x:0:' >"$to/etc/group"
    chmod -R go-w "$to"
    chmod 0700 "$to/root" "$to/root/.ssh"
}

build() { # FOLDER
    local work
    rm -rf "$cache/$arch".{guest,new}.* # of other versions, and what an interrupted run left
    work=$(mktemp -d "$cache/$arch.new.XXXXXX")
    chmod 0755 "$work"
    mkdir "$work/initrd" "$work/guest"
    fetch "$work/tree"
    fill_root "$work/tree" "$work/initrd"
    (cd "$work/initrd" && find . -print0 | sort -z |
        cpio --quiet --null --reproducible -o -H newc -R 0:0 | gzip -n -1) >"$work/guest/initrd.gz"
    cp "$work"/tree/boot/vmlinu[xz]-* "$work/guest/vmlinuz"
    cp "$tiny/ssh_config" "$work/guest/"
    mv -T "$work/guest" "$1"
    rm -rf "$work"
}

arch=${1:?ARCH}
suite=bookworm
case $arch in
aarch64) debian=arm64 kernel=linux-image-cloud-arm64 console=ttyAMA0 ;;
ppc64le) debian=ppc64el kernel=linux-image-powerpc64le console=hvc0 ;;
riscv64) debian=riscv64 kernel=linux-image-riscv64 console=ttyS0 suite=trixie ;; # new there
*) die "no tiny guest for $arch" ;;
esac
tiny=$("$checkout/packaging/guest") # which has made the keys
exec 9>"$cache/$arch.lock"
flock -w 1500 9 || die "another build holds $cache/$arch.lock for 25 minutes"
umask 022
version=$(cat "${BASH_SOURCE[0]}" "$recipe"/* "$tiny/ssh_config" | sha256sum | cut -c1-16)
[ -e "$cache/$arch.guest.$version" ] || build "$cache/$arch.guest.$version" >&2
echo "$cache/$arch.guest.$version"
