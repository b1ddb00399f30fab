"""ip(8) in batches: which answer is whose, and what becomes of an ip that answers otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from leasewatch.pyvirt import ip
from nss_pyvirt.errors import UserError


def put_ip(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "ip"
    program.write_text(f"#!/bin/sh\ncat >/dev/null\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_each_command_gets_its_own_answer_or_its_own_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_ip(
        tmp_path,
        monkeypatch,
        "echo 'RTNETLINK answers: Permission denied' >&2; echo 'Command failed -:1' >&2\n"
        """echo '[{"dst":"a"}]'; echo '[]'\n"""
        "echo 'Error: no.' >&2; echo 'Command failed -:4' >&2; exit 1",
    )
    answers = ip.Question(4, ["one", "two", "three", "four"]).answers()
    assert answers == ["Permission denied", [{"dst": "a"}], [], "no."]


@pytest.mark.parametrize("script", ["echo oh >&2; exit 1", "echo oh >&2"])
def test_an_ip_that_answers_otherwise_is_an_error_in_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    put_ip(tmp_path, monkeypatch, script)
    with pytest.raises(UserError, match=r"^ip: oh$"):
        ip.Question(4, ["rule show"]).answers()


def test_a_change_that_fails_is_an_error_with_the_kernels_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_ip(tmp_path, monkeypatch, "echo 'RTNETLINK answers: File exists' >&2; exit 1")
    with pytest.raises(UserError, match=r"^ip: File exists$"):
        ip.apply(["link add name pv-lab type bridge"])
