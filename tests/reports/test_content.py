"""Content shared by human-readable reports: correct figures, worst first, and every omission stated."""

from __future__ import annotations

import msgspec
import pytest
from tests.reports.samples import SAMPLES, add_extras

from kubekeep.baseline.assessment_findings import record_assessment
from kubekeep.model.assessment import Assessment
from kubekeep.model.comparison import Comparison, Difference, FindingChange
from kubekeep.model.fingerprint import Granularity
from kubekeep.model.framework import Framework, Section
from kubekeep.model.resource import Resource
from kubekeep.model.severity import Severity
from kubekeep.model.verdict import Evidence
from kubekeep.reports.shared.content import build_content, describe_source, grade, risk
from kubekeep.reports.shared.urgency import sort_failed
from kubekeep.reports.shared.wording import count_noun, describe_fix, percent


def test_totals_are_consistent(assessment: Assessment) -> None:
    report = build_content(assessment)
    assert (report.counts.failed, report.counts.passed, report.counts.gaps, report.counts.idle) == (5, 1, 3, 1)
    assert report.counts.total == len(assessment.summaries)
    assert [(severity.level, severity.controls, severity.findings) for severity in report.levels] == [
        (Severity.CRITICAL, 1, 1),
        (Severity.HIGH, 2, 10),
        (Severity.MEDIUM, 1, 1),
        (Severity.LOW, 1, 1),
    ]
    assert report.total == 13 == sum(severity.findings for severity in report.levels)


def test_excepted_evidence_is_separate(assessment: Assessment) -> None:
    report = build_content(add_extras(assessment))
    assert report.total == 12
    (group,) = report.excepted
    assert [finding.subject.name for finding in group.findings] == ["web-0", "web-6"]
    assert [exception.name for finding in group.findings for exception in finding.suppressions] == [
        "legacy-web",
        "legacy-web",
    ]
    assert not any(finding.suppressions for part in report.findings for finding in part.findings)


def test_worst_first_and_locations_in_file_order(assessment: Assessment) -> None:
    report = build_content(assessment)
    assert [group.summary.definition.id for group in report.findings] == [
        "host-pid",
        "C-0057",
        "C-0012",
        "C-0188",
        "C-0076",
    ]
    web = next(finding for finding in report.findings[1].findings if finding.subject.name == "web-0")
    lines = [
        evidence.location.region.start.line
        for evidence in web.evidence
        if evidence.location and evidence.location.region
    ]
    assert lines == sorted(lines)
    assert str(web.location) == "deploy/web-0.yaml:21"


def test_controls_with_new_findings_come_first(assessment: Assessment) -> None:
    plain = [summary.definition.id for summary in sort_failed(assessment)]
    last = next(finding for finding in record_assessment(assessment).findings if finding.control == plain[-1])
    new = (Difference(FindingChange.NEW, last, "passed", "failed"),)
    since = Comparison(base="x", head="y", granularity=Granularity.EVIDENCE, new=new)
    marked = msgspec.structs.replace(assessment, baseline=since)
    assert [summary.definition.id for summary in sort_failed(marked)] == [plain[-1], *plain[:-1]]


def test_cautions_state_omissions(assessment: Assessment) -> None:
    first, second = build_content(assessment).cautions
    assert first == "Input was not read in 2 locations, so problems there are not in this report."
    assert second.startswith("3 of 9 applicable controls could not be evaluated")
    assert build_content(SAMPLES["passed"](assessment)).cautions == ()
    assert build_content(SAMPLES["empty"](assessment)).cautions[0].startswith("Nothing was evaluated")
    reasons = build_content(assessment).gaps
    assert [len(gap.controls) for gap in reasons] == [2, 1]


def test_controls_outside_sections_are_sorted_by_result(assessment: Assessment) -> None:
    (section,) = build_content(assessment).frameworks[0].sections
    slugs = [summary.definition.slug for part in section.requirements for summary in part.controls]
    assert slugs == ["host-pid", "privileged", "limits", "kubelet", "cronjobs"]


def test_sections_list_requirements_in_order_and_uncovered_ones(assessment: Assessment) -> None:
    sections = (Section("1", "Pods"), Section("2", "Nodes"), Section("2.1", "Files of nodes"), Section("3", "People"))
    framework = Framework(slug="house", name="House", title="House", description="", sections=sections)
    cited = {"privileged": ("1.10", "1.9"), "host-pid": ("2.1.1",), "limits": ("1.9",)}
    controls = tuple(
        msgspec.structs.replace(
            summary,
            definition=msgspec.structs.replace(
                summary.definition, satisfies={"house": cited.get(summary.definition.slug, ())}
            ),
        )
        for summary in assessment.summaries
    )
    summary = msgspec.structs.replace(assessment.frameworks[0], framework=framework)
    (part,) = build_content(msgspec.structs.replace(assessment, summaries=controls, frameworks=(summary,))).frameworks
    shown = [
        (section.id, [(requirement.id, len(requirement.controls)) for requirement in section.requirements])
        for section in part.sections
    ]
    assert shown == [
        ("1", [("1.9", 2), ("1.10", 1)]),
        ("2.1", [("2.1.1", 1)]),
        ("3", [("3", 0)]),
        ("", [("", 1), ("", 1)]),
    ]
    assert part.counts.total == 5


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", "review the whole resource"),
        ("relatedObjects[1].rules[0]", "review rules[0] of Role r"),
        ("relatedObjects[0]", "review RoleBinding deployer"),
        ("relatedObjects[2].rules[0]", "review relatedObjects[2].rules[0]"),
        ("relatedObjects[x]", "review relatedObjects[x]"),
    ],
)
def test_paths_into_related_resources_name_them(path: str, expected: str, assessment: Assessment) -> None:
    joined = assessment.results[-1].subject
    assert describe_fix(Evidence(path, exists=True), joined) == expected


def test_fix_texts() -> None:
    resource = Resource({"kind": "Pod"})
    assert describe_fix(Evidence("spec.hostPID", exists=True, fix="false"), resource) == "set spec.hostPID to false"
    assert describe_fix(Evidence("spec.a", exists=False, fix='"b"'), resource) == 'add spec.a: "b"'
    assert describe_fix(Evidence("spec.a", exists=True, delete=True), resource) == "delete spec.a"


def test_source_of_rendered_resources(assessment: Assessment) -> None:
    assert [describe_source(result.subject) for result in assessment.results[:3]] == [
        "chart shop/cache with values-prod.yaml",
        "kustomization overlays/prod",
        "",
    ]


def test_figures_are_rounded_conservatively() -> None:
    assert (percent(99.99), percent(100.0), percent(None)) == ("99 %", "100 %", "not known")
    assert (risk(0.0), risk(0.01), risk(41.5), risk(100.0)) == ("0.0", "0.1", "41.5", "100.0")
    assert [grade(value) for value in (None, 49.9, 50.0, 79.9, 80.0)] == ["unknown", "poor", "fair", "fair", "good"]
    assert (count_noun(1, "place"), count_noun(20_000, "place")) == ("1 place", "20,000 places")
