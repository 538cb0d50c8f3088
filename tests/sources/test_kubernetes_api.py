"""Unknown kinds and fields of the built-in Kubernetes API."""

from __future__ import annotations

from typing import Any

import pytest

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
    (field,) = load_schemas().find_unknown_fields(document, 37)
    assert (field.path, field.message) == (path, message)


def test_fields_depend_on_the_version() -> None:
    schemas = load_schemas()
    document = deployment({"name": "a", "restartPolicy": "Always"}, hostUsers=False)
    assert schemas.find_unknown_fields(document, 37) == ()
    messages = [field.message for field in schemas.find_unknown_fields(document, 26)]
    assert messages == ["no field restartPolicy before Kubernetes 1.28"]


def test_maps_and_free_forms_have_no_unknown_fields() -> None:
    schemas = load_schemas()
    quota = {"limits": {"cpu": 1, "example.com/gpu": 1}, "requests": {"memory": "1Gi"}}
    assert schemas.find_unknown_fields(deployment({"name": "a", "resources": quota}), 37) == ()
    secret = {"apiVersion": "v1", "kind": "Secret", "data": {"a": ""}, "metadata": {"annotations": {"x": "y"}}}
    assert schemas.find_unknown_fields(secret, 37) == ()


def test_malformed_values_and_many_fields() -> None:
    schemas = load_schemas()
    assert schemas.find_unknown_fields(deployment({"name": "a", "env": "text", "ports": [None, 1, []]}), 37) == ()
    crowded = deployment({f"field{number}": 1 for number in range(100)})
    assert len(schemas.find_unknown_fields(crowded, 37)) == 20
