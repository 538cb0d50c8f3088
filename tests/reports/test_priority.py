"""Priority in the reports: the most urgent finding first in every format for people, and each with its label."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from lxml import html
from tests.reports.rendering import extract_pdf_text, render_text

from kubekeep.model.assessment import Assessment, SubjectResult
from kubekeep.model.priority import Priority
from kubekeep.model.severity import Severity
from kubekeep.reports import Extra, ReportOptions, load
from kubekeep.reports.format import View
from kubekeep.usecases.request import ReportNeeds, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan

SHOP: Final = Path(__file__).parents[2] / "examples" / "online-shop"
LEVELS: Final = ("Critical", "High", "Medium", "Low")
ORDERED: Final = ("csv", "github", "html", "markdown", "pdf", "pretty")
"""Formats for people, in the order of the priority."""


@pytest.fixture(scope="module")
def shop() -> Assessment:
    extras = frozenset[Extra]().union(*(load(name).extras for name in ORDERED)) - {Extra.EXCERPTS}
    return scan(ScanRequest(ScanInput(paths=(str(SHOP),)), needs=ReportNeeds(extras=extras)))


def read_csv(text: str) -> Iterator[str]:
    return (row["Priority"] for row in csv.DictReader(io.StringIO(text)) if row["Status"] == "failed")


def read_github(text: str) -> Iterator[str]:
    annotations = text.partition("::group::")[0]
    return iter(re.findall(r"^::(?:error|warning|notice) .*?title=(\w+)%3A ", annotations, re.MULTILINE))


def read_html(text: str) -> Iterator[str]:
    page: Any = html.document_fromstring(text)
    tables = json.loads(page.get_element_by_id("data").text)
    names = ("Unknown", *reversed(LEVELS))
    return (names[tables["priorities"][row[5]][0]] for row in tables["findings"])


def read_markdown(text: str) -> Iterator[str]:
    rows = re.findall(r"^\| (\w+) \| \w+ \| \[<code>", text, re.MULTILINE)
    folds = re.findall(r"<summary><b>(\w+)</b>", text)
    assert rows == folds[: len(rows)]
    return iter(folds)


def read_pdf(text: str) -> Iterator[str]:
    chapter = text[text.index("One row for each failed control") :].partition("Appendix")[0]
    return (word.capitalize() for word in re.findall(r"\b(CRITICAL|HIGH|MEDIUM|LOW)\b", chapter))


def read_controls(text: str) -> Iterator[str]:
    return (word.capitalize() for word in re.findall(r"^✖ ([A-Z]+) ", text, re.MULTILINE))


READERS: Final[dict[str, Callable[[str], Iterator[str]]]] = {
    "csv": read_csv,
    "github": read_github,
    "html": read_html,
    "markdown": read_markdown,
    "pretty": read_controls,
}


@pytest.mark.parametrize("name", READERS)
def test_the_most_urgent_finding_is_first(name: str, shop: Assessment) -> None:
    assert_falling(list(READERS[name](render_text(name, shop))))


def assert_falling(levels: list[str]) -> None:
    assert len(levels) > 20
    assert levels[0] == "Critical"
    assert {*levels} == {*LEVELS}
    assert all(LEVELS.index(one) <= LEVELS.index(other) for one, other in itertools.pairwise(levels))


def test_the_most_urgent_control_is_first_in_a_short_pdf(shop: Assessment) -> None:
    stream = io.BytesIO()
    load("pdf").render(shop, stream, ReportOptions())

    assert_falling(list(read_pdf(extract_pdf_text(stream.getvalue()))))


@pytest.mark.parametrize("view", [View.CONTROL, View.RESOURCE, View.FILE])
def test_views_show_the_priority_of_each_finding(view: View, shop: Assessment) -> None:
    text = render_text("pretty", shop, ReportOptions(view=view, verbose=True))
    expected = {(finding.id, finding.priority.level.label.upper()) for finding in shop.findings}
    if view is View.CONTROL:
        blocks = text.partition("\n✔")[0].split("\n\n")
        shown = {
            (re.findall(r"  (C-\d+|image-tag)\s+\d+\s+of", block)[0], label)
            for block in blocks
            for label in re.findall(r"^  (CRITICAL|HIGH|MEDIUM|LOW) ", block, re.MULTILINE)
        }
    else:
        joined = re.sub(r"\n {10,}", " ", text)
        shown = {
            (number, label)
            for label, number in re.findall(
                r"^ +\d* *(CRITICAL|HIGH|MEDIUM|LOW) .*?(C-\d+|image-tag\b)", joined, re.MULTILINE
            )
        }
    assert shown == expected
    assert "69 findings by priority: 4 critical · 14 high · 27 medium · 24 low" in " ".join(text.split())


def test_file_view_shows_all_places_of_a_long_file(assessment: Assessment) -> None:
    result = assessment.results[2]
    verdict = result.verdicts["privileged"]
    places = msgspec.structs.replace(verdict, evidence=(verdict.evidence[0],) * 30)
    last = msgspec.structs.replace(verdict, evidence=verdict.evidence[1:2])
    priorities = {"labels": Priority(Severity.CRITICAL, 9.5), "privileged": Priority(Severity.MEDIUM, 5.0)}
    changed = SubjectResult(result.subject, {"privileged": places, "labels": last}, priorities=priorities)
    text = render_text("pretty", msgspec.structs.replace(assessment, results=(changed,)), ReportOptions(view=View.FILE))
    assert "    44  CRITICAL " in text
    assert text.count("  MEDIUM    ") == 30


def test_reason_of_a_priority_is_shown(shop: Assessment) -> None:
    reason = "can take over its node"
    assert reason in render_text("html", shop)
    assert f"Priority: {reason}" in render_text("github", shop)
    assert f"Priority: {reason}" in " ".join(render_text("pdf", shop).split())


def test_github_level_follows_from_the_priority(assessment: Assessment) -> None:
    result = assessment.results[2]
    low = SubjectResult(
        result.subject,
        {"privileged": result.verdicts["privileged"]},
        priorities={"privileged": Priority(Severity.LOW, 2.0)},
    )
    text = render_text("github", msgspec.structs.replace(assessment, results=(low,), unread=()))
    assert "\n::notice file=deploy/web-0.yaml" in text


def test_sarif_ranks_by_the_priority_and_keeps_the_severity_as_the_default_of_the_rule(shop: Assessment) -> None:
    (run,) = json.loads(render_text("sarif", shop))["runs"]
    rules = {rule["id"]: rule for rule in run["tool"]["driver"]["rules"]}
    assert rules["C-0035"]["defaultConfiguration"]["level"] == "warning"
    assert rules["C-0035"]["properties"]["security-severity"] == "9.0"
    (result,) = (result for result in run["results"] if result["ruleId"] == "C-0035")
    assert result["level"] == "error"
    assert result["properties"]["security-severity"] == "9.0"
    assert result["properties"]["priority"] == "Critical"
    assert result["properties"]["priorityScore"] == 9.0
    assert result["properties"]["priorityReasons"] == [
        "ClusterRoleBinding on-call-admins grants ClusterRole cluster-admin"
    ]


def test_priorities_do_not_depend_on_the_formats_of_the_scan(shop: Assessment) -> None:
    plain = scan(ScanRequest(ScanInput(paths=(str(SHOP),))))
    assert [finding.priority for finding in plain.findings] == [finding.priority for finding in shop.findings]


def test_short_pdf_requests_no_excerpts() -> None:
    pdf = load("pdf")
    assert pdf.select_extras(ReportOptions()) == pdf.extras - {Extra.EXCERPTS}
    assert pdf.select_extras(ReportOptions(full=True)) == pdf.extras
    assert pdf.select_extras(ReportOptions(verbose=True)) == pdf.extras
    assert load("html").select_extras(ReportOptions()) == load("html").extras
