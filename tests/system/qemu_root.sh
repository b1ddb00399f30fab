#!/usr/bin/env bash
# qemu_root.sh SUITE: unpack QEMU of a Debian suite once, with its libraries and firmware, and print
# the folder. Bound over /usr/local, its sbin has that QEMU: qemu-system-x86_64, qemu-img, qemu-io.
#
# It lies in the checkout's .cache. Nothing is installed, and no script of a package runs. A mirror
# that is a few weeks behind will do: its signature is checked, its date is not.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
cache=$(dirname "$(dirname "$here")")/.cache/qemu
export LC_ALL=C
# shellcheck source=tests/system/mirror.sh
. "$here/mirror.sh"

bootstrap() { # FOLDER SUITE
    local -a archive
    mapfile -t archive < <(mirror bookworm) # none or one: mmdebstrap's own
    timeout 1200 unshare --mount --pid --fork --kill-child=KILL --mount-proc --propagation private \
        mmdebstrap --quiet --mode=root --variant=extract --format=directory \
        --aptopt='Acquire::Check-Valid-Until "false"' \
        --include=qemu-system-x86,qemu-utils "$2" "$1" "${archive[@]}"
}

make_wrapper() { # FOLDER PROGRAM OPTIONS
    cat >"$1/$2" <<EOF
#!/bin/sh
usr=/usr/local/root/usr
lib=\$usr/lib/x86_64-linux-gnu
export QEMU_MODULE_DIR="\$lib/qemu"
exec "\$usr/lib64/ld-linux-x86-64.so.2" --library-path "\$lib:\$lib/pulseaudio" \\
    "\$usr/bin/$2" $3 "\$@"
EOF
    chmod 0755 "$1/$2"
}

make_root() { # ROOT SUITE
    local work
    rm -rf "$cache/$2".* # of other versions, and what an interrupted run left
    work=$(mktemp -d "$cache/$2.new.XXXXXX")
    chmod 0755 "$work"
    mkdir "$work/root" "$work/sbin"
    bootstrap "$work/root" "$2"
    # shellcheck disable=SC2016  # the wrapper's own variable
    make_wrapper "$work/sbin" qemu-system-x86_64 '-L "$usr/share/qemu" -L "$usr/share/seabios"'
    make_wrapper "$work/sbin" qemu-img ""
    make_wrapper "$work/sbin" qemu-io ""
    rm -rf "$work"/root/var/{cache,lib}/apt "$work"/root/usr/share/{doc,man,locale}
    mv -T "$work" "$1"
}

suite=${1:?SUITE}
mkdir -p "$cache"
exec 9>"$cache/lock"
flock -w 1500 9 || {
    echo "qemu_root.sh: another build holds $cache/lock for 25 minutes" >&2
    exit 1
}
root=$cache/$suite.$(sha256sum <"${BASH_SOURCE[0]}" | cut -c1-16)
[ -e "$root" ] || make_root "$root" "$suite" >&2
echo "$root"
