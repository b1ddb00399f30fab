"""The interface `org.varlink.service`, by which any Varlink client asks what a service offers.

https://varlink.org/Service fixes its methods, errors and text.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from leasewatch.api.admin import ADMIN_ERRORS, Admin
from leasewatch.api.admin_interface import ADMIN
from leasewatch.api.description import describe
from leasewatch.api.dns_interface import DNS, Dns
from leasewatch.api.interface import NAME, SERVICE_NAME
from leasewatch.api.methods import ERRORS, LeaseWatch, MethodError
from nss_pyvirt import __version__


class Info(msgspec.Struct, frozen=True, kw_only=True):
    """Reply of `GetInfo`."""

    vendor: str
    product: str
    version: str
    url: str
    interfaces: list[str]


class WantedInterface(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `GetInterfaceDescription`."""

    interface: str


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """Reply of `GetInterfaceDescription`."""

    description: str


class InterfaceNotFound(msgspec.Struct, frozen=True, kw_only=True):
    """The requested interface was not found."""

    interface: str


class MethodNotFound(msgspec.Struct, frozen=True, kw_only=True):
    """The requested method was not found."""

    method: str


class InvalidParameter(msgspec.Struct, frozen=True, kw_only=True):
    """One of the passed parameters is invalid."""

    parameter: str


class PermissionDenied(msgspec.Struct, frozen=True, kw_only=True):
    """Client is denied access."""


class ExpectedMore(msgspec.Struct, frozen=True, kw_only=True):
    """The method must be called with `more`."""


SERVICE_ERRORS = (
    InterfaceNotFound,
    MethodNotFound,
    InvalidParameter,
    PermissionDenied,
    ExpectedMore,
)


Interface = tuple[type, tuple[type[msgspec.Struct], ...]]
"""The methods of an interface, and its errors."""


class VarlinkService:
    """The Varlink service interface, which every Varlink service has."""

    def __init__(self, interfaces: Mapping[str, Interface]) -> None:
        self._interfaces = interfaces

    def get_info(self) -> Info:
        """Names this service and its interfaces."""
        return Info(
            vendor="nss-pyvirt",
            product="leasewatch",
            version=__version__,
            url="",
            interfaces=list(self._interfaces),
        )

    def get_interface_description(self, asked: WantedInterface) -> Description:
        """The text of an interface."""
        if asked.interface not in self._interfaces:
            raise MethodError(InterfaceNotFound(interface=asked.interface))
        parts = self._interfaces[asked.interface]
        return Description(description=describe(asked.interface, *parts))


OF_EVERY_SERVICE: Final[dict[str, Interface]] = {SERVICE_NAME: (VarlinkService, SERVICE_ERRORS)}
INTERFACES: Final[dict[str, Interface]] = {
    **OF_EVERY_SERVICE,
    NAME: (LeaseWatch, ERRORS),
    ADMIN: (Admin, ADMIN_ERRORS),
}
"""What the service offers on its own socket."""
DNS_INTERFACES: Final[dict[str, Interface]] = {**OF_EVERY_SERVICE, DNS: (Dns, ())}
"""What `leasewatch dns serve` offers."""
OURS: Final = {
    name: parts for name, parts in (INTERFACES | DNS_INTERFACES).items() if name != SERVICE_NAME
}


def write_files(folder: Path) -> None:
    """Write the text of each interface of ours, for programs that want to read it as a file."""
    for name, parts in OURS.items():
        (folder / f"{name}.varlink").write_text(describe(name, *parts))


if __name__ == "__main__":
    write_files(Path(sys.argv[1]))
