"""Rules are evaluated until somebody wants an end, in whatever context."""

from __future__ import annotations

import threading

import pytest

from kubekeep.engine.policies import RegoPolicySet
from kubekeep.engine.port import Query
from kubekeep.engine.stopping import StoppedError, Stopping

RULE = "package a\nfound := input.name"


def test_nothing_is_evaluated_any_more_once_it_is_stopped() -> None:
    stopped = threading.Event()
    rules = Stopping(RegoPolicySet([{"a.rego": RULE}], [[Query("found", "data.a.found")]], {"name": "one"}), stopped)
    other = rules.with_context({"name": "two"})
    assert [one.evaluate([(b"{}", (0,))]) for one in (rules, other)] == [[{"found": "one"}], [{"found": "two"}]]
    stopped.set()
    for one in (rules, other):
        with pytest.raises(StoppedError):
            one.evaluate([(b"{}", (0,))])
    with pytest.raises(StoppedError):
        rules.with_context({})
