"""`python -m tests.bench.dns_seeing`: in another mount namespace, when the NSS module finds names.

Each line of stdin is a name; the reply is when it was found (time.perf_counter_ns).
"""

from __future__ import annotations

import sys
import time

from tests.bench.asking import Module


def main() -> None:
    """Read names until the end of stdin."""
    module = Module("pyvirt")
    print("ready", flush=True)
    for line in sys.stdin:
        module.until_found(line.strip())
        print(time.perf_counter_ns(), flush=True)


if __name__ == "__main__":
    main()
