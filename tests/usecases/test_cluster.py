"""A scan of a live cluster: its requests, the withheld data and the version of the evaluation."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from kubekeep.attackpaths.find import compute_attack_paths
from kubekeep.attackpaths.objects import Objects
from kubekeep.library.load import builtin
from kubekeep.model.attack import ALL_PATHS
from kubekeep.model.resource import Resource
from kubekeep.model.resource_selection import ResourceSelection
from kubekeep.model.verdict import Status
from kubekeep.posture.gate import is_incomplete
from kubekeep.posture.select import UnknownNameError, select
from kubekeep.reports.format import Extra
from kubekeep.usecases.cluster import plan_scope
from kubekeep.usecases.request import NEWEST_KUBERNETES
from tests.cluster.builds import KUBERNETES
from tests.cluster.cluster import Cluster
from tests.kube.faults import Exchange, always, front, page_of
from tests.sources.cluster import objects
from tests.usecases import clusters

VALUE = "do-not-tell-this-value"
ALWAYS = {"namespaces", "nodes", "validatingadmissionpolicies", "validatingadmissionpolicybindings"}
"""Kinds that every scan lists: for namespace labels, the platform and admission policies."""


@pytest.mark.parametrize(
    ("control", "kinds"),
    [
        ("C-0026", {"cronjobs"}),
        ("C-0036", {"validatingwebhookconfigurations"}),
        ("C-0263", {"ingresses"}),
        ("C-0030", {"networkpolicies", "workloads"}),
    ],
)
def test_only_required_kinds_are_listed(cluster: Cluster, control: str, kinds: set[str]) -> None:
    pods = {
        *("pods", "podtemplates", "replicationcontrollers", "deployments", "replicasets", "statefulsets"),
        *("daemonsets", "jobs", "cronjobs", "customresourcedefinitions"),
    }
    with front(cluster) as proxy:
        assessment = clusters.scan_cluster(clusters.redirect_access(cluster.kubeconfig, proxy.url), controls=(control,))
        listed = {request.kind for request in proxy.lists()}
        others = [request.path for request in proxy.requests if "limit" not in request.query]
    expected = (kinds - {"workloads"}) | (pods if "workloads" in kinds else set())
    assert listed == expected | ALWAYS
    assert sorted(others) == ["/api", "/apis", "/version"]
    assert assessment.unread == ()


def test_kinds_of_attack_paths_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    queried: set[str] = set()
    original = Objects.list_kind

    def list_kind(self: Objects, kind: str) -> Any:
        queried.add(kind)
        return original(self, kind)

    monkeypatch.setattr(Objects, "list_kind", list_kind)
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "web", "namespace": "edge"},
        "spec": {"rules": [{"backendRefs": [{"name": "web", "namespace": "shop", "port": 80}]}]},
    }
    compute_attack_paths(map(Resource, (route, objects.replicated("Deployment", "shop", "web"))), (), {})
    assert queried >= {"ReferenceGrant", "route.openshift.io/Route", "UDPRoute"}
    selection = select([], [builtin().controls["naked-pod"]])
    assert queried <= plan_scope(selection, ResourceSelection(), everything=True).kinds


def test_no_value_of_a_secret_reaches_this_process(cluster: Cluster, namespace: str) -> None:
    """Includes all extras and all attack paths."""
    pod = objects.template()
    pod["spec"]["volumes"] = [{"name": "password", "secret": {"secretName": "password"}}]
    pod["spec"]["containers"][0]["envFrom"] = [{"secretRef": {"name": "password"}}]
    meta = {"name": "password", "namespace": namespace}
    cluster.apply(
        [
            {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"password": VALUE}},
            objects.replicated("Deployment", namespace, "web", pod),
        ]
    )
    with front(cluster) as proxy:
        cluster_request = clusters.redirect_access(cluster.kubeconfig, proxy.url)
        clusters.scan_cluster(cluster_request, extras=frozenset(Extra), attack_query=ALL_PATHS)
        received = b"".join(proxy.sent)
        secret_requests = [request for request in proxy.requests if request.kind == "secrets"]
    assert [request.headers["accept"] for request in secret_requests] == [
        "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    ]
    assert meta["name"].encode() in received
    for form in (VALUE.encode(), base64.b64encode(VALUE.encode())):
        assert form not in received


def test_only_reads_are_sent(cluster: Cluster) -> None:
    with front(cluster) as proxy:
        clusters.scan_cluster(clusters.redirect_access(cluster.kubeconfig, proxy.url), frameworks=("nsa",))
    assert {request.method for request in proxy.requests} == {"GET"}


def scan_with_version(cluster: Cluster, **changes: str) -> tuple[Any, Any]:
    """Return the assessment of a cluster with an altered version, and True if the assessment is incomplete."""

    def answer_version(exchange: Exchange) -> None:
        exchange.answer(200, exchange.real().document | changes)

    with front(cluster, always(lambda request: request.path == "/version", answer_version)) as proxy:
        assessment = clusters.scan_cluster(
            clusters.redirect_access(cluster.kubeconfig, proxy.url), controls=("C-0026",)
        )
    return assessment, is_incomplete(assessment)


def test_cluster_version_is_used(cluster: Cluster) -> None:
    assessment, _ = scan_with_version(cluster)
    minor = KUBERNETES.split(".")[1]
    assert (assessment.kubernetes_version, assessment.notes) == (f"1.{minor}", ())
    facts = assessment.target.cluster
    assert (facts.name, facts.info["gitVersion"]) == ("admin", KUBERNETES)
    assert (
        scan_with_version(cluster, minor=f"{minor}+", gitVersion="v1.34.4-eks-1")[0].kubernetes_version == f"1.{minor}"
    )


@pytest.mark.parametrize(
    ("minor", "evaluated_minor", "note"),
    [
        ("99", NEWEST_KUBERNETES, "the Kubernetes version of the cluster is 1.99; evaluated as"),
        ("12", 25, "the Kubernetes version of the cluster is 1.12; evaluated as 1.25"),
        ("", NEWEST_KUBERNETES, "the Kubernetes version of the cluster is unknown; evaluated as"),
        ("٣", NEWEST_KUBERNETES, "the Kubernetes version of the cluster is unknown; evaluated as"),
        ("9" * 5000, NEWEST_KUBERNETES, "the Kubernetes version of the cluster is unknown; evaluated as"),
    ],
    ids=["too new", "too old", "none", "other digits", "too long"],
)
def test_unsupported_version_is_replaced_with_a_note(
    cluster: Cluster, minor: str, evaluated_minor: int, note: str
) -> None:
    assessment, is_incomplete = scan_with_version(cluster, minor=minor)
    assert assessment.kubernetes_version == f"1.{evaluated_minor}"
    assert [text.startswith(note) for text in assessment.notes] == [True]
    assert not is_incomplete


def test_scan_without_permission_for_the_version(cluster: Cluster, namespace: str) -> None:
    cluster.apply([objects.cron_job(namespace, "nightly")])
    forbidden = always(
        lambda request: request.path == "/version", lambda exchange: exchange.refuse(403, "Forbidden", "not you")
    )
    with front(cluster, forbidden) as proxy:
        assessment = clusters.scan_cluster(
            clusters.redirect_access(cluster.kubeconfig, proxy.url), controls=("C-0026",)
        )
    assert clusters.verdicts(assessment)[f"CronJob {namespace}/nightly", "cron-job"].status is Status.FAILED
    assert assessment.kubernetes_version == f"1.{NEWEST_KUBERNETES}"
    assert assessment.notes[0].startswith("the Kubernetes version of the cluster is unknown")


def test_one_workload_gets_the_verdicts_of_a_full_scan(cluster: Cluster, namespace: str) -> None:
    cluster.apply(
        [objects.replicated("Deployment", namespace, "web"), objects.replicated("Deployment", namespace, "db")]
    )
    request = clusters.access(cluster.kubeconfig)
    one = clusters.scan_cluster(request, workload=f"{namespace}/deployment/web")
    full_assessment = clusters.scan_cluster(request, resource_selection=clusters.select_namespaces(namespace))
    verdicts = clusters.verdicts(one)
    assert f"Deployment {namespace}/db" not in {name for name, _ in verdicts}
    selected_verdicts = {
        key: verdict.status for key, verdict in verdicts.items() if key[0] == f"Deployment {namespace}/web"
    }
    assert selected_verdicts == {
        key: verdict.status
        for key, verdict in clusters.verdicts(full_assessment).items()
        if key[0] == f"Deployment {namespace}/web"
    }
    assert selected_verdicts


@pytest.mark.parametrize(
    ("selection", "kinds"),
    [
        ({"resource_selection": ResourceSelection(include_kinds=("Pod",))}, {"Pod"}),
        ({"resource_selection": ResourceSelection(include_kinds=("pods", "Deployment"))}, {"Deployment"}),
        ({"resource_selection": ResourceSelection(exclude_kinds=("Deployment",))}, {"ReplicaSet"}),
        ({"resource_selection": ResourceSelection(labels="part=a")}, {"Pod"}),
        ({"workload": "{namespace}/pod/web-1-a"}, {"Pod"}),
        ({"workload": "{namespace}/deployment/web"}, {"Deployment"}),
    ],
    ids=str,
)
def test_selected_pod_of_an_unselected_owner_is_evaluated(
    cluster: Cluster, namespace: str, selection: dict[str, Any], kinds: set[str]
) -> None:
    """Labels of a template belong to Pods, not to the Deployment: a selection by them must match the Pods."""
    (deployment,) = cluster.apply([objects.replicated("Deployment", namespace, "web")])
    (replicas,) = cluster.apply([objects.set_owner(objects.replicated("ReplicaSet", namespace, "web-1"), deployment)])
    pod = objects.set_owner(objects.pod(namespace, "web-1-a"), replicas)
    pod["metadata"]["labels"] |= {"part": "a"}
    cluster.apply([pod])
    selection = {
        key: value.format(namespace=namespace) if isinstance(value, str) else value for key, value in selection.items()
    }
    assessment = clusters.scan_cluster(clusters.access(cluster.kubeconfig), controls=("C-0013",), **selection)
    selected_verdicts = [result for result in assessment.results if result.subject.namespace == namespace]
    assert [result.subject.kind for result in selected_verdicts] == sorted(kinds)
    assert {verdict.status for result in selected_verdicts for verdict in result.verdicts.values()} == {Status.FAILED}


def test_unlisted_workload_is_not_reported_as_absent(cluster: Cluster, namespace: str) -> None:
    cluster.apply([objects.replicated("Deployment", namespace, "web")])
    hidden = always(page_of("deployments"), lambda exchange: exchange.refuse(403, "Forbidden", "not you"))
    with (
        front(cluster, hidden) as proxy,
        pytest.raises(UnknownNameError, match=r"some resources could not be listed: list deployments\.apps$"),
    ):
        clusters.scan_cluster(
            clusters.redirect_access(cluster.kubeconfig, proxy.url), workload=f"{namespace}/deployment/web"
        )
