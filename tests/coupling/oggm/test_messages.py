"""Warnings that are logged once."""

from __future__ import annotations

import logging

import oggm_glaunti.coupling  # noqa: F401
from oggm_glaunti.coupling.oggm.messages import forget_warnings, warn_once


def test_a_warning_is_logged_once_for_each_logger_and_subject_until_it_is_forgotten(caplog):
    one, other = (logging.getLogger(f"tests.{name}") for name in ("one", "other"))
    forget_warnings()
    for _ in range(2):
        warn_once(one, "first")
        warn_once(one, "second", subject="first")
        warn_once(other, "first")
    assert [record.getMessage() for record in caplog.records] == ["first", "first"]
    warn_once(one, "third")
    forget_warnings()
    warn_once(one, "third")
    assert [record.getMessage() for record in caplog.records][2:] == ["third", "third"]
