# shellcheck shell=bash
# Sourced by the scripts here: start the services in a world, as their units do.

# until_true SECONDS WHAT COMMAND…: poll; on giving up, print what for, and COMMAND's last output.
until_true() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || {
            "$@" || true
            echo "gave up waiting for $what"
            return 1
        }
        sleep 0.05
    done
}

# start_service USER POWERS COMMAND…: in the background; /run/world/USER.log takes what it prints.
start_service() {
    setpriv --reuid="$1" --regid="$1" --clear-groups --no-new-privs \
        --inh-caps="$2" --ambient-caps="$2" --bounding-set="$2" "${@:3}" >"/run/world/$1.log" 2>&1 &
}

leasewatch_answers() { # and says so itself, rather than the files it left
    [ -z "$(leasewatch list -o name 2>&1 >/dev/null)" ]
}

start_leasewatch() {
    start_service leasewatch -all,+dac_read_search leasewatch serve
    until_true 60 "leasewatch serve; it said: /run/world/leasewatch.log" leasewatch_answers ||
        { cat /run/world/leasewatch.log && return 1; }
}

start_leasewatch_dns() {
    start_service leasewatch-dns -all,+net_bind_service leasewatch dns serve
    until_true 60 "leasewatch dns serve" leasewatch dns status ||
        { cat /run/world/leasewatch-dns.log && return 1; }
}
