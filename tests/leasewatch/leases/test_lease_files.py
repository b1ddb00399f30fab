"""Lease files as they are watched: of what format each is, and what is wrong with it now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from leasewatch import addresses
from leasewatch.api import offline
from leasewatch.leases.address_book import FirstSeen
from leasewatch.leases.lease_files import FileState, LeaseFiles
from leasewatch.model import Lease, LeaseChange, LeaseFile
from leasewatch.paths import Paths
from tests.leasewatch.logged import LOG

GOOD = "4102444800 52:54:00:00:00:01 10.0.0.1 web1 *\n"
KEA4 = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state\n"
KEA6 = (
    "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,"
    "fqdn_fwd,fqdn_rev,hostname,hwaddr,state\n"
    "fd00::1,00:03:00:01,9,4102444800,1,9,0,1,128,0,0,web6,,0\n"
)
STATUS = '[{"ip-address": "10.0.0.3", "hostname": "web3"}]'
NETWORKD = '{"Leases": [{"Address": [10,0,0,4], "Hostname": "web4"}]}'
KEA_LINE = "10.0.0.{},52:54:00:00:00:0{},,3600,4102444800,1,0,0,web{},0\n"


class Files:
    """A watched lease file, and its state."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.path = folder / "leases"
        self.held: dict[str, Lease] = {}
        self.kind = kind
        self._files = LeaseFiles(FirstSeen())
        self._files.subscribe(self._changed)

    def _changed(self, changes: list[LeaseChange]) -> None:
        for change in changes:
            self.held.pop(addresses.text((change.new or change.old).address), None)  # type: ignore[union-attr]
            if change.new is not None:
                self.held[addresses.text(change.new.address)] = change.new

    async def become(self, text: str) -> FileState:
        """The file is rewritten, and stands still."""
        self.path.write_text(text)
        return await self.look()

    async def look(self) -> FileState:
        """The state of the file now."""
        file = LeaseFile(path=str(self.path), network="lab", suffix="internal", kind=self.kind)
        self._files.watch([file])
        self._files.look({str(self.path)})
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
        ("dnsmasq", GOOD.replace(":01", ":x"), GOOD, "line 1: hwaddr, omitted: "),
        ("kea", f"{KEA4}\n\n{KEA_LINE.format(300, 1, 1)}", KEA4, "line 4: address: "),
        ("kea", "address,ip\n", KEA4, "line 1: header: "),
        ("libvirt", '[\n{"ip-address": 7}\n]', "[]", "line 2: ip-address: "),
        ("libvirt", "[", "", "JSON: "),
        ("networkd", '{"Leases": [{"Address": []}]}', '{"Leases": []}', "line 1: address: "),
    ],
)
def test_a_fault_is_shown_with_its_line_while_the_file_has_it(
    tmp_path: Path, kind: str, bad: str, good: str, error: str
) -> None:
    async def check(files: Files) -> None:
        assert await files.error(good) is None
        for _ in range(2):
            assert str(await files.error(bad)).startswith(error)
            assert await files.error(good) is None

    checked(tmp_path, kind, check)


def test_a_fault_that_costs_a_lease_comes_before_one_that_costs_a_field(tmp_path: Path) -> None:
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
    assert LOG.getvalue().count("field omitted") == 1
    assert "field=hwaddr" in LOG.getvalue()


def test_a_line_of_keas_older_parts_has_no_number_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "leases.2").write_text(KEA4 + KEA_LINE.format(2, 2, 2).replace("3600", "x"))

    async def check(files: Files) -> None:
        assert str(await files.error(KEA4 + KEA_LINE.format(1, 1, 1))).startswith(
            "valid_lifetime: "
        )

    checked(tmp_path, "kea", check)


FORMATS = [
    ("settings", GOOD, "10.0.0.1"),
    ("settings", f"duid 00:01\n{GOOD}", "10.0.0.1"),
    ("settings", f"vendorclass 10.0.0.9 4d\n{GOOD}", "10.0.0.1"),
    ("kea", KEA4 + KEA_LINE.format(2, 2, 2), "10.0.0.2"),
    ("kea", KEA6, "fd00::1"),
    ("libvirt", STATUS, "10.0.0.3"),
    ("libvirt", f"\n  {STATUS}\n", "10.0.0.3"),
    ("networkd", NETWORKD, "10.0.0.4"),
]


@pytest.mark.parametrize(("source", "text", "address"), FORMATS)
def test_a_file_of_the_settings_is_what_it_begins_like(
    tmp_path: Path, source: str, text: str, address: str
) -> None:
    async def check(files: Files) -> None:
        await files.become("")
        state = await files.become(text)
        assert (state.source, state.malformed, set(files.held)) == (source, None, {address})
        await files.become("")
        assert (await files.become(text)).source == source

    checked(tmp_path, "settings", check)


def test_a_file_that_becomes_one_of_another_format_is_read_as_that(tmp_path: Path) -> None:
    async def check(files: Files) -> None:
        for source, text, address in [*FORMATS, *reversed(FORMATS)]:
            state = await files.become(text)
            assert (state.source, state.malformed, set(files.held)) == (source, None, {address})

    checked(tmp_path, "settings", check)


@pytest.mark.parametrize("text", ["junk\n", "address\n", '"x"\n', "\0\0\0\n"])
def test_a_file_that_is_harmed_stays_what_it_was_and_keeps_its_leases(
    tmp_path: Path, text: str
) -> None:
    async def check(files: Files) -> None:
        for source, good, address in FORMATS:
            await files.become(good)
            state = await files.become(text)
            assert (state.source, set(files.held)) == (source, {address})
            assert state.malformed is not None

    checked(tmp_path, "settings", check)


@pytest.mark.parametrize("kind", ["kea", "settings"])
def test_what_keas_clean_up_has_moved_counts_beside_any_name(tmp_path: Path, kind: str) -> None:
    parts = {".2": KEA_LINE.format(1, 1, 1), ".1": KEA_LINE.format(2, 2, 2)}
    for suffix, line in parts.items():
        (tmp_path / f"leases{suffix}").write_text(KEA4 + line)

    async def check(files: Files) -> None:
        await files.become(KEA4 + KEA_LINE.format(3, 3, 3))
        assert set(files.held) == {"10.0.0.1", "10.0.0.2", "10.0.0.3"}
        (tmp_path / "leases.completed").write_text(KEA4 + KEA_LINE.format(1, 1, 1))
        await files.become(KEA4 + KEA_LINE.format(4, 4, 4))
        assert set(files.held) == {"10.0.0.1", "10.0.0.4"}

    checked(tmp_path, kind, check)


@pytest.mark.parametrize("kind", ["dnsmasq", "kea", "libvirt", "networkd"])
def test_a_kind_that_is_given_is_not_doubted(tmp_path: Path, kind: str) -> None:
    async def check(files: Files) -> None:
        for source, text, address in FORMATS:
            state = await files.become(text)
            if kind == source or (kind, source) == ("dnsmasq", "settings"):
                assert (state.malformed, set(files.held)) == (None, {address})
            else:
                assert address not in files.held
            assert state.source == kind

    checked(tmp_path, kind, check)


@pytest.mark.parametrize("kind", ["networkd", "settings"])
def test_networkds_file_goes_with_its_last_lease_wherever_it_is(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "netif"
    folder.mkdir()

    async def check(files: Files) -> None:
        await files.become(NETWORKD)
        away = folder.rename(tmp_path / "away")
        state = await files.look()
        assert (state.unreadable, set(files.held)) == ("No such file or directory", {"10.0.0.4"})
        folder.mkdir()  # recreated, so it proves nothing
        assert set((await files.look(), files.held)[1]) == {"10.0.0.4"}
        folder.rmdir()
        away.rename(folder)
        await files.look()
        files.path.unlink()
        state = await files.look()
        assert (state.unreadable, state.malformed, state.leases) == (None, None, 0)
        assert not files.held
        await files.become(NETWORKD)
        assert set(files.held) == {"10.0.0.4"}

    checked(folder, kind, check)


def test_the_commands_tell_the_format_too_where_no_service_runs(tmp_path: Path) -> None:
    root = Paths(tmp_path)
    root.config.parent.mkdir(parents=True)
    text = ""
    for number, (_, content, _) in enumerate(FORMATS):
        (tmp_path / str(number)).write_text(content)
        text += f'[[source]]\npath = "{tmp_path}/{number}"\nnetwork = "n{number}"\n'
    root.config.write_text(text)
    listed = offline.list_entries(root, 1.0).entries
    assert [entry.address for entry in listed] == [address for _, _, address in FORMATS]
