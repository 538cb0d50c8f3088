"""Nothing hides behind an owner that it claims, and what controllers and the API server add is no news."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kubekeep.model.control import WORKLOAD
from kubekeep.sources.cluster.owners import OwnerIndex
from tests.cluster.cluster import Cluster
from tests.kube.faults import front
from tests.sources.cluster import objects
from tests.sources.cluster.test_collect import apply, collected

PRIVILEGED = {"securityContext": {"privileged": True}}


def shown(cluster: Cluster, namespace: str) -> list[str]:
    with front(cluster) as proxy:
        found, gaps = collected(proxy, WORKLOAD, include=(namespace,))
    assert gaps == []
    return [name.replace(f" {namespace}/", " ") for name in found]


def rich_template(restart: str) -> dict[str, Any]:
    """A template that says and leaves unsaid what the API server fills in, in pods and templates or in pods alone."""
    found = objects.template("registry.example.com/app", "app", "helper")
    web, helper = found["spec"]["containers"]
    web["ports"] = [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}]
    web["livenessProbe"] = {"httpGet": {"path": "/", "port": 80}}
    web["env"] = [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "password", "key": "a"}}}]
    web["volumeMounts"] = [{"name": "logs", "mountPath": "/var/log"}, {"name": "settings", "mountPath": "/etc/a"}]
    helper["securityContext"] = {"capabilities": {"add": ["NET_BIND_SERVICE"]}, "runAsUser": 1000}
    return found | {
        "spec": found["spec"]
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
    """A ReplicaSet as the controller of Deployments makes it."""
    found = copy.deepcopy(template)
    found["metadata"]["labels"] |= {"pod-template-hash": name}
    where = deployment["metadata"]["namespace"]
    return objects.made(objects.replicated("ReplicaSet", where, name, found, replicas), deployment)


def test_what_is_filled_in_is_no_news(cluster: Cluster, namespace: str) -> None:
    """In pods alone: the token, limits of a LimitRange, tolerations, the account, ports of the node."""
    limits = [{"type": "Container", "default": {"memory": "1Gi"}, "defaultRequest": {"cpu": "1"}}]
    meta = {"name": "limits", "namespace": namespace}
    cluster.apply([{"apiVersion": "v1", "kind": "LimitRange", "metadata": meta, "spec": {"limits": limits}}])
    always, once = rich_template("Always"), rich_template("Never")
    deployment = apply(cluster, objects.replicated("Deployment", namespace, "web", always))
    replicas = apply(cluster, revision(deployment, "web-1", deployment["spec"]["template"]))
    daemons = apply(cluster, objects.replicated("DaemonSet", namespace, "log", always))
    cron = objects.cron_job(namespace, "nightly")
    cron["spec"]["jobTemplate"]["spec"]["template"] = once
    cron = apply(cluster, cron)
    job = objects.job(namespace, "nightly-1")
    job["spec"]["template"] = once
    job = apply(cluster, objects.made(job, cron))
    stateful = objects.replicated("StatefulSet", namespace, "db", copy.deepcopy(always))
    stateful["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] += [{"name": "data", "mountPath": "/data"}]
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    stateful["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": claim}]
    stateful = apply(cluster, stateful)
    # As its controller has it before the API server looks at the pod.
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}}]
    volumes += stateful["spec"]["template"]["spec"]["volumes"]
    pods = cluster.apply(
        [
            *(objects.made_of(owner, f"{owner['metadata']['name']}-0") for owner in (replicas, daemons, job)),
            objects.made_of(stateful, "db-0", volumes=volumes, hostname="db-0"),
        ]
    )
    for pod in pods:
        given, *rest = pod["spec"]["containers"]
        assert (given["resources"]["limits"], given["ports"][0]["hostPort"]) == ({"memory": "1Gi"}, 80)
        assert any(volume["name"].startswith("kube-api-access-") for volume in pod["spec"]["volumes"])
        assert (rest[0]["name"], pod["spec"]["serviceAccountName"]) == ("helper", "default")
    assert shown(cluster, namespace) == ["CronJob nightly", "DaemonSet log", "Deployment web", "StatefulSet db"]


@pytest.mark.parametrize("kind", ["ReplicaSet", "DaemonSet", "StatefulSet", "Job", "ReplicationController"])
@pytest.mark.parametrize(
    "more",
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
def test_no_maker_hides_what_is_more(cluster: Cluster, namespace: str, kind: str, more: dict[str, Any]) -> None:
    """Of a DaemonSet that is updated on delete, a part of a StatefulSet, a ReplicaSet that has adopted a Pod."""
    if kind == "Job":
        maker = objects.job(namespace, "web")
    elif kind == "ReplicationController":
        maker = objects.replicated("ReplicaSet", namespace, "web") | {"kind": kind, "apiVersion": "v1"}
        maker["spec"]["selector"] = {"app": "app"}
    else:
        maker = objects.replicated(kind, namespace, "web")
    maker = apply(cluster, maker)
    cluster.apply([objects.made_of(maker, "web-0"), objects.made_of(maker, "web-1", **more)])
    assert shown(cluster, namespace) == sorted([f"{kind} web", "Pod web-1"])


def test_a_former_revision_that_runs_is_looked_at(cluster: Cluster, namespace: str) -> None:
    """A Deployment may be paused, or never come to an end; and anybody may make a ReplicaSet that says to be of it."""
    thing = objects.replicated("Deployment", namespace, "web")
    thing["spec"]["paused"] = True
    deployment = apply(cluster, thing)
    former = copy.deepcopy(deployment["spec"]["template"])
    former["spec"]["containers"][0] |= PRIVILEGED
    now = apply(cluster, revision(deployment, "web-2", deployment["spec"]["template"]))
    old = apply(cluster, revision(deployment, "web-1", former))
    cluster.apply([objects.made_of(now, "web-2-a"), objects.made_of(old, "web-1-a")])
    # Its ReplicaSet speaks for the Pod.
    assert shown(cluster, namespace) == ["Deployment web", "ReplicaSet web-1"]


def test_a_former_revision_without_pods_is_not_and_hides_nothing(cluster: Cluster, namespace: str) -> None:
    deployment = apply(cluster, objects.replicated("Deployment", namespace, "web"))
    former = copy.deepcopy(deployment["spec"]["template"])
    former["spec"]["containers"][0] |= PRIVILEGED
    old = apply(cluster, revision(deployment, "web-1", former, replicas=0))
    assert shown(cluster, namespace) == ["Deployment web"]
    plain = objects.made_of(old, "web-1-plain")
    plain["spec"] = copy.deepcopy(deployment["spec"]["template"]["spec"])
    cluster.apply([objects.made_of(old, "web-1-a"), plain])
    assert shown(cluster, namespace) == ["Deployment web", "Pod web-1-a"]
    # While some of its pods run, so does it.
    cluster.admin(
        "PATCH", f"{cluster.path(old)}/status", {"status": {"replicas": 1}}, sent="application/merge-patch+json"
    )
    assert shown(cluster, namespace) == ["Deployment web", "ReplicaSet web-1"]


def test_a_revision_of_nobody_without_pods_speaks_for_its_own(cluster: Cluster, namespace: str) -> None:
    replicas = apply(cluster, objects.replicated("ReplicaSet", namespace, "web", replicas=0))
    cluster.apply([objects.made_of(replicas, "web-a"), objects.made_of(replicas, "web-b", hostPID=True)])
    assert shown(cluster, namespace) == ["Pod web-b", "ReplicaSet web"]


@pytest.mark.parametrize("is_judged", [True, False])
def test_a_revision_of_who_is_gone_without_pods_speaks_for_nobody(*, is_judged: bool) -> None:
    """It is not compared with what made it, nor is anything with it."""
    gone = objects.replicated("Deployment", "shop", "web")
    gone["metadata"]["uid"] = "gone"
    old = objects.made(objects.replicated("ReplicaSet", "shop", "web-1", replicas=0), gone)
    old["metadata"]["uid"] = "old"
    owners = OwnerIndex(lambda _: is_judged)
    owners.add(old)
    assert not owners.is_covered(old)
    assert not owners.is_covered(objects.made_of(old, "web-1-a", hostPID=True))


def test_what_services_find_otherwise_is_looked_at(cluster: Cluster, namespace: str) -> None:
    template = objects.template()
    template["metadata"]["labels"] |= {"tier": "back"}
    replicas = apply(cluster, objects.replicated("ReplicaSet", namespace, "web", template))
    adopted = objects.made_of(replicas, "web-1")
    adopted["metadata"]["labels"] = {"app": "app"}
    cluster.apply([objects.made_of(replicas, "web-0"), adopted])
    assert shown(cluster, namespace) == ["Pod web-1", "ReplicaSet web"]
