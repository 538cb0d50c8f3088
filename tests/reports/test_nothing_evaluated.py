"""Figures of a scan that evaluated nothing: unknown in every format, except where Kubescape's layout has a number."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import msgspec
import pytest
import yaml
from lxml import etree, html
from tests.reports.rendering import remove_whitespace, render_text

from kubekeep.model.assessment import Assessment, Counts
from kubekeep.model.verdict import Status
from kubekeep.posture.gate import OVERALL, Gates, evaluate_gates
from kubekeep.reports import names


@pytest.fixture
def nothing(assessment: Assessment) -> Assessment:
    """Return a scan with three controls, none of which was evaluated."""
    controls = tuple(
        msgspec.structs.replace(summary, counts=Counts(), score=0.0, compliance=None)
        for summary in assessment.summaries
        if summary.status is Status.NOT_EVALUATED
    )
    slugs = {summary.definition.slug for summary in controls}
    frameworks = tuple(
        msgspec.structs.replace(
            framework,
            controls=tuple(slug for slug in framework.controls if slug in slugs),
            status=Status.NOT_EVALUATED,
            counts=Counts(),
            score=0.0,
            compliance=None,
            coverage=0.0,
        )
        for framework in assessment.frameworks
    )
    return msgspec.structs.replace(
        assessment,
        results=(),
        summaries=controls,
        frameworks=frameworks,
        unread=(),
        counts=Counts(),
        score=0.0,
        compliance=None,
        coverage=0.0,
        status=Status.NOT_EVALUATED,
    )


@pytest.mark.parametrize("name", names())
def test_compliance_is_never_zero_percent(name: str, nothing: Assessment) -> None:
    text = remove_whitespace(render_text(name, nothing)).lower()
    assert not re.search(r'compliance[:"]{0,2}0(\.0*)?%', text)


@pytest.mark.parametrize("name", ["json", "yaml"])
def test_kubescapes_layout_keeps_its_numbers(name: str, nothing: Assessment) -> None:
    summary = yaml.safe_load(render_text(name, nothing))["summaryDetails"]
    assert summary["complianceScore"] == 0.0
    assert not any("complianceScore" in control for control in summary["controls"].values())


def test_pretty(nothing: Assessment) -> None:
    rows = [line for line in render_text("pretty", nothing).splitlines() if "░" in line]
    assert [re.sub(" +", " ", row).split(" ░")[0].strip() for row in rows] == [
        "nsa not known",
        "mitre not known",
        "cis-v1.10.0 not known",
        "overall not known",
    ]


def test_markdown(nothing: Assessment) -> None:
    text = render_text("markdown", nothing)
    assert "compliance not known, coverage 0 %, risk score not known\n" in text
    assert text.count(" | not known | 0 % | ") == 3


def test_html(nothing: Assessment) -> None:
    page: Any = html.document_fromstring(render_text("html", nothing))
    figures = ["".join(node.itertext()) for node in page.xpath("//p[@class='figure']")]
    assert figures[:3] == ["not known", "not known", "0 %"]
    assert not page.xpath("//td[@class='number'][contains(text(), '0.00')]")


def test_pdf(nothing: Assessment) -> None:
    text = remove_whitespace(render_text("pdf", nothing))
    assert "Compliancenotknown" in text
    assert "Riskscorenotknown" in text


def test_junit_has_no_property(nothing: Assessment) -> None:
    root: Any = etree.fromstring(render_text("junit", nothing).encode())
    assert {entry.get("name") for entry in root.iter("property")} == {"coverage"}


def test_prometheus_has_no_series(nothing: Assessment) -> None:
    lines = [line for line in render_text("prometheus", nothing).splitlines() if not line.startswith("#")]
    assert lines
    assert not [line for line in lines if "ompliance" in line or line.startswith("kubescape_score")]


@pytest.mark.parametrize("name", ["csv", "github", "gitlab-codequality", "gitlab-sast", "ocsf", "oscal", "sarif"])
def test_no_figure_of_compliance(name: str, nothing: Assessment) -> None:
    text = render_text(name, nothing)
    assert not re.search(r"compliance[\"']?[ :]+[\d.]+", text, re.IGNORECASE)


def test_csv_has_only_skipped_rows(nothing: Assessment) -> None:
    assert {row["Status"] for row in csv.DictReader(io.StringIO(render_text("csv", nothing)))} == {"skipped"}


@pytest.mark.parametrize("name", ["policyreport", "openreports"])
def test_policy_reports_pass_and_fail_nothing(name: str, nothing: Assessment) -> None:
    (report,) = yaml.safe_load_all(render_text(name, nothing))
    assert (report["summary"]["pass"], report["summary"]["fail"]) == (0, 0)


def test_gate_states_that_the_figure_is_not_known(nothing: Assessment) -> None:
    (outcome,) = evaluate_gates(nothing, Gates(compliance={OVERALL: 30.0}))
    assert not outcome.has_passed
    assert "compliance: not known (" in outcome.text
    assert json.dumps(outcome.text).count("0.00") == 0
