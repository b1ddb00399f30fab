# shellcheck shell=bash
# Sourced by the scripts here: run steps one by one, each with its name, result and time.
# It knows none of the steps. The caller names the file that takes what they print: $step_log.

if [ -t 1 ]; then
    step_good=$'\033[32m✓\033[0m' step_bad=$'\033[31m✗\033[0m' step_erase=$'\r\033[K'
else
    step_good=✓ step_bad=✗ step_erase=
fi

# step NAME COMMAND…: run COMMAND (set -e, no input); print NAME, the result and the time, and the
# last lines of its output if it failed. Call it bare, under set -e: `step … || …` would switch
# errexit off inside COMMAND too.
step() {
    local name=$1 start=$EPOCHREALTIME status
    shift
    [ -z "$step_erase" ] || printf '  %s …' "$name"
    set +e
    (trap 'exit 130' INT && set -e && "$@") >"${step_log:?}" 2>&1 </dev/null
    status=$?
    set -e
    if [ "$status" = 0 ]; then
        printf '%s%s %s\n' "$step_erase" "$step_good" "$(step_line "$name" "$start")"
    else
        printf '%s%s %s\n' "$step_erase" "$step_bad" "$(step_line "$name" "$start")"
        step_why "$name" "$status" >&2
    fi
    return "$status"
}

step_why() { # NAME STATUS
    if [ "$2" = 130 ]; then
        echo "$1: interrupted"
    elif [ -s "$step_log" ]; then
        printf '%s: exit %d; the end of %s:\n' "$1" "$2" "$step_log"
        tail -n 8 "$step_log" | sed 's/^/  /'
    else
        printf '%s: exit %d, without any output\n' "$1" "$2"
    fi
}

step_line() { # NAME and the seconds since START
    local elapsed=$((${EPOCHREALTIME/[.,]/} - ${2/[.,]/}))
    printf '%-48s %3d.%d s' "$1" $((elapsed / 1000000)) $((elapsed / 100000 % 10))
}
