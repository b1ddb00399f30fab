"""What every part of `leasewatch dns serve` has: the process starts, tells and stops it."""

from __future__ import annotations

from leasewatch.api.dns_interface import DnsStatus


class Part:
    """One door, or what stands behind one. All of it is called in the event loop.

    A part is made for one version of the settings. When they change, the process stops all parts
    and makes new ones; the table of names stays.
    """

    def start(self) -> None:
        """Begin; the table may be empty. Raises UserError for what only the owner can correct."""

    async def stop(self) -> None:
        """Close every socket, end every task, and leave what others have as it is."""

    def table_changed(self, names: set[str]) -> None:
        """These decided names, or all with an unknown suffix, have changed in the table.

        The first call has all names. A change of networks or of blocked names has all names, too.
        It must return soon: what takes long goes into a task.
        """

    def report(self, status: DnsStatus) -> None:
        """Add our rows and numbers to the status."""
