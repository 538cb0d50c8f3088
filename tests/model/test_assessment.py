"""Coverage gaps of control summaries."""

from __future__ import annotations

import pytest

from kubekeep.model.assessment import Counts, DefinitionSummary
from kubekeep.model.control import Control
from kubekeep.model.verdict import Cause, Reason, Status

CONTROL = Control(title="t", severity=1, asks="a", why="w", fix="f", targets=("Pod",))


@pytest.mark.parametrize(
    ("status", "reason", "gap"),
    [
        (Status.PASSED, None, False),
        (Status.FAILED, None, False),
        (Status.NOT_EVALUATED, Reason(Cause.IRRELEVANT, "no Pod is in the input"), False),
        (Status.NOT_EVALUATED, Reason(Cause.NEEDS_CLUSTER, "it asks the cluster"), True),
        (Status.NOT_EVALUATED, None, True),
    ],
)
def test_irrelevant_control_is_no_gap(status: Status, reason: Reason | None, gap: bool) -> None:  # noqa: FBT001
    assert DefinitionSummary(CONTROL, status, Counts(), 0, None, reason).is_gap is gap
