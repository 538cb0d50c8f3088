"""Owners cover an object only if it is no weaker than they are.

Defaults set by controllers and the API server do not matter.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kubekeep.model.control import WORKLOAD
from kubekeep.sources.cluster.owners import OwnerIndex
from tests.cluster.cluster import Cluster
from tests.kube.faults import front
from tests.sources.cluster import objects
from tests.sources.cluster.test_collect import apply, collect

PRIVILEGED = {"securityContext": {"privileged": True}}


def list_labels(cluster: Cluster, namespace: str) -> list[str]:
    with front(cluster) as proxy:
        labels, gaps = collect(proxy, WORKLOAD, include=(namespace,))
    # Other tests define and remove kinds of their own in this cluster meanwhile.
    assert [gap for gap in gaps if not gap.group.endswith(".example.com")] == []
    return [name.replace(f" {namespace}/", " ") for name in labels]


def rich_template(restart: str) -> dict[str, Any]:
    """Return a template with and without fields that the API server sets in pods and templates, or in pods only."""
    pod_template = objects.template("registry.example.com/app", "app", "helper")
    web, helper = pod_template["spec"]["containers"]
    web["ports"] = [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}]
    web["livenessProbe"] = {"httpGet": {"path": "/", "port": 80}}
    web["env"] = [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "password", "key": "a"}}}]
    web["volumeMounts"] = [{"name": "logs", "mountPath": "/var/log"}, {"name": "settings", "mountPath": "/etc/a"}]
    helper["securityContext"] = {"capabilities": {"add": ["NET_BIND_SERVICE"]}, "runAsUser": 1000}
    return pod_template | {
        "spec": pod_template["spec"]
        | {
            "hostNetwork": True,
            "restartPolicy": restart,
            "initContainers": [{"name": "init", "image": "registry.example.com/init:1"}],
            "securityContext": {"appArmorProfile": {"type": "RuntimeDefault"}, "runAsNonRoot": True},
            "volumes": [
                {"name": "logs", "hostPath": {"path": "/var/log"}},
                {"name": "settings", "configMap": {"name": "settings"}},
                {"name": "nothing"},
            ],
        }
    }


def revision(deployment: dict[str, Any], name: str, template: dict[str, Any], replicas: int = 1) -> dict[str, Any]:
    """Return a ReplicaSet as the controller of Deployments creates it."""
    pod_template = copy.deepcopy(template)
    pod_template["metadata"]["labels"] |= {"pod-template-hash": name}
    namespace = deployment["metadata"]["namespace"]
    return objects.set_owner(objects.replicated("ReplicaSet", namespace, name, pod_template, replicas), deployment)


def test_defaults_do_not_uncover_a_pod(cluster: Cluster, namespace: str) -> None:
    """Only pods have the token, limits of a LimitRange, tolerations, the account, and ports of the node."""
    limits = [{"type": "Container", "default": {"memory": "1Gi"}, "defaultRequest": {"cpu": "1"}}]
    meta = {"name": "limits", "namespace": namespace}
    cluster.apply([{"apiVersion": "v1", "kind": "LimitRange", "metadata": meta, "spec": {"limits": limits}}])
    always, never = rich_template("Always"), rich_template("Never")
    deployment = apply(cluster, objects.replicated("Deployment", namespace, "web", always))
    replicas = apply(cluster, revision(deployment, "web-1", deployment["spec"]["template"]))
    daemons = apply(cluster, objects.replicated("DaemonSet", namespace, "log", always))
    cron = objects.cron_job(namespace, "nightly")
    cron["spec"]["jobTemplate"]["spec"]["template"] = never
    cron = apply(cluster, cron)
    job = objects.job(namespace, "nightly-1")
    job["spec"]["template"] = never
    job = apply(cluster, objects.set_owner(job, cron))
    stateful = objects.replicated("StatefulSet", namespace, "db", copy.deepcopy(always))
    stateful["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] += [{"name": "data", "mountPath": "/data"}]
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    stateful["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": claim}]
    stateful = apply(cluster, stateful)
    # The pod as its controller submits it.
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}}]
    volumes += stateful["spec"]["template"]["spec"]["volumes"]
    pods = cluster.apply(
        [
            *(objects.build_owned_pod(owner, f"{owner['metadata']['name']}-0") for owner in (replicas, daemons, job)),
            objects.build_owned_pod(stateful, "db-0", volumes=volumes, hostname="db-0"),
        ]
    )
    for pod in pods:
        main, *sidecars = pod["spec"]["containers"]
        assert (main["resources"]["limits"], main["ports"][0]["hostPort"]) == ({"memory": "1Gi"}, 80)
        assert any(volume["name"].startswith("kube-api-access-") for volume in pod["spec"]["volumes"])
        assert (sidecars[0]["name"], pod["spec"]["serviceAccountName"]) == ("helper", "default")
    assert list_labels(cluster, namespace) == ["CronJob nightly", "DaemonSet log", "Deployment web", "StatefulSet db"]


@pytest.mark.parametrize("kind", ["ReplicaSet", "DaemonSet", "StatefulSet", "Job", "ReplicationController"])
@pytest.mark.parametrize(
    "strong_spec",
    [
        {"hostPID": True},
        {"shareProcessNamespace": True},
        {"containers": [{"name": "app", "image": "registry.example.com/app:2"}]},
        {"containers": [{"name": "app", "image": "registry.example.com/app:1", "command": ["sh"]}]},
        {"initContainers": [{"name": "istio-init", "image": "registry.example.com/proxy:1"}]},
        {"containers": [{"name": name, "image": "registry.example.com/app:1"} for name in ("app", "more")]},
        {"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
    ],
    ids=["power", "processes", "image", "command", "init", "sidecar", "seccomp"],
)
def test_stronger_pods_are_not_covered(
    cluster: Cluster, namespace: str, kind: str, strong_spec: dict[str, Any]
) -> None:
    """Includes a DaemonSet with OnDelete, a part of a StatefulSet, and a ReplicaSet with an adopted Pod."""
    if kind == "Job":
        maker = objects.job(namespace, "web")
    elif kind == "ReplicationController":
        maker = objects.replicated("ReplicaSet", namespace, "web") | {"kind": kind, "apiVersion": "v1"}
        maker["spec"]["selector"] = {"app": "app"}
    else:
        maker = objects.replicated(kind, namespace, "web")
    maker = apply(cluster, maker)
    cluster.apply([objects.build_owned_pod(maker, "web-0"), objects.build_owned_pod(maker, "web-1", **strong_spec)])
    assert list_labels(cluster, namespace) == sorted([f"{kind} web", "Pod web-1"])


def test_running_old_revision_is_collected(cluster: Cluster, namespace: str) -> None:
    """A Deployment may be paused or never finish, and users can create a ReplicaSet that claims to be part of it."""
    web = objects.replicated("Deployment", namespace, "web")
    web["spec"]["paused"] = True
    deployment = apply(cluster, web)
    privileged_template = copy.deepcopy(deployment["spec"]["template"])
    privileged_template["spec"]["containers"][0] |= PRIVILEGED
    current = apply(cluster, revision(deployment, "web-2", deployment["spec"]["template"]))
    outdated = apply(cluster, revision(deployment, "web-1", privileged_template))
    cluster.apply([objects.build_owned_pod(current, "web-2-a"), objects.build_owned_pod(outdated, "web-1-a")])
    # The ReplicaSet covers the Pod.
    assert list_labels(cluster, namespace) == ["Deployment web", "ReplicaSet web-1"]


def test_idle_old_revision_is_skipped_and_covers_nothing(cluster: Cluster, namespace: str) -> None:
    deployment = apply(cluster, objects.replicated("Deployment", namespace, "web"))
    privileged_template = copy.deepcopy(deployment["spec"]["template"])
    privileged_template["spec"]["containers"][0] |= PRIVILEGED
    outdated = apply(cluster, revision(deployment, "web-1", privileged_template, replicas=0))
    assert list_labels(cluster, namespace) == ["Deployment web"]
    weak_pod = objects.build_owned_pod(outdated, "web-1-plain")
    weak_pod["spec"] = copy.deepcopy(deployment["spec"]["template"]["spec"])
    cluster.apply([objects.build_owned_pod(outdated, "web-1-a"), weak_pod])
    assert list_labels(cluster, namespace) == ["Deployment web", "Pod web-1-a"]
    # It is running as long as some of its pods are.
    cluster.admin(
        "PATCH", f"{cluster.path(outdated)}/status", {"status": {"replicas": 1}}, sent="application/merge-patch+json"
    )
    assert list_labels(cluster, namespace) == ["Deployment web", "ReplicaSet web-1"]


def test_idle_replica_set_without_owner_covers_its_pods(cluster: Cluster, namespace: str) -> None:
    replicas = apply(cluster, objects.replicated("ReplicaSet", namespace, "web", replicas=0))
    cluster.apply(
        [objects.build_owned_pod(replicas, "web-a"), objects.build_owned_pod(replicas, "web-b", hostPID=True)]
    )
    assert list_labels(cluster, namespace) == ["Pod web-b", "ReplicaSet web"]


@pytest.mark.parametrize("is_judged", [True, False])
def test_idle_replica_set_with_missing_owner_covers_nothing(*, is_judged: bool) -> None:
    """It is not compared with its owner, nor is anything with it."""
    deleted_owner = objects.replicated("Deployment", "shop", "web")
    deleted_owner["metadata"]["uid"] = "gone"
    outdated = objects.set_owner(objects.replicated("ReplicaSet", "shop", "web-1", replicas=0), deleted_owner)
    outdated["metadata"]["uid"] = "old"
    owners = OwnerIndex(lambda _: is_judged)
    owners.add(outdated)
    assert not owners.is_covered(outdated)
    assert not owners.is_covered(objects.build_owned_pod(outdated, "web-1-a", hostPID=True))


def test_pod_with_other_labels_is_collected(cluster: Cluster, namespace: str) -> None:
    template = objects.template()
    template["metadata"]["labels"] |= {"tier": "back"}
    replicas = apply(cluster, objects.replicated("ReplicaSet", namespace, "web", template))
    adopted = objects.build_owned_pod(replicas, "web-1")
    adopted["metadata"]["labels"] = {"app": "app"}
    cluster.apply([objects.build_owned_pod(replicas, "web-0"), adopted])
    assert list_labels(cluster, namespace) == ["Pod web-1", "ReplicaSet web"]
