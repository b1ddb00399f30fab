"""The system users that an installation adds."""

from typing import Final

USER: Final = "leasewatch"
"""Runs the service."""
QEMU_USER: Final = "pyvirt-qemu"
"""Runs guests."""
COMMENTS: Final = {USER: "leasewatch (nss-pyvirt)", QEMU_USER: "pyvirt guests (nss-pyvirt)"}
"""By its comment (GECOS) `remove` knows a user that `install` added."""
