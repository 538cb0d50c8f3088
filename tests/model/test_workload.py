"""The pod view: all kinds with pods, all kinds of containers, and inherited settings."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.model.location import format_path
from kubekeep.model.resource import Resource
from kubekeep.model.workload import MAX_TEMPLATES, MalformedWorkloadError, build_pod_views, list_pod_paths, pod_path

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
    [pod_view] = build_pod_views(wrap_pod(api_version, kind, path))
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
    [pod_view] = build_pod_views(Resource({"apiVersion": "v1", "kind": "Pod"} | POD))
    assert pod_view["path"] == "spec"
    assert pod_view["containers"][0]["path"] == "spec.containers[0]"


def test_containers_inherit_only_shared_settings() -> None:
    [pod_view] = build_pod_views(wrap_pod("apps/v1", "Deployment", "spec.template"))
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
    assert build_pod_views(Resource(document)) == []


def test_container_fields_cannot_replace_view_fields() -> None:
    spec = {"containers": [{"name": "x", "type": "init", "path": "elsewhere", "effective": {"privileged": False}}]}
    [pod_view] = build_pod_views(Resource({"apiVersion": "v1", "kind": "Pod", "spec": spec}))
    assert pod_view["containers"][0] == {
        "name": "x",
        "type": "container",
        "path": "spec.containers[0]",
        "effective": {},
    }


@pytest.mark.parametrize(
    ("api_version", "spec", "paths"),
    [
        (
            "ray.io/v1",
            {"workerGroupSpecs": [{"template": POD}, {"template": POD}], "headGroupSpec": {"template": POD}},
            ["spec.workerGroupSpecs[0].template", "spec.workerGroupSpecs[1].template", "spec.headGroupSpec.template"],
        ),
        (
            "kubeflow.org/v1",
            {"pytorchReplicaSpecs": {"Master": {"template": POD}}},
            ["spec.pytorchReplicaSpecs.Master.template"],
        ),
        (
            "jobset.x-k8s.io/v1alpha2",
            {"replicatedJobs": [{"template": {"spec": {"template": POD}}}]},
            ["spec.replicatedJobs[0].template.spec.template"],
        ),
        ("example.com/v1", {"extraTemplates": [POD], "template": POD}, ["spec.template", "spec.extraTemplates[0]"]),
        ("example.com/v1", {"pattern": POD}, []),
        ("kyverno.io/v1", {"rules": [{"validate": {"pattern": {"spec": {"template": POD}}}}]}, []),
        ("constraints.gatekeeper.sh/v1", {"template": POD}, []),
        ("apps/v1", {"template": POD, "other": {"template": POD}}, ["spec.template"]),
    ],
)
def test_custom_kinds_may_have_several_templates(api_version: str, spec: dict[str, Any], paths: list[str]) -> None:
    kind = "Deployment" if api_version == "apps/v1" else "Group"
    resource = Resource({"apiVersion": api_version, "kind": kind, "spec": spec})
    assert [format_path(path) for path in list_pod_paths(resource)] == paths
    assert [view["path"] for view in build_pod_views(resource)] == [f"{path}.spec" for path in paths]


def test_number_and_depth_of_templates_are_limited() -> None:
    many = Resource({"apiVersion": "example.com/v1", "kind": "Group", "templates": [POD] * (MAX_TEMPLATES + 1)})
    with pytest.raises(MalformedWorkloadError, match=r"65 pod templates, more than 64"):
        build_pod_views(many)
    deep: dict[str, Any] = {"template": POD}
    for _ in range(400):
        deep = {"next": deep}
    assert list_pod_paths(Resource({"apiVersion": "example.com/v1", "kind": "Group", "spec": deep})) == ()
