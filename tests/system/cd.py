"""A CD that starts, and says so on the first serial port."""

from __future__ import annotations

SECTOR = 2048
SAID = b"started from the CD\r\n"
# mov si, text; mov dx, 0x3f8; next: lodsb; test al, al; jz end; out dx, al; jmp next; end: hlt
CODE = bytes.fromhex("be 157c ba f803 fc ac 84c0 74 03 ee eb f8 f4 eb fd").ljust(0x15, b"\x90")


def bootable_cd() -> bytes:
    """An ISO image by El Torito's specification: a catalog, and a sector that writes to ttyS0."""
    record = b"\0CD001\1EL TORITO SPECIFICATION".ljust(0x47, b"\0") + (19).to_bytes(4, "little")
    primary, end = b"\1CD001\1", b"\xffCD001\1"
    validation = b"\1\0\0\0" + bytes(24) + b"\xaa\x55\x55\xaa"  # its 16-bit words sum up to 0
    entry = b"\x88\0\0\0\0\0\4\0" + (20).to_bytes(4, "little") + bytes(20)
    sectors = [primary, record, end, validation + entry, CODE + SAID + b"\0"]
    return bytes(16 * SECTOR) + b"".join(each.ljust(SECTOR, b"\0") for each in sectors)
