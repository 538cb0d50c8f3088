"""Workloads with the settings of the Pod Security Standard `restricted`, with the program of the images of tests."""

from __future__ import annotations

from typing import Any, Final

Object = dict[str, Any]

PORT: Final = 8080
SERVE: Final = ("serve", f":{PORT}")
"""Arguments of the program that serves its host name by HTTP."""
_CONTAINER_CONTEXT: Final = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
_POD_CONTEXT: Final = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}


def container(name: str, image: str, *arguments: str) -> Object:
    """Return a container that waits, or serves HTTP with the arguments `SERVE`."""
    document: Object = {
        "name": name,
        "image": image,
        "imagePullPolicy": "Always",
        "args": [*arguments],
        "securityContext": _CONTAINER_CONTEXT,
    }
    if arguments == SERVE:
        probe = {"httpGet": {"path": "/", "port": PORT}, "periodSeconds": 1}
        document |= {"ports": [{"containerPort": PORT}], "readinessProbe": probe}
    return document


def pod_spec(*containers: Object, **fields: Any) -> Object:
    return {"containers": [*containers], "securityContext": _POD_CONTEXT, "terminationGracePeriodSeconds": 1} | fields


def pod(namespace: str, name: str, spec: Object, **labels: str) -> Object:
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def workload(kind: str, namespace: str, name: str, spec: Object, replicas: int = 1) -> Object:
    """Return a Deployment, StatefulSet or DaemonSet."""
    labels = {"app": name}
    fields: Object = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}}
    fields |= {} if kind == "DaemonSet" else {"replicas": replicas}
    fields |= {"serviceName": name} if kind == "StatefulSet" else {}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": fields}


def cron_job(namespace: str, name: str, spec: Object) -> Object:
    """Return a CronJob that does not run before the end of the test."""
    template = {"spec": {"template": {"spec": spec | {"restartPolicy": "Never"}}}}
    metadata = {"name": name, "namespace": namespace}
    fields = {"schedule": "@yearly", "suspend": True, "jobTemplate": template}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": fields}


def service(namespace: str, name: str) -> Object:
    """Return a Service for the workload of its name."""
    fields = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": PORT}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": fields}
