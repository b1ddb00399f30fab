"""Rows of checks on a terminal, through a pipe, and as JSON."""

from __future__ import annotations

import json

import pytest

from nss_pyvirt.checks import Row
from nss_pyvirt.terminal import frame, report

ROWS = [
    Row("ok", "nsswitch", "pyvirt is asked before DNS"),
    Row("bad", "module", "it does not exist", "sudo nss-pyvirt install"),
    Row("ok", "user", "there"),
    Row("bad", "unit", "another version of the program wrote it", "sudo nss-pyvirt install"),
    Row("root", "firewall", "\x1b[2Jnot checked"),
]
TABLE = r"""STATE  SUBJECT   DETAIL
ok     nsswitch  pyvirt is asked before DNS
bad    module    it does not exist
ok     user      there
bad    unit      another version of the
                 program wrote it
       hint: sudo nss-pyvirt install
root   firewall  \x1b[2Jnot checked
"""


def test_a_detail_goes_on_below_itself_and_rows_share_one_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(frame, "terminal_width", lambda: 45)
    assert report.write(ROWS, "table", "sudo me") == 1
    output = capsys.readouterr()
    assert (output.out, output.err) == (TABLE, "  hint: sudo me\n")


def test_a_warning_is_no_failure_and_json_has_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [Row("warn", "conflicts", str(number)) for number in range(9)]
    assert report.write(rows, "json") == 0
    found = json.loads(capsys.readouterr().out)
    del found[8]["schema"]
    assert found[8] == {"state": "warn", "subject": "conflicts", "detail": "8", "fix": None}


def test_many_rows_of_a_subject_do_not_hide_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [Row("warn", "conflicts", str(number)) for number in range(9)]
    assert report.write([*rows, Row("bad", "conflicts", "9"), *ROWS[:1]], "table") == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["STATE", "warn", "warn", "warn", "bad", "ok"]
    assert lines[4].endswith("and 7 more, which -o json lists")
