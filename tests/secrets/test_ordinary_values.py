"""Ordinary values are not masked: names, images, flags of the control plane, paths, references and labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kubekeep.model.redaction import redact, redact_value
from kubekeep.model.resource import Resource
from kubekeep.model.secret_text import MASK, mask_command, mask_text
from kubekeep.privacy.masking import mask_lines
from kubekeep.sources.manifests.read import read_file
from kubekeep.sources.source import Root
from kubekeep.sources.tree import DEFAULT_LIMITS

_EXAMPLES = Path(__file__).parents[2] / "examples"
_REMOVED = {"status", "managedFields", "envFrom", "valueFrom", "kubectl.kubernetes.io/last-applied-configuration"}

TEXTS = (
    "registry.example.com/team/app-token:1.2.3",
    "quay.io/team/secret-store@sha256:" + "0123456789abcdef" * 4,
    "system:serviceaccount:kube-system:token-cleaner",
    "the token: is read from a file",
    "could not read secret: not found",
    "container web has no seccomp, AppArmor or SELinux profile",
    "image nginx:1.29 has a mutable tag",
    "set automountServiceAccountToken to false",
    "spec.template.spec.containers[0].env[3].valueFrom.secretKeyRef.key",
    "Secret shop/database-password is mounted by 3 workloads",
    "https://example.com/a@b",
    "http://web.shop.svc.cluster.local:8080/@scope/package",
    "https://github.com/acme/shop/blob/main/deploy/api-key-rotation.md",
    "key=value,app=web",
    "app.kubernetes.io/name=token-server",
    "--bypass=compass",
    "--max-tokens=4096",
    "password: ",
    "password: true",
    '{"token": null, "password": "", "secretName": "web-tls"}',
    "password: $(DATABASE_PASSWORD)",
    "token: {{ .Values.token }}",
    "2026-11-28T10:06:05Z",
    "9c5b94b1-35ad-49bb-b118-8e8fc24abf80",
    "ingress-nginx-controller-7d5fb757db-8xk2p",
    "us-west-2.compute.internal",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "object.spec.automountServiceAccountToken == false",
    "password = var.db_password",
    "token = true",
    "kind: Secret",
    "the field data of a Secret is masked",
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJrVENCKwo=",
    "set $upstream http://web:8080;",
    "web.shop.svc:8080:path",
)
COMMANDS = (
    [
        "kube-apiserver",
        "--anonymous-auth=false",
        "--token-auth-file=/etc/tokens.csv",
        "--service-account-key-file=/etc/sa.pub",
        "--tls-private-key-file=/etc/kubernetes/pki/apiserver.key",
        "--etcd-servers=https://127.0.0.1:2379",
        "--tls-cipher-suites=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "--feature-gates=RotateKubeletServerCertificate=true,ValidatingAdmissionPolicy=true",
        "--authorization-mode=Node,RBAC",
    ],
    ["nginx", "-g", "daemon off;"],
    ["docker", "run", "-p", "8080:80", "nginx"],
    ["app", "-n", "kube-system", "-p", "8080", "-c", "/etc/app/config-v2.yaml", "--key", "/etc/tls/tls.key"],
    ["mysqld", "--port=3306", "-P", "3306"],
    ["java", "-XX:+UseG1GC", "-Xmx512m", "-Dserver.port=8080", "-jar", "/app/app-1.2.3.jar"],
    ["curl", "-sSf", "-o", "/dev/null", "http://localhost:8080/healthz"],
    ["sh", "-c", "mysql -h db shop; curl -u $USER http://localhost/; ssh -p 22 host"],
    ["7z", "x", "a.7z"],
    ["unzip", "-o", "a.zip", "-d", "/data"],
    ["htpasswd", "-c", "/etc/passwords", "ann"],
    ["vault", "server", "-config", "/etc/vault.hcl"],
    ["mc", "ls", "s3/shop"],
    ["rabbitmqctl", "status"],
    ["--sort-key", "name", "--key=/etc/x.key", "--cookie", "strict", "--salt=on"],
)


@pytest.mark.parametrize("text", TEXTS)
def test_ordinary_text_stays(text: str) -> None:
    assert mask_text(text) == text


@pytest.mark.parametrize("words", COMMANDS)
def test_ordinary_command_stays(words: list[str]) -> None:
    assert mask_command(words) == words


def test_fields_of_ordinary_objects_stay() -> None:
    spec = {
        "labels": {"env": "production", "args": "a", "kind": "Secret"},
        "selector": {"env": "production"},
        "serviceAccountName": "token-server",
        "automountServiceAccountToken": False,
        "imagePullSecrets": [{"name": "registry"}],
        "tolerations": [{"key": "nvidia.com/gpu.a100", "operator": "Exists"}],
        "topologySpreadConstraints": [{"topologyKey": "topology.kubernetes.io/zone", "maxSkew": 1}],
        "volumes": [
            {
                "name": "token",
                "projected": {"sources": [{"serviceAccountToken": {"path": "token", "expirationSeconds": 60}}]},
            },
            {"name": "tls", "secret": {"secretName": "web-tls", "items": [{"key": "tls.key", "path": "tls.key"}]}},
            {
                "name": "csi",
                "csi": {"driver": "x.io", "volumeAttributes": {"secretProviderClass": "vault-db1", "share": "a"}},
            },
        ],
        "passwordSecretRef": {"name": "database", "key": "password1"},
        "secretName": "database-2",
        "secret": "my-tls-2",
        "secretKey": "password",
        "parameters": [{"name": "replicas", "value": "2"}, {"name": "image.tag", "value": "v1.2.3"}],
        "data": [{"secretKey": "password", "remoteRef": {"key": "shop/db1"}}],
    }
    resource = Resource({"apiVersion": "acme.io/v1", "kind": "Widget", "metadata": {"name": "a"}, "spec": spec})
    assert redact(resource)["spec"] == spec
    assert redact_value({"a": [None, 1, True, 1.5, {}]}) == {"a": [None, 1, True, 1.5, {}]}


@pytest.mark.parametrize("path", sorted(_EXAMPLES.rglob("*.yaml")), ids=str)
def test_examples_have_nothing_to_mask_beyond_fields_of_secrets(path: Path) -> None:
    for resource in read_file(Root("manifests", str(path), str(path), ""), DEFAULT_LIMITS):
        if isinstance(resource, Resource) and resource.kind not in {"Secret", "ConfigMap"}:
            _compare(resource.object, redact(resource))


def _compare(before: Any, after: Any) -> None:
    """Compare an object with its redacted copy, except fields that are always masked or removed."""
    if isinstance(before, dict):
        assert before.keys() - after.keys() <= _REMOVED
        for key, value in after.items():
            if key not in {"env", "httpHeaders", "data", "stringData"}:
                _compare(before[key], value)
    elif isinstance(before, list):
        for one, other in zip(before, after, strict=True):
            _compare(one, other)
    else:
        assert before == after, json.dumps(before)


def test_lines_of_a_manifest_stay() -> None:
    text = "spec:\n  serviceAccountName: token-server\n  containers:\n  - image: app:1.2\n    args: [--port, '80']\n"
    assert mask_lines(text) == text.split("\n")
    assert MASK not in text
