"""The pod view: all kinds with pods, all kinds of containers, and inherited settings."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.model.resource import Resource
from kubekeep.model.workload import build_pod_view, pod_path

POD = {
    "metadata": {"name": "ignored", "labels": {"app": "web"}, "annotations": {"a": "b"}},
    "spec": {
        "hostPID": True,
        "securityContext": {"runAsUser": 1000, "runAsNonRoot": True, "fsGroup": 2000},
        "containers": [{"name": "main", "securityContext": {"runAsUser": 0, "privileged": True, "runAsNonRoot": None}}],
        "initContainers": [{"name": "init"}],
        "ephemeralContainers": [{"name": "debug"}],
    },
}


def wrap_pod(api_version: str, kind: str, path: str) -> Resource:
    document: Any = POD
    for step in reversed(path.split(".") if path else []):
        document = {step: document}
    return Resource({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}} | document)


KINDS = [
    ("v1", "PodTemplate", "template"),
    ("v1", "ReplicationController", "spec.template"),
    ("apps/v1", "Deployment", "spec.template"),
    ("apps/v1beta1", "StatefulSet", "spec.template"),
    ("apps/v1", "DaemonSet", "spec.template"),
    ("apps/v1", "ReplicaSet", "spec.template"),
    ("extensions/v1beta1", "Deployment", "spec.template"),
    ("batch/v1", "Job", "spec.template"),
    ("batch/v1beta1", "CronJob", "spec.jobTemplate.spec.template"),
    ("argoproj.io/v1alpha1", "Rollout", "spec.template"),
    ("serving.knative.dev/v1", "Service", "spec.template"),
    ("apps.kruise.io/v1alpha1", "AdvancedCronJob", "spec.jobTemplate.spec.template"),
]


@pytest.mark.parametrize(("api_version", "kind", "path"), KINDS)
def test_all_kinds_have_equal_views(api_version: str, kind: str, path: str) -> None:
    pod_view = build_pod_view(wrap_pod(api_version, kind, path))
    assert pod_view is not None
    assert pod_view["path"] == f"{path}.spec"
    assert pod_view["metadata_path"] == f"{path}.metadata"
    assert pod_view["metadata"] == {"labels": {"app": "web"}, "annotations": {"a": "b"}}
    assert [(container["name"], container["type"], container["path"]) for container in pod_view["containers"]] == [
        ("main", "container", f"{path}.spec.containers[0]"),
        ("init", "init", f"{path}.spec.initContainers[0]"),
        ("debug", "ephemeral", f"{path}.spec.ephemeralContainers[0]"),
    ]
    assert set(pod_view["spec"]) == {"hostPID", "securityContext"}


def test_view_of_a_pod() -> None:
    pod_view = build_pod_view(Resource({"apiVersion": "v1", "kind": "Pod"} | POD))
    assert pod_view is not None
    assert pod_view["path"] == "spec"
    assert pod_view["containers"][0]["path"] == "spec.containers[0]"


def test_containers_inherit_only_shared_settings() -> None:
    pod_view = build_pod_view(wrap_pod("apps/v1", "Deployment", "spec.template"))
    assert pod_view is not None
    main, init, debug = (container["effective"] for container in pod_view["containers"])
    assert main == {"runAsUser": 0, "runAsNonRoot": True, "privileged": True}
    assert init == debug == {"runAsUser": 1000, "runAsNonRoot": True}


@pytest.mark.parametrize(
    "document",
    [
        {"apiVersion": "v1", "kind": "Service", "spec": {"template": POD}},
        {"apiVersion": "example.com/v1", "kind": "Deployment", "spec": {"template": {"spec": {"containers": "no"}}}},
        {"apiVersion": "example.com/v1", "kind": "Thing", "spec": {"template": "text"}},
        {"apiVersion": "example.com/v1", "kind": "Thing"},
    ],
)
def test_object_without_pod_has_no_view(document: dict[str, Any]) -> None:
    assert pod_path(Resource(document)) is None
    assert build_pod_view(Resource(document)) is None


def test_container_fields_cannot_replace_view_fields() -> None:
    spec = {"containers": [{"name": "x", "type": "init", "path": "elsewhere", "effective": {"privileged": False}}]}
    pod_view = build_pod_view(Resource({"apiVersion": "v1", "kind": "Pod", "spec": spec}))
    assert pod_view is not None
    assert pod_view["containers"][0] == {
        "name": "x",
        "type": "container",
        "path": "spec.containers[0]",
        "effective": {},
    }
