"""What `leasewatch sources` says of a lease file: what is wrong with it as it is now."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from leasewatch.appearances import Appearances
from leasewatch.io.journal import Journal
from leasewatch.io.lease_files import FileState, LeaseFiles
from leasewatch.model import Lease, LeaseChange, LeaseFile

GOOD = "4102444800 52:54:00:00:00:01 10.0.0.1 web1 *\n"
KEA = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state\n"
KEA_LINE = "10.0.0.{},52:54:00:00:00:0{},,3600,4102444800,1,0,0,web{},0\n"


class Files:
    """A watched lease file, and what is said of it."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.path = folder / "leases"
        self.log = io.StringIO()
        self.held: dict[str, Lease] = {}
        self.kind = kind
        self._files = LeaseFiles(Journal(self.log), self._changed, Appearances())

    def _changed(self, changes: list[LeaseChange]) -> None:
        for change in changes:
            self.held.pop((change.new or change.old).address, None)  # type: ignore[union-attr]
            if change.new is not None:
                self.held[change.new.address] = change.new

    async def become(self, text: str) -> FileState:
        """The file is written anew, and stands still."""
        self.path.write_text(text)
        file = LeaseFile(path=str(self.path), network="lab", suffix="internal", kind=self.kind)
        self._files.watch([file])
        self._files.look(str(self.path))
        for _ in range(6000):  # a minute
            if not self._files.is_waiting():
                break
            await asyncio.sleep(0.01)
        (state,) = self._files.states()
        return state

    async def error(self, text: str) -> str | None:
        return (await self.become(text)).malformed


Check = Callable[[Files], Coroutine[None, None, None]]


def checked(folder: Path, kind: str, check: Check) -> None:
    asyncio.run(check(Files(folder, kind)))


@pytest.mark.parametrize(
    ("kind", "bad", "good", "error"),
    [
        ("dnsmasq", f"{GOOD}junk\n", GOOD, "line 2: line: "),
        ("dnsmasq", GOOD.replace(":01", ":x"), GOOD, "line 1: hwaddr, left out: "),
        ("kea", f"{KEA}\n\n{KEA_LINE.format(300, 1, 1)}", KEA, "line 4: address: "),
        ("kea", "address,ip\n", KEA, "line 1: header: "),
        ("libvirt", '[\n{"ip-address": 7}\n]', "[]", "line 2: ip-address: "),
        ("libvirt", "[", "", "JSON: "),
        ("networkd", '{"Leases": [{"Address": []}]}', '{"Leases": []}', "line 1: address: "),
    ],
)
def test_a_fault_is_told_with_its_line_for_as_long_as_the_file_has_it(
    tmp_path: Path, kind: str, bad: str, good: str, error: str
) -> None:
    async def check(files: Files) -> None:
        assert await files.error(good) is None
        for _ in range(2):
            assert str(await files.error(bad)).startswith(error)
            assert await files.error(good) is None

    checked(tmp_path, kind, check)


def test_what_costs_a_lease_is_told_before_what_costs_a_field(tmp_path: Path) -> None:
    flawed = GOOD.replace("web1", "w\x01b")

    async def check(files: Files) -> None:
        assert "hostname" in str(await files.error(flawed))
        assert "line 3: line: " in str(await files.error(f"{flawed}{GOOD}junk\n"))
        assert "hostname" in str(await files.error(f"{flawed}{GOOD}"))

    checked(tmp_path, "dnsmasq", check)


def test_a_field_that_is_left_out_is_logged_once_however_often_the_lease_is_renewed(
    tmp_path: Path,
) -> None:
    async def check(files: Files) -> None:
        for renewal in range(3):
            lines = [GOOD.replace("4102444800", f"410244480{renewal}")] * renewal
            await files.become("".join([*lines, f"410244490{renewal} zz 10.0.0.2 web2 *\n"]))
            assert files.held["10.0.0.2"].hostname == "web2"
            assert files.held["10.0.0.2"].hwaddr is None

    files = Files(tmp_path, "dnsmasq")
    asyncio.run(check(files))
    assert files.log.getvalue().count("field left out") == 1
    assert "field=hwaddr" in files.log.getvalue()


def test_a_line_of_keas_older_parts_has_no_number_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "leases.2").write_text(KEA + KEA_LINE.format(2, 2, 2).replace("3600", "x"))

    async def check(files: Files) -> None:
        assert str(await files.error(KEA + KEA_LINE.format(1, 1, 1))).startswith("valid_lifetime: ")

    checked(tmp_path, "kea", check)
