"""Unknown kinds and fields of the built-in Kubernetes API."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.model.unknown_field import FieldProblems
from kubekeep.sources.kubernetes_api.schemas import load_schemas


def deployment(first: dict[str, Any], **pod: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [first], **pod}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"template": template}}


@pytest.mark.parametrize(
    ("version", "kind", "message"),
    [
        ("apps/v1", "Deploymnet", "no kind Deploymnet in apps/v1: did you mean Deployment?"),
        ("v1", "pod", "no kind pod in v1: did you mean Pod?"),
        ("v1", "Pdo", "no kind Pdo in v1: did you mean Pod?"),
        ("v1", "svc", "no kind svc in v1: did you mean Service?"),
        ("apps/v1", "deploy", "no kind deploy in apps/v1: did you mean Deployment?"),
        ("v1", "Deployment", "no kind Deployment in v1: it is in apps/v1"),
        ("apps/v1", "CronJob", "no kind CronJob in apps/v1: it is in batch/v1"),
        ("apps/v2", "Thing", "no API version apps/v2 in Kubernetes"),
        ("v1", "Zzz", "no kind Zzz in v1"),
        ("v1", "list", "no kind list in v1: did you mean List?"),
    ],
)
def test_unknown_kinds(version: str, kind: str, message: str) -> None:
    assert load_schemas().explain_unknown_kind(version, kind) == message


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("apps/v1", "Deployment"),
        ("extensions/v1beta1", "Deployment"),
        ("v1", "List"),
        ("v1", "PodList"),
        ("example.com/v1", "Deploymnet"),
        ("gateway.networking.k8s.io/v1", "Gateway"),
    ],
)
def test_known_and_custom_kinds(version: str, kind: str) -> None:
    assert load_schemas().explain_unknown_kind(version, kind) is None


@pytest.mark.parametrize(
    ("version", "kind", "minor", "message"),
    [
        ("batch/v1beta1", "CronJob", 24, None),
        ("batch/v1beta1", "CronJob", 25, "no kind CronJob in batch/v1beta1 since Kubernetes 1.25: use batch/v1"),
        ("batch/v2alpha1", "CronJob", 20, None),
        ("batch/v1", "CronJob", 20, "no kind CronJob in batch/v1 before Kubernetes 1.21: use batch/v1beta1"),
        (
            "policy/v1beta1",
            "PodSecurityPolicy",
            37,
            "no kind PodSecurityPolicy in policy/v1beta1 since Kubernetes 1.25",
        ),
        (
            "extensions/v1beta1",
            "Deployment",
            37,
            "no kind Deployment in extensions/v1beta1 since Kubernetes 1.16: use apps/v1",
        ),
        (
            "events.k8s.io/v1beta1",
            "Event",
            37,
            "no kind Event in events.k8s.io/v1beta1 since Kubernetes 1.25: use events.k8s.io/v1",
        ),
        (
            "autoscaling/v2beta1",
            "HorizontalPodAutoscaler",
            25,
            "no kind HorizontalPodAutoscaler in autoscaling/v2beta1 since Kubernetes 1.25: use autoscaling/v2",
        ),
        (
            "resource.k8s.io/v1alpha2",
            "ResourceClaim",
            33,
            "no kind ResourceClaim in resource.k8s.io/v1alpha2 since Kubernetes 1.31: use resource.k8s.io/v1beta2",
        ),
        (
            "storage.k8s.io/v1",
            "VolumeAttributesClass",
            30,
            "no kind VolumeAttributesClass in storage.k8s.io/v1 before Kubernetes 1.34: use storage.k8s.io/v1alpha1",
        ),
        ("example.com/v1", "CronJob", 37, None),
    ],
)
def test_unserved_kinds(version: str, kind: str, minor: int, message: str | None) -> None:
    assert load_schemas().explain_unserved_kind(version, kind, minor) == message


@pytest.mark.parametrize(
    ("document", "path", "message"),
    [
        (
            deployment({"name": "a", "securityContxt": {}}),
            ("spec", "template", "spec", "containers", 0, "securityContxt"),
            "unknown field securityContxt: did you mean securityContext?",
        ),
        (
            deployment({"name": "a"}, container=[]),
            ("spec", "template", "spec", "container"),
            "unknown field container: did you mean containers?",
        ),
        (
            deployment({"name": "a", "privileged": True}),
            ("spec", "template", "spec", "containers", 0, "privileged"),
            "unknown field privileged: did you mean securityContext.privileged?",
        ),
        (
            deployment({"name": "a", "env": [{"name": "a", "valueFrom": {"fieldref": {}}}]}),
            ("spec", "template", "spec", "containers", 0, "env", 0, "valueFrom", "fieldref"),
            "unknown field fieldref: did you mean fieldRef?",
        ),
    ],
)
def test_unknown_fields(document: dict[str, Any], path: tuple[str | int, ...], message: str) -> None:
    (field,) = load_schemas().find_problems(document, 37).unknown
    assert (field.path, field.message) == (path, message)


def test_fields_depend_on_the_version() -> None:
    schemas = load_schemas()
    document = deployment({"name": "a", "restartPolicy": "Always"}, hostUsers=False)
    assert schemas.find_problems(document, 37) == FieldProblems()
    messages = [field.message for field in schemas.find_problems(document, 26).unknown]
    assert messages == ["no field restartPolicy before Kubernetes 1.28"]


def test_maps_and_free_forms_have_no_unknown_fields() -> None:
    schemas = load_schemas()
    quota = {"limits": {"cpu": 1, "example.com/gpu": 1}, "requests": {"memory": "1Gi"}}
    assert schemas.find_problems(deployment({"name": "a", "resources": quota}), 37) == FieldProblems()
    secret = {"apiVersion": "v1", "kind": "Secret", "data": {"a": ""}, "metadata": {"annotations": {"x": "y"}}}
    assert schemas.find_problems(secret, 37) == FieldProblems()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"spec": []}, "spec is a list, not a mapping"),
        ({"spec": "text"}, "spec is a text, not a mapping"),
        ({"metadata": 5}, "metadata is a number, not a mapping"),
        ({"metadata": {"labels": {"app": True}}}, "metadata.labels.app is true or false, not a text"),
        ({"metadata": {"labels": ["app"]}}, "metadata.labels is a list, not a mapping"),
        ({"spec": {"replicas": "3"}}, "spec.replicas is a text, not an integer"),
        ({"spec": {"replicas": 1.5}}, "spec.replicas is a number, not an integer"),
        ({"spec": {"paused": "yes"}}, "spec.paused is a text, not true or false"),
        (deployment({"name": "a", "env": "text"}), "spec.template.spec.containers[0].env is a text, not a list"),
        (
            deployment({"name": "a", "ports": [None, 1]}),
            "spec.template.spec.containers[0].ports[1] is a number, not a mapping",
        ),
        (
            deployment({"name": "a", "args": ["a", 1]}),
            "spec.template.spec.containers[0].args[1] is a number, not a text",
        ),
        (
            deployment({"name": "a", "ports": [{"containerPort": "80"}]}),
            "spec.template.spec.containers[0].ports[0].containerPort is a text, not an integer",
        ),
        (
            deployment({"name": "a", "resources": {"limits": {"cpu": []}}}),
            "spec.template.spec.containers[0].resources.limits.cpu is a list, not a text or a number",
        ),
    ],
)
def test_values_of_another_type(document: dict[str, Any], message: str) -> None:
    problems = load_schemas().find_problems({"apiVersion": "apps/v1", "kind": "Deployment", **document}, 37)
    assert [field.message for field in problems.mistyped] == [message]
    assert not problems.unknown


def test_values_that_the_api_server_reads() -> None:
    probe = {"httpGet": {"port": "http"}, "exec": None}
    container = {"name": "a", "args": None, "ports": [{"containerPort": 80.0}], "env": [None], "livenessProbe": probe}
    document = deployment(container) | {"metadata": {"creationTimestamp": None, "labels": {"a": None}}}
    assert load_schemas().find_problems(document, 37) == FieldProblems()


def test_many_fields() -> None:
    schemas = load_schemas()
    crowded = deployment({f"field{number}": 1 for number in range(100)})
    assert len(schemas.find_problems(crowded, 37).unknown) == 20
