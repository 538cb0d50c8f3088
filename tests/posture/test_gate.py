"""Gates: outcomes with their figures. A gate without evaluated controls fails."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from kubekeep.model.assessment import Assessment, UnreadInput
from kubekeep.model.comparison import Comparison, Difference, FindingChange, RecordedFinding
from kubekeep.model.fingerprint import Granularity, Identity
from kubekeep.model.location import Location
from kubekeep.model.severity import Severity
from kubekeep.model.verdict import Verdict
from kubekeep.posture.gate import EVERY, Gates, UnknownLimitError, evaluate_gates, is_incomplete
from kubekeep.usecases.request import RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan

SHOP = Path(__file__).parents[2] / "examples" / "online-shop"


@pytest.fixture(scope="module")
def half() -> Assessment:
    """Return the assessment of a privileged pod and an unprivileged pod."""
    paths = (str(SHOP / "operations" / "debug-pod.yaml"), str(SHOP / "checkout" / "migrate.yaml"))
    return scan(ScanRequest(ScanInput(paths=paths), rules=RuleOptions(controls=("C-0057",))))


def test_no_gate_no_outcome(half: Assessment) -> None:
    assert evaluate_gates(half, Gates()) == []


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
    (outcome,) = evaluate_gates(half, gates)
    assert outcome.has_passed is passed


@pytest.mark.parametrize(
    ("gates", "texts"),
    [
        (Gates(failures={"high": 0}), ["failures: 1 high, limit 0"]),
        (Gates(failures={"high": 1, "low": 0}), []),
        (Gates(failures={"total": 0}), ["failures: 1 total, limit 0"]),
        (Gates(compliance={"overall": 51}), ["compliance: 50.00 % (overall), limit 51 %"]),
        (
            Gates(severity=Severity.HIGH, only_fixable=True),
            ["severity: 1 failed controls of High or above with a fix, limit 0"],
        ),
    ],
)
def test_failed_gate_messages(half: Assessment, gates: Gates, texts: list[str]) -> None:
    assert [outcome.text for outcome in evaluate_gates(half, gates) if not outcome.has_passed] == texts


def test_unknown_severity_exceeds_every_limit(half: Assessment) -> None:
    control = msgspec.structs.replace(half.controls[0].definition, severity=0.5)
    unknown = msgspec.structs.replace(half, summaries=(msgspec.structs.replace(half.controls[0], definition=control),))
    gates = Gates(severity=Severity.CRITICAL, failures={"critical": 0})
    assert [outcome.text for outcome in evaluate_gates(unknown, gates) if not outcome.has_passed] == [
        "severity: 1 failed controls of Critical or above (1 of unknown severity), limit 0",
        "failures: 1 critical, limit 0",
    ]


def test_only_fixable_findings_count(half: Assessment) -> None:
    def without_fix(verdict: Verdict) -> Verdict:
        evidence = tuple(msgspec.structs.replace(piece, fix=None, delete=False) for piece in verdict.evidence)
        return msgspec.structs.replace(verdict, evidence=evidence)

    results = tuple(
        msgspec.structs.replace(
            result, verdicts={slug: without_fix(verdict) for slug, verdict in result.verdicts.items()}
        )
        for result in half.results
    )
    bare = msgspec.structs.replace(half, results=results)
    gates = Gates(severity=Severity.LOW, failures={"total": 0}, only_fixable=True)
    assert [outcome.has_passed for outcome in evaluate_gates(bare, gates)] == [True, True]
    assert [outcome.has_passed for outcome in evaluate_gates(half, gates)] == [False, False]


def test_limit_applies_to_one_framework() -> None:
    assessment = scan(ScanRequest(ScanInput(paths=(str(SHOP),)), rules=RuleOptions(frameworks=("nsa", "pss-baseline"))))
    nsa, _ = (framework.compliance or 0 for framework in assessment.frameworks)
    (outcome,) = evaluate_gates(assessment, Gates(compliance={"NSA": nsa + 0.01}))
    assert (outcome.has_passed, "(nsa)" in outcome.text) == (False, True)
    (outcome,) = evaluate_gates(assessment, Gates(compliance={"nsa": nsa}))
    assert outcome.has_passed


@pytest.mark.parametrize("name", ["nsa", "overal", "C-0057"])
def test_limit_for_unselected_name_is_an_error(half: Assessment, name: str) -> None:
    with pytest.raises(UnknownLimitError, match=f"a limit for {name}, which is not in this scan"):
        evaluate_gates(half, Gates(coverage={name: 1}))


def finding(level: Severity) -> RecordedFinding:
    return RecordedFinding("C-0001", Identity("", "Pod", "", "x"), level=level)


@pytest.mark.parametrize(
    ("new", "hole", "head", "limit", "passed"),
    [
        (Severity.LOW, None, "failed", None, False),
        (Severity.LOW, None, "failed", Severity.HIGH, True),
        (Severity.UNKNOWN, None, "failed", Severity.HIGH, False),
        (None, Severity.HIGH, "failed", None, False),
        (None, Severity.HIGH, "skipped", Severity.HIGH, False),
        (None, Severity.HIGH, "absent", None, True),
        (None, None, "failed", None, True),
    ],
)
def test_gate_on_new_findings(
    half: Assessment, new: Severity | None, hole: Severity | None, head: str, limit: Severity | None, *, passed: bool
) -> None:
    comparison = Comparison(
        base="b",
        head="h",
        granularity=Granularity.EVIDENCE,
        new=() if new is None else (Difference(FindingChange.NEW, finding(new), "passed", "failed"),),
        incomparable=()
        if hole is None
        else (Difference(FindingChange.INCOMPARABLE, finding(hole), "absent", head, "x"),),
    )
    compared = msgspec.structs.replace(half, baseline=comparison)
    (outcome,) = evaluate_gates(compared, Gates(new=True, new_severity=limit))
    assert outcome.has_passed is passed


def test_nothing_evaluated_has_no_compliance() -> None:
    empty = scan(
        ScanRequest(ScanInput(paths=(str(SHOP / "platform" / "quota.yaml"),)), rules=RuleOptions(controls=("C-0057",)))
    )
    (outcome,) = evaluate_gates(empty, Gates(compliance={EVERY: 1}))
    assert (outcome.has_passed, outcome.text) == (False, "compliance: not known (overall), limit 1 %")


def test_unread_file_makes_assessment_incomplete(half: Assessment) -> None:
    assert not is_incomplete(half)
    assert is_incomplete(msgspec.structs.replace(half, unread=(UnreadInput(Location("x.yaml"), "broken"),)))


ROLES = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: bound}
rules: [{apiGroups: [''], resources: [secrets], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: unbound}
rules: [{apiGroups: [''], resources: [secrets], verbs: [get]}]
"""
BINDING = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: readers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: bound}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: dana}]
"""


@pytest.mark.parametrize("documents", [(ROLES, BINDING), (BINDING, ROLES), (ROLES,)])
def test_most_severe_finding_of_a_control_counts(tmp_path: Path, documents: tuple[str, ...]) -> None:
    """A role without a binding is less severe, which must not hide the other finding."""
    (tmp_path / "roles.yaml").write_text("---".join(documents))
    assessment = scan(ScanRequest(ScanInput(paths=(str(tmp_path),)), rules=RuleOptions(controls=("C-0015",))))
    (severity,) = evaluate_gates(assessment, Gates(severity=Severity.HIGH))
    assert severity.has_passed is (BINDING not in documents)
