"""Objects for the tests of collections, in the form that a cluster accepts."""

from __future__ import annotations

import copy
from typing import Any

Object = dict[str, Any]


def template(image: str = "registry.example.com/app:1", *names: str) -> Object:
    """Return a pod template with a container for each name."""
    containers = [{"name": name, "image": image} for name in names or ("app",)]
    return {"metadata": {"labels": {"app": "app"}}, "spec": {"containers": containers}}


def namespace(name: str, **labels: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def event(namespace: str, name: str) -> Object:
    """Return an Event, a kind that two groups of Kubernetes serve."""
    involved_object = {"kind": "Pod", "namespace": namespace, "name": "a"}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": involved_object,
    }


def set_owner(child: Object, owner: Object | None, *, controller: bool = True) -> Object:
    """Return `child` with a reference to its owner."""
    if owner is None:
        return child
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": controller,
    }
    return child | {"metadata": child["metadata"] | {"ownerReferences": [reference]}}


def pod(namespace: str, name: str, pod_template: Object | None = None) -> Object:
    source = pod_template or template()
    meta = {"name": name, "namespace": namespace, "labels": {"app": "app"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": source["spec"]}


def build_owned_pod(owner: Object, name: str, **fields: Any) -> Object:
    """Return the Pod that a controller creates from the template of the stored `owner`; `fields` extend its spec."""
    source = copy.deepcopy(owner["spec"]["template"])
    meta = {"name": name, "namespace": owner["metadata"]["namespace"], "labels": source["metadata"]["labels"]}
    return set_owner({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": source["spec"] | fields}, owner)


def replicated(kind: str, namespace: str, name: str, pod_template: Object | None = None, replicas: int = 1) -> Object:
    """Return a Deployment, ReplicaSet, StatefulSet or DaemonSet."""
    spec: Object = {"selector": {"matchLabels": {"app": "app"}}, "template": pod_template or template()}
    spec |= {} if kind == "DaemonSet" else {"replicas": replicas}
    spec |= {"serviceName": name} if kind == "StatefulSet" else {}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def job(namespace: str, name: str) -> Object:
    source = template()
    spec = {"template": source | {"spec": source["spec"] | {"restartPolicy": "Never"}}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def cron_job(namespace: str, name: str) -> Object:
    spec = {"schedule": "@daily", "jobTemplate": {"spec": job(namespace, name)["spec"]}}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def definition(group: str, kind: str, spec: Object, *, scope: str = "Namespaced") -> Object:
    """Return a CustomResourceDefinition; `spec` is the schema of the objects' `spec`."""
    schema = {"type": "object", "properties": {"spec": spec}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.lower()}s.{group}"},
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"kind": kind, "plural": f"{kind.lower()}s", "singular": kind.lower()},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def custom(group: str, kind: str, namespace: str, name: str, spec: Object) -> Object:
    return {"apiVersion": f"{group}/v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def open_schema() -> Object:
    return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def pods_schema(field: str = "template") -> Object:
    """Return a schema that allows a pod template."""
    containers = {"type": "array", "items": open_schema()}
    pod_spec = {"type": "object", "properties": {"containers": containers}}
    pod = {"type": "object", "properties": {"metadata": open_schema(), "spec": pod_spec}}
    return {"type": "object", "properties": {field: pod}}
