#!/usr/bin/env bash
# qemu_root.sh SUITE [foreign]: unpack QEMU of a Debian suite once, with its libraries and firmware,
# and print the folder. Bound over /usr/local, its sbin has that QEMU: qemu-system-x86_64, qemu-img,
# qemu-io; with `foreign` the qemu-system-* of the other architectures that guests may have.
#
# It lies in the checkout's .cache. Nothing is installed, and no script of a package runs. A mirror
# that is a few weeks behind will do: its signature is checked, its date is not.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
cache=$(dirname "$(dirname "$here")")/.cache/qemu
export LC_ALL=C
# shellcheck source=tests/system/mirror.sh
. "$here/mirror.sh"

packages() { # SUITE
    case $kind.$1 in
    foreign.bookworm) echo qemu-system-{arm,ppc,misc} qemu-efi-aarch64 ;;
    foreign.*) echo qemu-system-{arm,ppc,riscv} qemu-efi-{aarch64,riscv64} ;;
    *) echo qemu-system-x86 qemu-utils ;;
    esac | tr ' ' ,
}

bootstrap() { # FOLDER SUITE
    local -a archive
    mapfile -t archive < <(mirror bookworm) # none or one: mmdebstrap's own
    timeout 1200 unshare --mount --pid --fork --kill-child=KILL --mount-proc --propagation private \
        mmdebstrap --quiet --mode=root --variant=extract --format=directory \
        --aptopt='Acquire::Check-Valid-Until "false"' \
        --include="$(packages "$2")" "$2" "$1" "${archive[@]}"
}

make_wrapper() { # FILE OPTIONS
    cat >"$1" <<EOF
#!/bin/sh
usr=/usr/local/root/usr
lib=\$usr/lib/x86_64-linux-gnu
old=/usr/local/root/lib/x86_64-linux-gnu # where Debian 12 has its libc
loader=\$lib/ld-linux-x86-64.so.2
[ -e "\$loader" ] || loader=\$old/ld-linux-x86-64.so.2
export QEMU_MODULE_DIR="\$lib/qemu"
exec "\$loader" --library-path "\$lib:\$old:\$lib/pulseaudio" "\$usr/bin/${1##*/}" $2 "\$@"
EOF
    chmod 0755 "$1"
}

make_root() { # ROOT SUITE
    local work program data
    rm -rf "$cache/$2$kind".* # of other versions, and what an interrupted run left
    work=$(mktemp -d "$cache/$2$kind.new.XXXXXX")
    chmod 0755 "$work"
    mkdir "$work/root" "$work/sbin"
    bootstrap "$work/root" "$2"
    for program in "$work"/root/usr/bin/qemu-{img,io,system-{x86_64,aarch64,ppc64,riscv64}}; do
        [ -e "$program" ] || continue
        data=
        # shellcheck disable=SC2016  # the wrapper's own variable
        [[ $program != *-system-* ]] || data='-L "$usr/share/qemu" -L "$usr/share/seabios"'
        make_wrapper "$work/sbin/${program##*/}" "$data"
    done
    rm -rf "$work"/root/var/{cache,lib}/apt "$work"/root/usr/share/{doc,man,locale}
    mv -T "$work" "$1"
}

suite=${1:?SUITE} kind=${2:-}
mkdir -p "$cache"
exec 9>"$cache/lock"
flock -w 1500 9 || {
    echo "qemu_root.sh: another build holds $cache/lock for 25 minutes" >&2
    exit 1
}
root=$cache/$suite$kind.$(sha256sum <"${BASH_SOURCE[0]}" | cut -c1-16)
[ -e "$root" ] || make_root "$root" "$suite" >&2
echo "$root"
