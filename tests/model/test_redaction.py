"""Redaction removes secrets from all fields for secrets in Kubernetes objects."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubekeep.model.redaction import redact, redact_value
from kubekeep.model.resource import Resource
from kubekeep.model.secret_text import MASK, mask_text
from kubekeep.model.text import json_text

FRAGMENTS = [
    *(
        "password=",
        "token: ",
        "--api-key ",
        "-p ",
        "https://",
        "user:",
        "@db/app",
        "Bearer ",
        "hunter22 ",
        "AKIA",
        "\n",
    ),
    *(
        "IOSFODNN7EXAMPLE",
        "ghp_",
        "x" * 36,
        " -----BEGIN ",
        "PRIVATE KEY-----",
        "\u00e9",
        "\u212aey=",
        "\ud800",
        "PIN=",
        "b7",
    ),
]
"""Parts of texts with and without secrets."""
SECRET = "h7Zq-planted"  # noqa: S105 - made up


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


def build_object(api: str, kind: str, **fields: Any) -> dict[str, Any]:
    metadata = {
        "name": "kept",
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": SECRET, "note": "kept"},
        "managedFields": [{"manager": SECRET}],
    }
    return {"apiVersion": api, "kind": kind, "metadata": metadata, "status": {"note": SECRET}, **fields}


OBJECTS = {
    "Secret": build_object("v1", "Secret", data={"a": SECRET}, stringData={"b": SECRET}),
    "malformed Secret": build_object("v1", "Secret", data=[SECRET], stringData=SECRET),
    "ConfigMap": build_object("v1", "ConfigMap", data={"a": SECRET}, binaryData={"b": SECRET}),
    "Pod": build_object("v1", "Pod", spec=pod()["spec"]),
    "PodTemplate": build_object("v1", "PodTemplate", template=pod()),
    "Deployment": build_object("apps/v1", "Deployment", spec={"replicas": 2, "template": pod()}),
    "CronJob": build_object("batch/v1", "CronJob", spec={"jobTemplate": {"spec": {"template": pod()}}}),
    "Rollout": build_object("argoproj.io/v1alpha1", "Rollout", spec={"template": pod()}),
    "Workflow": build_object(
        "argoproj.io/v1alpha1", "Workflow", spec={"templates": [{"container": container("step")}]}
    ),
    "SealedSecret": build_object(
        "bitnami.com/v1alpha1", "SealedSecret", spec={"template": {"stringData": {"a": SECRET}}}
    ),
    "env as a mapping": build_object("v1", "Pod", spec={"containers": [{"name": "x", "env": {"A": SECRET}}]}),
    "env of text": build_object("v1", "Pod", spec={"containers": [{"name": "x", "env": [SECRET]}, {"env": SECRET}]}),
    "List": build_object(
        "v1",
        "List",
        items=[build_object("v1", "Secret", data={"a": SECRET}), build_object("v1", "Pod", **pod()), "text"],
    ),
    "SecretList": build_object("v1", "SecretList", items=[{"metadata": {"name": "x"}, "data": {"a": SECRET}}]),
    "embedded": build_object(
        "example.com/v1", "Bundle", spec={"objects": [build_object("v1", "Secret", data={"a": SECRET})]}
    ),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_no_planted_secret_remains(name: str) -> None:
    before = copy.deepcopy(OBJECTS[name])
    text = msgspec.json.encode(redact(Resource(OBJECTS[name]))).decode()
    assert SECRET not in text
    assert '"kept"' in text
    assert OBJECTS[name] == before, "the object itself must not change"


@pytest.mark.parametrize("key", ["spec", "command", "env", "metadata"])
def test_deepest_objects_of_sources_are_redacted(key: str) -> None:
    deepest: Any = {"env": [{"name": "A", "value": SECRET}], "odd \ud800": 1}
    for level in range(480):
        deepest = {key: deepest} if level % 2 else {"list": deepest}
    text = json_text(redact(Resource(build_object("example.com/v1", "Deep", spec=deepest))))
    assert SECRET not in text


def test_parts_without_secrets_are_shared() -> None:
    plain = {"image": "nginx:1.29", "ports": [{"containerPort": 80}], "odd \ud800": [None, True, 1.5, {}], 3: "x"}
    assert redact_value(plain) is plain
    mixed = redact_value([plain, {"password": SECRET}])
    assert mixed[0] is plain
    assert mixed[1] == {"password": MASK}


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=4).map("".join))
def test_texts_are_masked_wherever_they_are(text: str) -> None:
    masked = mask_text(text)
    assert redact_value([text]) == [masked]
    assert redact_value({"note": text, "more": {"texts": [text]}}) == {"note": masked, "more": {"texts": [masked]}}


def test_too_deep_objects_are_refused() -> None:
    deepest: Any = []
    for _ in range(100_000):
        deepest = [deepest]
    with pytest.raises(RecursionError, match="more than 2000 levels"):
        redact_value(deepest)


@pytest.mark.parametrize("kind", [["Secret"], {}, None, 1, True])
def test_objects_whose_kind_is_not_text_are_redacted(kind: object) -> None:
    resource = Resource(build_object("example.com/v1", "Example", spec={"kind": kind, "password": "hunter2"}))
    assert redact(resource)["spec"] == {"kind": kind, "password": MASK}


def test_related_objects_are_redacted() -> None:
    secret = Resource(build_object("v1", "Secret", data={"a": SECRET}))
    joined = Resource({"kind": "ServiceAccount", "name": "robot"}, related=(secret, secret))
    assert redact(joined)["relatedObjects"] == [redact(secret)] * 2
    assert SECRET not in str(redact(joined))


def test_names_stay_while_values_are_masked() -> None:
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
def test_secrets_in_commands_are_masked(word: str, shown: str) -> None:
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
def test_secrets_in_annotations_are_masked(key: str, text: str, shown: str) -> None:
    pod = Resource({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "annotations": {key: text}}})
    assert redact(pod)["metadata"]["annotations"] == {key: shown}


def test_values_of_the_environment_of_an_image() -> None:
    image = {
        "apiVersion": "image.kubekeep.io/v1",
        "kind": "ContainerImage",
        "metadata": {"name": "a"},
        "config": {"Env": ["PORT=80", "PLAIN"], "User": "1"},
    }
    redacted = redact(Resource(image))
    assert redacted["config"] == {"Env": ["PORT=XXXXXX", "PLAIN=XXXXXX"], "User": "1"}
    assert image["config"] == {"Env": ["PORT=80", "PLAIN"], "User": "1"}
    assert redact(Resource({**image, "kind": "List", "items": [image]}))["items"][0]["config"] == redacted["config"]
    unchanged: list[dict[str, Any] | None] = [None, {}, {"Env": None}, {"Env": "PORT=80"}, {"Env": []}]
    for config in unchanged:
        assert redact(Resource({**image, "config": config}))["config"] == config
    assert redact(Resource({**image, "config": {"Env": ["\ud800=1", 80, "a=b=c"]}}))["config"]["Env"] == [
        "\ud800=XXXXXX",
        "80=XXXXXX",
        "a=XXXXXX",
    ]


@pytest.mark.parametrize("text", ["IOSFODNN7EXAMPLE\ud800", "password=abc\udfff", "\ud800"])
def test_text_with_lone_surrogates(text: str) -> None:
    assert "abc" not in mask_text(text)
