#!/usr/bin/env bash
# libc_root.sh SUITE [ARCHITECTURE [PACKAGE…]]: unpack the C library, getent and nscd of a Debian
# suite once, and the packages, and print the folder, to be copied and entered with chroot. (nscd
# needs further libraries.) The packages bring nothing that they depend on.
#
# It lies in the checkout's .cache. Nothing is installed: apt works in a folder of its own, where it
# checks the suite's signature. Exit status 3: the mirror, or the suite, says that it has no such
# thing; the reason is on stderr.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
cache=$(dirname "$(dirname "$here")")/.cache/libc
export LC_ALL=C
# shellcheck source=tests/system/mirror.sh
. "$here/mirror.sh"

die() { # STATUS REASON
    printf 'libc_root.sh: %s\n' "$2" >&2
    exit "$1"
}

# apt with nothing of the host's but its keys and its ways through the network; see apt.conf(5).
use_own_apt() {
    local folder=$1 suite=$2 architecture=$3 archive options
    archive=$(mirror bookworm)
    [ -n "$archive" ] || die 1 "apt knows no mirror of Debian here: apt-get update"
    options="arch=$architecture target=Packages"
    options+=" signed-by=/usr/share/keyrings/debian-archive-keyring.gpg"
    mkdir -p "$folder"/state/lists/partial "$folder"/cache/archives/partial
    echo "deb [$options] $archive $suite main" >"$folder/sources.list"
    printf '%s "%s";\n' Dir::State "$folder/state" Dir::State::status /dev/null \
        Dir::Cache "$folder/cache" Dir::Etc::sourcelist "$folder/sources.list" \
        Dir::Etc::sourceparts /dev/null Acquire::Languages none Acquire::Retries 3 \
        APT::Update::Error-Mode any APT::Sandbox::User root \
        APT::Architecture "$architecture" APT::Architectures "$architecture" >"$folder/apt.conf"
    export APT_CONFIG=$folder/apt.conf
}

update() {
    timeout 300 apt-get update >log 2>&1 && return
    if grep -A1 "^Err:.* $1 Release$" log | grep -q '^  404 '; then
        die 3 "the mirror has no suite $1"
    fi
    die 1 "apt-get update for $1: $(cat log)"
}

download() {
    timeout 300 apt-get download "${@:2}" >log 2>&1 && return
    if grep -q '^E: Unable to locate package' log; then
        die 3 "the suite $1 has no C library, or not all of it: $(grep '^E:' log)"
    fi
    die 1 "apt-get download from $1: $(cat log)"
}

# Folders as in a merged /usr, into which older packages fit too.
unpack() {
    local folder=$1 name deb
    for name in bin sbin lib lib64; do
        mkdir -p "$folder/usr/$name"
        ln -s "usr/$name" "$folder/$name"
    done
    dpkg-deb --fsys-tarfile libc6_*.deb |
        tar --extract --keep-directory-symlink --exclude gconv --exclude ./usr/share -C "$folder"
    dpkg-deb --fsys-tarfile libc-bin_*.deb | tar --extract -C "$folder" ./usr/bin/getent
    dpkg-deb --fsys-tarfile nscd_*.deb | tar --extract -C "$folder" ./usr/sbin/nscd
    mkdir others
    for name in "${@:2}"; do mv "$name"_*.deb others; done
    for deb in others/*.deb; do
        [ ! -e "$deb" ] || dpkg-deb --fsys-tarfile "$deb" |
            tar --extract --keep-directory-symlink -C "$folder"
    done
}

make_root() { # FOLDER SUITE ARCHITECTURE PACKAGE…
    local suite=$2
    rm -rf "${1%.*}".* # of other versions
    work=$(mktemp -d "${1%.*}.new.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    use_own_apt "$work/apt" "$suite" "$3"
    cd "$work"
    update "$suite"
    download "$suite" libc6 libc-bin nscd "${@:4}"
    mkdir -m 0755 root
    unpack root "${@:4}"
    mv -T root "$1"
}

suite=${1:?SUITE}
architecture=${2:-$(dpkg --print-architecture)}
mkdir -p "$cache"
exec 9>"$cache/lock"
flock -w 900 9 || die 1 "another build holds $cache/lock for 5 minutes"
made=("$suite" "$architecture" "${@:3}")
root=$cache/$suite-$architecture${3:+-with-$3}
root+=.$({ cat "${BASH_SOURCE[0]}" && printf '%s\n' "${made[@]}"; } | sha256sum | cut -c1-16)
[ -e "$root" ] || make_root "$root" "${made[@]}"
echo "$root"
