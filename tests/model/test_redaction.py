"""Secrets planted at every place that Kubernetes keeps them never come out of `redacted`."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest

from kubekeep.model.redaction import MASK, redact
from kubekeep.model.resource import Resource
from kubekeep.model.text import json_text

SECRET = "h7Zq-planted"  # noqa: S105 - a value to look for, no secret


def container(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "image": "nginx:1.29",
        "env": [
            {"name": "PLAIN", "value": SECRET},
            {"name": "FROM", "valueFrom": {"secretKeyRef": {"name": SECRET, "key": "x"}}},
        ],
        "envFrom": [{"secretRef": {"name": SECRET}}],
        "livenessProbe": {"httpGet": {"path": "/", "httpHeaders": [{"name": "Authorization", "value": SECRET}]}},
        "args": ["--port=80", "--password", SECRET, f"--api-key={SECRET}", f"postgres://app:{SECRET}@db/app"],
    }


def pod() -> dict[str, Any]:
    return {
        "metadata": {"labels": {"app": "kept"}},
        "spec": {
            "containers": [container("main")],
            "initContainers": [container("init")],
            "ephemeralContainers": [container("debug")],
        },
    }


def thing(api: str, kind: str, **fields: Any) -> dict[str, Any]:
    metadata = {
        "name": "kept",
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": SECRET, "note": "kept"},
        "managedFields": [{"manager": SECRET}],
    }
    return {"apiVersion": api, "kind": kind, "metadata": metadata, "status": {"note": SECRET}, **fields}


OBJECTS = {
    "Secret": thing("v1", "Secret", data={"a": SECRET}, stringData={"b": SECRET}),
    "malformed Secret": thing("v1", "Secret", data=[SECRET], stringData=SECRET),
    "ConfigMap": thing("v1", "ConfigMap", data={"a": SECRET}, binaryData={"b": SECRET}),
    "Pod": thing("v1", "Pod", spec=pod()["spec"]),
    "PodTemplate": thing("v1", "PodTemplate", template=pod()),
    "Deployment": thing("apps/v1", "Deployment", spec={"replicas": 2, "template": pod()}),
    "CronJob": thing("batch/v1", "CronJob", spec={"jobTemplate": {"spec": {"template": pod()}}}),
    "Rollout": thing("argoproj.io/v1alpha1", "Rollout", spec={"template": pod()}),
    "Workflow": thing("argoproj.io/v1alpha1", "Workflow", spec={"templates": [{"container": container("step")}]}),
    "SealedSecret": thing("bitnami.com/v1alpha1", "SealedSecret", spec={"template": {"stringData": {"a": SECRET}}}),
    "env as a mapping": thing("v1", "Pod", spec={"containers": [{"name": "x", "env": {"A": SECRET}}]}),
    "env of text": thing("v1", "Pod", spec={"containers": [{"name": "x", "env": [SECRET]}, {"env": SECRET}]}),
    "List": thing("v1", "List", items=[thing("v1", "Secret", data={"a": SECRET}), thing("v1", "Pod", **pod()), "text"]),
    "SecretList": thing("v1", "SecretList", items=[{"metadata": {"name": "x"}, "data": {"a": SECRET}}]),
    "embedded": thing("example.com/v1", "Bundle", spec={"objects": [thing("v1", "Secret", data={"a": SECRET})]}),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_nothing_planted_survives(name: str) -> None:
    before = copy.deepcopy(OBJECTS[name])
    text = msgspec.json.encode(redact(Resource(OBJECTS[name]))).decode()
    assert SECRET not in text
    assert '"kept"' in text
    assert OBJECTS[name] == before, "the object itself must stay as it was"


@pytest.mark.parametrize("key", ["spec", "command", "env", "metadata"])
def test_objects_as_deep_as_sources_let_through(key: str) -> None:
    deepest: Any = {"env": [{"name": "A", "value": SECRET}], "odd \ud800": 1}
    for level in range(480):
        deepest = {key: deepest} if level % 2 else {"list": deepest}
    text = json_text(redact(Resource(thing("example.com/v1", "Deep", spec=deepest))))
    assert SECRET not in text


def test_joined_resources_carry_their_related_objects_redacted() -> None:
    secret = Resource(thing("v1", "Secret", data={"a": SECRET}))
    joined = Resource({"kind": "ServiceAccount", "name": "robot"}, related=(secret, secret))
    assert redact(joined)["relatedObjects"] == [redact(secret)] * 2
    assert SECRET not in str(redact(joined))


def test_names_stay_where_values_go() -> None:
    spec = redact(Resource(OBJECTS["Pod"]))["spec"]["containers"][0]
    assert spec["env"] == [{"name": "PLAIN", "value": MASK}, {"name": "FROM"}]
    assert redact(Resource(OBJECTS["Secret"]))["data"] == {"a": MASK}


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("--anonymous-auth=false", "--anonymous-auth=false"),
        ("--token-auth-file=/etc/tokens.csv", "--token-auth-file=/etc/tokens.csv"),
        ("--service-account-key-file=/etc/sa.pub", "--service-account-key-file=/etc/sa.pub"),
        ("https://example.com/a@b", "https://example.com/a@b"),
        (f"export DB_PASSWORD='{SECRET} two' && run", f"export DB_PASSWORD={MASK} && run"),
        (f"curl -H 'Authorization: Bearer {SECRET}' x", f"curl -H 'Authorization: Bearer {MASK}' x"),
        (f"mysql --password {SECRET} -h db", f"mysql --password {MASK} -h db"),
        ("AKIAIOSFODNN7EXAMPLE", MASK),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", MASK),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----\n", f"{MASK}\n"),
        (f"git clone https://{SECRET}0123456@host/x", f"git clone https://{MASK}@host/x"),
    ],
)
def test_words_of_a_command(word: str, shown: str) -> None:
    pod_object = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"command": ["sh", word]}]}}
    assert redact(Resource(pod_object))["spec"]["containers"][0]["command"] == ["sh", shown]


@pytest.mark.parametrize(
    ("key", "text", "shown"),
    [
        ("acme.io/note", "team=a db-password=kept-secret-4711, ask ann", "team=a db-password=XXXXXX ask ann"),
        ("acme.io/api-token", "kept-secret-4711", "XXXXXX"),
        ("acme.io/owner", "ann", "ann"),
    ],
)
def test_annotations_that_hold_a_secret(key: str, text: str, shown: str) -> None:
    pod = Resource({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "annotations": {key: text}}})
    assert redact(pod)["metadata"]["annotations"] == {key: shown}
