"""The shared frame of the commands, under the name that this package's commands use.

It lives in nss_pyvirt, which must not import leasewatch; nothing is added here.
"""

from __future__ import annotations

from nss_pyvirt.frame import (
    Format,
    LazyGroup,
    examples,
    output_option,
    print_error,
    printable,
    render,
    run,
)

__all__ = [
    "Format",
    "LazyGroup",
    "examples",
    "output_option",
    "print_error",
    "printable",
    "render",
    "run",
]
