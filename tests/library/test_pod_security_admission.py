"""Controls of the Pod Security levels in namespace labels, compared with the admission of a real API server."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest

from kubekeep.engine.rego_policies import RegoPolicySet
from kubekeep.kube.access import ClusterAccess, ClusterRequest
from kubekeep.kube.kubeconfig import Kubeconfig
from kubekeep.library.load import ROOT, builtin
from kubekeep.model.assessment import SubjectResult
from kubekeep.model.resource import Resource
from kubekeep.model.resource_selection import ResourceSelection
from kubekeep.model.verdict import Cause, Status
from kubekeep.posture.evaluate import evaluate
from kubekeep.posture.select import select
from kubekeep.usecases.request import EvaluationOptions, RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan
from tests.cluster.client import Refused
from tests.cluster.cluster import Cluster

ENFORCED: Final = "enforced-pod-security-level"
UNENFORCED: Final = "unenforced-pod-security-level"
PREFIX: Final = "pod-security.kubernetes.io/"
LABEL: Final = f"{PREFIX}enforce"
FIT: Final[dict[str, Any]] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
FIT_POD: Final[dict[str, Any]] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def pod(name: str, context: dict[str, Any] | None = None, container: dict[str, Any] | None = None, **spec: Any) -> Any:
    first = {"name": "a", "image": "a:1", "securityContext": FIT | (context or {}), **(container or {})}
    whole = {"securityContext": FIT_POD, "containers": [first], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": whole}


PODS: Final = (
    pod("fits"),
    pod("privileged", {"privileged": True, "allowPrivilegeEscalation": True}),
    pod("host-process", hostNetwork=True, hostPID=True),
    pod("host-path", volumes=[{"name": "v", "hostPath": {"path": "/etc"}}]),
    pod("volume", volumes=[{"name": "v", "nfs": {"server": "example.com", "path": "/"}}]),
    pod("host-port", container={"ports": [{"containerPort": 80, "hostPort": 8080}]}),
    pod("capability", {"capabilities": {"add": ["SYS_ADMIN"], "drop": ["ALL"]}}),
    pod("some-capability", {"capabilities": {"add": ["CHOWN"], "drop": ["ALL"]}}),
    pod("escalates", {"allowPrivilegeEscalation": None}),
    pod("root", {"runAsUser": 0, "runAsNonRoot": False}),
    pod("unconfined", {"seccompProfile": {"type": "Unconfined"}}),
    pod("no-seccomp", securityContext={"runAsNonRoot": True}),
    pod("sysctl", securityContext=FIT_POD | {"sysctls": [{"name": "kernel.msgmax", "value": "65536"}]}),
    pod("new-sysctl", securityContext=FIT_POD | {"sysctls": [{"name": "net.ipv4.tcp_rmem", "value": "4096 1 2"}]}),
    pod("probe", container={"livenessProbe": {"tcpSocket": {"host": "example.com", "port": 80}}}),
    pod("selinux", {"seLinuxOptions": {"type": "spc_t"}}),
    pod("container-engine", {"seLinuxOptions": {"type": "container_engine_t"}}),
)
"""One pod that every level admits, and pods with one field each that some level or version rejects."""


@pytest.fixture
def running(cluster: Cluster, namespace: str) -> str:
    """Namespace with all of the pods, created before it has a level."""
    cluster.apply({**pod, "metadata": {**pod["metadata"], "namespace": namespace}} for pod in PODS)
    return namespace


@pytest.mark.parametrize(
    ("level", "version"),
    [
        ("baseline", ""),
        ("restricted", ""),
        ("baseline", "latest"),
        ("baseline", "v1.28"),
        ("baseline", "v1.31"),
        ("restricted", "v1.33"),
        ("restricted", "v1.99"),
        ("privileged", "latest"),
    ],
)
def test_same_verdict_as_the_api_server(cluster: Cluster, running: str, level: str, version: str) -> None:
    labels = {LABEL: level, **({f"{LABEL}-version": version} if version else {})}
    warned = try_labels(cluster, running, labels)
    label(cluster, running, labels)
    refused = {name for name in names() if is_refused(cluster, running, name)}
    verdicts = statuses(cluster, running)
    assert {name for name, status in verdicts.items() if status is Status.FAILED} == refused
    assert set(verdicts) == (names() if level != "privileged" else set())
    # A warning names the first pod with the same reasons and counts the others.
    assert sum(warned.values()) == len(refused)
    assert warned.keys() <= refused
    assert ("privileged" in refused) is (level != "privileged")
    assert "fits" not in refused


def test_workload_fails_for_rejected_pods(cluster: Cluster, namespace: str) -> None:
    label(cluster, namespace, {LABEL: "baseline"})
    # Pod Security Admission rejects pods only, not workloads.
    cluster.apply([deployment(PODS[1], namespace)])
    assert statuses(cluster, namespace) == {"privileged": Status.FAILED}


@pytest.mark.parametrize(
    "labels",
    [
        {"warn": "baseline"},
        {"warn": "restricted"},
        {"warn": "restricted", "warn-version": "v1.28"},
        {"warn": "baseline", "warn-version": "v1.31"},
        {"warn": "restricted", "warn-version": "v1.99"},
        {"warn": "restricted", "enforce": "baseline"},
        {"warn": "baseline", "audit": "privileged", "enforce": "privileged"},
        {"warn": "baseline", "warn-version": "v1.28", "enforce": "restricted"},
        {"warn-version": "latest", "enforce": "restricted", "enforce-version": "v1.28"},
        {"warn-version": "v1.28", "enforce": "baseline"},
    ],
    ids=str,
)
def test_workload_fails_if_the_api_server_warns(cluster: Cluster, namespace: str, labels: dict[str, str]) -> None:
    label(cluster, namespace, {f"{PREFIX}{key}": value for key, value in labels.items()})
    deployments = [deployment(pod, namespace) for pod in PODS]
    cluster.apply(deployments)
    warned = {each["metadata"]["name"] for each in deployments if is_warned_of(cluster, namespace, each)}
    verdicts = statuses(cluster, namespace, UNENFORCED)
    assert {name for name, status in verdicts.items() if status is Status.FAILED} == warned
    assert set(verdicts) == names()
    assert "privileged" in warned
    assert "fits" not in warned


@pytest.mark.parametrize(
    "labels",
    [
        {},
        {"warn": "privileged"},
        {"enforce": "restricted"},
        {"enforce": "baseline", "warn": "baseline", "audit": "baseline", "audit-version": "v1.34"},
    ],
    ids=str,
)
def test_control_does_not_apply_without_a_stricter_unenforced_level(
    cluster: Cluster, namespace: str, labels: dict[str, str]
) -> None:
    label(cluster, namespace, {f"{PREFIX}{key}": value for key, value in labels.items()})
    cluster.apply([deployment(PODS[1], namespace)])
    assert statuses(cluster, namespace, UNENFORCED) == {}
    enforced = statuses(cluster, namespace)
    assert enforced == ({"privileged": Status.FAILED} if "enforce" in labels else {})


@pytest.mark.parametrize(("level", "version"), [("baseline", "v1.31"), ("restricted", "latest")])
def test_audit_level_fails_pods_that_enforce_would_reject(
    cluster: Cluster, running: str, level: str, version: str
) -> None:
    label(cluster, running, {f"{PREFIX}audit": level, f"{PREFIX}audit-version": version})
    verdicts = statuses(cluster, running, UNENFORCED)
    label(cluster, running, {LABEL: level, f"{LABEL}-version": version})
    refused = {name for name in names() if is_refused(cluster, running, name)}
    assert {name for name, status in verdicts.items() if status is Status.FAILED} == refused
    assert "privileged" in refused


def test_workload_in_unlisted_namespace_is_not_evaluated(cluster: Cluster, namespace: str) -> None:
    label(cluster, namespace, {f"{PREFIX}warn": "baseline"})
    cluster.apply([deployment(PODS[1], namespace)])
    blind = cluster.user("blind-to-namespaces", [{"apiGroups": ["apps"], "resources": ["*"], "verbs": ["list"]}])
    access = Kubeconfig((str(blind),)).get_access()
    verdicts = {result.verdicts[UNENFORCED] for result in evaluate_cluster(access, namespace, UNENFORCED)}
    assert [(verdict.status, verdict.reason and verdict.reason.cause) for verdict in verdicts] == [
        (Status.NOT_EVALUATED, Cause.NEEDS_ACCESS)
    ]


@pytest.mark.parametrize(
    ("labels", "name", "expected"),
    [
        ({"warn": "baseline"}, "privileged", "warns at level baseline"),
        ({"audit": "restricted", "warn": "restricted"}, "root", "audits and warns at level restricted"),
        (
            {"audit": "baseline", "warn": "restricted"},
            "host-port",
            "audits at level baseline and warns at level restricted",
        ),
        ({"audit": "baseline", "audit-version": "v1.33", "warn": "baseline"}, "probe", "warns at level baseline"),
        ({"audit": "baseline", "warn": "baseline", "warn-version": "v1.33"}, "probe", "audits at level baseline"),
        ({"audit": "baseline", "warn": "baseline", "enforce": "baseline"}, "privileged", ""),
        ({"audit": "restricted", "warn": "baseline", "enforce": "baseline"}, "root", "audits at level restricted"),
    ],
)
def test_message_names_the_mode(labels: dict[str, str], name: str, expected: str) -> None:
    metadata = {"name": "shop", "labels": {f"{PREFIX}{key}": value for key, value in labels.items()}}
    [workload] = [pod for pod in PODS if pod["metadata"]["name"] == name]
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata},
        {**workload, "metadata": {"name": name, "namespace": "shop"}},
    ]
    selection = select(named=[builtin().controls[UNENFORCED]])
    results = evaluate(map(Resource, objects), selection, RegoPolicySet, kubernetes_minor=34)
    evidences = [each for result in results for verdict in result.verdicts.values() for each in verdict.evidence]
    modes = {
        evidence.message.rpartition(" (namespace shop ")[2].removesuffix(")")
        for evidence in evidences
        if evidence.exists
    }
    assert modes == ({expected} if expected else set())


def test_each_level_evaluates_the_rules_of_its_standard() -> None:
    source = (ROOT / "lib" / "podsecurity.rego").read_text(encoding="utf-8")
    for level in ("baseline", "restricted"):
        packages = {control.package for control in builtin().select_members(builtin().frameworks[f"pss-{level}"])}
        imported = re.findall(
            rf"^{level} contains finding if (?:{{.*?)?some finding in (\w+)\.violation",
            source,
            re.MULTILINE | re.DOTALL,
        )
        assert {f"kubekeep.controls.{name}" for name in imported} == packages


def names() -> set[str]:
    return {pod["metadata"]["name"] for pod in PODS}


def deployment(pod: dict[str, Any], namespace: str) -> dict[str, Any]:
    """Return a Deployment with the name and spec of the pod."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": pod["metadata"]["name"], "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": pod["spec"]},
        },
    }


def label(cluster: Cluster, namespace: str, labels: dict[str, str]) -> None:
    """Replace the labels of a namespace."""
    cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}])


def statuses(cluster: Cluster, namespace: str, slug: str = ENFORCED) -> dict[str, Status]:
    """Return the status of a control for each workload of a namespace, by name."""
    access = Kubeconfig((str(cluster.kubeconfig),)).get_access("admin")
    return {result.subject.name: result.verdicts[slug].status for result in evaluate_cluster(access, namespace, slug)}


def evaluate_cluster(access: ClusterAccess, namespace: str, slug: str) -> list[SubjectResult]:
    """Return the results of a control for the resources of a namespace that `access` may list."""
    request = ScanRequest(
        ScanInput(paths=(), cluster=ClusterRequest(access=access)),
        rules=RuleOptions(controls=(slug,)),
        evaluation=EvaluationOptions(resource_selection=ResourceSelection(include_namespaces=(namespace,))),
    )
    return [result for result in scan(request).results if slug in result.verdicts]


def is_refused(cluster: Cluster, namespace: str, name: str) -> bool:
    """Return True if the API server rejects a copy of the pod, in a dry run."""
    (original,) = [pod for pod in PODS if pod["metadata"]["name"] == name]
    again = {**original, "metadata": {"name": f"{name}-again", "namespace": namespace}}
    try:
        cluster.admin("POST", f"/api/v1/namespaces/{namespace}/pods?dryRun=All", again)
    except Refused as refused:
        if "violates PodSecurity" not in refused.message:
            raise
        return True
    return False


def is_warned_of(cluster: Cluster, namespace: str, original: dict[str, Any]) -> bool:
    """Return True if the API server warns about a copy of the Deployment, in a dry run."""
    again = {**original, "metadata": {"name": f"{original['metadata']['name']}-again", "namespace": namespace}}
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments?dryRun=All"
    return any("would violate PodSecurity" in text for text in cluster.admin.warnings("POST", path, again))


def try_labels(cluster: Cluster, namespace: str, labels: dict[str, str]) -> dict[str, int]:
    """Return the warnings for labels in a dry run: the first pod for each set of reasons, and the number of pods."""
    path = f"/api/v1/namespaces/{namespace}?dryRun=All"
    patch = {"metadata": {"labels": labels}}
    warnings = cluster.admin.warnings("PATCH", path, patch, sent="application/merge-patch+json")
    matches = [re.match(r"([\w-]+)(?: \(and (\d+) other pods?\))?: ", warning) for warning in warnings]
    return {match[1]: 1 + int(match[2] or 0) for match in matches if match}
