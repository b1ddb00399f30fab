"""Release packets, byte by byte; that dnsmasq understands them is tests/system's question."""

from __future__ import annotations

from leasewatch.addresses import parse
from leasewatch.pyvirt.domains import dhcp_release

SERVER, GUEST = parse("10.7.0.1"), parse("10.7.0.9")


def test_a_dhcprelease_says_who_gives_what_back_to_whom() -> None:
    packet = dhcp_release.release4(SERVER, GUEST, "52:54:00:00:00:01", "01:aa:bb")
    assert packet[:3] == bytes([1, 1, 6])  # BOOTREQUEST, Ethernet, 6 bytes
    assert packet[12:16] == bytes([10, 7, 0, 9])
    assert packet[28:44] == bytes.fromhex("525400000001") + bytes(10)
    assert packet[236:] == bytes.fromhex("63825363 350107 36040a070001 3d0301aabb ff")


def test_a_client_without_an_id_names_none_and_a_foreign_medium_its_type() -> None:
    packet = dhcp_release.release4(SERVER, GUEST, "20-01:02", None)
    assert packet[1:3] == bytes([0x20, 2])
    assert packet[28:31] == bytes([1, 2, 0])
    assert packet[236:] == bytes.fromhex("63825363 350107 36040a070001 ff")


def test_a_dhcpv6_release_names_both_duids_and_the_association() -> None:
    packet = dhcp_release.release6(b"\x0a\x0b", "00:03:ff", 7, parse("fd00::9"))
    address = bytes.fromhex("fd" + "00" * 14 + "09")
    assert packet == bytes.fromhex(
        "08000000 0001 0003 0003ff 0002 0002 0a0b 0003 0028 00000007 00000000 00000000 0005 0018"
    ) + address + bytes(8)
