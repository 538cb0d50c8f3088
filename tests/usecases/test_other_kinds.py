"""A kind of finding and a type of subject that only this test defines pass everything that consumes findings."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from lsprotocol import types

import kubekeep
import kubekeep.sources
from kubekeep.baseline.assessment_findings import record_assessment
from kubekeep.baseline.compare import compare, mark_changes
from kubekeep.exceptions.load import ExceptionOptions
from kubekeep.lsp.findings import create_diagnostic, list_findings
from kubekeep.lsp.hover import describe_findings
from kubekeep.lsp.positions import ClientText
from kubekeep.mcp.tasks.scan import ScanTask, run_scan
from kubekeep.mcp.tasks.task_input import TaskInput
from kubekeep.model.assessment import Assessment
from kubekeep.model.scanned_source import SourceRepository
from kubekeep.model.severity import Severity
from kubekeep.model.verdict import Status
from kubekeep.posture.gate import Gates, evaluate_gates
from kubekeep.privacy.encryption import pseudonymise
from kubekeep.reports import names
from kubekeep.reports.format import ReportOptions, View
from kubekeep.sources.registry import load_sources
from kubekeep.usecases.request import EvaluationOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan
from tests.reports.rendering import render_text

PROXIES = "shop web 400\nshop api 3\nops doorway 90\nops broken old\n"
OTHER_KINDS = Path(__file__).parent / "other_kinds"
MODEL = Path(kubekeep.__file__).parent / "model"
VULNERABILITIES_ONLY = {"cyclonedx", "gitlab-container-scanning"}
METRICS_ONLY = {"prometheus"}

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "proxies.mesh").write_text(PROXIES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(kubekeep.sources, "__path__", [*kubekeep.sources.__path__, str(OTHER_KINDS)])
    load_sources.cache_clear()
    yield tmp_path
    load_sources.cache_clear()


def assess(exceptions: dict[str, Any] | None = None) -> Assessment:
    files: tuple[str, ...] = ()
    if exceptions is not None:
        Path("exceptions.json").write_text(json.dumps([exceptions]))
        files = ("exceptions.json",)
    evaluation = EvaluationOptions(exceptions=ExceptionOptions(files=files))
    assessment = scan(ScanRequest(ScanInput(paths=("proxies.mesh",)), evaluation=evaluation))
    return msgspec.structs.replace(assessment, source=SourceRepository("github.com/example/mesh"))


def test_scan_has_findings_with_exact_locations() -> None:
    assessment = assess()
    findings = assessment.findings
    assert [(finding.kind, finding.id, finding.subject.label, str(finding.location)) for finding in findings] == [
        ("expiry", "MESH-1", "Proxy shop/web", "proxies.mesh:1"),
        ("expiry", "MESH-1", "Proxy ops/doorway", "proxies.mesh:3"),
    ]
    (summary,) = [each for each in assessment.controls if each.definition.id == "MESH-1"]
    assert (summary.counts.passed, summary.counts.failed, summary.counts.not_evaluated) == (1, 2, 1)
    assert assessment.status is Status.FAILED
    # The definition is no requirement, and nothing else was evaluated.
    assert assessment.compliance is None
    assert len({finding.fingerprint for finding in findings}) == 2


def test_gates_count_it() -> None:
    assessment = assess()
    gates = Gates(severity=Severity.CRITICAL, priority=Severity.CRITICAL, failures={"critical": 1})
    assert [outcome.has_passed for outcome in evaluate_gates(assessment, gates)] == [False, False, False]
    assert all(outcome.has_passed for outcome in evaluate_gates(assessment, Gates(failures={"critical": 2})))


@pytest.mark.parametrize("control", ["MESH-1", "mesh-certificate-age"])
def test_exceptions_cover_it(control: str) -> None:
    exception = {
        "name": "old doorway",
        "policyType": "postureExceptionPolicy",
        "actions": ["alertOnly"],
        "resources": [{"designatorType": "Attributes", "attributes": {"namespace": "ops", "name": "doorway"}}],
        "posturePolicies": [{"controlID": control}],
    }
    assessment = assess(exception)
    assert [finding.subject.name for finding in assessment.findings] == ["web"]
    assert [finding.subject.name for finding in assessment.excepted_findings] == ["doorway"]


def test_baseline_finds_what_is_new(folder: Path) -> None:
    base = record_assessment(assess())
    (folder / "proxies.mesh").write_text(PROXIES.replace("shop api 3", "shop api 31").replace("400", "1"))
    head = assess()
    comparison = compare(base, record_assessment(head))
    assert [difference.finding.identity.name for difference in comparison.new] == ["api"]
    assert [difference.finding.identity.name for difference in comparison.resolved] == ["web"]
    assert [finding.subject.name for finding in mark_changes(head, comparison).findings if finding.has_new] == ["api"]


@pytest.mark.parametrize("view", View)
def test_terminal_shows_it(view: View) -> None:
    assert "web" in render_text("pretty", assess(), ReportOptions(view=view, verbose=True))


@pytest.mark.parametrize("name", names())
def test_every_format_shows_it(name: str) -> None:
    text = render_text(name, assess(), ReportOptions(verbose=True, full=True))
    assert text
    if name in VULNERABILITIES_ONLY:
        return
    assert "MESH-1" in text or "mesh-certificate-age" in text or "certificate of a proxy" in text
    if name not in METRICS_ONLY:
        assert "web" in text
        assert "doorway" in text


def test_assistants_receive_it(folder: Path) -> None:
    scratch = folder / "scratch"
    scratch.mkdir()
    task_input = TaskInput(
        scratch=str(scratch), folder=str(folder), path="proxies.mesh", allowed=(os.path.realpath(folder),)
    )
    answer = run_scan(task_input, ScanTask())
    assert [(entry.control, entry.untrusted.resource, entry.untrusted.line) for entry in answer.entries] == [
        ("MESH-1", "Proxy shop/web", 1),
        ("MESH-1", "Proxy ops/doorway", 3),
    ]


def test_editors_show_it() -> None:
    (entries,) = list_findings(assess(), None).values()
    assert [(entry.message, str(entry.location)) for entry in entries] == [
        ("certificate is 400 days old", "proxies.mesh:1"),
        ("certificate is 90 days old", "proxies.mesh:3"),
    ]
    text = ClientText(PROXIES, types.PositionEncodingKind.Utf16)
    diagnostics = [create_diagnostic(entry, text, ()) for entry in entries]
    assert [(diagnostic.code, diagnostic.range.start.line) for diagnostic in diagnostics] == [
        ("MESH-1", 0),
        ("MESH-1", 2),
    ]
    assert "Rotate the certificate." in describe_findings(entries, lambda _: "")


def test_findings_format_follows_its_schema() -> None:
    schemas = {
        f"kubekeep.io/{name}/v1": json.loads((MODEL / f"{name}-v1.schema.json").read_text())
        for name in ("finding", "coverage-gap")
    }
    lines = [json.loads(line) for line in render_text("findings", assess()).splitlines()]
    for line in lines:
        jsonschema.validate(line, schemas[line["schema"]])
    assert [line["subject"]["name"] for line in lines if line["schema"] == "kubekeep.io/finding/v1"] == [
        "web",
        "doorway",
    ]
    gaps = [line for line in lines if line.get("definition") == "MESH-1"]
    assert [(line["subject"]["name"], line["message"]) for line in gaps] == [("broken", "the age is no number")]


@pytest.mark.parametrize("name", names())
def test_names_can_be_hidden(name: str) -> None:
    hidden = pseudonymise(assess(), None)
    text = render_text(name, hidden, ReportOptions(verbose=True, full=True))
    assert "doorway" not in text
    assert "proxies.mesh" not in text
