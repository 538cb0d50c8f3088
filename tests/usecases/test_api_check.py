"""Scans of files with misspelt kinds and fields: reported, and never passed."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

import kubekeep
from kubekeep.library.load import builtin
from kubekeep.model.assessment import Assessment
from kubekeep.model.verdict import Cause, Status

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: shop}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      {pod}
      - name: web
        image: nginx:1.27
        {container}: {{privileged: false}}
"""


def scan_text(folder: Path, text: str, framework: str = "recommended") -> Assessment:
    (folder / "web.yaml").write_text(text)
    return kubekeep.scan(folder, frameworks=[framework])


def problems(assessment: Assessment, folder: Path) -> list[str]:
    reported = (*assessment.unread, *assessment.unknown_fields)
    return [f"{unread.location}: {unread.message}".removeprefix(f"{folder}/") for unread in reported]


def test_unknown_kinds_are_not_read(tmp_path: Path) -> None:
    assessment = scan_text(tmp_path, "apiVersion: apps/v1\nkind: Deploymnet\nmetadata: {name: a}\n")
    assert problems(assessment, tmp_path) == ["web.yaml:2: no kind Deploymnet in apps/v1: did you mean Deployment?"]


def test_list_of_an_unknown_kind_is_reported_once(tmp_path: Path) -> None:
    item = "- {apiVersion: v1, kind: ConfigMap}\n"
    assessment = scan_text(tmp_path, f"apiVersion: v1\nkind: list\nitems:\n{item}{item}")
    assert problems(assessment, tmp_path) == ["web.yaml:2: no kind list in v1: did you mean List?"]
    assert [result.subject.kind for result in assessment.results] == ["ConfigMap", "ConfigMap"]
    for kind in ("List", "ConfigMapList", "Secret"):
        assert not problems(scan_text(tmp_path, f"apiVersion: v1\nkind: {kind}\nitems:\n{item}"), tmp_path)


def test_field_beside_a_misspelt_one_does_not_pass(tmp_path: Path) -> None:
    assessment = scan_text(tmp_path, DEPLOYMENT.format(pod="containers:", container="securityContxt"))
    assert problems(assessment, tmp_path) == [
        "web.yaml:12: unknown field securityContxt: did you mean securityContext?"
    ]
    (result,) = [result for result in assessment.results if result.subject.kind == "Deployment"]
    privileged = result.verdicts["privileged-container"]
    assert privileged.reason is not None
    assert (privileged.status, privileged.reason.cause) == (Status.NOT_EVALUATED, Cause.UNKNOWN_FIELD)
    assert privileged.reason.text == "unknown field spec.template.spec.containers[0].securityContxt"
    # Failures are true, and controls of other fields keep their verdicts.
    assert result.verdicts["memory-limit"].status is Status.FAILED
    assert result.verdicts["host-network"].status is Status.PASSED


def test_misspelt_containers(tmp_path: Path) -> None:
    assessment = scan_text(tmp_path, DEPLOYMENT.format(pod="container:", container="securityContext"))
    assert problems(assessment, tmp_path) == ["web.yaml:9: unknown field container: did you mean containers?"]
    (result,) = [result for result in assessment.results if result.subject.kind == "Deployment"]
    passed = {slug for slug, verdict in result.verdicts.items() if verdict.status is Status.PASSED}
    assert passed.isdisjoint({"privileged-container", "non-root-container", "cpu-limit", "host-network", "host-path"})


@pytest.mark.parametrize("field", ["securityContext"])
def test_known_fields_are_not_reported(tmp_path: Path, field: str) -> None:
    assessment = scan_text(tmp_path, DEPLOYMENT.format(pod="containers:", container=field))
    assert problems(assessment, tmp_path) == []
    (result,) = [result for result in assessment.results if result.subject.kind == "Deployment"]
    assert result.verdicts["privileged-container"].status is Status.PASSED


def test_custom_kinds_are_not_checked(tmp_path: Path) -> None:
    text = "apiVersion: example.com/v1\nkind: Deploymnet\nmetadata: {name: a, lables: {}}\nspec: {container: []}\n"
    assert problems(scan_text(tmp_path, text), tmp_path) == []


def test_text_instead_of_a_mapping_is_not_read(tmp_path: Path) -> None:
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: a}]}\n"
    message = "the document is a text, not a Kubernetes object: `key: value` is expected"
    assert problems(scan_text(tmp_path, f"{pod}---\nkind Pod\n"), tmp_path) == [f"web.yaml:6: {message}"]
    assert problems(scan_text(tmp_path, f"{pod}---\n# only a comment\n"), tmp_path) == []


def test_list_at_the_top_level_is_not_read(tmp_path: Path) -> None:
    pod = "- {apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: a}]}}\n"
    (tmp_path / "values.yaml").write_text("- {name: a}\n- text\n")
    message = "a list at the top level is not a Kubernetes object: use kind List with items"
    assert problems(scan_text(tmp_path, pod), tmp_path) == [f"web.yaml:1: {message}"]


def test_line_of_a_loop_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: c\nversion: 1.0.0\n")
    (tmp_path / "templates").mkdir()
    text = "{{ range until 10 }}\n---\nkind: Pod\n---\napiVersion: v1\nkind: Pot\n---\n"
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {nam: a}\n{{ end }}\n"
    (tmp_path / "templates" / "a.yaml").write_text(text + pod)
    reported = problems(kubekeep.scan(tmp_path, frameworks=["recommended"]), tmp_path)
    assert reported == [
        "templates/a.yaml:3: not a complete Kubernetes object: apiVersion is missing",
        "templates/a.yaml:6: no kind Pot in v1",
        "templates/a.yaml:10: unknown field nam: did you mean name?",
    ]


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (
            "Deployment",
            "apiVersion: apps/v1\nkind: Deployment\nspec: []\n",
            "web.yaml:3: {}spec is a list, not a mapping",
        ),
        (
            "Namespace",
            "apiVersion: v1\nkind: Namespace\nmetadata: a\n",
            "web.yaml:3: {}metadata is a text, not a mapping",
        ),
        (
            "ServiceAccount",
            "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\nautomountServiceAccountToken: 'no'\n",
            "web.yaml:4: {}automountServiceAccountToken is a text, not true or false",
        ),
    ],
)
def test_controls_do_not_pass_on_mistyped_objects(tmp_path: Path, kind: str, text: str, message: str) -> None:
    assessment = scan_text(tmp_path, text, "cis-v1.12.0")
    assert problems(assessment, tmp_path) == [message.format("the API server rejects this object: ")]
    verdicts = [
        verdict for result in assessment.results if result.subject.kind == kind for verdict in result.verdicts.values()
    ]
    assert verdicts
    assert not [verdict for verdict in verdicts if verdict.status is Status.PASSED]
    assert {verdict.reason.cause for verdict in verdicts if verdict.reason is not None} >= {Cause.MALFORMED}


def test_subjects_of_a_mistyped_role_do_not_pass(tmp_path: Path) -> None:
    role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: a}\nrules: [{verbs: '*'}]\n"
    binding = (
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: a}\n"
        "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: a}\n"
        "subjects: [{kind: ServiceAccount, name: a, namespace: b}]\n"
    )
    assessment = scan_text(tmp_path, role + binding)
    assert problems(assessment, tmp_path) == [
        "web.yaml:4: the API server rejects this object: rules[0].verbs is a text, not a list"
    ]
    subjects = [result for result in assessment.results if result.subject.related]
    assert subjects
    assert not [
        slug for result in subjects for slug, verdict in result.verdicts.items() if verdict.status is Status.PASSED
    ]


def test_mistyped_document_of_a_node_does_not_pass(tmp_path: Path) -> None:
    file = "{path: /a.service, permissions: 384}"
    text = "apiVersion: hostdata.kubescape.cloud/v1beta0\nkind: KubeletInfo\nmetadata: {name: a}\ndata:\n"
    statuses: dict[str, tuple[Status, str]] = {}
    for line in ("cmdLine: kubelet", "cmdLine: [kubelet]"):
        (tmp_path / "web.yaml").write_text(f"{text}  serviceFiles: [{file}]\n  {line}\n")
        assessment = kubekeep.scan(tmp_path, controls=["kubelet-service-file-mode"])
        (verdict,) = assessment.results[0].verdicts.values()
        statuses[line] = verdict.status, verdict.reason.text if verdict.reason else ""
    assert statuses["cmdLine: kubelet"] == (Status.PASSED, "")
    message = "data.cmdLine is a list, not a text"
    assert statuses["cmdLine: [kubelet]"] == (Status.NOT_EVALUATED, message)
    assert problems(assessment, tmp_path) == [f"web.yaml:6: this KubeletInfo is not valid: {message}"]


@pytest.mark.parametrize("encode", [False, True])
def test_mistyped_field_in_the_file_of_a_kubelet_does_not_pass(tmp_path: Path, *, encode: bool) -> None:
    content = "kind: KubeletConfiguration\nserverTLSBootstrap: [true]\n"
    if encode:
        content = base64.b64encode(content.encode()).decode()
    document = {
        "apiVersion": "hostdata.kubescape.cloud/v1beta0",
        "kind": "KubeletInfo",
        "metadata": {"name": "a"},
        "data": {"cmdLine": "kubelet --config=/c", "configFile": {"path": "/c", "content": content}},
    }
    assessment = scan_text(tmp_path, json.dumps(document))
    (message,) = [unread.message for unread in assessment.unread]
    assert message.endswith("data.configFile.content: serverTLSBootstrap is a list, not true or false")
    statuses = {verdict.status for result in assessment.results for verdict in result.verdicts.values()}
    assert Status.PASSED not in statuses


def test_mistyped_policy_of_a_cloud_stops_passes_of_documents_that_refer_to_it(tmp_path: Path) -> None:
    cases = builtin().get_folder(builtin().controls["ecr-read-only-nodes"]) / "cases"
    text = (cases / "fail.listed-role.yaml").read_text()
    (tmp_path / "cloud.yaml").write_text(re.sub(r"Action: .*", "Action: {a: 5}", text))
    assessment = kubekeep.scan(tmp_path, controls=["ecr-read-only-nodes"])
    verdicts = [result.verdicts["ecr-read-only-nodes"] for result in assessment.results if result.verdicts]
    assert {verdict.reason.text for verdict in verdicts if verdict.reason is not None}
    assert Status.PASSED not in {verdict.status for verdict in verdicts}


POLICY = """\
---
apiVersion: {version}
kind: NetworkPolicy
metadata: {{name: closed, namespace: shop}}
spec: {{podSelector: {{}}, policyTypes: [Ingress, Egress], ingress: {ingress}}}
"""


@pytest.mark.parametrize(
    ("version", "ingress", "message"),
    [
        ("networking.k8s.io/v1", "[]", ""),
        (
            "networking.k8s.io/v1",
            "{}",
            "web.yaml:17: the API server rejects this object: spec.ingress is a mapping, not a list",
        ),
        (
            "networking.k8s.io/v2",
            "[]",
            "web.yaml:15: no kind NetworkPolicy in networking.k8s.io/v2: it is in networking.k8s.io/v1",
        ),
        (
            "extensions/v1beta1",
            "[]",
            "web.yaml:15: no kind NetworkPolicy in extensions/v1beta1 since Kubernetes 1.16: use networking.k8s.io/v1",
        ),
    ],
)
def test_a_network_policy_that_the_api_server_refuses_protects_no_pod(
    tmp_path: Path, version: str, ingress: str, message: str
) -> None:
    text = DEPLOYMENT.format(pod="containers:", container="securityContext")
    assessment = scan_text(tmp_path, text + POLICY.format(version=version, ingress=ingress))
    assert problems(assessment, tmp_path) == [message] * bool(message)
    [deployment] = [result for result in assessment.results if result.subject.kind == "Deployment"]
    status = deployment.verdicts["missing-network-policy"].status
    assert status is (Status.FAILED if message else Status.PASSED)


INGRESSES = "---".join(
    f"""
apiVersion: extensions/v1beta1
kind: Ingress
metadata: {{name: {name}, namespace: shop}}
spec: {{backend: {{serviceName: web, servicePort: 80}}}}
"""
    for name in "ab"
)


def test_objects_of_an_api_version_that_is_not_served_are_evaluated_and_reported_once_per_file(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(INGRESSES)
    assessment = scan_text(tmp_path, INGRESSES)
    message = "no kind Ingress in extensions/v1beta1 since Kubernetes 1.22: use networking.k8s.io/v1"
    assert problems(assessment, tmp_path) == [f"other.yaml:2: {message}", f"web.yaml:2: {message}"]
    assert not assessment.unread
    assert [result.verdicts["ingress-tls"].status for result in assessment.results] == [Status.FAILED] * 4


@pytest.mark.parametrize(("minor", "count"), [(25, 0), (26, 1)])
def test_kubernetes_version_decides_if_an_api_version_is_served(tmp_path: Path, minor: int, count: int) -> None:
    target = "scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}"
    (tmp_path / "web.yaml").write_text(
        "apiVersion: autoscaling/v2beta2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\n"
        f"spec: {{{target}, maxReplicas: 3}}\n"
    )
    assessment = kubekeep.scan(tmp_path, frameworks=["recommended"], kubernetes_version=f"1.{minor}")
    message = f"{tmp_path}/web.yaml:1: no kind HorizontalPodAutoscaler in autoscaling/v2beta2 since Kubernetes 1.26"
    assert [f"{entry.location}: {entry.message}" for entry in assessment.unknown_fields] == [
        f"{message}: use autoscaling/v2"
    ] * count


@pytest.mark.parametrize(
    "spec",
    [
        "{replicas: 3}",
        "{template: {spec: {hostPID: true}}}",
        "{template: {spec: {containers: [], hostPID: true, initContainers: [{name: a, image: a}]}}}",
    ],
)
def test_workload_without_containers_does_not_pass(tmp_path: Path, spec: str) -> None:
    assessment = scan_text(tmp_path, f"apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: a}}\nspec: {spec}\n")
    assert not problems(assessment, tmp_path)
    [result] = assessment.results
    assert Status.PASSED not in {verdict.status for verdict in result.verdicts.values()}
    privileged = result.verdicts["privileged-container"]
    assert privileged.reason is not None
    assert privileged.reason.text == "the pod has no containers: the API server would reject the object"
    assert (result.verdicts["host-pid-ipc"].status is Status.FAILED) == ("hostPID" in spec)
