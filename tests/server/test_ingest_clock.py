"""Ingest with clocks that differ: scans in the future, and a server whose clock was set back."""

from __future__ import annotations

import datetime as dt

import pytest

from kubekeep_server.store.ingest import EarlySubmissionError
from tests.server.conftest import Database
from tests.server.test_ingest import START, build, build_subject, list_findings, receive


def test_scan_in_the_future_is_refused(database: Database) -> None:
    """A client whose clock was ahead blocks no later scan of the source."""
    ahead, now = build(3, build_subject(1, "C-0001")), START + dt.timedelta(days=1)
    with pytest.raises(EarlySubmissionError, match="check both clocks") as refusal:
        receive(database, ahead, now)
    assert refusal.value.seconds == 2 * 86_400 - 10 * 60 + 1
    assert list_findings(database) == {}
    assert receive(database, build(1, build_subject(1, "C-0002")), now).is_applied
    assert list_findings(database) == {"1 C-0002": [(1, None, None)]}
    accepted = receive(database, ahead, ahead.finished - dt.timedelta(minutes=10))
    assert accepted.is_applied


def test_clock_of_the_server_is_set_back(database: Database) -> None:
    """The last scan is in the future now: it is acknowledged again, and a later one of the present time is applied."""
    last, present = build(9, build_subject(1, "C-0001")), build(5, build_subject(1, "C-0002"))
    assert receive(database, last, last.finished).is_applied
    repeated = receive(database, last, present.finished)
    assert (repeated.is_known, repeated.is_applied) == (True, True)
    assert receive(database, present, present.finished).is_applied
    assert [name for name, intervals in list_findings(database).items() if intervals[-1][1] is None] == ["1 C-0002"]
    following = build(6, build_subject(1, "C-0001"))
    assert receive(database, following, following.finished).is_applied
    assert not receive(database, build(4), following.finished).is_applied
