"""The default view of the terminal report: one screen, the most urgent first."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import msgspec
import pytest

import kubekeep
from kubekeep.model.assessment import Assessment, SubjectResult
from kubekeep.model.finding import Finding
from kubekeep.model.priority import Priority
from kubekeep.model.severity import Severity
from kubekeep.model.verdict import Status
from kubekeep.reports import ReportOptions, load
from kubekeep.reports.shared.problems import merge_problems
from kubekeep.reports.shared.terminal import cells
from kubekeep.usecases.request import ReportNeeds, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan

SHOP = Path(__file__).parents[2] / "examples" / "online-shop"


def render_overview(assessment: Assessment, width: int = 100, *, repeatable: bool = True) -> str:
    stream = io.StringIO()
    load("pretty").render(assessment, stream, ReportOptions(width=width, repeatable=repeatable))
    return stream.getvalue()


@pytest.fixture(scope="module")
def shop() -> Assessment:
    request = ScanRequest(ScanInput(paths=(str(SHOP),)), needs=ReportNeeds(extras=load("pretty").extras))
    return scan(request)


@pytest.mark.parametrize("width", [80, 100, 200])
def test_shop_fits_on_one_screen(shop: Assessment, width: int) -> None:
    lines = render_overview(shop, width).splitlines()
    assert len(lines) <= (45 if width >= 100 else 60)
    assert all(cells(line) <= width for line in lines if "kubekeep scan" not in line)


def test_most_urgent_resources_first(shop: Assessment) -> None:
    lines = render_overview(shop).splitlines()
    first = lines[lines.index("Fix first") + 1]
    assert first.split()[:3] == ["CRITICAL", "DaemonSet", "operations/node-metrics"]
    critical = [line for line in lines if line.startswith("  CRITICAL")]
    assert [line.split()[2] for line in critical] == [
        "operations/node-metrics",
        "shop/nightly-report",
        "shop/debug",
        "on-call",
    ]
    assert any("container shell is privileged  C-0057" in line for line in lines)


def test_hidden_findings_are_counted(shop: Assessment) -> None:
    text = render_overview(shop)
    hidden = int(text[: text.index(" findings not shown here")].split()[-1].replace(",", ""))
    total = int(text[: text.index(" findings: ")].split()[-1].replace(",", ""))
    assert total == len(shop.findings)
    assert 0 < hidden < total


def test_problems_of_the_same_field_are_merged() -> None:
    everything = kubekeep.scan(SHOP, frameworks=["allcontrols"])
    by_resource: dict[int, list[Finding]] = {}
    for finding in everything.findings:
        by_resource.setdefault(id(finding.subject), []).append(finding)
    for findings in by_resource.values():
        problems = merge_problems(findings)
        assert sorted(f.id for problem in problems for f in problem.findings) == sorted(f.id for f in findings)
        for one, two in itertools.combinations(problems, 2):
            paths = {evidence.path for evidence in one.first.evidence}
            assert paths.isdisjoint(evidence.path for evidence in two.first.evidence)


def test_priority_orders_problems(assessment: Assessment) -> None:
    results = tuple(
        msgspec.structs.replace(
            result,
            priorities={
                slug: Priority(Severity.CRITICAL, 10.0, "the moon is full")
                for slug, verdict in result.verdicts.items()
                if slug == "privileged" and verdict.status is Status.FAILED
            },
        )
        for result in assessment.results
    )
    text = render_overview(msgspec.structs.replace(assessment, results=results))
    lines = text.splitlines()
    first = lines.index("Fix first") + 1
    assert lines[first].startswith("  CRITICAL")
    assert "the moon is full" in "".join(lines[first : first + 5])


def test_nothing_assessed_is_left_to_the_exit_message(assessment: Assessment) -> None:
    empty: tuple[SubjectResult, ...] = ()
    assert render_overview(msgspec.structs.replace(assessment, results=empty)) == ""


def test_hostile_text_is_escaped(assessment: Assessment) -> None:
    assert all(char == "\n" or char.isprintable() for char in render_overview(assessment))


def test_problems_of_the_whole_resource_are_not_merged() -> None:
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: b}\nspec: {containers: [{name: c, image: d}]}\n"
    assessment = scan(ScanRequest(ScanInput(paths=("-",))), stdin=io.BytesIO(pod.encode()))
    merged = {tuple(finding.id for finding in problem.findings) for problem in merge_problems(assessment.findings)}
    assert ("C-0073",) in merged
    assert ("C-0260",) in merged


def test_next_commands_only_repeat_what_they_can(shop: Assessment) -> None:
    assert "kubekeep fix " in render_overview(shop)
    output = render_overview(shop, repeatable=False)
    assert "kubekeep fix " not in output
    assert "the same command with --view resource" in output
