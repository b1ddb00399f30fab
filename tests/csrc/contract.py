"""The hosts of the contract tests' table, and what each entry point answers about them."""

from __future__ import annotations

import socket

from nss_pyvirt.snapshot import Address, Host

V4, V6 = int(socket.AF_INET), int(socket.AF_INET6)
ALIVE, OVER = 4_000_000_000, 1
OWN_ERRNO = 77  # what asking.c sets before each call
HIT = f"1 {OWN_ERRNO} 0"
UNKNOWN = f"0 {OWN_ERRNO} 1"  # NOTFOUND, HOST_NOT_FOUND
NO_DATA = f"0 {OWN_ERRNO} 4"
NOT_YET = "-2 11 2"  # TRYAGAIN, EAGAIN, TRY_AGAIN
TOO_SMALL = "-2 34 -1"  # TRYAGAIN, ERANGE, NETDB_INTERNAL
NO_FAMILY = "-1 97 3"  # UNAVAIL, EAFNOSUPPORT, NO_RECOVERY
INVALID = "-1 22 3"
ABSENT = "-1 2 3"
NOT_TRUSTED = "-1 1 3"
DAMAGED = "-1 74 3"


def address(text: str, expires: int = ALIVE, ifindex: int = 0) -> Address:
    family = V6 if ":" in text else V4
    return Address(family, socket.inet_pton(family, text), expires, ifindex)


LONGEST = f"{'a' * 63}.{'b' * 63}.{'c' * 63}.{'d' * 61}"
HOSTS = (
    Host(
        ("web1", "web1.default.internal", "www"),
        (address("10.77.0.5"), address("fd12::5"), address("fe80::1", ifindex=4)),
    ),
    Host(("db",), (address("10.77.0.6"), address("10.77.0.7", OVER), address("10.78.0.6"))),
    Host(("six",), (address("fd12::6"),)),
    Host(("link",), (address("fe80::2", ifindex=9),)),
    Host(
        ("near",),
        (address("fe80::3", ifindex=9), address("fe80::3", ifindex=7), address("10.77.0.10")),
    ),
    Host(("gone",), (address("10.77.0.9", OVER),)),
    Host(("starting",), (), ALIVE),
    Host(("late",), (), OVER),
    Host(("half",), (address("10.77.0.8"),), ALIVE, frozenset({V6})),
    Host(("wait6",), (), ALIVE, frozenset({V6})),
    Host((LONGEST,), (address("10.77.0.253"),)),
    Host(("many",), tuple(address(f"10.9.0.{i}") for i in range(1, 33))),
)
MANY = (*HOSTS, *(Host((f"filling{i}",), (address(f"10.8.0.{i}"),)) for i in range(1, 81)))
"""So many that the header, the slots and the record are each read by themselves…"""
SEED = bytes([118] * 16)
"""…with this seed: it puts `web1` and `nosuch` into the latter half of the buckets."""
NAME, NAME2, NAME3, NAME4 = (f"gethostbyname{n}_r" for n in ("", "2", "3", "4"))
ADDR, ADDR2 = "gethostbyaddr_r", "gethostbyaddr2_r"
WEB1 = "web1 web1.default.internal www |"
MATRIX = [
    (NAME, "web1", 0, f"{HIT} {WEB1} 10.77.0.5"),
    (NAME, "six", 0, NO_DATA),
    (NAME2, "web1", V4, f"{HIT} {WEB1} 10.77.0.5"),
    (NAME2, "WWW", V4, f"{HIT} {WEB1} 10.77.0.5"),
    (NAME2, "web1.", V4, f"{HIT} {WEB1} 10.77.0.5"),
    (NAME2, "web1", V6, f"{HIT} {WEB1} fd12::5"),  # no scope can be returned: no link-local
    (NAME2, "web1", 0, f"{HIT} {WEB1} 10.77.0.5"),
    (NAME2, "web1", 1, NO_FAMILY),
    (NAME2, "nosuch", 1, NO_FAMILY),
    (NAME2, "db", V4, f"{HIT} db | 10.77.0.6 10.78.0.6"),
    (NAME2, "db", V6, NO_DATA),
    (NAME2, "link", V6, NO_DATA),
    (NAME2, "link", V4, NO_DATA),
    (NAME2, "gone", V4, UNKNOWN),
    (NAME2, "gone", V6, UNKNOWN),
    (NAME2, "nosuch", V4, UNKNOWN),
    (NAME2, "www.web1", V4, UNKNOWN),
    (NAME2, "", V4, UNKNOWN),
    (NAME2, ".", V4, UNKNOWN),
    (NAME2, "we b", V4, UNKNOWN),
    (NAME2, "web1..", V4, UNKNOWN),
    (NAME2, "a" * 64, V4, UNKNOWN),
    (NAME2, "a." * 2000, V4, UNKNOWN),
    (NAME2, "w\u00e9b", V4, UNKNOWN),
    (NAME2, "-_09azAZ", V4, UNKNOWN),
    *[(NAME2, f"web1{c}", V4, UNKNOWN) for c in "/:@[`{"],  # beside the letters and digits
    (NAME2, LONGEST, V4, f"{HIT} {LONGEST} | 10.77.0.253"),
    (NAME2, f"{LONGEST}.", V4, f"{HIT} {LONGEST} | 10.77.0.253"),
    (NAME2, f"{LONGEST}x", V4, UNKNOWN),
    (NAME2, "wait6", V4, UNKNOWN),
    (NAME2, "wait6", V6, NOT_YET),
    (NAME2, "starting", V4, NOT_YET),
    (NAME2, "starting", V6, NOT_YET),
    (NAME2, "late", V4, UNKNOWN),
    (NAME2, "half", V4, f"{HIT} half | 10.77.0.8"),
    (NAME2, "half", V6, NOT_YET),
    (NAME3, "www", V4, f"{HIT} {WEB1} 10.77.0.5"),
    (NAME3, "www", V6, f"{HIT} {WEB1} fd12::5"),
    (NAME3, "db", V6, NO_DATA),
    (NAME3, "web1", 1, NO_FAMILY),
    (NAME3, "nosuch", V4, UNKNOWN),
    (NAME3, "starting", V4, NOT_YET),
    (NAME4, "www", 0, f"{HIT} web1 | 10.77.0.5 fd12::5"),  # nothing link-local beside better ones
    (NAME4, "db", 0, f"{HIT} db | 10.77.0.6 10.78.0.6"),
    (NAME4, "six", 0, f"{HIT} six | fd12::6"),
    (NAME4, "link", 0, f"{HIT} link | fe80::2%9"),
    (NAME4, "near", 0, f"{HIT} near | fe80::3%9 fe80::3%7 10.77.0.10"),
    (NAME4, "half", 0, f"{HIT} half | 10.77.0.8"),
    (NAME4, "gone", 0, UNKNOWN),
    (NAME4, "late", 0, UNKNOWN),
    (NAME4, "nosuch", 0, UNKNOWN),
    (NAME4, "", 0, UNKNOWN),
    (NAME4, "starting", 0, NOT_YET),
    (ADDR, "10.77.0.5", V4, f"{HIT} {WEB1} 10.77.0.5"),
    (ADDR, "fd12::5", V6, f"{HIT} {WEB1} fd12::5"),
    (ADDR, "::ffff:10.77.0.5", V6, f"{HIT} {WEB1} ::ffff:10.77.0.5"),
    (ADDR, "10.77.0.7", V4, UNKNOWN),
    (ADDR, "10.77.0.9", V4, UNKNOWN),
    (ADDR, "192.0.2.1", V4, UNKNOWN),
    (ADDR, "::", V6, UNKNOWN),
    (ADDR, "10.77.0.5", V6, INVALID),
    (ADDR, "fd12::5", V4, INVALID),
    (ADDR, "10.77.0.5+1", V4, INVALID),
    (ADDR, "fd12::5+-1", V6, INVALID),
    (ADDR, "10.77.0.5", 0, NO_FAMILY),
    (ADDR2, "fe80::1", V6, f"{HIT} {WEB1} fe80::1"),
    (ADDR2, "fe80::3", V6, f"{HIT} near | fe80::3"),
    (ADDR2, "10.78.0.6", V4, f"{HIT} db | 10.78.0.6"),
    (ADDR2, "10.78.0.7", V4, UNKNOWN),
    (ADDR2, "10.77.0.5", 1, NO_FAMILY),
]
