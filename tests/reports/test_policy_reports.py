"""Policy reports in both APIs: valid by their definitions, small enough for `kubectl apply`, and correct."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml
from tests.oracles.references import get_answer
from tests.reports.excepted import add_exceptions

from kubekeep.model.assessment import Assessment, SubjectResult, Target
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import Cause, Evidence, Reason, Status, Verdict
from kubekeep.reports import ReportOptions, load

ASSETS = Path(__file__).parent / "assets"
BOTH = pytest.mark.parametrize("name", ["policyreport", "openreports"])
ANNOTATIONS = 256 * 1024
"""Bytes available for annotations of a resource: `kubectl apply` keeps a whole resource in one."""
NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


def close_schema(schema: Any) -> Any:
    """Return the schema without unknown fields, which an API server would drop."""
    if isinstance(schema, dict):
        closed_schema = {key: close_schema(value) for key, value in schema.items()}
        if schema.get("properties"):
            closed_schema["additionalProperties"] = False
        return closed_schema
    return schema


def definitions() -> dict[tuple[str, str], Any]:
    schemas = {}
    for path in ASSETS.glob("crd-*.json"):
        spec = json.loads(path.read_text())["spec"]
        (version,) = spec["versions"]
        schema = close_schema(version["schema"]["openAPIV3Schema"])
        schemas[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = schema
    return schemas


def documents(name: str, assessment: Assessment) -> list[dict[str, Any]]:
    stream = io.StringIO()
    load(name).render(assessment, stream, ReportOptions())
    reports = list(yaml.safe_load_all(stream.getvalue()))
    known = definitions()
    for report in reports:
        jsonschema.Draft202012Validator(known[report["apiVersion"], report["kind"]]).validate(report)
        assert NAME.fullmatch(report["metadata"]["name"])
        assert Counter(result["result"] for result in report["results"]) == Counter(
            {key: count for key, count in report["summary"].items() if key != "pass" and count}
        )
    names = [(report["metadata"].get("namespace"), report["metadata"]["name"]) for report in reports]
    assert len(set(names)) == len(names)
    return reports


@BOTH
def test_one_report_per_namespace_and_cluster(name: str, assessment: Assessment) -> None:
    cluster, default = documents(name, assessment)
    assert cluster["kind"].startswith("Cluster")
    assert "namespace" not in cluster["metadata"]
    assert default["metadata"]["namespace"] == "default"
    assert default["metadata"]["name"] == "kubekeep-shop"
    assert default["summary"] == {"pass": 7, "fail": 11, "warn": 0, "error": 0, "skip": 0}


def test_source_field_of_openreports(assessment: Assessment) -> None:
    assert {report["source"] for report in documents("openreports", assessment)} == {"kubekeep"}
    assert all(
        report["source"] == "kubekeep" for each in documents("policyreport", assessment) for report in each["results"]
    )


@BOTH
def test_failure(name: str, assessment: Assessment) -> None:
    _, default = documents(name, assessment)
    web = next(result for result in default["results"] if result.get("resources", [{}])[0].get("name") == "web-1")
    assert web["resources"] == [
        {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "default", "name": "web-1"}
    ]
    assert (web["policy"], web["rule"], web["result"], web["severity"]) == ("C-0057", "privileged", "fail", "high")
    assert web["scored"] is True
    assert web["message"].split("\n") == [
        "Privileged container: Deployment default/web-1",
        "deploy/web-1.yaml:21: set spec.template.spec.containers[0].securityContext.privileged to false",
    ]
    assert web["properties"]["place"] == "deploy/web-1.yaml:21"
    assert web["properties"]["frameworks"] == "NSA"
    assert web["timestamp"] == {"seconds": int(assessment.finished.timestamp()), "nanos": 0}


@BOTH
def test_related_resources_are_listed(name: str, assessment: Assessment) -> None:
    _, default = documents(name, assessment)
    (robot,) = (result for result in default["results"] if result["policy"] == "C-0188")
    assert [resource["kind"] for resource in robot["resources"]] == ["ServiceAccount", "RoleBinding", "Role"]


@BOTH
def test_gaps_are_in_the_cluster_report(name: str, assessment: Assessment) -> None:
    cluster, _ = documents(name, assessment)
    outcomes = Counter((result["policy"], result["result"]) for result in cluster["results"])
    assert outcomes["kubekeep", "error"] == 2
    assert outcomes["C-0001", "skip"] == outcomes["C-0069", "skip"] == outcomes["C-0070", "skip"] == 1
    assert cluster["results"][-1]["policy"] == "C-0070", "failures come first"
    kubelet = next(result for result in cluster["results"] if result["policy"] == "C-0069")
    assert kubelet["message"] == "not evaluated: It reads files of the nodes: scan with a host agent."


@BOTH
@pytest.mark.parametrize(("cause", "outcome"), [(Cause.RULE_ERROR, "error"), (Cause.MISSING_DATA, "skip")])
def test_unevaluated_resources(name: str, cause: Cause, outcome: str, assessment: Assessment) -> None:
    broken_verdict = Verdict(Status.NOT_EVALUATED, reason=Reason(cause, "It does not tell enough."))
    result = SubjectResult(assessment.results[2].subject, {"limits": broken_verdict})
    _, default = documents(name, msgspec.structs.replace(assessment, results=(result,)))
    (entry,) = default["results"]
    assert (entry["policy"], entry["result"], entry["scored"]) == ("C-0271", outcome, False)
    assert entry["resources"][0]["name"] == "web-0"


@BOTH
def test_excepted_findings_are_skipped(name: str, assessment: Assessment) -> None:
    _, default = documents(name, add_exceptions(assessment))
    by_outcome = {(result["result"], result["resources"][0]["name"]): result for result in default["results"]}
    assert ("fail", "web-1") not in by_outcome
    assert ("fail", "db") not in by_outcome
    assert ("fail", "web-0") in by_outcome
    assert by_outcome["skip", "web-0"]["message"].count("\n") == 1, "the excepted location"
    assert by_outcome["skip", "web-1"]["properties"]["waiver"] == (
        "covered by exception gateway until 2027-01-31: runs the packet filter"
    )
    assert default["summary"] == {"pass": 7, "fail": 9, "warn": 0, "error": 0, "skip": 3}


@BOTH
def test_large_reports_are_split(name: str, assessment: Assessment) -> None:
    marks = "<&>" * 300
    hostile = Verdict(Status.FAILED, (Evidence("spec.x", exists=True, message=marks),))

    def pod(number: int) -> SubjectResult:
        metadata = {"name": f"p{number}", "namespace": "big"}
        return SubjectResult(Resource({"kind": "Pod", "metadata": metadata}), {"privileged": hostile})

    many = msgspec.structs.replace(assessment, results=tuple(map(pod, range(200))))
    parts = [part for part in documents(name, many) if part["metadata"].get("namespace") == "big"]
    assert [part["metadata"]["name"] for part in parts[:3]] == ["kubekeep-shop", "kubekeep-shop-2", "kubekeep-shop-3"]
    assert sum(part["summary"]["fail"] for part in parts) == 200
    for part in parts:
        as_go = json.dumps(part, ensure_ascii=False, separators=(",", ":"))
        escaped = re.sub("[<>&]", "\\\\u003c", as_go)
        assert len(escaped.encode()) < ANNOTATIONS - 4096


@BOTH
def test_texts_are_bounded(name: str, assessment: Assessment) -> None:
    endless = "x" * 3_000_000
    verdict = Verdict(Status.FAILED, (Evidence(endless, exists=True, message=endless),))
    resource = Resource({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": endless}})
    some = msgspec.structs.replace(assessment, results=(SubjectResult(resource, {"privileged": verdict}),))
    assert max(len(json.dumps(document)) for document in documents(name, some)) < 32 * 1024


@BOTH
@pytest.mark.parametrize("namespace", ["", "-bad", "Shop", "a" * 64, "a.b", "a\n"])
def test_invalid_namespace_uses_the_cluster_report(name: str, namespace: str, assessment: Assessment) -> None:
    resource = Resource({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": namespace}})
    failed = SubjectResult(resource, {"privileged": Verdict(Status.FAILED, (Evidence("spec", exists=True),))})
    (cluster,) = documents(name, msgspec.structs.replace(assessment, results=(failed,)))
    (entry,) = (result for result in cluster["results"] if result["result"] == "fail")
    assert entry["resources"][0]["name"] == "p"


@BOTH
@pytest.mark.parametrize(
    ("base", "paths", "expected"),
    [
        ("/", (".",), "kubekeep"),
        ("", (), "kubekeep"),
        ("/srv/My Shop_2/", (".",), "kubekeep-my-shop-2"),
        ("/srv/shop", ("deploy/",), "kubekeep-shop-deploy"),
        ("/srv/shop", ("b.yaml", "a.yaml"), "kubekeep-shop-a-yaml-b-yaml"),
        ("/srv/shop", ("数据库",), "kubekeep-shop-b9e34061"),
        ("/srv/shop", ("x" * 99,), f"kubekeep-shop-{'x' * 37}-c4f7487b"),
    ],
)
def test_report_name(name: str, base: str, paths: tuple[str, ...], expected: str, assessment: Assessment) -> None:
    reports = documents(name, msgspec.structs.replace(assessment, target=Target(paths, base)))
    assert {report["metadata"]["name"] for report in reports} == {expected}


@BOTH
def test_report_names_differ_by_path(name: str, assessment: Assessment) -> None:
    def render_names(path: str) -> str:
        target = Target((path,), "/srv/shop")
        reports = documents(name, msgspec.structs.replace(assessment, target=target))
        return str(reports[0]["metadata"]["name"])

    assert render_names(f"{'x' * 99}/a") != render_names(f"{'x' * 99}/b")


@BOTH
def test_kubectl_reads_the_same_values(name: str, assessment: Assessment) -> None:
    """Check that kubectl's parser, sigs.k8s.io/yaml, reads hostile names like PyYAML."""
    texts = [
        "\ufffe\uffff\x7f\x85\u2028\ufeff\U0010ffff",
        "---\n- a: &b *c",
        "\\u0041\\/\"'",
        "%YAML 9\t#",
        "yes",
        "1e3",
        "~",
    ]
    failed = Verdict(Status.FAILED, tuple(Evidence(text, exists=True, message=text) for text in texts))
    results = tuple(
        SubjectResult(Resource({"kind": text, "metadata": {"name": text}}), {"privileged": failed}) for text in texts
    )
    stream = io.StringIO()
    load(name).render(msgspec.structs.replace(assessment, results=results), stream, ReportOptions())
    parts = stream.getvalue().split("---\n")[1:]
    answers = json.loads(get_answer("yaml", stdin=json.dumps(parts)).stdout)
    assert [json.loads(answer["json"]) for answer in answers] == list(map(yaml.safe_load, parts))
    assert not any("strict" in answer for answer in answers)
