"""Reports of Kubescape: the same findings as Kubekeep's own submission, and a scope that closes only evaluated findings."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from kubekeep.model.scanned_source import SourceCluster, SourceRepository
from kubekeep.model.submission import HiddenObjects, Submission
from kubekeep_server.foreign.decoding import ForeignDocumentError
from kubekeep_server.foreign.kubescape_report import convert
from kubekeep_server.foreign.parts import is_complete, read_header
from tests.server.foreign.documents import (
    UID,
    build_control,
    build_deployment,
    build_namespace,
    build_posture_report,
    encode,
    split_report,
)
from tests.server.foreign.results import NOW, check_consistency, list_findings, list_open_names

CLUSTER = SourceCluster(UID, "production")


def read(report: dict[str, Any], source: SourceCluster | None = CLUSTER) -> Submission:
    submission = convert([encode(report)], source, NOW)
    check_consistency(submission)
    return submission


def test_report_of_kubekeep_has_the_findings_of_its_submission(reports: Mapping[str, bytes]) -> None:
    own = msgspec.json.decode(reports["submission"], type=Submission)
    converted = convert([reports["json"]], own.source, NOW)
    check_consistency(converted)
    assert list_findings(converted) == list_findings(own)
    assert list_findings(own)
    assert {entry.key for entry in converted.subjects} == {entry.key for entry in own.subjects}
    assert [entry.containers for entry in converted.subjects] == [entry.containers for entry in own.subjects]
    assert {*converted.scope.definitions} <= {*own.scope.definitions}
    assert any(entry.is_generated for entry in converted.subjects)


def test_evidence_and_advice_are_kept(reports: Mapping[str, bytes]) -> None:
    def list_evidence(submission: Submission) -> set[tuple[Any, ...]]:
        return {
            (finding.fingerprint, part.path, part.message, part.location, part.fix, part.delete)
            for entry in submission.subjects
            for finding in entry.findings
            for part in finding.evidence
        }

    own = msgspec.json.decode(reports["submission"], type=Submission)
    assert list_evidence(convert([reports["json"]], own.source, NOW)) == list_evidence(own)


def test_repository_is_that_of_the_report(reports: Mapping[str, bytes]) -> None:
    submission = convert([reports["json"]], None, NOW)
    assert isinstance(submission.source, SourceRepository)
    assert (submission.source.url, submission.source.branch) == ("github.com/shop/web", "main")
    # The report does not have the scanned paths: nothing outside of it is closed.
    assert submission.scope.is_partial
    assert not convert([reports["json"]], submission.source, NOW).scope.is_partial


def test_failed_control_is_a_finding_with_the_key_of_kubekeep() -> None:
    submission = read(build_posture_report({"web": [build_control("C-0057")]}))
    (entry,) = submission.subjects
    (finding,) = entry.findings
    assert (finding.definition, finding.is_open) == ("C-0057", True)
    first, second = finding.evidence
    assert (first.path, first.fix) == ("spec.template.spec.containers[0].securityContext", None)
    assert (second.path, second.fix, second.exists) == (
        "spec.template.spec.containers[0].securityContext.privileged", "false", False,
    )  # fmt: skip
    (definition,) = submission.definitions
    assert (definition.title, definition.severity, definition.score) == ("Privileged container", "high", 8.0)
    assert submission.versions.kubekeep == "0"
    assert [container.image for container in entry.containers] == ["ghcr.io/shop/web:1"]


def test_control_of_users_has_a_key_of_its_own() -> None:
    submission = read(build_posture_report({"web": [build_control("team-1")]}))
    assert submission.scope.definitions == ("kubescape/team-1",)
    assert [(definition.key, definition.id) for definition in submission.definitions] == [
        ("kubescape/team-1", "team-1")
    ]


@pytest.mark.parametrize(
    ("status", "detail"),
    [
        ("skipped", "manual review"),
        ("skipped", "requires review"),
        ("skipped", "configuration"),
        ("skipped", "integration"),
        ("skipped", ""),
        ("passed", "irrelevant"),
        ("passed", "incompleteCoverage"),
        ("error", ""),
        ("", ""),
    ],
)
def test_control_without_an_answer_is_not_evaluated(status: str, detail: str) -> None:
    results = {"web": [build_control("C-0057", status, detail)], "cart": [build_control("C-0057", "passed")]}
    entries = {entry.subject.name: entry for entry in read(build_posture_report(results)).subjects}  # type: ignore[union-attr]
    assert [skipped.definitions for skipped in entries["web"].not_evaluated] == [("C-0057",)]
    assert entries["cart"].not_evaluated == ()


def test_control_that_was_evaluated_nowhere_is_not_in_the_scope() -> None:
    report = build_posture_report({"web": [build_control("C-0057", "skipped", "manual review")]})
    report["summaryDetails"]["controls"]["C-0057"]["statusInfo"] = {"status": "skipped", "subStatus": "manual review"}
    submission = read(report)
    assert submission.scope.definitions == ()
    assert [(gap.definition, gap.message) for gap in submission.gaps] == [("C-0057", "manual review")]


def test_control_that_a_resource_does_not_list_is_not_evaluated_on_it() -> None:
    results = {"web": [build_control("C-0057", "passed")], "cart": [build_control("C-0016", "passed")]}
    entries = {entry.subject.name: entry for entry in read(build_posture_report(results)).subjects}  # type: ignore[union-attr]
    assert [skipped.definitions for skipped in entries["web"].not_evaluated] == [("C-0016",)]
    assert [skipped.definitions for skipped in entries["cart"].not_evaluated] == [("C-0057",)]


def test_exception_suppresses_a_finding() -> None:
    policy = {"name": "accepted", "reason": "vendor", "expirationDate": "2027-01-01T00:00:00Z"}
    control = build_control("C-0057", "passed", "w/exceptions", exception=[policy])
    (entry,) = read(build_posture_report({"web": [control]})).subjects
    (finding,) = entry.findings
    assert not finding.is_open
    (group,) = finding.suppressed
    assert (group.exception.name, group.exception.reason, len(group.evidence)) == ("accepted", "vendor", 2)


def test_exception_of_one_rule_leaves_the_evidence_of_another_one_open() -> None:
    control = build_control("C-0057")
    excepted = build_control("C-0057", "passed", "w/exceptions", exception=[{"name": "accepted"}])
    control["rules"] += excepted["rules"]
    control["rules"][0]["paths"] = control["rules"][0]["paths"][:1]
    (entry,) = read(build_posture_report({"web": [control]})).subjects
    assert [len(finding.evidence) for finding in entry.findings] == [1]
    assert [len(group.evidence) for finding in entry.findings for group in finding.suppressed] == [2]


def test_failed_control_without_paths_is_open() -> None:
    control = build_control("C-0057")
    control["rules"] = None
    assert list_open_names(read(build_posture_report({"web": [control]}))) == {("web", "C-0057")}


def test_namespaces_are_the_scope() -> None:
    report = build_posture_report({"web": [build_control("C-0057")]})
    report["metadata"]["scanMetadata"] |= {"includeNamespaces": ["shop,cart"], "excludedNamespaces": ["kube-system"]}
    scope = read(report).scope
    assert (scope.include_namespaces, scope.exclude_namespaces) == (("shop", "cart"), ("kube-system",))


def test_scan_of_one_workload_is_partial() -> None:
    report = build_posture_report({"web": [build_control("C-0057")]})
    report["metadata"]["scanMetadata"]["targetNames"] = ["workloadscan", "allcontrols"]
    assert read(report).scope.is_partial


def test_scan_of_one_resource_is_partial() -> None:
    """The operator scans single resources after changes, and their reports are like others."""
    assert read(build_posture_report({"web": [build_control("C-0057")]})).scope.is_partial
    results = {name: [build_control("C-0057")] for name in ("web", "cart")}
    assert not read(build_posture_report(results)).scope.is_partial


def test_incomplete_coverage_may_hide_every_resource() -> None:
    """Posted reports do not list the resources that could not be listed."""
    report = build_posture_report({name: [build_control("C-0057", "passed")] for name in ("web", "cart")})
    report["summaryDetails"]["controls"]["C-0057"]["statusInfo"] = {
        "status": "passed",
        "subStatus": "incompleteCoverage",
    }
    submission = read(report)
    assert submission.scope.definitions == ("C-0057",)
    assert [gap.hides for gap in submission.gaps] == [HiddenObjects()]


def test_resources_may_be_in_the_results() -> None:
    report = build_posture_report({name: [build_control("C-0057")] for name in ("web", "cart")})
    embedded = copy.deepcopy(report)
    for result, resource in zip(embedded["results"], embedded.pop("resources")[1:], strict=True):
        result["rawResource"] = resource
    assert read(embedded).subjects == read(report).subjects


def test_report_without_objects_has_the_same_subjects() -> None:
    report = build_posture_report({name: [build_control("C-0057")] for name in ("web", "cart")})
    report["results"].append({"resourceID": "//Group/on-call/rbac.authorization.k8s.io/v1//Role/a", "controls": []})
    with_objects = read(build_posture_report({name: [build_control("C-0057")] for name in ("web", "cart")}))
    without = read({**report, "resources": None})
    assert list_findings(without) == list_findings(with_objects)
    assert [entry.subject for entry in without.subjects] == [entry.subject for entry in with_objects.subjects]
    assert [(gap.message, gap.hides) for gap in without.gaps] == [("1 results name no resource", HiddenObjects())]
    with pytest.raises(ForeignDocumentError, match="omit-raw-resources"):
        convert([encode({**report, "resources": None})], SourceRepository("github.com/shop/web"), NOW)


def test_unlisted_resources_are_gaps() -> None:
    report = build_posture_report({"web": [build_control("C-0057")]})
    report["scanCoverage"] = {
        "failedGVRPulls": [{"gvr": "apps/v1/deployments", "error": "forbidden"}, {"gvr": "/v1/pods", "error": ""}],
        "partialGVRPulls": [{"gvr": "example.com/v1/things", "selector": "", "error": "timeout"}],
        "notEvaluatedControls": [{"controlID": "C-0057", "missingGVRs": [], "reason": "cannot list"}],
    }
    submission = read(report)
    assert [gap.hides for gap in submission.gaps if gap.hides] == [
        HiddenObjects("apps", "Deployment"),
        HiddenObjects("", "Pod"),
        HiddenObjects("example.com", "*"),
    ]
    assert submission.scope.definitions == ()


def test_cluster_is_that_of_kube_system() -> None:
    report = build_posture_report({"web": [build_control("C-0057")]})
    assert read(report, None).source == CLUSTER
    report["resources"] = [build_deployment("web")]
    with pytest.raises(ForeignDocumentError, match="name the cluster"):
        read(report, None)


def test_report_about_another_cluster_is_refused() -> None:
    report = build_posture_report({"web": [build_control("C-0057")]})
    with pytest.raises(ForeignDocumentError, match="is about the cluster"):
        read(report, SourceCluster("other"))


def test_parts_are_one_report_in_any_order() -> None:
    report = build_posture_report({"web": [build_control("C-0057")], "cart": [build_control("C-0016", "passed")]})
    parts = split_report(report)
    whole, joined = read(report), convert([*reversed(parts), parts[0]], CLUSTER, NOW)
    assert (joined.subjects, joined.scope, joined.gaps) == (whole.subjects, whole.scope, whole.gaps)
    assert joined.id == convert(parts, CLUSTER, NOW).id
    headers = [read_header(part) for part in parts]
    assert [header.report for header in headers] == ["report-1", "report-1"]
    assert (is_complete(headers), is_complete(headers[:1]), is_complete(headers[1:])) == (True, False, False)


@pytest.mark.parametrize("kept", [slice(0, 1), slice(1, 2), slice(0, 0)])
def test_missing_part_is_refused(kept: slice) -> None:
    parts = split_report(build_posture_report({"web": [build_control("C-0057")]}))[kept]
    with pytest.raises(ForeignDocumentError, match=r"is missing|there is no part"):
        convert(parts, CLUSTER, NOW)


def test_parts_of_several_reports_are_refused() -> None:
    report = build_posture_report({"web": [build_control("C-0057")]})
    parts = [split_report(report)[0], split_report({**report, "reportGUID": "other"})[1]]
    with pytest.raises(ForeignDocumentError, match="several reports"):
        convert(parts, CLUSTER, NOW)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"results": "none"}, r"results"),
        ({"metadata": {"encryptionMetadata": {"version": "1"}}}, "encrypted"),
        ({"kubekeep": {"pseudonyms": "key"}}, "pseudonyms"),
        (
            {"resources": [{**build_namespace("kube-system", UID), "object": 1}]},
            "the object of /v1//Namespace/kube-system",
        ),
    ],
)
def test_unusable_report_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ForeignDocumentError, match=message):
        read(build_posture_report({"web": [build_control("C-0057")]}) | change)


def test_other_document_is_refused() -> None:
    with pytest.raises(ForeignDocumentError, match="neither results"):
        convert([b"{}"], CLUSTER, NOW)


def test_same_document_is_the_same_scan() -> None:
    report = encode(build_posture_report({"web": [build_control("C-0057")]}))
    first, second = (convert([report], CLUSTER, NOW.replace(hour=hour)) for hour in (10, 11))
    assert first.id == second.id
    assert first.id != convert([report + b" "], CLUSTER, NOW).id
    assert json.loads(report)["generationTime"].startswith(first.started.isoformat()[:19])
