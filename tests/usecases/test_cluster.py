"""A scan of a live cluster: its requests, the withheld data and the version of the evaluation."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from kubekeep.attackpaths.find import find_attack_paths
from kubekeep.attackpaths.objects import Objects
from kubekeep.library.load import builtin
from kubekeep.model.attack import ALL_PATHS
from kubekeep.model.finding import Status
from kubekeep.model.resource import Resource
from kubekeep.model.resource_selection import ResourceSelection
from kubekeep.posture.gate import incomplete
from kubekeep.posture.select import UnknownNameError, select
from kubekeep.reports.format import Extra
from kubekeep.usecases.cluster import plan_scope
from kubekeep.usecases.request import NEWEST_KUBERNETES
from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import KUBERNETES
from tests.kube.faults import Exchange, always, front, page_of
from tests.sources.cluster import objects
from tests.usecases import clusters

VALUE = "do-not-tell-this-value"
ALWAYS = {"namespaces", "nodes", "validatingadmissionpolicies", "validatingadmissionpolicybindings"}
"""What every scan asks for: labels of namespaces, the platform, and what is enforced."""


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
        found = clusters.scanned(clusters.through(cluster.kubeconfig, proxy.url), controls=(control,))
        asked = {item.kind for item in proxy.lists()}
        others = [item.path for item in proxy.requests if "limit" not in item.query]
    expected = (kinds - {"workloads"}) | (pods if "workloads" in kinds else set())
    assert asked == expected | ALWAYS
    assert sorted(others) == ["/api", "/apis", "/version"]
    assert found.unread == ()


def test_kinds_of_attack_paths_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[str] = set()
    original = Objects.list_kind

    def list_kind(self: Objects, kind: str) -> Any:
        asked.add(kind)
        return original(self, kind)

    monkeypatch.setattr(Objects, "list_kind", list_kind)
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "web", "namespace": "edge"},
        "spec": {"rules": [{"backendRefs": [{"name": "web", "namespace": "shop", "port": 80}]}]},
    }
    find_attack_paths(map(Resource, (route, objects.replicated("Deployment", "shop", "web"))), (), {})
    assert asked >= {"ReferenceGrant", "route.openshift.io/Route", "UDPRoute"}
    selection = select([], [builtin().controls["naked-pod"]])
    assert asked <= plan_scope(selection, ResourceSelection(), everything=True).kinds


def test_no_value_of_a_secret_reaches_this_process(cluster: Cluster, namespace: str) -> None:
    """Not even when everything is asked for that leads from one object to another."""
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
        request = clusters.through(cluster.kubeconfig, proxy.url)
        clusters.scanned(request, extras=frozenset(Extra), attack_query=ALL_PATHS)
        received = b"".join(proxy.sent)
        secrets = [item for item in proxy.requests if item.kind == "secrets"]
    assert [item.headers["accept"] for item in secrets] == [
        "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    ]
    assert meta["name"].encode() in received
    for form in (VALUE.encode(), base64.b64encode(VALUE.encode())):
        assert form not in received


def test_nothing_but_reads_is_sent(cluster: Cluster) -> None:
    with front(cluster) as proxy:
        clusters.scanned(clusters.through(cluster.kubeconfig, proxy.url), frameworks=("nsa",))
    assert {asked.method for asked in proxy.requests} == {"GET"}


def told(cluster: Cluster, **changes: str) -> tuple[Any, Any]:
    """A scan of a cluster that says something else of its version, and whether it is complete."""

    def other(exchange: Exchange) -> None:
        exchange.answer(200, exchange.real().document | changes)

    with front(cluster, always(lambda asked: asked.path == "/version", other)) as proxy:
        found = clusters.scanned(clusters.through(cluster.kubeconfig, proxy.url), controls=("C-0026",))
    return found, incomplete(found)


def test_cluster_version_is_used(cluster: Cluster) -> None:
    found, _ = told(cluster)
    minor = KUBERNETES.split(".")[1]
    assert (found.kubernetes_version, found.notes) == (f"1.{minor}", ())
    facts = found.target.cluster
    assert (facts.name, facts.info["gitVersion"]) == ("admin", KUBERNETES)
    assert told(cluster, minor=f"{minor}+", gitVersion="v1.34.4-eks-1")[0].kubernetes_version == f"1.{minor}"


@pytest.mark.parametrize(
    ("minor", "judged", "note"),
    [
        ("99", NEWEST_KUBERNETES, "the version of the cluster is 1.99: judged as"),
        ("12", 25, "the version of the cluster is 1.12: judged as 1.25"),
        ("", NEWEST_KUBERNETES, "the version of the cluster is not told: judged as"),
        ("٣", NEWEST_KUBERNETES, "the version of the cluster is not told: judged as"),
        ("9" * 5000, NEWEST_KUBERNETES, "the version of the cluster is not told: judged as"),
    ],
    ids=["too new", "too old", "none", "other digits", "too long"],
)
def test_a_version_that_is_not_known(cluster: Cluster, minor: str, judged: int, note: str) -> None:
    found, is_incomplete = told(cluster, minor=minor)
    assert found.kubernetes_version == f"1.{judged}"
    assert [text.startswith(note) for text in found.notes] == [True]
    assert not is_incomplete


def test_scan_without_permission_for_the_version(cluster: Cluster, namespace: str) -> None:
    cluster.apply([objects.cron_job(namespace, "nightly")])
    forbidden = always(
        lambda asked: asked.path == "/version", lambda exchange: exchange.refuse(403, "Forbidden", "not you")
    )
    with front(cluster, forbidden) as proxy:
        found = clusters.scanned(clusters.through(cluster.kubeconfig, proxy.url), controls=("C-0026",))
    assert clusters.verdicts(found)[f"CronJob {namespace}/nightly", "cron-job"].status is Status.FAILED
    assert found.kubernetes_version == f"1.{NEWEST_KUBERNETES}"
    assert found.notes[0].startswith("the version of the cluster is not told")


def test_one_workload_gets_the_verdicts_of_a_full_scan(cluster: Cluster, namespace: str) -> None:
    cluster.apply(
        [objects.replicated("Deployment", namespace, "web"), objects.replicated("Deployment", namespace, "db")]
    )
    request = clusters.access(cluster.kubeconfig)
    one = clusters.scanned(request, workload=f"{namespace}/deployment/web")
    whole = clusters.scanned(request, choice=clusters.only(namespace))
    judged = clusters.verdicts(one)
    assert f"Deployment {namespace}/db" not in {name for name, _ in judged}
    ours = {key: verdict.status for key, verdict in judged.items() if key[0] == f"Deployment {namespace}/web"}
    assert ours == {
        key: verdict.status
        for key, verdict in clusters.verdicts(whole).items()
        if key[0] == f"Deployment {namespace}/web"
    }
    assert ours


@pytest.mark.parametrize(
    ("asked", "judged"),
    [
        ({"choice": ResourceSelection(include_kinds=("Pod",))}, {"Pod"}),
        ({"choice": ResourceSelection(include_kinds=("pods", "Deployment"))}, {"Deployment"}),
        ({"choice": ResourceSelection(exclude_kinds=("Deployment",))}, {"ReplicaSet"}),
        ({"choice": ResourceSelection(labels="part=a")}, {"Pod"}),
        ({"workload": "{namespace}/pod/web-1-a"}, {"Pod"}),
        ({"workload": "{namespace}/deployment/web"}, {"Deployment"}),
    ],
    ids=str,
)
def test_selected_pod_of_an_unselected_owner_is_evaluated(
    cluster: Cluster, namespace: str, asked: dict[str, Any], judged: set[str]
) -> None:
    """Labels of a template are those of Pods, not of the Deployment: who chooses by them must not see nothing."""
    (deployment,) = cluster.apply([objects.replicated("Deployment", namespace, "web")])
    (replicas,) = cluster.apply([objects.set_owner(objects.replicated("ReplicaSet", namespace, "web-1"), deployment)])
    pod = objects.set_owner(objects.pod(namespace, "web-1-a"), replicas)
    pod["metadata"]["labels"] |= {"part": "a"}
    cluster.apply([pod])
    asked = {
        key: value.format(namespace=namespace) if isinstance(value, str) else value for key, value in asked.items()
    }
    found = clusters.scanned(clusters.access(cluster.kubeconfig), controls=("C-0013",), **asked)
    ours = [result for result in found.results if result.resource.namespace == namespace]
    assert [result.resource.kind for result in ours] == sorted(judged)
    assert {verdict.status for result in ours for verdict in result.verdicts.values()} == {Status.FAILED}


def test_a_workload_of_a_kind_that_is_not_shown_may_be_there(cluster: Cluster, namespace: str) -> None:
    cluster.apply([objects.replicated("Deployment", namespace, "web")])
    hidden = always(page_of("deployments"), lambda exchange: exchange.refuse(403, "Forbidden", "not you"))
    with (
        front(cluster, hidden) as proxy,
        pytest.raises(UnknownNameError, match=r"did not show everything: list deployments\.apps$"),
    ):
        clusters.scanned(clusters.through(cluster.kubeconfig, proxy.url), workload=f"{namespace}/deployment/web")
