"""Levels of priorities on the server are those of the scan: the table of images, findings of real scans, and every count."""

from __future__ import annotations

import collections
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pytest

import kubekeep
from kubekeep.model.assessment import Assessment
from kubekeep.model.finding import Finding
from kubekeep.model.finding_document import PriorityDocument
from kubekeep.model.image import ImageSubject
from kubekeep.model.priority import Priority
from kubekeep.model.severity import Severity
from kubekeep.model.submission import DefinitionEntry
from kubekeep.model.text import encode_json
from kubekeep.model.workload_container import WorkloadContainer, raise_priority
from kubekeep.reports.shared.urgency import count_priorities, priority_level
from kubekeep.reports.submission import SubmissionBuilder
from kubekeep.vulnerabilities.options import VulnerabilityOptions
from kubekeep.vulnerabilities.severity.cvss import rate
from kubekeep_server.store.finding_context import RANKS, STEPS, build_context, get_exposure, get_level, move_context
from kubekeep_server.store.ingest import ingest
from kubekeep_server.store.numbers import to_key
from kubekeep_server.store.queries.definitions import DefinitionFilter
from kubekeep_server.store.queries.finding_filter import FindingFilter, FindingState
from kubekeep_server.store.queries.finding_groups import Grouping, list_finding_groups
from kubekeep_server.store.queries.finding_subjects import SubjectGroup, list_finding_subjects
from kubekeep_server.store.queries.findings import FindingOrder, list_findings
from kubekeep_server.store.queries.images import list_problems
from kubekeep_server.store.queries.sources import count_findings, list_days, list_sources
from kubekeep_server.store.queries.subjects import get_subject
from kubekeep_server.store.queries.vulnerabilities import VulnerabilityFilter, list_vulnerabilities
from kubekeep_server.store.scopes import EVERYTHING
from kubekeep_server.store.urgency import (
    EXPOSURES,
    LEVELS,
    PAIRS,
    SEVERITY_NAMES,
    URGENCIES,
    classify_definition,
    classify_score,
)
from tests.cli.test_joined_images import DEPLOYMENT, SERVICE
from tests.images.example import REFERENCE
from tests.server.conftest import Database
from tests.usecases.test_repository import git

EXAMPLES: Final = Path(__file__).parents[2] / "examples"
VECTORS: Final = {
    "CVE-2026-1": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",  # 9.8
    "CVE-2026-2": "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:H/A:H",  # 8.1
    "CVE-2026-3": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:L/A:N",  # 6.5
    "CVE-2026-4": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N",  # 5.3
    "CVE-2026-5": "CVSS:3.1/AV:L/AC:H/PR:L/UI:R/S:U/C:L/I:L/A:N",  # 3.3
    "CVE-2026-6": "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N",  # 1.8
    "CVE-2026-7": "",
}
EXCEPTION: Final = {
    "name": "accepted",
    "policyType": "postureExceptionPolicy",
    "actions": ["alertOnly"],
    "resources": [{"designatorType": "Attributes", "attributes": {"kind": "Deployment"}}],
    "posturePolicies": [{"controlID": "C-0013"}, {"controlID": "C-0017"}],
}
LONG: Final = 1_000


@pytest.mark.parametrize("exposure", range(EXPOSURES))
def test_table_has_the_levels_of_scans(exposure: int) -> None:
    """Compare each score with three digits, as scans have them, in each context of a workload."""
    exposed, powerful, privileged = ("fact" if exposure & flag else "" for flag in (4, 2, 1))
    container = WorkloadContainer("Deployment", "shop", "web", "web", None, exposed, powerful, privileged)
    for thousandths in range(10_001):
        score = thousandths / 1_000
        level = raise_priority(Priority(rate(score), score), [container]).level
        assert LEVELS[exposure][classify_score(score)] == level, score


def test_pairs_and_steps_are_ordered_by_level() -> None:
    levels = [LEVELS[exposure][urgency] for exposure, urgency in PAIRS]
    assert levels == sorted(levels, reverse=True)
    levels = [get_level(*step) for step in STEPS]
    assert levels == sorted(levels, reverse=True)
    assert [RANKS[step] for step in STEPS] == list(range(len(STEPS)))


@pytest.mark.parametrize("level", SEVERITY_NAMES)
@pytest.mark.parametrize("score", [0.0, 0.5, 3.95, 5.0, 8.95, 10.0, 11.0, -1.0])
def test_urgency_has_the_level_of_the_definition(level: str, score: float) -> None:
    """A tool may submit a score outside of the level: the level counts."""
    entry = DefinitionEntry("D", "vulnerability", "D", "D", "low", score, priority=PriorityDocument(level, score))
    assert SEVERITY_NAMES[LEVELS[0][classify_definition(entry)]] == ("low" if level == "unknown" else level)
    unrated = DefinitionEntry("D", "vulnerability", "D", "D", level, score)
    assert SEVERITY_NAMES[LEVELS[0][classify_definition(unrated)]] == level


def test_context_has_exposure_and_level() -> None:
    for exposure in range(EXPOSURES):
        for number, name in enumerate(SEVERITY_NAMES):
            context = build_context(exposure, PriorityDocument(name, 5.0))
            assert (get_exposure(context), get_level(move_context(context, 0), URGENCIES - 1)) == (
                exposure,
                number or 4,
            )
        assert get_level(build_context(exposure, None), 0) == 0


def create_repository(folder: Path) -> None:
    git(folder, "init", "-q", "-b", "main")
    git(folder, "remote", "add", "origin", "git@github.com:Shop/Web.git")
    git(folder, "add", "--all")
    git(folder, "commit", "-q", "-m", "Begin")


def scan_shop(folder: Path) -> Assessment:
    """Scan workloads with exceptions, a chart, overlays and attack paths."""
    for name in ("online-shop", "storefront-chart", "overlays", "attack-paths"):
        shutil.copytree(EXAMPLES / name, folder / name)
    create_repository(folder)
    exceptions = folder.with_name("exceptions.json")
    exceptions.write_text(json.dumps([EXCEPTION]))
    return kubekeep.scan(".", frameworks=("allcontrols", "recommended"), exceptions=(exceptions,), identify=True)


def scan_images(folder: Path) -> Assessment:
    """Scan an image with the exposed and powerful workload that runs it."""
    records = [
        {
            "id": name,
            "modified": "2026-01-01T00:00:00Z",
            "severity": [{"type": "CVSS_V3", "score": vector}] if vector else [],
            "affected": [
                {
                    "package": {"ecosystem": "Debian:11", "name": "openssl"},
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, *fixed]}],
                }
            ],
        }
        for number, (name, vector) in enumerate(VECTORS.items())
        for fixed in ([{"fixed": "9"}] if number % 2 else [],)
    ]
    advisories = folder.with_name("osv.jsonl")
    advisories.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    shutil.copytree(EXAMPLES / "catalog-image", folder / "catalog-image")
    deployment = DEPLOYMENT.replace("IMAGE", REFERENCE)
    (folder / "shop.yaml").write_text(f"{deployment}---\n{SERVICE}")
    create_repository(folder)
    options = VulnerabilityOptions(advisories=(str(advisories),))
    return kubekeep.scan("shop.yaml", "oci:catalog-image", vulnerabilities=options, identify=True)


def is_of_image(finding: Finding) -> bool:
    subject = finding.subject.describe()
    return isinstance(subject, ImageSubject) and bool(subject.digest)


def list_levels(findings: Iterable[Finding]) -> collections.Counter[tuple[str, str, str]]:
    """Return how often the terminal shows a control, a name of a subject and a level."""
    return collections.Counter(
        (finding.definition.key, getattr(finding.subject, "name", ""), priority_level(finding).name.lower())
        for finding in findings
    )


def name_counts(findings: Iterable[Finding]) -> dict[str, int]:
    counts = count_priorities(findings)
    return {name: counts[Severity[name.upper()]] for name in SEVERITY_NAMES}


@pytest.mark.parametrize("scan", [scan_shop, scan_images])
def test_server_has_the_levels_and_counts_of_the_scan(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scan: Any
) -> None:
    folder = tmp_path / "web"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assessment = scan(folder)
    submission = SubmissionBuilder().build(assessment)
    assert database.run(ingest, encode_json(submission).encode(), submission.finished).is_applied
    check_findings(database, assessment)
    check_images(database, [finding for finding in assessment.findings if is_of_image(finding)])


def check_findings(database: Database, assessment: Assessment) -> None:
    shown = [finding for finding in assessment.findings if not is_of_image(finding)]
    excepted = [finding for finding in assessment.excepted_findings if not is_of_image(finding)]
    listed = database.run(list_findings, EVERYTHING, FindingFilter(), FindingOrder.PRIORITY, "", LONG)
    assert not listed.cursor
    levels = collections.Counter((row.definition, row.name, row.priority) for row in listed.rows)
    assert levels == list_levels(shown)
    expected = name_counts(shown)
    totals = database.run(count_findings, EVERYTHING)
    assert totals.findings == expected
    assert totals.exposed_findings == name_counts(finding for finding in shown if finding.is_exposed)
    (source,) = database.run(list_sources, EVERYTHING).rows
    assert source.findings == expected
    days = database.run(list_days, EVERYTHING, 0)
    assert {row.priority: row.opened - row.closed for row in days} == {name: n for name, n in expected.items() if n}
    for name, number in expected.items():
        selection = FindingFilter(priorities=(name,))
        selected = database.run(list_findings, EVERYTHING, selection, FindingOrder.NEWEST, "", LONG)
        assert len(selected.rows) == number
        groups = database.run(
            list_finding_groups, EVERYTHING, DefinitionFilter(priorities=(name,)), Grouping.CONTROL, "", LONG
        )
        assert sum(group.findings for group in groups.rows) == number
    by_subject: collections.Counter[str] = collections.Counter()
    for group in read_subjects(database):
        by_subject.update(group.findings)
    assert by_subject == {name: number for name, number in expected.items() if number}
    partly = {(finding.definition.key, id(finding.subject)) for finding in shown}
    hidden = [finding for finding in excepted if (finding.definition.key, id(finding.subject)) not in partly]
    selection = FindingFilter(state=FindingState.SUPPRESSED)
    rows = database.run(list_findings, EVERYTHING, selection, FindingOrder.PRIORITY, "", LONG).rows
    assert bool(rows) == bool(hidden)
    assert collections.Counter((row.definition, row.name, row.priority) for row in rows) == list_levels(hidden)
    for row in rows[:20]:
        page = database.run(get_subject, EVERYTHING, row.source, to_key(row.subject))
        assert row.priority in {each.priority for each in page.findings if each.definition.key == row.definition}


def read_subjects(database: Database) -> list[SubjectGroup]:
    rows: list[SubjectGroup] = []
    cursor = ""
    while True:
        page = database.run(list_finding_subjects, EVERYTHING, FindingFilter(), cursor, 50)
        rows += page.rows
        cursor = page.cursor
        if not cursor:
            return rows


def check_images(database: Database, findings: list[Finding]) -> None:
    totals = database.run(count_findings, EVERYTHING)
    expected = name_counts(findings)
    assert totals.vulnerabilities == expected
    (source,) = database.run(list_sources, EVERYTHING).rows
    assert source.vulnerabilities == expected
    listed = database.run(list_vulnerabilities, EVERYTHING, VulnerabilityFilter()).rows
    levels = {finding.id: priority_level(finding).name.lower() for finding in findings}
    assert {row.id: row.priority for row in listed} == {name: levels[name] for name in VECTORS if name in levels}
    for digest in {
        subject.digest for finding in findings if isinstance(subject := finding.subject.describe(), ImageSubject)
    }:
        problems = database.run(list_problems, EVERYTHING, digest).rows
        assert {row.id: row.priority for row in problems} == levels
        numbers = [SEVERITY_NAMES.index(row.priority) for row in problems]
        assert numbers == sorted(numbers, reverse=True)
    if findings:
        assert {row.priority for row in listed} >= {"critical", "high", "medium", "low", "unknown"}
        assert any(row.priority != row.severity for row in listed)
