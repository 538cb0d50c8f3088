"""The Python API as its guide shows it, on real files; errors have one base class."""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import kubekeep
from tests.command_line import run_command_line

EXAMPLES = Path(__file__).parents[2] / "examples"
SHOP = EXAMPLES / "online-shop"
CORPORA = Path(__file__).resolve().parents[2].parent / "shared" / "corpora"
"""Public trees, which a checkout need not have."""
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {"containers": [{"name": "web", "image": "nginx", "securityContext": {"privileged": True}}]},
}


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
    severities = [finding.definition.severity for finding in assessment.findings]
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


def test_a_path_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(kubekeep.KubekeepError, match=r"no-such-file\.yaml: no such file or folder"):
        kubekeep.scan(SHOP, tmp_path / "no-such-file.yaml")
    with pytest.raises(kubekeep.KubekeepError, match="no file matches this pattern"):
        kubekeep.scan(str(tmp_path / "*.yaml"))


def test_objects_are_scanned_as_files_are(tmp_path: Path) -> None:
    file = tmp_path / "pod.json"
    file.write_text(json.dumps(POD))
    from_file, from_memory = kubekeep.scan(file), kubekeep.scan(POD, {**POD, "metadata": {"name": "second"}})
    priorities = [(finding.id, finding.priority) for finding in from_file.findings]
    first, second = (
        [(finding.id, finding.priority) for finding in from_memory.findings if finding.subject.name == name]
        for name in ("web", "second")
    )
    assert first == second == priorities != []
    with pytest.raises(kubekeep.KubekeepError, match="standard input"):
        kubekeep.scan(POD, "-")


def test_a_value_that_is_neither_path_nor_object_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="not list"):
        kubekeep.scan([POD])  # type: ignore[arg-type]


def test_repr_is_one_short_line() -> None:
    assessment = kubekeep.scan(SHOP)
    first = assessment.findings[0]
    assert re.fullmatch(r"<Assessment of '.*online-shop': resources=\d+ findings=\d+ compliance=.*>", repr(assessment))
    assert repr(first).startswith(f"<Finding {first.id} ")
    assert all(len(repr(value)) < 300 for value in (assessment, first))


def list_trees() -> list[Path]:
    """Return the examples, and the public trees that are present."""
    return [*sorted(path for path in EXAMPLES.iterdir() if path.is_dir()), *sorted(CORPORA.glob("*/"))]


@pytest.mark.parametrize("tree", list_trees(), ids=lambda tree: str(tree.name))
def test_numbers_of_the_api_are_those_of_the_command_line(tree: Path) -> None:
    result = run_command_line("scan", tree, "--format", "findings")
    findings = [document for document in map(json.loads, result.stdout.splitlines()) if "kind" in document]
    counts = Counter(
        (finding["id"], finding["priority"]["level"]) for finding in findings if "suppression" not in finding
    )
    assessment = kubekeep.scan(tree)
    assert counts == Counter((finding.id, finding.priority.level.name.lower()) for finding in assessment.findings)
