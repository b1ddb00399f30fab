"""One question at a time to a QEMU that listens for QMP. Decides nothing about domains."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from qemu.qmp import QMPClient, QMPError

from nss_pyvirt.errors import UserError

# The library also logs every failure that it raises.
logging.getLogger("qemu.qmp").addHandler(logging.NullHandler())
logging.getLogger("qemu.qmp").propagate = False


def ask(path: Path, command: str, *, timeout: float) -> object:
    """`execute`, for those who do not wait for anything else."""
    return asyncio.run(execute(path, command, within=timeout))


async def execute(path: Path, command: str, *, within: float) -> object:
    """Connect, run `command` without arguments, disconnect; its return value.

    QEMU serves one connection at a time: a second one waits for the first to end. UserError when
    QEMU does not answer `within` so many seconds, refuses the command, or goes away. `quit` goes
    away by nature: use a signal instead.
    """
    client = QMPClient()
    try:
        async with asyncio.timeout(within):
            await client.connect(str(path))
            return await client.execute(command)
    except TimeoutError:
        raise UserError(
            f"QEMU has not answered {command} within {within:g} s", code="timeout"
        ) from None
    except (QMPError, OSError, EOFError) as error:
        raise UserError(f"QEMU does not answer {command}: {error}") from error
    finally:
        await _disconnect(client)


async def _disconnect(client: QMPClient) -> None:
    try:
        async with asyncio.timeout(1):
            await client.disconnect()
    except (QMPError, OSError, EOFError):  # already told, or no longer of interest
        return
