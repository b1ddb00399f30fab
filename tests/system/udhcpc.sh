#!/bin/sh
# Script of busybox udhcpc for test clients: addresses and routes only, never resolv.conf or names.
# shellcheck disable=SC2154  # udhcpc sets interface, ip, mask, router
case "$1" in
deconfig)
    ip -4 addr flush dev "$interface" scope global
    ip link set "$interface" up
    ;;
bound | renew)
    ip addr replace "$ip/${mask:-24}" dev "$interface"
    [ -z "$router" ] || ip route replace default via "${router%% *}" dev "$interface"
    ;;
esac
exit 0
