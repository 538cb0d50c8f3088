"""Gates: each with the figure it saw; absence is never good enough."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from kubekeep.assess.gate import EVERY, Gates, incomplete, judge
from kubekeep.model.assessment import Assessment, Unread
from kubekeep.model.location import Location
from kubekeep.model.severity import Severity
from kubekeep.usecases.scan import ScanRequest, scan

SHOP = Path(__file__).parents[2] / "examples" / "online-shop"


@pytest.fixture(scope="module")
def half() -> Assessment:
    """One privileged pod and one that is not."""
    paths = (str(SHOP / "operations" / "debug-pod.yaml"), str(SHOP / "checkout" / "migrate.yaml"))
    return scan(ScanRequest(paths=paths, controls=("C-0057",)))


def test_no_gate_no_outcome(half: Assessment) -> None:
    assert judge(half, Gates()) == []


@pytest.mark.parametrize(
    ("gates", "passed"),
    [
        (Gates(severity=Severity.HIGH), False),
        (Gates(severity=Severity.LOW), False),
        (Gates(severity=Severity.CRITICAL), True),
        (Gates(compliance={EVERY: 50}), True),
        (Gates(compliance={EVERY: 50.01}), False),
        (Gates(coverage={EVERY: 100}), True),
    ],
)
def test_one_gate(half: Assessment, gates: Gates, *, passed: bool) -> None:
    (outcome,) = judge(half, gates)
    assert outcome.passed is passed


def test_nothing_evaluated_has_no_compliance() -> None:
    empty = scan(ScanRequest(paths=(str(SHOP / "platform" / "quota.yaml"),), controls=("C-0057",)))
    (outcome,) = judge(empty, Gates(compliance={EVERY: 1}))
    assert (outcome.passed, outcome.text) == (False, "compliance: 0.00 % (overall), limit 1 %")


def test_an_unread_file_makes_it_incomplete(half: Assessment) -> None:
    assert not incomplete(half)
    assert incomplete(msgspec.structs.replace(half, unread=(Unread(Location("x.yaml"), "broken"),)))
