"""The interface `org.varlink.service`, by which any Varlink client asks what a service offers.

https://varlink.org/Service fixes its methods, errors and text.
"""

from __future__ import annotations

import msgspec

from leasewatch.api.description import describe
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


SERVICE_ERRORS = (InterfaceNotFound, MethodNotFound, InvalidParameter)


class VarlinkService:
    """The Varlink service interface, which every Varlink service has."""

    async def get_info(self) -> Info:
        """Names this service and its interfaces."""
        return Info(
            vendor="nss-pyvirt",
            product="leasewatch",
            version=__version__,
            url="",
            interfaces=[SERVICE_NAME, NAME],
        )

    async def get_interface_description(self, asked: WantedInterface) -> Description:
        """The text of an interface."""
        if asked.interface == NAME:
            return Description(description=describe(NAME, LeaseWatch, ERRORS))
        if asked.interface == SERVICE_NAME:
            text = describe(SERVICE_NAME, VarlinkService, SERVICE_ERRORS)
            return Description(description=text)
        raise MethodError(InterfaceNotFound(interface=asked.interface))
