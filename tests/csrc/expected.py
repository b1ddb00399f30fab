"""What each entry point must answer: by the second reader and the rules of nsswitch.

Shares no code with csrc, as tests/nss_pyvirt/oracle.py does not.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence

from tests.nss_pyvirt.oracle import DamagedError, Oracle, Record

V4, V6 = int(socket.AF_INET), int(socket.AF_INET6)
LENGTHS = {V4: 4, V6: 16}
FLAGS = {0: 6, V4: 2, V6: 4}  # PV_EXPECT4 and PV_EXPECT6
UNKNOWN, NO_DATA, NOT_YET = b"0 77 1", b"0 77 4", b"-2 11 2"
NO_FAMILY, INVALID, DAMAGED = b"-1 97 3", b"-1 22 3", b"-1 74 3"
MAPPED = bytes(10) + b"\xff\xff"
NAME = re.compile(rb"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")


def expected(
    tables: Sequence[bytes], function: str, family: int, question: bytes, now: float
) -> bytes:
    """The line that asking.c writes; the service does not listen. `tables`: own, then peers'."""
    answers = [_in_one(data, function, family, question, now) for data in tables]
    return next((answer for answer in answers if answer not in {UNKNOWN, DAMAGED}), answers[0])


def _in_one(data: bytes, function: str, family: int, question: bytes, now: float) -> bytes:
    try:
        if function in {"gethostbyaddr_r", "gethostbyaddr2_r"}:
            return _by_address(data, family, question, now)
        return _by_name(data, function, family, question, now)
    except DamagedError:
        return DAMAGED


def _is_link_local(family: int, packed: bytes) -> bool:
    return family == V6 and packed[0] == 0xFE and packed[1] >> 6 == 2


def _found(names: list[str], addresses: list[str]) -> bytes:
    return f"1 77 0 {' '.join(names)} | {' '.join(addresses)}".encode("latin-1")


def _by_name(data: bytes, function: str, family: int, question: bytes, now: float) -> bytes:
    with_scope = function == "gethostbyname4_r"
    if with_scope:
        family = 0
    elif function == "gethostbyname_r" or family == 0:
        family = V4
    if family not in FLAGS:
        return NO_FAMILY
    name = question.lower().removesuffix(b".")
    if not NAME.fullmatch(name) or len(name) > 253:
        return UNKNOWN
    record = Oracle(data).by_name(name.decode("ascii"))
    if record is None:
        return UNKNOWN
    addresses: list[str] = []
    for kind, packed, expires, ifindex in record.addresses:
        link_local = _is_link_local(kind, packed)
        if expires <= now or family not in {0, kind} or (link_local and not with_scope):
            continue
        if link_local and (not ifindex or any("%" not in better for better in addresses)):
            continue
        text = socket.inet_ntop(kind, packed[: LENGTHS[kind]])
        addresses.append(f"{text}%{ifindex}" if link_local else text)
    if addresses:
        return _found(record.names[:1] if with_scope else record.names, addresses)
    return _nothing(record, family, now)


def _nothing(record: Record, family: int, now: float) -> bytes:
    if record.flags & 1 and record.flags & FLAGS[family] and now < record.pending_until:
        return NOT_YET
    return NO_DATA if any(address[2] > now for address in record.addresses) else UNKNOWN


def _by_address(data: bytes, family: int, question: bytes, now: float) -> bytes:
    if family not in LENGTHS:
        return NO_FAMILY
    if len(question) != LENGTHS[family]:
        return INVALID
    mapped = family == V6 and question.startswith(MAPPED)
    key = (V4, question[12:]) if mapped else (family, question)
    record = Oracle(data).by_address(*key)
    if record is None:
        return UNKNOWN
    held = (key[0], key[1].ljust(16, b"\0"))
    if not any(address[:2] == held and address[2] > now for address in record.addresses):
        return UNKNOWN
    return _found(record.names, [socket.inet_ntop(family, question)])
