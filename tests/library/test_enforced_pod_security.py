"""Workloads against the Pod Security level of their namespace: the verdict is the one of a real API server."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import urllib.parse
from typing import Any, Final

import pytest

from kubekeep.kube.access import ClusterRequest
from kubekeep.kube.kubeconfig import Kubeconfig
from kubekeep.library.load import builtin
from kubekeep.model.choice import Choice
from kubekeep.model.finding import Status
from kubekeep.usecases.scan import ScanRequest, scan
from tests.cluster.client import Refused
from tests.cluster.cluster import Cluster

SLUG: Final = "enforced-pod-security-level"
LABEL: Final = "pod-security.kubernetes.io/enforce"
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
    cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": running, "labels": labels}}])
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
    labels = {LABEL: "baseline"}
    cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}])
    template = {"metadata": {"labels": {"a": "b"}}, "spec": PODS[1]["spec"]}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template},
    }
    # Pod Security Admission refuses pods alone.
    cluster.apply([deployment])
    assert statuses(cluster, namespace) == {"web": Status.FAILED}


def test_each_level_evaluates_the_rules_of_its_standard() -> None:
    source = builtin().rule(builtin().controls[SLUG]).source
    for level in ("baseline", "restricted"):
        wanted = {item.package for item in builtin().members(builtin().frameworks[f"pss-{level}"])}
        found = re.findall(
            rf"^{level} contains found if (?:{{.*?)?some found in (\w+)\.violation", source, re.MULTILINE | re.DOTALL
        )
        assert {f"kubekeep.controls.{name}" for name in found} == wanted


def names() -> set[str]:
    return {item["metadata"]["name"] for item in PODS}


def statuses(cluster: Cluster, namespace: str) -> dict[str, Status]:
    """What our control says of what runs in a namespace."""
    access = Kubeconfig((str(cluster.kubeconfig),)).access("admin")
    request = ScanRequest(
        paths=(),
        cluster=ClusterRequest(access=access),
        controls=(SLUG,),
        choice=Choice(include_namespaces=(namespace,)),
    )
    return {item.resource.name: item.verdicts[SLUG].status for item in scan(request).results if SLUG in item.verdicts}


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


def warned(cluster: Cluster, namespace: str, labels: dict[str, str]) -> dict[str, int]:
    """The pods that the API server warns of when these labels are tried: the first with some reasons, and how many."""
    pair = cluster.layout.pair("admin")
    context = ssl.create_default_context(cafile=cluster.authority)
    context.load_cert_chain(pair.certificate, pair.key)
    connection = http.client.HTTPSConnection(urllib.parse.urlsplit(cluster.address).netloc, timeout=60, context=context)
    try:
        connection.request(
            "PATCH",
            f"/api/v1/namespaces/{namespace}?dryRun=All",
            json.dumps({"metadata": {"labels": labels}}),
            {"Content-Type": "application/merge-patch+json"},
        )
        answer = connection.getresponse()
        warnings = answer.headers.get_all("Warning") or []
        assert answer.status == http.client.OK, answer.read()
    finally:
        connection.close()
    found = [re.match(r'299 - "([\w-]+)(?: \(and (\d+) other pods?\))?: ', warning) for warning in warnings]
    return {match[1]: 1 + int(match[2] or 0) for match in found if match}
