"""Make a tap on a bridge, by descriptor.

It uses ioctls (netdevice(7), linux/if_tun.h), which take less time than starting ip(8).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import struct
from pathlib import Path

from leasewatch.addresses import octets
from leasewatch.neighbours import kernel
from nss_pyvirt.errors import UserError

_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _SIOCSIFHWADDR, _SIOCBRADDIF = 0x8913, 0x8914, 0x8924, 0x89A2
_SIOCGIFMTU, _SIOCSIFMTU = 0x8921, 0x8922
_IFF_UP = 0x1
_ARPHRD_ETHER = 1
_LLDP = 0x4000
"""01:80:c2:00:00:0e: a bridge that does not forward it passes it to the host, unfiltered."""


def open_tap(bridge: str, mac: str) -> tuple[int, str]:
    """Make a tap on `bridge`, up, with `mac` on the host's end; returns its descriptor and name.

    The kernel removes it when its last descriptor is closed, at the latest when this process ends.
    UserError without the right, without /dev/net/tun, and without the bridge.
    """
    try:
        tap = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise UserError(
            f"cannot open /dev/net/tun: {error.strerror}", "modprobe tun", "missing"
        ) from error
    name = _name_tap(tap)
    _attach(name, bridge, mac)
    return tap, name


def _name_tap(tap: int) -> str:
    flags = _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR
    try:  # the kernel replaces %d with the first free number
        made = fcntl.ioctl(tap, _TUNSETIFF, _request("pvtap%d", struct.pack("H", flags)))
    except OSError as error:
        raise UserError(f"cannot make a tap: {error.strerror}", "run it as root") from error
    return made[:16].rstrip(b"\0").decode()


def _attach(name: str, bridge: str, mac: str) -> None:
    # The host must have no IPv6 address on the tap itself.
    with contextlib.suppress(FileNotFoundError):
        Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
    address = struct.pack("H", _ARPHRD_ETHER) + octets(mac)
    index = struct.pack("i", socket.if_nametoindex(name))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFHWADDR, _request(name, address))
        try:
            # A bridge of the host may have another MTU, and would take the least of its ports'.
            mtu = fcntl.ioctl(control, _SIOCGIFMTU, _request(bridge, b""))[16:20]
            fcntl.ioctl(control, _SIOCSIFMTU, _request(name, mtu))
            fcntl.ioctl(control, _SIOCBRADDIF, _request(bridge, index))
        except OSError as error:
            why = "there is none" if error.errno == errno.ENODEV else error.strerror
            raise UserError(f"cannot use bridge {bridge}: {why}") from error
        with contextlib.suppress(OSError):
            kernel.forward_groups(socket.if_nametoindex(name), _LLDP)
        flags = fcntl.ioctl(control, _SIOCGIFFLAGS, _request(name, b""))[16:18]
        up = struct.unpack("H", flags)[0] | _IFF_UP
        fcntl.ioctl(control, _SIOCSIFFLAGS, _request(name, struct.pack("H", up)))


def _request(name: str, value: bytes) -> bytes:
    """A struct ifreq: 16 bytes of name, 24 of value."""
    return name.encode().ljust(16, b"\0") + value.ljust(24, b"\0")
