"""What every part of `leasewatch dns serve` has: the process starts, tells and stops it."""

from __future__ import annotations

from leasewatch.api.dns_interface import DnsStatus


class Part:
    """One door, or what stands behind one. All of it is called in the event loop.

    A part is made for one version of the settings, and reads its keys then: it raises UserError for
    what only the owner can correct. When the settings change, the process makes new parts, stops
    the former ones and starts the new ones. The table of names stays.
    """

    def start(self) -> None:
        """Begin; the table may be empty. What may work later is tried again, and logged."""

    async def stop(self) -> None:
        """Close every socket, end every task, and leave what others have as it is."""

    def table_changed(self, names: set[str]) -> None:
        """These decided names, or all with an unknown suffix, have changed in the table.

        The first call has all names. A change of networks or of blocked names has all names, too.
        It must return soon: what takes long goes into a task.
        """

    def report(self, status: DnsStatus) -> None:
        """Add our rows and numbers to the status."""
