"""Workloads against the Pod Security levels that their namespace has in its labels: a real API server is the judge."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest

from kubekeep.engine.rego_policies import RegoPolicySet
from kubekeep.kube.access import ClusterAccess, ClusterRequest
from kubekeep.kube.kubeconfig import Kubeconfig
from kubekeep.library.load import ROOT, builtin
from kubekeep.model.assessment import ResourceResult
from kubekeep.model.finding import Cause, Status
from kubekeep.model.resource import Resource
from kubekeep.model.resource_selection import ResourceSelection
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
"""A pod that fits every level, and some that each want one thing that some level or version refuses."""


@pytest.fixture
def running(cluster: Cluster, namespace: str) -> str:
    """A namespace in which all of the pods run, as it has no level yet."""
    cluster.apply({**item, "metadata": {**item["metadata"], "namespace": namespace}} for item in PODS)
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
    told = warned(cluster, running, labels)
    label(cluster, running, labels)
    refused = {name for name in names() if is_refused(cluster, running, name)}
    verdicts = statuses(cluster, running)
    assert {name for name, status in verdicts.items() if status is Status.FAILED} == refused
    assert set(verdicts) == (names() if level != "privileged" else set())
    # The warning groups pods with the same reasons, and counts those after the first.
    assert sum(told.values()) == len(refused)
    assert told.keys() <= refused
    assert ("privileged" in refused) is (level != "privileged")
    assert "fits" not in refused


def test_a_workload_is_judged_by_the_pods_it_would_make(cluster: Cluster, namespace: str) -> None:
    label(cluster, namespace, {LABEL: "baseline"})
    # Pod Security Admission refuses pods alone.
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
def test_fails_what_the_api_server_warns_of(cluster: Cluster, namespace: str, labels: dict[str, str]) -> None:
    label(cluster, namespace, {f"{PREFIX}{key}": value for key, value in labels.items()})
    whole = [deployment(item, namespace) for item in PODS]
    cluster.apply(whole)
    told = {item["metadata"]["name"] for item in whole if is_warned_of(cluster, namespace, item)}
    verdicts = statuses(cluster, namespace, UNENFORCED)
    assert {name for name, status in verdicts.items() if status is Status.FAILED} == told
    assert set(verdicts) == names()
    assert "privileged" in told
    assert "fits" not in told


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
def test_is_not_asked_where_nothing_is_tried_that_is_not_enforced(
    cluster: Cluster, namespace: str, labels: dict[str, str]
) -> None:
    label(cluster, namespace, {f"{PREFIX}{key}": value for key, value in labels.items()})
    cluster.apply([deployment(PODS[1], namespace)])
    assert statuses(cluster, namespace, UNENFORCED) == {}
    enforced = statuses(cluster, namespace)
    assert enforced == ({"privileged": Status.FAILED} if "enforce" in labels else {})


@pytest.mark.parametrize(("level", "version"), [("baseline", "v1.31"), ("restricted", "latest")])
def test_what_is_audited_is_what_would_be_refused(cluster: Cluster, running: str, level: str, version: str) -> None:
    label(cluster, running, {f"{PREFIX}audit": level, f"{PREFIX}audit-version": version})
    verdicts = statuses(cluster, running, UNENFORCED)
    label(cluster, running, {LABEL: level, f"{LABEL}-version": version})
    refused = {name for name in names() if is_refused(cluster, running, name)}
    assert {name for name, status in verdicts.items() if status is Status.FAILED} == refused
    assert "privileged" in refused


def test_nothing_is_said_of_namespaces_that_may_not_be_listed(cluster: Cluster, namespace: str) -> None:
    label(cluster, namespace, {f"{PREFIX}warn": "baseline"})
    cluster.apply([deployment(PODS[1], namespace)])
    blind = cluster.user("blind-to-namespaces", [{"apiGroups": ["apps"], "resources": ["*"], "verbs": ["list"]}])
    access = Kubeconfig((str(blind),)).access()
    found = {item.verdicts[UNENFORCED] for item in results(access, namespace, UNENFORCED)}
    assert [(verdict.status, verdict.reason and verdict.reason.cause) for verdict in found] == [
        (Status.NOT_EVALUATED, Cause.NEEDS_ACCESS)
    ]


@pytest.mark.parametrize(
    ("labels", "name", "said"),
    [
        ({"warn": "baseline"}, "privileged", "warns at the level baseline"),
        ({"audit": "restricted", "warn": "restricted"}, "root", "audits and warns at the level restricted"),
        (
            {"audit": "baseline", "warn": "restricted"},
            "host-port",
            "audits at the level baseline and warns at the level restricted",
        ),
        ({"audit": "baseline", "audit-version": "v1.33", "warn": "baseline"}, "probe", "warns at the level baseline"),
        ({"audit": "baseline", "warn": "baseline", "warn-version": "v1.33"}, "probe", "audits at the level baseline"),
        ({"audit": "baseline", "warn": "baseline", "enforce": "baseline"}, "privileged", ""),
        ({"audit": "restricted", "warn": "baseline", "enforce": "baseline"}, "root", "audits at the level restricted"),
    ],
)
def test_a_finding_says_which_mode_tells_of_it(labels: dict[str, str], name: str, said: str) -> None:
    metadata = {"name": "shop", "labels": {f"{PREFIX}{key}": value for key, value in labels.items()}}
    [item] = [item for item in PODS if item["metadata"]["name"] == name]
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata},
        {**item, "metadata": {"name": name, "namespace": "shop"}},
    ]
    selection = select(named=[builtin().controls[UNENFORCED]])
    results = evaluate(map(Resource, objects), selection, RegoPolicySet, kubernetes_minor=34)
    found = [evidence for result in results for verdict in result.verdicts.values() for evidence in verdict.evidence]
    told = {evidence.message.rpartition(": namespace shop ")[2] for evidence in found if evidence.exists}
    assert told == ({said} if said else set())


def test_each_level_evaluates_the_rules_of_its_standard() -> None:
    source = (ROOT / "lib" / "podsecurity.rego").read_text(encoding="utf-8")
    for level in ("baseline", "restricted"):
        wanted = {item.package for item in builtin().members(builtin().frameworks[f"pss-{level}"])}
        found = re.findall(
            rf"^{level} contains found if (?:{{.*?)?some found in (\w+)\.violation", source, re.MULTILINE | re.DOTALL
        )
        assert {f"kubekeep.controls.{name}" for name in found} == wanted


def names() -> set[str]:
    return {item["metadata"]["name"] for item in PODS}


def deployment(item: dict[str, Any], namespace: str) -> dict[str, Any]:
    """A Deployment of that pod's name, which makes such pods."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": item["metadata"]["name"], "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": item["spec"]},
        },
    }


def label(cluster: Cluster, namespace: str, labels: dict[str, str]) -> None:
    """Give a namespace these labels, and take from it those that it was given before."""
    cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}])


def statuses(cluster: Cluster, namespace: str, slug: str = ENFORCED) -> dict[str, Status]:
    """What a control of ours says of what runs in a namespace."""
    access = Kubeconfig((str(cluster.kubeconfig),)).access("admin")
    return {item.resource.name: item.verdicts[slug].status for item in results(access, namespace, slug)}


def results(access: ClusterAccess, namespace: str, slug: str) -> list[ResourceResult]:
    """The results of a control in a namespace, as far as somebody's access to the cluster goes."""
    request = ScanRequest(
        ScanInput(paths=(), cluster=ClusterRequest(access=access)),
        rules=RuleOptions(controls=(slug,)),
        evaluation=EvaluationOptions(choice=ResourceSelection(include_namespaces=(namespace,))),
    )
    return [item for item in scan(request).results if slug in item.verdicts]


def is_refused(cluster: Cluster, namespace: str, name: str) -> bool:
    """Whether the API server would refuse the pod if it were made again."""
    (one,) = [item for item in PODS if item["metadata"]["name"] == name]
    again = {**one, "metadata": {"name": f"{name}-again", "namespace": namespace}}
    try:
        cluster.admin("POST", f"/api/v1/namespaces/{namespace}/pods?dryRun=All", again)
    except Refused as refused:
        if "violates PodSecurity" not in refused.message:
            raise
        return True
    return False


def is_warned_of(cluster: Cluster, namespace: str, item: dict[str, Any]) -> bool:
    """Whether the API server would warn of the Deployment if it were made again."""
    again = {**item, "metadata": {"name": f"{item['metadata']['name']}-again", "namespace": namespace}}
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments?dryRun=All"
    return any("would violate PodSecurity" in text for text in cluster.admin.warnings("POST", path, again))


def warned(cluster: Cluster, namespace: str, labels: dict[str, str]) -> dict[str, int]:
    """The pods that the API server warns of when these labels are tried: the first with some reasons, and how many."""
    path = f"/api/v1/namespaces/{namespace}?dryRun=All"
    asked = {"metadata": {"labels": labels}}
    warnings = cluster.admin.warnings("PATCH", path, asked, sent="application/merge-patch+json")
    found = [re.match(r"([\w-]+)(?: \(and (\d+) other pods?\))?: ", warning) for warning in warnings]
    return {match[1]: 1 + int(match[2] or 0) for match in found if match}
