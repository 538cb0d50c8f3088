"""Comparison of scans: new, resolved and incomparable findings.

A finding is resolved only where the second scan looked.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kubekeep.baseline.assessment_findings import record_assessment
from kubekeep.baseline.compare import compare, mark_changes
from kubekeep.model.comparison import (
    RESOURCE_SELECTION,
    TARGETS,
    Comparison,
    FindingChange,
    RecordedFinding,
    ScanRecord,
)
from kubekeep.model.fingerprint import Granularity, Identity
from kubekeep.model.severity import Severity
from kubekeep.usecases.request import ScanInput, ScanRequest
from kubekeep.usecases.scan import scan

SHOP = Path(__file__).parents[2] / "examples" / "online-shop"
WEB = Identity("apps", "Deployment", "shop", "web")
API = Identity("apps", "Deployment", "shop", "api")
PLACES = ("spec.containers[name=a].image", "spec.containers[name=b].image")


def finding(identity: Identity = WEB, place: int = 0, file: str = "web.yaml", control: str = "C-1") -> RecordedFinding:
    return RecordedFinding(control, identity, PLACES[place], file, level=Severity.HIGH)


def side(*findings: RecordedFinding, **fields: Any) -> ScanRecord:
    """Make a scan of both resources, in the files of the findings or else in web.yaml."""
    resources: dict[Identity, set[str]] = {WEB: set(), API: set()}
    for finding in findings:
        resources[finding.identity].add(finding.file)
    for files in resources.values():
        files.update(() if files else ("web.yaml",))
    settings: dict[str, Any] = {"name": "x", "controls": {"C-1": "", "C-2": ""}, "resources": resources, **fields}
    return ScanRecord(findings=findings, **settings)


def describe(comparison: Comparison) -> dict[str, int]:
    parts = (comparison.new, comparison.resolved, comparison.unchanged, comparison.incomparable, comparison.excepted)
    names = ("new", "gone", "same", "hole", "excepted")
    return {name: len(items) for name, items in zip(names, parts, strict=True) if items}


def test_new_place_of_a_failing_control_is_new() -> None:
    base, head = side(finding()), side(finding(), finding(place=1))
    assert describe(compare(base, head)) == {"new": 1, "same": 1}
    (new,) = compare(base, head).new
    assert (new.base, new.head, new.finding.path) == ("failed", "failed", PLACES[1])
    assert describe(compare(base, head, Granularity.CONTROL)) == {"same": 1}


def test_fixed_finding_is_resolved() -> None:
    (gone,) = compare(side(finding()), side()).resolved
    assert (gone.base, gone.head) == ("failed", "passed")


def test_deleted_resource_is_resolved() -> None:
    (gone,) = compare(side(finding()), side(resources={API: {"web.yaml"}})).resolved
    assert gone.head == "absent"


@pytest.mark.parametrize(
    ("head", "status", "reason"),
    [
        ({"controls": {"C-2": ""}}, "absent", "C-1 is not among the controls of x"),
        ({"controls": {"C-1": "needs a node"}}, "skipped", "x could not evaluate C-1: needs a node"),
        ({"gaps": {WEB: {"C-1"}}}, "skipped", "x could not evaluate C-1 on this resource"),
        ({"resources": {}, "unread": frozenset({"web.yaml"})}, "absent", "x could not read web.yaml"),
        (
            {"resources": {WEB: {"other.yaml"}}, "unread": frozenset({"web.yaml"})},
            "absent",
            "x could not read web.yaml",
        ),
        ({"resources": {}, "unread": frozenset({"else.yaml"})}, "absent", "x could not read everything"),
        ({"resources": {}, "settings": {RESOURCE_SELECTION: "kinds Pod"}}, "absent", "x evaluated only kinds Pod"),
    ],
)
def test_uncovered_findings_are_incomparable(head: dict[str, Any], status: str, reason: str) -> None:
    (difference,) = compare(side(finding()), side(**head)).incomparable
    assert (difference.base, difference.head, difference.reason) == ("failed", status, reason)
    (difference,) = compare(side(**head), side(finding())).incomparable
    assert (difference.base, difference.head, difference.reason) == (status, "failed", reason)


def test_many_targets_are_counted() -> None:
    many = ", ".join(f"deploy/{number}.yaml" for number in range(4))
    head = side(resources={}, settings={TARGETS: many})
    (hole,) = compare(side(finding(), settings={TARGETS: "."}), head).incomparable
    assert hole.reason == "x evaluated only 4 targets"


@pytest.mark.parametrize("unread", ["kust/prod", "kust/prod/kustomization.yaml", "kust"])
def test_unread_file_is_not_renamed(unread: str) -> None:
    broken = side(resources={API: {"web.yaml"}}, unread=frozenset({unread}))
    known, twin = side(finding(file="kust/prod")), finding(file="else.yaml")
    comparison = compare(known, msgspec.structs.replace(broken, findings=(twin,), resources={WEB: {"else.yaml"}}))
    assert describe(comparison) == {"new": 1, "hole": 1}
    assert comparison.incomparable[0].reason == "x could not read kust/prod"
    known = msgspec.structs.replace(broken, findings=(twin,), resources={WEB: {"else.yaml"}}, only_failing=True)
    assert describe(compare(known, side(finding(file="kust/prod")))) == {"hole": 1, "gone": 1}


def test_unread_kustomizations_and_joined_results_are_incomparable() -> None:
    broken = side(resources={API: {"web.yaml", ""}}, unread=frozenset({"kustomization.yaml"}))
    for file, reason in (
        (".", "x could not read ."),
        ("", "x could not read everything"),
        ("else.yaml", "x could not read everything"),
    ):
        (hole,) = compare(side(finding(file=file)), broken).incomparable
        assert hole.reason == reason
    assert describe(compare(side(finding()), broken)) == {"gone": 1}


def test_file_outside_of_the_targets_is_not_renamed() -> None:
    known = side(finding(file="deploy/a.yaml"), settings={TARGETS: "deploy"}, only_failing=True)
    head = side(finding(file="else/b.yaml"), resources={WEB: {"else/b.yaml"}}, settings={TARGETS: "."})
    assert describe(compare(known, head)) == {"gone": 1, "hole": 1}


@pytest.mark.parametrize(
    ("old", "new"), [("main", "branch"), (".", "/checkout/of/it"), ("/checkout", "."), ("../main/", "./branch")]
)
def test_files_of_two_checkouts_are_equal(old: str, new: str) -> None:
    def of(folder: str, *names: str) -> set[str]:
        return {posixpath.normpath(f"{folder}/{name}") for name in names}

    (bad,), (good,) = of(old, "a.yaml"), of(new, "b.yaml")
    base = side(finding(file=bad), resources={WEB: of(old, "a.yaml", "b.yaml")}, settings={TARGETS: old})
    head = side(finding(file=good), resources={WEB: of(new, "b.yaml")}, settings={TARGETS: new})
    assert describe(compare(base, head)) == {"new": 1, "gone": 1}
    same = side(finding(file=f"{new}/a.yaml".removeprefix("./")), settings={TARGETS: new})
    assert describe(compare(base, same)) == {"same": 1}
    unread = side(resources={}, unread=frozenset(of(new, "a.yaml")), settings={TARGETS: new})
    assert {difference.reason for difference in compare(base, unread).incomparable} == {
        f"x could not read {min(unread.unread)}"
    }


def test_unread_file_does_not_affect_other_files() -> None:
    head = side(resources={API: {"web.yaml"}}, unread=frozenset({"else.yaml"}))
    assert describe(compare(side(finding()), head)) == {"gone": 1}


@pytest.mark.parametrize(
    ("whole", "part", "looked"),
    [
        (".", "deploy", False),
        ("./", "deploy, other/x.yaml", False),
        ("kust, deploy", "deploy", False),
        ("kust/base, deploy", "deploy, chart", False),
        (".", "./kust/", True),
        (".", "kust/base/web.yaml", True),
        ("deploy", "deploy", True),
        ("deploy", ".", True),
        (".", "kust, deploy", True),
        ("main", "branch", True),
        (".", "/checkout", True),
        ("kus", "kust", True),
    ],
)
def test_files_outside_of_the_targets_are_incomparable(whole: str, part: str, looked: bool) -> None:  # noqa: FBT001
    file = "kust/base/web.yaml"
    scans = (
        side(finding(file=file), settings={TARGETS: whole}),
        side(resources={API: {"deploy/api.yaml"}}, settings={TARGETS: part}),
    )
    comparison = compare(*scans)
    assert describe(comparison) == ({"gone": 1} if looked else {"hole": 1})
    assert {difference.reason for difference in comparison.incomparable} <= {f"x evaluated only {part}"}
    assert describe(compare(*scans[::-1])) == ({"new": 1} if looked else {"hole": 1})


def test_equal_resource_selections_are_comparable() -> None:
    settings = {RESOURCE_SELECTION: "kinds Deployment"}
    base = side(finding(), settings=settings)
    assert describe(compare(base, side(resources={}, settings=settings))) == {"gone": 1}
    passing = {RESOURCE_SELECTION: "changed since main"}
    base = side(finding(), settings=passing)
    assert describe(compare(base, side(resources={}, settings=passing))) == {"hole": 1}


def test_renamed_file_changes_nothing() -> None:
    assert describe(compare(side(finding()), side(finding(file="moved.yaml")))) == {"same": 1}


def test_base_and_overlay_are_not_confused() -> None:
    base = side(finding(file="base.yaml"), resources={WEB: {"base.yaml", "overlay.yaml"}})
    head = side(finding(file="overlay.yaml"), resources={WEB: {"base.yaml", "overlay.yaml"}})
    comparison = compare(base, head)
    assert describe(comparison) == {"new": 1, "gone": 1}
    assert (comparison.new[0].finding.file, comparison.resolved[0].finding.file) == ("overlay.yaml", "base.yaml")


def test_one_of_two_equal_findings_is_resolved() -> None:
    two = (finding(file="a.yaml"), finding(file="b.yaml"))
    assert describe(compare(side(*two), side(two[1]))) == {"same": 1, "gone": 1}
    assert describe(compare(side(two[1]), side(*two))) == {"same": 1, "new": 1}
    assert describe(compare(side(finding(), finding()), side(finding()))) == {"same": 1, "gone": 1}


@pytest.mark.parametrize("granularity", [Granularity.EVIDENCE, Granularity.CONTROL])
def test_failing_copy_is_new_when_the_other_is_deleted(granularity: Granularity) -> None:
    base = side(finding(file="a.yaml"), resources={WEB: {"a.yaml", "b.yaml"}})
    head = side(finding(file="b.yaml"), resources={WEB: {"b.yaml"}})
    for known in (base, msgspec.structs.replace(base, only_failing=True)):
        comparison = compare(known, head, granularity)
        assert describe(comparison) == {"new": 1, "gone": 1}
        assert (comparison.new[0].finding.file, comparison.new[0].base) == ("b.yaml", "passed")


def test_copies_have_their_own_status() -> None:
    base = side(finding(file="a.yaml"), resources={WEB: {"a.yaml", "b.yaml"}})
    head = side(finding(file="b.yaml"), resources={WEB: {"b.yaml"}})
    assert [(difference.base, difference.head) for difference in compare(base, head).resolved] == [("failed", "absent")]
    unread = msgspec.structs.replace(head, unread=frozenset({"else.yaml"}))
    (hole,) = compare(base, unread).incomparable
    assert (hole.finding.file, hole.head, hole.reason) == ("a.yaml", "absent", "x could not read everything")
    renamed = side(finding(place=1, file="c.yaml"), resources={WEB: {"c.yaml"}})
    assert [(difference.base, difference.head) for difference in compare(base, renamed).resolved] == [
        ("failed", "failed")
    ]
    assert [(difference.base, difference.head) for difference in compare(base, renamed).new] == [("failed", "failed")]


@pytest.mark.parametrize("resources", [None, {WEB: {"web.yaml"}}])
def test_resource_of_a_baseline_failed_already(resources: Any) -> None:
    base = side(finding(), resources=resources, only_failing=True)
    (new,) = compare(base, side(finding(), finding(place=1))).new
    assert (new.base, new.finding.path) == ("failed", PLACES[1])


def test_renamed_file_beside_a_compliant_copy_changes_nothing() -> None:
    base = side(finding(file="a.yaml"), resources={WEB: {"a.yaml", "b.yaml"}})
    head = side(finding(file="c.yaml"), resources={WEB: {"b.yaml", "c.yaml"}})
    assert describe(compare(base, head)) == {"same": 1}


def test_renamed_file_is_incomparable_without_other_files() -> None:
    base = side(finding(file="a.yaml"), finding(API), resources=None)
    head = side(finding(file="b.yaml"), finding(API), resources={WEB: {"b.yaml"}, API: {"web.yaml"}})
    comparison = compare(base, head)
    assert describe(comparison) == {"same": 1, "hole": 1}
    (hole,) = comparison.incomparable
    assert (hole.base, hole.head) == ("failed", "failed")
    assert hole.reason.startswith("x does not contain the other files of the resource: create it again")


def test_copies_in_one_file_are_counted() -> None:
    """Copies are interchangeable, since documents change their order; only additional ones are new."""
    first, second = finding(), msgspec.structs.replace(finding(), copy=1)
    assert describe(compare(side(first), side(second))) == {"same": 1}
    assert describe(compare(side(first), side(first, second))) == {"same": 1, "new": 1}
    assert describe(compare(side(first, second), side(first))) == {"same": 1, "gone": 1}
    assert describe(compare(side(), side(first))) == {"new": 1}
    other_place = msgspec.structs.replace(finding(place=1), copy=0)
    assert describe(compare(side(first, second), side(first, other_place))) == {"same": 1, "gone": 1, "new": 1}


@pytest.mark.parametrize("granularity", Granularity)
def test_excepted_finding_is_not_resolved(granularity: Granularity) -> None:
    covered = msgspec.structs.replace(finding(file="moved.yaml"), exception="legacy")
    head = side(excepted=(covered,), resources={WEB: {"moved.yaml"}, API: {"web.yaml"}})
    comparison = compare(side(finding(), finding(API)), head, granularity)
    assert describe(comparison) == {"excepted": 1, "gone": 1}
    (difference,) = comparison.excepted
    assert (difference.base, difference.finding.file, difference.reason) == (
        "failed",
        "moved.yaml",
        "excepted by exception legacy",
    )
    assert difference.head == "passed"
    assert describe(compare(side(excepted=(finding(),)), side(excepted=(finding(),)), granularity)) == {}


def test_finding_beside_an_excepted_one_is_separate() -> None:
    base, covered = side(finding(), finding(place=1)), msgspec.structs.replace(finding(), exception="x")
    assert describe(compare(base, side(finding(place=1), excepted=(covered,)))) == {"same": 1, "excepted": 1}
    assert describe(compare(base, side(finding(place=1), excepted=(covered,)), Granularity.CONTROL)) == {"same": 1}
    assert describe(compare(base, side(excepted=(covered,)))) == {"gone": 1, "excepted": 1}


def test_no_longer_excepted_finding_is_new() -> None:
    (new,) = compare(side(excepted=(finding(),)), side(finding())).new
    assert new.base == "passed"


def test_baseline_knows_its_coverage() -> None:
    fields = {"resources": {API: {"web.yaml"}}, "only_failing": True}
    assert describe(compare(side(**fields), side(finding()))) == {"new": 1}
    for more, reason in (
        ({"unread": frozenset({"web.yaml"})}, "x could not read web.yaml"),
        ({"gaps": {WEB: {"C-1"}}}, "x could not evaluate C-1 on this resource"),
        ({"settings": {RESOURCE_SELECTION: "kinds Pod"}}, "x evaluated only kinds Pod"),
    ):
        (difference,) = compare(side(**fields, **more), side(finding())).incomparable
        assert (difference.head, difference.reason) == ("failed", reason)
    elsewhere = side(**fields, unread=frozenset({"else.yaml"}))
    assert describe(compare(elsewhere, side(finding()))) == {"new": 1}


def test_differences_roll_up_by_resource() -> None:
    two = finding(control="C-2")
    base, head = side(finding(), two, finding(API)), side(two)
    assert describe(compare(base, head, Granularity.RESOURCE)) == {"same": 1, "gone": 1}
    head = side(two, controls={"C-2": ""})
    assert describe(compare(base, head, Granularity.RESOURCE)) == {"same": 1, "hole": 1}


def test_everything_is_new_for_a_record_of_failures_only() -> None:
    assert describe(compare(side(resources=None), side(finding()))) == {"new": 1}


def test_different_settings_are_reported() -> None:
    base, head = side(settings={"tool": "a 1", "only here": "x"}), side(settings={"tool": "a 2"})
    assert compare(base, head).warnings == ("tool: a 1 in x, a 2 in x",)


def test_most_severe_difference_comes_first() -> None:
    low = msgspec.structs.replace(finding(API), level=Severity.LOW)
    assert [difference.finding.level for difference in compare(side(), side(low, finding())).new] == [3, 1]


@pytest.fixture(scope="module")
def shop() -> Any:
    return scan(ScanRequest(ScanInput(paths=(str(SHOP),))))


def test_evidence_is_marked_with_its_change(shop: Any) -> None:
    head = record_assessment(shop)
    some = msgspec.structs.replace(head, findings=head.findings[::2], resources=None)
    for granularity in (Granularity.EVIDENCE, Granularity.CONTROL):
        comparison = compare(some, head, granularity)
        result = mark_changes(shop, comparison)
        changes = Counter(
            difference.change
            for entry in result.results
            for verdict in entry.verdicts.values()
            for difference in verdict.evidence
        )
        assert None not in changes
        assert result.baseline == comparison
        if granularity is Granularity.EVIDENCE:
            assert changes == {
                FindingChange.NEW: len(comparison.new),
                FindingChange.UNCHANGED: len(comparison.unchanged),
            }
    assert describe(compare(head, head)) == {"same": len(head.findings)}
