"""`leasewatch admin`, with a real service."""

from __future__ import annotations

import json
import os
import pwd
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from leasewatch.api import peers
from leasewatch.cli.leasewatch import command
from leasewatch.paths import Paths
from nss_pyvirt.terminal import complete
from tests.leasewatch.cli.asking import DOWN, run
from tests.leasewatch.serving import Served

Out = pytest.CaptureFixture[str]


def _serve(tmp_path_factory: pytest.TempPathFactory, *, may_change: bool) -> Iterator[Served]:
    """A service that any user may change, or none."""
    made = Served(tmp_path_factory.mktemp("root"))
    made.start(first=lambda: setattr(peers.Peers, "may_change", lambda *_: may_change))
    yield made
    made.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from _serve(tmp_path_factory, may_change=True)


@pytest.fixture(scope="module")
def read_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from _serve(tmp_path_factory, may_change=False)


def words_and_values(text: str) -> dict[str, str]:
    return dict(line.split(maxsplit=1) for line in text.splitlines())


def test_status_is_a_list_for_people_and_an_object_for_programs(
    served: Served, capsys: Out
) -> None:
    code, out, _ = run(served.paths, capsys, "admin")
    shown = words_and_values(out)
    assert code == 0
    assert f"process {served.pid}, up " in shown["service"]
    assert shown["clients"].startswith("1 now, ")
    code, out, _ = run(served.paths, capsys, "admin", "-o", "json")
    assert code == 0
    assert json.loads(out)["counters"]["publishes"] >= 1
    assert run(served.paths, capsys, "admin", "status")[0] == 0


def test_clients_are_rows_and_one_is_disconnected(served: Served, capsys: Out) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(served.paths.socket)
        code, out, _ = run(served.paths, capsys, "admin", "clients", "-o", "json")
        first, *others = json.loads(out)
        assert code == 0
        assert others[-1]["id"] > first["id"]  # the command's own
        me = pwd.getpwuid(os.getuid()).pw_name
        assert (first["user"], first["pid"], first["calls"]) == (me, os.getpid(), 0)
        names = run(served.paths, capsys, "admin", "clients", "-o", "name")[1]
        assert str(first["id"]) in names.split()
        code, out, _ = run(served.paths, capsys, "admin", "disconnect", str(first["id"]))
        assert (code, out) == (0, f"disconnected client {first['id']}\n")
        with suppress(ConnectionResetError):
            assert client.recv(1) == b""
    code, out, err = run(served.paths, capsys, "admin", "disconnect", str(first["id"]))
    assert (code, out) == (3, "")
    assert err.splitlines() == [
        f"leasewatch: there is no client {first['id']}",
        "  hint: leasewatch admin clients",
    ]


def test_a_shell_completes_the_ids_of_clients_and_the_levels(served: Served) -> None:
    found = complete.candidates(command, ["admin", "disconnect", ""], served.paths)
    assert [value for value, _ in found if value.isdigit()]
    levels = complete.candidates(command, ["admin", "log", ""], served.paths)
    assert [value for value, _ in levels] == ["error", "warning", "notice", "info", "debug"]


def test_limits_and_the_log_level_change_until_a_reload(served: Served, capsys: Out) -> None:
    before = words_and_values(run(served.paths, capsys, "admin", "limits")[1])
    code, out, _ = run(served.paths, capsys, "admin", "limits", "set", "--connections", "2000")
    assert (code, words_and_values(out)) == (0, before | {"connections": "2000"})
    assert run(served.paths, capsys, "admin", "log", "error")[:2] == (
        0,
        "the service logs error and worse\n",
    )
    assert run(served.paths, capsys, "admin", "log")[:2] == (0, "error\n")
    assert run(served.paths, capsys, "admin", "reload")[0] == 0
    assert words_and_values(run(served.paths, capsys, "admin", "limits", "show")[1]) == before
    code, out, _ = run(served.paths, capsys, "admin", "log", "-o", "json")
    assert json.loads(out)["level"] == "info"


def test_a_reload_of_faulty_settings_fails_with_the_first_fault(
    served: Served, capsys: Out
) -> None:
    sound = served.paths.config.read_text()
    try:
        served.settings(sound + "[api]\nconnections = 1\n[log]\nlevel = 3\n")
        code, out, err = run(served.paths, capsys, "admin", "reload")
    finally:
        served.settings(sound)
    assert (code, out) == (1, "")
    assert "api.connections" in err.splitlines()[0]
    assert err.splitlines()[0].endswith(", and 1 more; the previous settings stay")


WRONG = [
    (["limits", "set"], "no limit to set is given"),
    (["limits", "set", "--connections", "15"], "from 16 to 4096"),
    (["limits", "set", "--connections", "4097"], "from 16 to 4096"),
    (["limits", "set", "--waits-of-user", "0"], "from 2 to 4096"),
    (["limits", "set", "--waits-of-user", "x"], '"x" is not a whole number'),
    (["limits", "sets"], "did you mean: leasewatch admin limits set"),
    (["log", "loud"], "'loud' is not one of"),
    (["disconnect"], "ID is missing"),
    (["disconnect", "0"], '"0" is not a whole number'),
    (["disconnect", "-1"], "no option -1"),
    (["disconnect", "9" * 30], "is not a whole number"),
    (["clients", "-o", "yaml"], "'yaml' is not one of"),
    (["frob"], "there is no command leasewatch admin frob"),
]


@pytest.mark.parametrize(("words", "said"), WRONG, ids=[" ".join(words) for words, _ in WRONG])
def test_wrong_words_are_refused_in_one_line(
    paths: Paths, capsys: Out, words: list[str], said: str
) -> None:
    code, out, err = run(paths, capsys, "admin", *words)
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) <= 2


CHANGES = (
    ["disconnect", "1"],
    ["limits", "set", "--connections", "99"],
    ["log", "info"],
    ["reload"],
)


@pytest.mark.parametrize("words", CHANGES, ids=" ".join)
def test_who_may_not_change_something_reads_one_clear_line(
    read_only: Served, capsys: Out, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["leasewatch", "admin", *words])
    code, out, err = run(read_only.paths, capsys, "admin", *words)
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        "leasewatch: only root and members of the group pyvirt may change the service",
        f"  hint: sudo leasewatch admin {' '.join(words)}",
    ]


def test_without_the_service_there_is_nothing_to_show(paths: Paths, capsys: Out) -> None:
    code, out, err = run(paths, capsys, "admin")
    assert (code, out) == (1, "")
    assert DOWN in err
