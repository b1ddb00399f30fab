"""The log: one line for each event, with any values and any reader."""

from __future__ import annotations

import io
import logging

import pytest

from leasewatch.daemon import logs
from leasewatch.daemon.logs import Recent, fields
from tests.leasewatch.logged import LOG

LOGGER = logging.getLogger("leasewatch.some.room")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("/run/lab-1.json", "/run/lab-1.json"),
        ("two words", '"two words"'),
        ("a\n<3>line of its own", '"a\\n<3>line of its own"'),
        ("höst", '"h\\u00f6st"'),
        ("", '""'),
        (5, "5"),
    ],
)
def test_a_value_that_is_not_plain_is_quoted_and_stays_on_its_line(
    value: object, shown: str
) -> None:
    LOGGER.warning("claim refused %s", fields(name=value, mac=None))
    assert LOG.getvalue() == f"leasewatch: claim refused name={shown}\n"


def test_systemd_gets_each_lines_priority() -> None:
    stream = io.StringIO()
    handler = logs.start(stream, priorities=True)
    try:
        for level in (logging.DEBUG, logging.INFO, logs.NOTICE, logging.WARNING, logging.ERROR):
            LOGGER.log(level, "%s", level)
    finally:
        logging.getLogger("leasewatch").removeHandler(handler)
    assert stream.getvalue().split() == ["<6>20", "<5>25", "<4>30", "<3>40"]


def test_a_closed_log_stops_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    handler = logs.start(stream)
    stream.close()
    try:
        LOGGER.error("lost")
    finally:
        logging.getLogger("leasewatch").removeHandler(handler)
    assert capfd.readouterr().err == ""


def test_what_was_logged_of_late_is_not_new() -> None:
    recent = Recent(2)
    assert [recent.is_new(what) for what in "aababca"] == [
        True,
        False,
        True,
        False,
        False,
        True,
        True,
    ]
