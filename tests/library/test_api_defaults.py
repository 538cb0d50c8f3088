"""Verdicts on objects as written, and as the API server stores them: its defaults change no verdict."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator, Sequence
from typing import Any, Final

from kubekeep.engine.rego_policies import RegoPolicySet
from kubekeep.library.cases import Case, list_cases, read_objects
from kubekeep.library.load import builtin
from kubekeep.model.resource import Resource
from kubekeep.posture.evaluate import evaluate
from kubekeep.posture.select import select
from kubekeep.usecases.control import evaluate_case
from tests.cluster.client import Refused
from tests.cluster.cluster import Cluster

MINOR: Final = 34
SPELLING: Final = "deprecated-service-account-field"
"""Control of the spelling in a manifest: the API server always stores both fields."""
AUTOMATED: Final = [
    control for control in builtin().controls.values() if not control.is_manual and control.slug != SPELLING
]
SERVER_METADATA: Final = ("uid", "creationTimestamp", "managedFields", "generation")
IMAGE: Final = "registry.example.com/web:1.2"
MUTATIONS: Final = 3

Json = dict[str, Any]


def spec(**fields: Any) -> Json:
    return {"containers": [{"name": "web", "image": IMAGE}], **fields}


def container(**fields: Any) -> Json:
    return spec(containers=[{"name": "web", "image": IMAGE, **fields}])


PROBE: Final = {"httpGet": {"port": 8080, "host": "example.com"}}
SPECS: Final = (
    spec(),
    spec(volumes=[{"name": "a"}, {"name": "b", "emptyDir": None}, {"name": "c", "hostPath": {"path": "/c"}}]),
    spec(securityContext={"fsGroup": None, "runAsNonRoot": None}),
    spec(securityContext={"supplementalGroups": [1000]}, serviceAccount="default"),
    spec(hostNetwork=True, hostPID=True, hostIPC=True),
    container(ports=[{"containerPort": 8080}, {"containerPort": 22, "hostPort": 0}, {"containerPort": 81, "name": "p"}])
    | {"hostNetwork": True},
    container(ports=[{"containerPort": 22, "hostPort": 2222}, {"containerPort": 8080, "protocol": "UDP"}]),
    container(resources={"limits": {"cpu": "500m", "memory": "1Gi"}}),
    container(resources={"limits": {"cpu": "500m", "memory": "1Gi"}, "requests": {"cpu": None, "memory": 0}}),
    container(resources={"requests": {"cpu": "100m", "memory": "64Mi"}}) | {"resources": {"limits": {"cpu": "1"}}},
    spec(resources={"limits": {"cpu": "1", "memory": "1Gi"}}),
    spec(
        initContainers=[
            {"name": "proxy", "image": IMAGE, "restartPolicy": "Always", "resources": {"limits": {"cpu": 1}}}
        ]
    ),
    container(image="registry.example.com/web"),
    container(image="registry.example.com/web:latest", imagePullPolicy=""),
    container(livenessProbe=PROBE, readinessProbe=PROBE, lifecycle={"preStop": PROBE}),
    container(
        securityContext={
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsGroup": 1000,
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        env=[{"name": "PASSWORD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        volumeMounts=[{"name": "token", "mountPath": "/token"}, {"name": "host", "mountPath": "/host"}],
    )
    | {
        "automountServiceAccountToken": False,
        "volumes": [
            {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
            {"name": "host", "hostPath": {"path": "/var/run"}},
        ],
    },
)
OTHERS: Final = (
    {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 443}], "selector": {"app": "web"}}},
    {"apiVersion": "v1", "kind": "Service", "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}},
    {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": {"podSelector": {}, "egress": [{}]}},
    {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": {"podSelector": {}}},
    {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "spec": {
            "tls": [{"secretName": "web"}],
            "rules": [
                {
                    "host": None,
                    "http": {
                        "paths": [
                            {
                                "path": "/",
                                "pathType": "Prefix",
                                "backend": {"service": {"name": "web", "port": {"number": 80}}},
                            }
                        ]
                    },
                }
            ],
        },
    },
    {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}},
    },
    {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "spec": {"selector": {"matchLabels": {"app": "web"}}}},
    {"apiVersion": "v1", "kind": "ServiceAccount"},
    {"apiVersion": "v1", "kind": "ConfigMap"},
)


def workloads(pod: Json) -> Iterator[Json]:
    """Yield workloads of each kind with this pod spec."""
    labels = {"app": "web", "app.kubernetes.io/name": "web"}
    template = {"metadata": {"labels": labels}, "spec": pod}
    ending = {"metadata": {"labels": labels}, "spec": {**pod, "restartPolicy": "Never"}}
    selector = {"matchLabels": {"app": "web"}}
    yield {"apiVersion": "v1", "kind": "Pod", "spec": pod}
    for kind in ("Deployment", "DaemonSet", "StatefulSet", "ReplicaSet"):
        yield {"apiVersion": "apps/v1", "kind": kind, "spec": {"selector": selector, "template": template}}
    yield {"apiVersion": "v1", "kind": "ReplicationController", "spec": {"template": template}}
    yield {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": ending}}
    job = {"spec": {"template": ending}}
    yield {"apiVersion": "batch/v1", "kind": "CronJob", "spec": {"schedule": "@daily", "jobTemplate": job}}


class Store:
    """Objects as the API server would store them: dry runs in the namespace `default`, each object once."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._known: dict[str, Json | None] = {}
        self._collections: dict[tuple[str, str], str] = {}

    def store(self, written: Json) -> Json | None:
        """Return the stored object; None if the API server does not accept it."""
        key = json.dumps(written)
        if key not in self._known:
            self._known[key] = self._create(written)
        return copy.deepcopy(self._known[key])

    def _create(self, written: Json) -> Json | None:
        sent = copy.deepcopy(written)
        try:
            namespace = sent["metadata"].pop("namespace", None)
            kind = sent["apiVersion"], sent["kind"]
            if kind not in self._collections:
                self._collections[kind] = self._cluster.path(sent).rpartition("/")[0]
            path = f"{self._collections[kind]}?dryRun=All&fieldValidation=Ignore"
            stored: Json = self._cluster.admin("POST", path, sent)
        except (Refused, LookupError):
            return None
        for field in SERVER_METADATA:
            stored["metadata"].pop(field, None)
        stored["metadata"].pop("namespace", None)
        stored["metadata"] |= {"namespace": namespace} if namespace else {}
        stored.pop("status", None)
        return stored | ({"status": written["status"]} if "status" in written else {})


def test_cases_have_the_same_verdicts_after_storage(cluster: Cluster) -> None:
    store = Store(cluster)
    count = 0
    for case in list_cases(builtin(), AUTOMATED):
        written = read_objects(case)
        stored = [store.store(document) for document in written]
        count += sum(document is not None for document in stored)
        if any(stored):
            complete = [document or written[number] for number, document in enumerate(stored)]
            before, after = [get_statuses(case, objects) for objects in (written, complete)]
            assert before == after, str(case)
    assert count > 1000


def get_statuses(case: Case, objects: Sequence[Json]) -> list[tuple[str, str]]:
    return [
        (str(result.subject.name), result.verdicts[case.control.slug].status)
        for result in evaluate_case(case, objects, builtin())
    ]


def test_objects_have_the_same_verdicts_after_storage(cluster: Cluster) -> None:
    store, generator = Store(cluster), random.Random(34)
    documents = [document for pod in SPECS for document in workloads(pod)] + list(OTHERS)
    pairs: list[tuple[Json, Json]] = []
    for document in documents:
        written = {**document, "metadata": {"name": "web"}}
        stored = store.store(written)
        assert stored is not None, written
        pairs.append((written, stored))
        variants = (mutate(written, stored, generator) for _ in range(MUTATIONS))
        pairs += [(variant, after) for variant in variants if (after := store.store(variant))]
    for index, pair in enumerate(pairs):
        for document in pair:
            # An own namespace: nothing is related to another object.
            document["metadata"]["namespace"] = f"shop-{index}"
    statuses = evaluate_all([written for written, _ in pairs]), evaluate_all([stored for _, stored in pairs])
    differences = [
        (slug, *(side.get((namespace, slug)) for side in statuses), pairs[int(namespace.removeprefix("shop-"))])
        for namespace, slug in statuses[0] | statuses[1]
        if statuses[0].get((namespace, slug)) != statuses[1].get((namespace, slug))
    ]
    assert differences == []
    assert len(pairs) > 2 * len(documents)


def mutate(written: Json, stored: Json, generator: random.Random) -> Json:
    """Return a copy in which some field is missing, null or empty, or a field with a default is null or empty."""
    variant = copy.deepcopy(written)
    source = generator.choice((written, stored))
    paths = [path for path in list_paths(source["spec"]) if isinstance(path[-1], str)] if "spec" in source else []
    if paths:
        path = generator.choice(paths)
        value = find(source["spec"], path)
        parent = find(variant["spec"], path[:-1])
        if isinstance(parent, dict):
            parent.pop(path[-1], None)
            choice = generator.choice(("missing", "null", "empty"))
            if choice != "missing":
                parent[path[-1]] = None if choice == "null" else type(value)()
    return variant


def list_paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in entries:
        yield (*path, key)
        yield from list_paths(child, (*path, key))


def find(value: Any, path: tuple[str | int, ...]) -> Any:
    """Return the value at a path; None if there is none."""
    for key in path:
        try:
            value = value[key]
        except (LookupError, TypeError):
            return None
    return value


def evaluate_all(documents: Sequence[Json]) -> dict[tuple[str, str], str]:
    """Return the status of every control by namespace and slug."""
    results = evaluate(map(Resource, documents), select(named=AUTOMATED), RegoPolicySet, kubernetes_minor=MINOR)
    return {
        (result.subject.namespace, slug): verdict.status
        for result in results
        for slug, verdict in result.verdicts.items()
    }
