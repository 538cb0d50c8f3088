"""The Python API as its guide shows it, on real files; errors have one base class."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import kubekeep

EXAMPLES = Path(__file__).parents[2] / "examples"
SHOP = EXAMPLES / "online-shop"


def test_importing_the_package_loads_no_other_module() -> None:
    code = "import sys, kubekeep; print([name for name in sys.modules if name.startswith('kubekeep.')])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


def test_the_stub_lists_the_public_names() -> None:
    stub = ast.parse((Path(kubekeep.__file__).with_suffix(".pyi")).read_text())
    imported = {
        alias.name: node.module for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert list(imported) != []
    assert {name: importlib.import_module(str(module)) for name, module in imported.items()} == {
        name: sys.modules[getattr(kubekeep, name).__module__] for name in kubekeep.__all__
    }


def test_scan_returns_findings_with_locations_and_fingerprints() -> None:
    assessment = kubekeep.scan(SHOP, frameworks=["nsa"])
    assert assessment.findings
    severities = [finding.severity for finding in assessment.findings]
    assert severities == sorted(severities, reverse=True)
    for finding in assessment.findings:
        assert finding.kind is kubekeep.FindingKind.MISCONFIGURATION
        assert finding.evidence
        assert finding.suppression is None
        assert isinstance(finding.subject, kubekeep.Resource)
    assert len({finding.fingerprint for finding in assessment.findings}) == len(assessment.findings)
    assert all(finding.location is not None for finding in assessment.findings if not finding.subject.related)


def test_findings_are_the_failed_verdicts() -> None:
    assessment = kubekeep.scan(SHOP, controls="C-0057")
    failed = [
        result.subject.id
        for result in assessment.results
        if result.verdicts["privileged-container"].status is kubekeep.Status.FAILED
    ]
    assert [finding.subject.id for finding in assessment.findings] == failed != []


def test_exceptions_move_findings_to_the_excepted_ones(tmp_path: Path) -> None:
    file = tmp_path / "exceptions.json"
    file.write_text(
        '[{"name": "reviewed", "policyType": "postureExceptionPolicy", "actions": ["alertOnly"],'
        '"resources": [{"designatorType": "Attributes", "attributes": {"kind": "Pod"}}],'
        '"posturePolicies": [{"controlID": "C-0057"}]}]'
    )
    plain = kubekeep.scan(SHOP, controls=["C-0057"])
    excepted = kubekeep.scan(SHOP, controls=["C-0057"], exceptions=[file])
    covered = [
        finding
        for finding in excepted.excepted_findings
        if finding.suppression is not None and finding.suppression.name == "reviewed"
    ]
    assert {finding.subject.kind for finding in covered} == {"Pod"}
    assert len(covered) + len(excepted.findings) == len(plain.findings)


def test_rendering_gives_text_of_a_format() -> None:
    assessment = kubekeep.scan(SHOP, controls=["C-0057"])
    assert '"summaryDetails"' in str(kubekeep.render(assessment))
    assert str(kubekeep.render(assessment, "sarif")).startswith("{")


@pytest.mark.parametrize(
    "options",
    [
        {"frameworks": ["no-such-framework"]},
        {"controls": ["no-such-control"]},
        {"kubernetes_version": "1.2"},
        {"custom_rules": ["no-such-folder"]},
        {"exceptions": ["no-such-file.json"]},
        {"exclude_controls": ["C-0057"], "controls": ["C-0057"]},
    ],
)
def test_wrong_arguments_raise_the_common_error(options: dict[str, Any]) -> None:
    with pytest.raises(kubekeep.KubekeepError):
        kubekeep.scan(SHOP, **options)


def test_a_scan_without_paths_is_an_error() -> None:
    with pytest.raises(kubekeep.KubekeepError, match="scan_cluster"):
        kubekeep.scan()


def test_a_kubeconfig_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text("{}")
    with pytest.raises(kubekeep.KubekeepError):
        kubekeep.scan_cluster("no-such-context", kubeconfig=file)


def test_an_unknown_name_of_the_api_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError):
        getattr(kubekeep, "no_such_name")  # noqa: B009 - a name that type checkers reject
