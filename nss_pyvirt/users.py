"""The system users that an installation adds."""

from typing import Final

USER: Final = "leasewatch"
"""Runs the service."""
DNS_USER: Final = "leasewatch-dns"
"""Runs the DNS process."""
QEMU_USER: Final = "pyvirt-qemu"
"""Runs guests."""
GROUP: Final = "pyvirt"
"""Its members may administer the service: `leasewatch admin`."""
COMMENTS: Final = {
    USER: "leasewatch (nss-pyvirt)",
    DNS_USER: "leasewatch dns (nss-pyvirt)",
    QEMU_USER: "pyvirt guests (nss-pyvirt)",
}
"""By its comment (GECOS) `remove` knows a user that `install` added."""
