"""Metrics: bounded labels that promtool accepts, Kubescape's names on request, one series per label set."""

from __future__ import annotations

import io
import json
import subprocess
from collections import Counter

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.oracles.references import get_answer

from kubekeep.model.assessment import Assessment, SubjectResult
from kubekeep.model.exception import AppliedException, ExceptionSource
from kubekeep.model.verdict import Evidence, Status, Verdict
from kubekeep.reports import ReportOptions, load

NAMES = {
    "kubescape_score": (),
    "kubescape_cluster_complianceScore": (),
    "kubescape_cluster_count_resources_failed": (),
    "kubescape_cluster_count_resources_skipped": (),
    "kubescape_cluster_count_resources_passed": (),
    "kubescape_cluster_count_control_failed": (),
    "kubescape_cluster_count_control_skipped": (),
    "kubescape_cluster_count_control_passed": (),
    "kubescape_cluster_coverage_score": (),
    "kubescape_framework_complianceScore": ("name",),
    "kubescape_framework_count_resources_failed": ("name",),
    "kubescape_framework_count_resources_skipped": ("name",),
    "kubescape_framework_count_resources_passed": ("name",),
    "kubescape_framework_count_controls_failed": ("name",),
    "kubescape_framework_count_controls_skipped": ("name",),
    "kubescape_framework_count_controls_passed": ("name",),
    "kubescape_control_complianceScore": ("name", "severity", "link"),
    "kubescape_control_count_resources_failed": ("name", "severity", "link"),
    "kubescape_control_count_resources_skipped": ("name", "severity", "link"),
    "kubescape_control_count_resources_passed": ("name", "severity", "link"),
    "kubescape_resource_count_controls_failed": ("apiVersion", "kind", "namespace", "name"),
    "kubescape_resource_count_controls_skipped": ("apiVersion", "kind", "namespace", "name"),
}
"""Families and labels that dashboards for Kubescape query."""

Labels = frozenset[tuple[str, str]]


OWN_NAMES = {
    "kubekeep_info": ("kubernetes_version", "version"),
    "kubekeep_scan_end_timestamp_seconds": (),
    "kubekeep_scan_duration_seconds": (),
    "kubekeep_files": (),
    "kubekeep_unread": (),
    "kubekeep_compliance_ratio": (),
    "kubekeep_coverage_ratio": (),
    "kubekeep_resources": ("result",),
    "kubekeep_controls": ("result",),
    "kubekeep_findings": ("severity",),
    "kubekeep_excepted_findings": (),
    "kubekeep_namespace_findings": ("namespace", "severity"),
    "kubekeep_framework_compliance_ratio": ("framework",),
    "kubekeep_framework_coverage_ratio": ("framework",),
    "kubekeep_framework_controls": ("framework", "result"),
    "kubekeep_control_info": ("control", "severity", "title"),
    "kubekeep_control_failed_resources": ("control", "severity"),
    "kubekeep_control_not_evaluated": ("cause", "control"),
}
"""Families and labels that the rules and dashboards in `integrations` query."""


def text(assessment: Assessment, *, kubescape: bool = True) -> str:
    stream = io.StringIO()
    load("prometheus").render(assessment, stream, ReportOptions(kubescape_metrics=kubescape))
    return stream.getvalue()


def families(assessment: Assessment) -> dict[str, dict[Labels, float]]:
    """Return the value of every series; fails for a duplicate series or a family in two parts."""
    by_family: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text(assessment)):
        assert family.name not in by_family
        assert family.type == "gauge"
        assert family.documentation
        series = Counter(frozenset(sample.labels.items()) for sample in family.samples)
        assert set(series.values()) == {1}
        by_family[family.name] = {frozenset(sample.labels.items()): sample.value for sample in family.samples}
    return by_family


def find_value(series: dict[Labels, float], **labels: str) -> float:
    (value,) = [value for key, value in series.items() if labels.items() <= dict(key).items()]
    return value


def test_kubescapes_names_and_labels(assessment: Assessment) -> None:
    by_family = families(assessment)
    labels = {name: {tuple(sorted(dict(key))) for key in series} for name, series in by_family.items()}
    assert {name: {tuple(sorted(expected))} for name, expected in NAMES.items()} == {
        name: names for name, names in labels.items() if name.startswith("kubescape_")
    }


def test_own_names_and_labels(assessment: Assessment) -> None:
    labels = {name: {tuple(sorted(dict(key))) for key in series} for name, series in families(assessment).items()}
    assert {name: {expected} for name, expected in OWN_NAMES.items()} == {
        name: names for name, names in labels.items() if name.startswith("kubekeep_")
    }


def test_kubescapes_names_are_off_by_default(assessment: Assessment) -> None:
    assert "kubescape_" not in text(assessment, kubescape=False)
    assert text(assessment).startswith(text(assessment, kubescape=False).partition("# not read")[0])


def test_promtool_accepts_the_metrics(assessment: Assessment) -> None:
    for options, code in ((False, 0), (True, 3)):
        report = text(assessment, kubescape=options)
        check = ["promtool", "check", "metrics"]
        result = subprocess.run(check, input=report, text=True, capture_output=True, check=False, timeout=120)
        assert result.returncode == code, result.stderr
        assert "kubekeep_" not in result.stderr


def test_own_figures(assessment: Assessment) -> None:
    by_family = families(assessment)
    assert find_value(by_family["kubekeep_compliance_ratio"]) == 0.625
    assert find_value(by_family["kubekeep_coverage_ratio"]) == 0.7
    assert find_value(by_family["kubekeep_controls"], result="not_evaluated") == 4
    assert find_value(by_family["kubekeep_framework_compliance_ratio"], framework="nsa") == pytest.approx(0.6666)
    findings = [finding.severity.name.lower() for finding in assessment.findings]
    for severity in ("critical", "high", "medium", "low"):
        assert find_value(by_family["kubekeep_findings"], severity=severity) == findings.count(severity)
    assert sum(by_family["kubekeep_namespace_findings"].values()) == len(findings)


def test_number_of_namespaces_is_limited(assessment: Assessment) -> None:
    result = next(result for result in assessment.results if any(v.evidence for v in result.verdicts.values()))
    results = tuple(
        SubjectResult(
            msgspec.structs.replace(
                result.subject, content={"kind": "Pod", "metadata": {"name": "web", "namespace": f"team-{number}"}}
            ),
            result.verdicts,
        )
        for number in range(300)
    )
    many = msgspec.structs.replace(assessment, results=results)
    series = families(many)["kubekeep_namespace_findings"]
    assert len({dict(key)["namespace"] for key in series}) == 101
    assert sum(series.values()) == len(many.findings)


def test_the_figures(assessment: Assessment) -> None:
    by_family = families(assessment)
    assert find_value(by_family["kubescape_score"]) == 62.5
    assert find_value(by_family["kubescape_cluster_coverage_score"]) == 70
    assert find_value(by_family["kubescape_cluster_count_control_failed"]) == 5
    assert find_value(by_family["kubescape_cluster_count_control_skipped"]) == 4
    assert find_value(by_family["kubescape_framework_complianceScore"], name="NSA") == 66.66
    assert find_value(by_family["kubescape_framework_count_controls_skipped"], name="cis-v1.10.0") == 2
    assert find_value(by_family["kubescape_control_count_resources_failed"], name="Privileged container") == 9
    assert find_value(by_family["kubescape_resource_count_controls_failed"], namespace="default", name="web-0") == 1
    assert find_value(by_family["kubekeep_unread"]) == 2
    assert find_value(by_family["kubekeep_scan_duration_seconds"]) == 0.75
    assert find_value(by_family["kubekeep_control_not_evaluated"], control="C-0069", cause="needs-host-data") == 1


def test_no_compliance_series_without_evaluation(assessment: Assessment) -> None:
    by_family = families(assessment)
    assert not [key for key in by_family["kubescape_framework_complianceScore"] if ("name", "cis-v1.10.0") in key]
    assert not [
        key
        for key in by_family["kubescape_control_complianceScore"]
        if ("name", "Anonymous access to the kubelet") in key
    ]
    assert "kubescape_score" not in families(msgspec.structs.replace(assessment, compliance=None))


def test_equal_resources_are_one_series(assessment: Assessment) -> None:
    repeated = msgspec.structs.replace(assessment, results=assessment.results * 2)
    failed = families(repeated)["kubescape_resource_count_controls_failed"]
    assert find_value(failed, namespace="default", name="web-0") == 2


def test_equal_shown_names_are_one_series(assessment: Assessment) -> None:
    result = assessment.results[2]
    names = ("\x1b", "\\x1b")
    results = tuple(
        SubjectResult(
            msgspec.structs.replace(result.subject, content={"kind": "Pod", "metadata": {"name": name}}),
            result.verdicts,
        )
        for name in names
    )
    failed = families(msgspec.structs.replace(assessment, results=results))["kubescape_resource_count_controls_failed"]
    assert [dict(key)["name"] for key in failed] == ["\\x1b"]


def test_equal_titles_are_one_series(assessment: Assessment) -> None:
    controls = tuple(
        msgspec.structs.replace(
            summary,
            definition=msgspec.structs.replace(summary.definition, title="Alike", severity=5.0, references=()),
        )
        for summary in assessment.summaries
    )
    by_family = families(msgspec.structs.replace(assessment, summaries=controls))
    assert find_value(by_family["kubescape_control_count_resources_failed"]) == 13
    assert find_value(by_family["kubescape_control_complianceScore"]) == 0


def test_go_parser_reads_the_same(assessment: Assessment) -> None:
    question = [{"format": "prometheus", "text": text(assessment)}]
    (answer,) = json.loads(get_answer("reports", stdin=json.dumps(question)).stdout)
    assert answer == {"families": {name: len(series) for name, series in families(assessment).items()}}


def test_excepted_findings_are_counted_separately(assessment: Assessment) -> None:
    exception = AppliedException(name="legacy", source=ExceptionSource.FILE)
    verdict = Verdict(Status.PASSED, (Evidence("spec.a", exists=True, exception=exception),))
    result = SubjectResult(assessment.results[2].subject, {"privileged": verdict})
    by_family = families(msgspec.structs.replace(assessment, results=(result,)))
    assert find_value(by_family["kubescape_resource_count_controls_failed"]) == 0
    assert find_value(by_family["kubekeep_excepted_findings"]) == 1
