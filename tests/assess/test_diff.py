"""What is new, resolved or not to be told between two scans: a finding is gone only where somebody looked."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kubekeep.assess.diff import compare, marked, scanned
from kubekeep.model.comparison import CHOICE, Change, Comparison, Finding, Scanned
from kubekeep.model.fingerprint import Granularity, Identity
from kubekeep.model.severity import Severity
from kubekeep.usecases.scan import ScanRequest, scan

SHOP = Path(__file__).parents[2] / "examples" / "online-shop"
WEB = Identity("apps", "Deployment", "shop", "web")
API = Identity("apps", "Deployment", "shop", "api")
PLACES = ("spec.containers[name=a].image", "spec.containers[name=b].image")


def finding(identity: Identity = WEB, place: int = 0, file: str = "web.yaml", control: str = "C-1") -> Finding:
    return Finding(control, identity, PLACES[place], file, level=Severity.HIGH)


def side(*findings: Finding, **fields: Any) -> Scanned:
    """A scan that looked at both resources, in the files of the findings or else in web.yaml."""
    resources: dict[Identity, set[str]] = {WEB: set(), API: set()}
    for item in findings:
        resources[item.identity].add(item.file)
    for files in resources.values():
        files.update(() if files else ("web.yaml",))
    said: dict[str, Any] = {"name": "x", "controls": {"C-1": "", "C-2": ""}, "resources": resources, **fields}
    return Scanned(findings=findings, **said)


def told(found: Comparison) -> dict[str, int]:
    parts = (found.new, found.resolved, found.unchanged, found.incomparable)
    return {name: len(items) for name, items in zip(("new", "gone", "same", "hole"), parts, strict=True) if items}


def test_a_new_place_in_a_control_that_already_failed_is_new() -> None:
    base, head = side(finding()), side(finding(), finding(place=1))
    assert told(compare(base, head)) == {"new": 1, "same": 1}
    (new,) = compare(base, head).new
    assert (new.base, new.head, new.finding.path) == ("failed", "failed", PLACES[1])
    assert told(compare(base, head, Granularity.CONTROL)) == {"same": 1}


def test_what_is_mended_is_resolved() -> None:
    (gone,) = compare(side(finding()), side()).resolved
    assert (gone.base, gone.head) == ("failed", "passed")


def test_what_is_deleted_is_resolved() -> None:
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
        ({"resources": {}, "settings": {CHOICE: "kinds Pod"}}, "absent", "x looked only at kinds Pod"),
    ],
)
def test_where_nobody_looked_nothing_is_resolved_or_new(head: dict[str, Any], status: str, reason: str) -> None:
    (item,) = compare(side(finding()), side(**head)).incomparable
    assert (item.base, item.head, item.reason) == ("failed", status, reason)
    (item,) = compare(side(**head), side(finding())).incomparable
    assert (item.base, item.head, item.reason) == (status, "failed", reason)


def test_an_unread_file_elsewhere_hides_nothing_of_a_file_that_was_read() -> None:
    head = side(resources={API: {"web.yaml"}}, unread=frozenset({"else.yaml"}))
    assert told(compare(side(finding()), head)) == {"gone": 1}


def test_the_same_choice_of_resources_is_no_reason() -> None:
    settings = {CHOICE: "kinds Deployment"}
    base = side(finding(), settings=settings)
    assert told(compare(base, side(resources={}, settings=settings))) == {"gone": 1}
    passing = {CHOICE: "changed since main"}
    base = side(finding(), settings=passing)
    assert told(compare(base, side(resources={}, settings=passing))) == {"hole": 1}


def test_a_renamed_file_changes_nothing() -> None:
    assert told(compare(side(finding()), side(finding(file="moved.yaml")))) == {"same": 1}


def test_of_a_base_and_its_overlay_one_is_not_taken_for_the_other() -> None:
    base = side(finding(file="base.yaml"), resources={WEB: {"base.yaml", "overlay.yaml"}})
    head = side(finding(file="overlay.yaml"), resources={WEB: {"base.yaml", "overlay.yaml"}})
    found = compare(base, head)
    assert told(found) == {"new": 1, "gone": 1}
    assert (found.new[0].finding.file, found.resolved[0].finding.file) == ("overlay.yaml", "base.yaml")


def test_one_of_two_alike_that_goes_is_one_resolved() -> None:
    two = (finding(file="a.yaml"), finding(file="b.yaml"))
    assert told(compare(side(*two), side(two[1]))) == {"same": 1, "gone": 1}
    assert told(compare(side(two[1]), side(*two))) == {"same": 1, "new": 1}
    assert told(compare(side(finding(), finding()), side(finding()))) == {"same": 1, "gone": 1}


def test_resources_roll_up() -> None:
    two = finding(control="C-2")
    base, head = side(finding(), two, finding(API)), side(two)
    assert told(compare(base, head, Granularity.RESOURCE)) == {"same": 1, "gone": 1}
    head = side(two, controls={"C-2": ""})
    assert told(compare(base, head, Granularity.RESOURCE)) == {"same": 1, "hole": 1}


def test_what_knows_only_failures_calls_all_else_new() -> None:
    assert told(compare(side(resources=None), side(finding()))) == {"new": 1}


def test_scans_that_differ_say_so() -> None:
    base, head = side(settings={"tool": "a 1", "only here": "x"}), side(settings={"tool": "a 2"})
    assert compare(base, head).warnings == ("tool: a 1 in x, a 2 in x",)


def test_the_worst_comes_first() -> None:
    low = msgspec.structs.replace(finding(API), level=Severity.LOW)
    assert [item.finding.level for item in compare(side(), side(low, finding())).new] == [3, 1]


@pytest.fixture(scope="module")
def shop() -> Any:
    return scan(ScanRequest(paths=(str(SHOP),)))


def test_a_scan_is_marked_place_by_place(shop: Any) -> None:
    head = scanned(shop)
    some = msgspec.structs.replace(head, findings=head.findings[::2], resources=None)
    for granularity in (Granularity.EVIDENCE, Granularity.CONTROL):
        comparison = compare(some, head, granularity)
        result = marked(shop, comparison)
        changes = Counter(
            item.change for entry in result.results for verdict in entry.verdicts.values() for item in verdict.evidence
        )
        assert None not in changes
        assert result.baseline == comparison
        if granularity is Granularity.EVIDENCE:
            assert changes == {Change.NEW: len(comparison.new), Change.UNCHANGED: len(comparison.unchanged)}
    assert told(compare(head, head)) == {"same": len(head.findings)}
