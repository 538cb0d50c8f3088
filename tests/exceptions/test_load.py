"""The effect of exceptions in scans, for every form of exception; findings without one stand and are reported."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubekeep.exceptions.load import ExceptionOptions
from kubekeep.model.assessment import Assessment
from kubekeep.model.exception import ExceptionStatus
from kubekeep.model.verdict import Status
from kubekeep.usecases.fix import FixRequest, plan
from kubekeep.usecases.request import RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan
from tests.requests import scan_request

PRIVILEGED = "C-0057"
IMMUTABLE = "C-0017"


def container(name: str = "main") -> dict[str, Any]:
    return {"name": name, "image": "a:1", "securityContext": {"privileged": True}}


def deployment(name: str = "web", namespace: str = "shop", **metadata: Any) -> dict[str, Any]:
    pod = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container(), container("sidecar")]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": pod},
    }


def namespace(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: `deploy` is scanned, exceptions lie beside it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deploy").mkdir()
    return tmp_path


def write(*objects: dict[str, Any], name: str = "all.yaml") -> None:
    (Path("deploy") / name).write_text(yaml.safe_dump_all(objects))


def excepted(*exceptions: dict[str, Any]) -> ExceptionOptions:
    Path("exceptions.json").write_text(json.dumps(exceptions))
    return ExceptionOptions(files=("exceptions.json",))


def scanned(exceptions: ExceptionOptions = ExceptionOptions(), **request: Any) -> Assessment:  # noqa: B008 - a frozen value
    controls = request.pop("controls", () if "frameworks" in request else (PRIVILEGED,))
    return scan(scan_request(paths=("deploy",), controls=controls, exceptions=exceptions, **request))


def covered(assessment: Assessment) -> set[str]:
    """Return the names of the resources with an excepted finding."""
    return {finding.subject.name for findings in assessment.group_excepted_findings().values() for finding in findings}


def standing(assessment: Assessment) -> set[str]:
    return {finding.subject.name for findings in assessment.group_findings().values() for finding in findings}


def exception(*controls: str, resources: Sequence[dict[str, str]] = (), **more: Any) -> dict[str, Any]:
    value: dict[str, Any] = {"name": "e", "posturePolicies": [{"controlID": name} for name in controls], **more}
    if resources:
        value["resources"] = [{"designatorType": "Attributes", "attributes": attributes} for attributes in resources]
    return value


@pytest.mark.parametrize(
    "name", ["C-0057", "c-0057", "privileged-container", "containers do not run privileged", "C-005."]
)
def test_control_by_number_slug_title_or_pattern(folder: Path, name: str) -> None:  # noqa: ARG001
    write(deployment())
    assessment = scanned(excepted(exception(name, resources=[{"kind": "Deployment"}])))
    assert (covered(assessment), standing(assessment)) == ({"web"}, set())
    (summary,) = assessment.summaries
    assert (summary.status, summary.counts.passed, summary.counts.excepted) == (Status.PASSED, 1, 1)
    assert (assessment.compliance, assessment.score) == (100.0, 0.0), "scores see it"
    (use,) = assessment.exceptions
    assert (use.status, len(use.findings), use.findings[0].control) == (ExceptionStatus.MATCHED, 1, "C-0057")


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"kind": "Deployment"}, {"web", "api"}),
        ({"kind": "deployment"}, set()),
        ({"kind": "Deploy"}, set()),
        ({"kind": "*", "namespace": "shop"}, {"web"}),
        ({"namespace": "shop|kitchen"}, {"web", "api"}),
        ({"namespace": "sho"}, set()),
        ({"name": "we."}, {"web"}),
        ({"name": "web", "namespace": "kitchen"}, set()),
        ({"resourceID": "apps/v1/shop/Deployment/web"}, {"web"}),
        ({"resourceID": ".*/api=apps/v1/shop/Deployment/web"}, {"web"}),
        ({"path": "deploy/all.yaml"}, {"web", "api"}),
        ({"path": r"deploy/all\.yaml:1"}, {"api"}),
        ({"path": ".*/deploy/all.yaml:0"}, {"web"}),
        ({"path": "./deploy/all.yaml:0"}, {"web"}),
        ({"path": "all.yaml"}, set()),
        ({"cluster": "production"}, set()),
        ({"cluster": ".*", "name": "web"}, {"web"}),
        ({"team": "a"}, {"web"}),
        ({"team": "a", "tier": "b"}, set()),
        ({"owner": "x", "note": "z"}, {"api"}),
        ({"team": ".*"}, {"web"}),
    ],
)
def test_attributes(folder: Path, attributes: dict[str, str], expected: set[str]) -> None:  # noqa: ARG001
    one = deployment("web", "shop", labels={"team": "a"}, annotations={"tier": "b"})
    two = deployment("api", "kitchen", annotations={"owner": "x", "note": "z"})
    write(one, two)
    assessment = scanned(excepted(exception(PRIVILEGED, resources=[attributes])))
    assert covered(assessment) == expected
    assert standing(assessment) == {"web", "api"} - expected


@pytest.mark.parametrize("named", ["deploy", "./deploy", "{}/deploy", "deploy/all.yaml", "{}/deploy/all.yaml", "."])
@pytest.mark.parametrize("path", ["deploy/all.yaml", "./deploy/all.yaml", "{}/deploy/all.yaml", "deploy/all.yaml:0"])
def test_path_matches_whatever_path_is_scanned(folder: Path, named: str, path: str) -> None:
    write(deployment())
    exceptions = excepted(exception(PRIVILEGED, resources=[{"path": path.format(folder)}]))
    assessment = scan(scan_request(paths=(named.format(folder),), controls=(PRIVILEGED,), exceptions=exceptions))
    assert covered(assessment) == {"web"}


def test_path_from_a_subfolder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(deployment())
    monkeypatch.chdir(folder / "deploy")
    exceptions = excepted(exception(PRIVILEGED, resources=[{"path": "all.yaml"}]))
    for named in ("all.yaml", ".", "../deploy", str(folder)):
        assessment = scan(scan_request(paths=(named,), controls=(PRIVILEGED,), exceptions=exceptions))
        assert covered(assessment) == {"web"}, named
    other = excepted(exception(PRIVILEGED, resources=[{"path": "deploy/all.yaml"}]))
    assessment = scan(scan_request(paths=(".",), controls=(PRIVILEGED,), exceptions=other))
    assert standing(assessment) == {"web"}, "it starts from where the scan is started"


def test_entries_are_alternatives_and_none_match_all(folder: Path) -> None:  # noqa: ARG001
    write(deployment("web"), deployment("api"), deployment("db"))
    either = exception(PRIVILEGED, resources=[{"name": "web"}, {"name": "api"}])
    assert covered(scanned(excepted(either))) == {"web", "api"}
    assert covered(scanned(excepted(exception(PRIVILEGED)))) == {"web", "api", "db"}


def test_namespace_object_is_in_itself(folder: Path) -> None:  # noqa: ARG001
    write(namespace("shop"), namespace("kitchen"))
    assessment = scanned(excepted(exception("C-0192", resources=[{"namespace": "shop"}])), controls=("C-0192",))
    assert (covered(assessment), standing(assessment)) == ({"shop"}, {"kitchen"})


def test_container_is_a_part_of_the_finding(folder: Path) -> None:  # noqa: ARG001
    write(deployment())
    one = exception(PRIVILEGED, resources=[{"containerName": "sidecar"}])
    assessment = scanned(excepted(one))
    assert assessment.summaries[0].status is Status.FAILED
    (covered_part,) = assessment.group_excepted_findings()["privileged-container"]
    (stands,) = assessment.group_findings()["privileged-container"]
    assert {evidence.path for evidence in covered_part.evidence} == {
        "spec.template.spec.containers[1].securityContext.privileged"
    }
    assert {evidence.path for evidence in stands.evidence} == {
        "spec.template.spec.containers[0].securityContext.privileged"
    }
    both = exception(PRIVILEGED, resources=[{"containerName": "sidecar"}, {"containerName": "main"}])
    assert scanned(excepted(both)).controls[0].status is Status.PASSED


def test_object_selectors(folder: Path) -> None:  # noqa: ARG001
    write(deployment("web", labels={"a": "b"}), deployment("api", labels={"a": "c"}))
    chosen = {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}
    assert covered(scanned(excepted(exception(PRIVILEGED, objectSelector=chosen)))) == {"web"}


BINDING = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "RoleBinding",
    "metadata": {"name": "deployers", "namespace": "shop"},
    "subjects": [{"kind": "ServiceAccount", "name": "robot", "namespace": "shop"}],
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "deploy"},
}
ROLE = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "Role",
    "metadata": {"name": "deploy", "namespace": "shop"},
    "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}],
}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"kind": "Role", "name": "deploy"}, {"robot"}),
        ({"kind": "RoleBinding", "name": "deployers"}, {"robot"}),
        ({"kind": "ServiceAccount", "name": "robot"}, {"robot"}),
        ({"kind": "Role", "name": "robot"}, set()),
    ],
)
def test_subject_matches_by_binding_and_role(
    folder: Path,  # noqa: ARG001
    attributes: dict[str, str],
    expected: set[str],
) -> None:
    write(BINDING, ROLE)
    assessment = scanned(excepted(exception("C-0188", resources=[attributes])), controls=("C-0188",))
    assert covered(assessment) == expected
    assert standing(assessment) == {"robot"} - expected


NOBODY = {"matchExpressions": [{"key": "nobody", "operator": "DoesNotExist"}]}


def statuses(assessment: Assessment) -> list[tuple[ExceptionStatus, str]]:
    return [(use.status, use.text) for use in assessment.exceptions]


@pytest.mark.parametrize(
    ("value", "status", "text"),
    [
        (exception(PRIVILEGED, expirationDate="2020-01-01"), ExceptionStatus.EXPIRED, ""),
        (exception("C-00O57"), ExceptionStatus.INVALID_CONTROL, "unknown: C-00O57; did you mean C-0057?"),
        ({"name": "e"}, ExceptionStatus.TOO_BROAD, "cover everything"),
        ({"name": "e", "posturePolicies": [{}]}, ExceptionStatus.TOO_BROAD, "cover everything"),
        (exception(".*", resources=[{"kind": ".*"}]), ExceptionStatus.TOO_BROAD, "cover everything"),
        (exception(resources=[{"containerName": ".*"}]), ExceptionStatus.TOO_BROAD, "cover everything"),
        (exception("C-0.*"), ExceptionStatus.TOO_BROAD, "cover everything"),
        (exception("C-0[0-1].*", "C-02.*", "C-03.*"), ExceptionStatus.TOO_BROAD, "cover everything"),
        (exception("[a-z0-9-]+"), ExceptionStatus.TOO_BROAD, "cover everything"),
        ({"name": "e", "posturePolicies": [{"frameworkName": "NSA"}]}, ExceptionStatus.TOO_BROAD, "cover everything"),
        (exception(resources=[{"namespace": ".+", "name": "*"}]), ExceptionStatus.TOO_BROAD, "cover everything"),
        (exception(resources=[{"kind": "[A-Z][a-z].*"}]), ExceptionStatus.TOO_BROAD, "cover everything"),
        (exception(resources=[{"kind": "(.*)", "name": r"[\s\S]*"}]), ExceptionStatus.TOO_BROAD, "cover everything"),
        (
            exception(resources=[{"name": "[a-k].*"}, {"name": "[l-z].*"}]),
            ExceptionStatus.TOO_BROAD,
            "cover everything",
        ),
        (exception(resources=[{"path": "/.*"}]), ExceptionStatus.TOO_BROAD, "cover everything"),
        (exception(objectSelector=NOBODY), ExceptionStatus.TOO_BROAD, "its selectors match every known resource"),
        (exception(PRIVILEGED, resources=[{"name": "gone"}]), ExceptionStatus.UNUSED, ""),
        (exception(IMMUTABLE), ExceptionStatus.UNUSED, "its controls are not in this scan"),
        ({"posturePolicies": [{"controlName": "Everything at all"}]}, ExceptionStatus.INVALID_CONTROL, "unknown: "),
        ({"posturePolicies": [{"controlID": PRIVILEGED, "ruleName": "x"}]}, ExceptionStatus.INVALID_CONTROL, "rule x"),
        (
            {"posturePolicies": [{"controlID": PRIVILEGED, "frameworkName": "nope"}]},
            ExceptionStatus.INVALID_CONTROL,
            "framework nope",
        ),
        ({**exception(PRIVILEGED), "resources": [{"attributes": {}}]}, ExceptionStatus.INVALID, "without attributes"),
    ],
)
def test_exceptions_without_effect_are_reported(
    folder: Path,  # noqa: ARG001
    value: dict[str, Any],
    status: ExceptionStatus,
    text: str,
) -> None:
    write(deployment())
    assessment = scanned(excepted(value))
    assert (covered(assessment), standing(assessment)) == (set(), {"web"})
    ((expected, why),) = statuses(assessment)
    assert expected is status
    assert text in why


def test_unknown_control_does_not_affect_others(folder: Path) -> None:  # noqa: ARG001
    write(deployment())
    assessment = scanned(excepted(exception(PRIVILEGED, "C-9999")))
    assert covered(assessment) == {"web"}
    assert assessment.exceptions[0].status is ExceptionStatus.INVALID_CONTROL
    assert assessment.exceptions[0].unknown_controls == ("C-9999",)


def test_whole_namespace_is_not_too_broad(folder: Path) -> None:  # noqa: ARG001
    write(deployment("web", "shop"), deployment("api", "kitchen"))
    assessment = scanned(excepted({"resources": [{"attributes": {"namespace": "shop"}}]}))
    assert covered(assessment) == {"web"}


def test_selector_that_excludes_something_is_not_too_broad(folder: Path) -> None:  # noqa: ARG001
    write(deployment("web"), deployment("api", labels={"nobody": "yes"}))
    assessment = scanned(excepted(exception(objectSelector=NOBODY)))
    assert (covered(assessment), standing(assessment)) == ({"web"}, {"api"})


@pytest.mark.parametrize("selector", [NOBODY, {}])
@pytest.mark.parametrize("field", ["objectSelector", "namespaceSelector"])
def test_custom_resource_for_everything_is_too_broad(folder: Path, field: str, selector: dict[str, Any]) -> None:  # noqa: ARG001
    write(deployment(), namespace("shop"), security({"posture": [{"controlID": "*"}], "match": {field: selector}}))
    assessment = scanned(snapshot=True)
    assert standing(assessment) == {"web"}
    assert assessment.exceptions[0].status is ExceptionStatus.TOO_BROAD


def test_exception_for_every_scanned_resource_is_doubted(folder: Path) -> None:  # noqa: ARG001
    everything = {"resources": [{"attributes": {"kind": "Deployment", "namespace": "shop"}}]}
    doubt = "it covers every control on every resource of this scan"
    few = [deployment(f"web-{number}") for number in range(5)]
    write(*few)
    assert statuses(scanned(excepted(everything))) == [(ExceptionStatus.MATCHED, "")]
    write(*few, deployment("api"))
    assessment = scanned(excepted(everything))
    assert statuses(assessment) == [(ExceptionStatus.MATCHED, doubt)]
    assert assessment.exceptions[0].scope_warnings == (doubt,)
    assert len(covered(assessment)) == 6, "how much else is scanned does not change what is covered"
    one_control = exception(PRIVILEGED, resources=[{"kind": "Deployment"}])
    assert statuses(scanned(excepted(one_control))) == [(ExceptionStatus.MATCHED, "")]
    write(*few, deployment("api"), deployment("db", "kitchen"))
    assert statuses(scanned(excepted(everything))) == [(ExceptionStatus.MATCHED, "")]


def test_unknown_names_are_reported_as_written(folder: Path) -> None:  # noqa: ARG001
    posture = [{"controlID": "C-0057 (old)", "frameworkName": "cis-v1.99"}, {"controlID": "C-00.*"}]
    write(deployment(annotations={"kubescape.io/skip-controls": "a.b+c"}))
    Path("e.yaml").write_text(yaml.safe_dump(security({"posture": posture})))
    one, two = scanned(ExceptionOptions(files=("e.yaml",))).exceptions
    assert one.unknown_controls == ("C-0057 (old)", "framework cis-v1.99", "C-00.*")
    assert one.controls == ("C-0057 (old)", "C-00.*")
    assert two.unknown_controls == ("a.b+c",)
    assert two.text == "unknown: a.b+c"


def test_only_failures_are_covered(folder: Path) -> None:  # noqa: ARG001
    broken = deployment()
    broken["spec"]["template"]["spec"]["containers"] = "none"
    write(broken)
    assessment = scanned(excepted(exception(PRIVILEGED)))
    assert assessment.summaries[0].status is Status.NOT_EVALUATED
    assert statuses(assessment) == [(ExceptionStatus.UNUSED, "")]


@pytest.mark.parametrize(
    ("rules", "named", "expected"),
    [
        ({"frameworks": ("nsa",)}, ["NSA"], {"web"}),
        ({"frameworks": ("nsa",)}, ["nsa"], {"web"}),
        ({"frameworks": ("nsa",)}, ["MITRE"], set()),
        ({"frameworks": ("nsa", "mitre")}, ["NSA"], set()),
        ({"frameworks": ("nsa", "mitre")}, ["NSA", "MITRE"], {"web"}),
        ({"frameworks": ("nsa", "mitre")}, ["N.A|MITRE"], {"web"}),
        ({"frameworks": ("allcontrols",)}, ["NSA"], {"web"}),
        ({"controls": (PRIVILEGED,)}, ["NSA"], {"web"}),
        ({"controls": (PRIVILEGED,)}, ["ArmoBest"], {"web"}),
        ({"controls": (PRIVILEGED,)}, ["cis-aks-t1.2.0"], set()),
    ],
)
def test_framework_limits_the_scope(
    folder: Path,  # noqa: ARG001
    rules: dict[str, Any],
    named: list[str],
    expected: set[str],
) -> None:
    write(deployment())
    policies = [{"controlID": PRIVILEGED, "frameworkName": name} for name in named]
    assessment = scanned(excepted({"name": "e", "posturePolicies": policies}), **rules)
    names = {finding.subject.name for finding in assessment.group_excepted_findings().get("privileged-container", ())}
    assert names == expected


def test_shared_control_of_another_framework_is_reported(folder: Path) -> None:  # noqa: ARG001
    write(deployment())
    value = {"posturePolicies": [{"controlID": PRIVILEGED, "frameworkName": "NSA"}]}
    assessment = scanned(excepted(value), frameworks=("nsa", "mitre"))
    text = "not for C-0057: another framework of the scan also requires it"
    assert statuses(assessment) == [(ExceptionStatus.UNUSED, text)]
    more = {**value, "posturePolicies": [*value["posturePolicies"], {"controlID": IMMUTABLE}]}
    assessment = scanned(excepted(more), frameworks=("nsa", "mitre"))
    assert statuses(assessment) == [(ExceptionStatus.MATCHED, text)]


def test_first_exception_is_named_and_all_covering_ones_count(folder: Path) -> None:  # noqa: ARG001
    write(deployment())
    assessment = scanned(excepted(exception(PRIVILEGED, name="first"), exception(PRIVILEGED, name="second")))
    (verdict,) = assessment.group_excepted_findings()["privileged-container"]
    assert {evidence.exception.name for evidence in verdict.evidence if evidence.exception} == {"first"}
    assert [use.status for use in assessment.exceptions] == [ExceptionStatus.MATCHED] * 2


# Annotations


@pytest.mark.parametrize("prefix", ["kubescape.io", "kubekeep.io"])
@pytest.mark.parametrize("template", [False, True])
def test_annotations_of_the_resource(folder: Path, prefix: str, *, template: bool) -> None:  # noqa: ARG001
    annotations = {f"{prefix}/skip-controls": "C-0057, Nobody", f"{prefix}/skip-reason": "known"}
    workload = deployment()
    (workload["spec"]["template"] if template else workload)["metadata"]["annotations"] = annotations
    write(workload, deployment("api"))
    assessment = scanned(controls=(PRIVILEGED, IMMUTABLE))
    assert covered(assessment) == {"web"}
    assert assessment.group_excepted_findings().keys() == {"privileged-container"}
    (use,) = assessment.exceptions
    assert (use.status, use.exception.reason, use.unknown_controls) == (
        ExceptionStatus.INVALID_CONTROL,
        "known",
        ("Nobody",),
    )
    assert str(use.exception.location).startswith("deploy/all.yaml:")
    assert covered(scanned(ExceptionOptions(inline=False))) == set()
    assert covered(scanned(snapshot=True)) == set(), "in a cluster whoever may deploy could excuse themselves"
    assert covered(scanned(ExceptionOptions(inline=True), snapshot=True)) == {"web"}


@pytest.mark.parametrize(
    ("annotations", "status", "text"),
    [
        ({"kubescape.io/skip-controls": "*"}, ExceptionStatus.INVALID, "must name the controls"),
        ({"kubescape.io/skip-controls": ""}, ExceptionStatus.INVALID, "names no control"),
        ({"kubescape.io/skip-controls": ["C-0057"]}, ExceptionStatus.INVALID, "names no control"),
        ({"kubescape.io/skip-controls": "C-00.*"}, ExceptionStatus.INVALID_CONTROL, "unknown: "),
        (
            {"kubescape.io/skip-controls": "C-0057", "kubescape.io/skip-expiry": "2020-01-01T00:00:00Z"},
            ExceptionStatus.EXPIRED,
            "",
        ),
        (
            {"kubekeep.io/skip-controls": "C-0057", "kubescape.io/skip-expiry": "2020-01-01"},
            ExceptionStatus.EXPIRED,
            "",
        ),
        (
            {"kubescape.io/skip-controls": "C-0057", "kubescape.io/skip-expiry": "soon"},
            ExceptionStatus.INVALID,
            "kubescape.io/skip-expiry: 'soon'",
        ),
        ({"kubescape.io/ignore": "true", "kubescape.io/skip-expiry": "2020-01-01"}, ExceptionStatus.EXPIRED, ""),
        (
            {"kubescape.io/skip-controls": "C-0057", "kubescape.io/skip-expires": "2999-12-31"},
            ExceptionStatus.INVALID,
            "kubescape.io/skip-expires is unknown",
        ),
        (
            {"kubescape.io/ignore": "true", "kubekeep.io/skip-until": "2999-12-31"},
            ExceptionStatus.INVALID,
            "kubekeep.io/skip-until is unknown",
        ),
        ({"kubescape.io/skip-control": "C-0057"}, ExceptionStatus.INVALID, "kubescape.io/skip-control is unknown"),
        (
            {"kubescape.io/skip-controls": "C-0057, until=2020-01-01"},
            ExceptionStatus.INVALID,
            "set the expiry in skip-expiry",
        ),
    ],
)
def test_annotations_without_effect_are_reported(
    folder: Path,  # noqa: ARG001
    annotations: dict[str, Any],
    status: ExceptionStatus,
    text: str,
) -> None:
    write(deployment(annotations=annotations))
    assessment = scanned()
    assert (covered(assessment), standing(assessment)) == (set(), {"web"})
    assert assessment.exceptions[0].status is status
    assert text in assessment.exceptions[0].text


@pytest.mark.parametrize("template", [False, True])
def test_expiry_on_pods_applies_to_the_object(folder: Path, *, template: bool) -> None:  # noqa: ARG001
    workload = deployment()
    places = [workload["metadata"], workload["spec"]["template"]["metadata"]]
    places[template]["annotations"] = {"kubescape.io/skip-controls": "C-0057"}
    places[not template]["annotations"] = {"kubescape.io/skip-expiry": "2020-01-01"}
    write(workload)
    assessment = scanned()
    assert (covered(assessment), standing(assessment)) == (set(), {"web"})
    assert [use.status for use in assessment.exceptions] == [ExceptionStatus.EXPIRED]


@pytest.mark.parametrize("field", ["labels", "annotations"])
@pytest.mark.parametrize(
    ("value", "expected"), [("true", {"web"}), ("Enabled", {"web"}), ("false", set()), ("", set())]
)
def test_ignored_object(folder: Path, field: str, value: str, expected: set[str]) -> None:  # noqa: ARG001
    marks: dict[str, Any] = {field: {"kubescape.io/ignore": value}}
    write(deployment(**marks), deployment("api"))
    assert covered(scanned(controls=(PRIVILEGED, IMMUTABLE))) == expected


def test_annotated_role_covers_its_subjects_once(folder: Path) -> None:  # noqa: ARG001
    meta = {**ROLE["metadata"], "annotations": {"kubescape.io/skip-controls": "C-0188"}}  # type: ignore[dict-item]
    write(BINDING, {**ROLE, "metadata": meta})
    assessment = scanned(controls=("C-0188",))
    assert covered(assessment) == {"robot"}
    assert len(assessment.exceptions) == 1


# Custom resources


def security(spec: dict[str, Any], kind: str = "ClusterSecurityException", **metadata: str) -> dict[str, Any]:
    meta = {"name": "e", **metadata}
    return {"apiVersion": "kubescape.io/v1beta1", "kind": kind, "metadata": meta, "spec": spec}


POSTURE = [{"controlID": PRIVILEGED, "action": "ignore"}]


@pytest.mark.parametrize(
    ("exception", "expected"),
    [
        (security({"posture": POSTURE}), {"web", "api", "db"}),
        (security({"posture": POSTURE}, "SecurityException", namespace="shop"), {"web"}),
        (security({"posture": POSTURE, "match": {"resources": [{"kind": "Deployment", "name": "web"}]}}), {"web"}),
        (security({"posture": POSTURE, "match": {"resources": [{"apiGroup": "batch", "kind": "*"}]}}), set()),
        (security({"posture": POSTURE, "match": {"namespaceSelector": {"matchLabels": {"team": "a"}}}}), {"web"}),
        (
            security(
                {
                    "posture": POSTURE,
                    "match": {"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}},
                }
            ),
            {"api"},
        ),
        (
            security(
                {
                    "posture": POSTURE,
                    "match": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "unknown"}}},
                }
            ),
            {"db"},
        ),
        (security({"posture": POSTURE, "match": {"objectSelector": {"matchLabels": {"x": "z"}}}}), {"api"}),
        (security({"posture": [{"controlID": "*"}]}), set()),
        (security({"posture": POSTURE, "match": {"images": ["nginx*"]}}), set()),
        (security({"posture": POSTURE, "expiresAt": "2020-01-01T00:00:00Z"}), set()),
        (security({"posture": POSTURE, "expiresAt": 5}), set()),
        (security({"posture": POSTURE}, "SecurityException"), set()),
        (security({"posture": POSTURE, "matchs": {"resources": [{"kind": "Job"}]}}), set()),
        (security({"posture": POSTURE, "expireAt": "2020-01-01T00:00:00Z"}), set()),
        (security({"posture": POSTURE, "expiresat": "2020-01-01T00:00:00Z"}), set()),
        (security({"posture": POSTURE, "Match": {"resources": [{"kind": "Job"}]}}), set()),
        (security({"posture": [{"action": "ignore"}]}, "SecurityException", namespace="shop"), set()),
        (security({"posture": POSTURE}, namespace="shop"), set()),
    ],
)
def test_custom_resources_of_a_cluster(folder: Path, exception: dict[str, Any], expected: set[str]) -> None:  # noqa: ARG001
    """The namespace `unknown` is not among the objects, so its labels are not known."""
    api = deployment("api", "kitchen", labels={"x": "z"})
    write(exception, deployment("web", "shop"), api, deployment("db", "unknown"))
    write(namespace("shop", team="a"), namespace("kitchen"), name="namespaces.yaml")
    assessment = scanned(snapshot=True)
    assert covered(assessment) == expected
    assert standing(assessment) == {"web", "api", "db"} - expected
    assert len(assessment.exceptions) == 1
    assert (assessment.exceptions[0].status is ExceptionStatus.MATCHED) == bool(expected)
    assert not scanned().exceptions, "manifests of a cluster to be are no exceptions yet"


def test_exceptions_for_vulnerabilities_are_skipped(folder: Path) -> None:  # noqa: ARG001
    write(deployment(), security({"vulnerabilities": [{"vulnerability": {"id": "CVE-1"}}]}))
    assert not scanned(snapshot=True).exceptions


def test_custom_resources_in_an_exceptions_file(folder: Path) -> None:  # noqa: ARG001
    write(deployment("web", "shop"), namespace("shop", team="a"), deployment("api", "kitchen"))
    match = {"namespaceSelector": {"matchLabels": {"team": "a"}}}
    Path("e.yaml").write_text(yaml.safe_dump(security({"posture": POSTURE, "match": match})))
    assert covered(scanned(ExceptionOptions(files=("e.yaml",)))) == {"web"}


def test_set_covers_only_platform_components(folder: Path) -> None:  # noqa: ARG001
    names = [("aws-node", "kube-system"), ("aws-node", "shop"), ("aws-nodes", "kube-system")]
    write(*({**deployment(name, where), "kind": "DaemonSet"} for name, where in names))
    assessment = scanned(ExceptionOptions(sets=("eks",)))
    assert [(result.namespace, result.name) for use in assessment.exceptions for result in use.findings] == [
        ("kube-system", "aws-node")
    ]
    assert assessment.exceptions[0].exception.name == "eks: agents in kube-system"


def test_excepted_findings_are_not_fixed(folder: Path) -> None:  # noqa: ARG001
    write(deployment(annotations={"kubescape.io/skip-controls": "C-0057"}), deployment("api"))
    planned = plan(
        FixRequest(scan=ScanRequest(ScanInput(paths=("deploy",)), rules=RuleOptions(controls=(PRIVILEGED,))))
    )
    fixed = {result.resource.name for result in planned.fixed if result.control.id == PRIVILEGED}
    assert fixed == {"api"}
