"""Generate a corpus of N varied Kubernetes objects: `python benchmarks/corpus.py N FOLDER`.

The same N always results in the same files: workloads of every kind with one to four containers, services, RBAC,
network policies, config maps and namespaces, secure and insecure, 20 objects per file. All content is fictitious.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

PER_FILE = 20
CAPABILITIES = ("NET_ADMIN", "NET_BIND_SERVICE", "SYS_ADMIN", "CHOWN", "SYS_PTRACE")
REGISTRIES = ("registry.example.com/shop", "ghcr.io/example", "docker.io/library")


def objects(count: int) -> Iterator[dict[str, Any]]:
    """Yield `count` objects in a fixed mixture."""
    dice = random.Random(count)
    makers = (
        *(_workload,) * 10,
        *(_service,) * 3,
        _config_map,
        _config_map,
        _role,
        _binding,
        _network_policy,
        _account,
    )
    for number in range(count):
        yield dice.choice(makers)(dice, number)


def _meta(dice: random.Random, number: int, kind: str) -> dict[str, Any]:
    labels = {"app": f"app-{number % 97}", "team": f"team-{dice.randrange(12)}", "env": dice.choice(("prod", "test"))}
    return {"name": f"{kind.lower()}-{number}", "namespace": f"ns-{number % 40}", "labels": labels}


def _maybe(dice: random.Random, chance: float, value: dict[str, Any]) -> dict[str, Any]:
    return value if dice.random() < chance else {}


def _container(dice: random.Random, number: int) -> dict[str, Any]:
    context = (
        _maybe(dice, 0.6, {"allowPrivilegeEscalation": dice.random() < 0.3})
        | _maybe(dice, 0.5, {"readOnlyRootFilesystem": dice.random() < 0.7})
        | _maybe(dice, 0.08, {"privileged": True})
        | _maybe(dice, 0.4, {"runAsUser": dice.choice((0, 1000, 10001)), "runAsGroup": 1000})
        | _maybe(dice, 0.4, {"capabilities": {"drop": ["ALL"], "add": dice.sample(CAPABILITIES, dice.randrange(2))}})
    )
    return (
        {
            "name": f"c{number}",
            "image": f"{dice.choice(REGISTRIES)}/image-{dice.randrange(200)}:{dice.choice(('latest', '1.0', f'2.{number}'))}",
            "ports": [
                {"containerPort": 8000 + number, "name": "http"} | _maybe(dice, 0.05, {"hostPort": 8000 + number})
            ],
            "env": [
                {"name": f"SETTING_{index}", "value": f"value-{dice.randrange(1000)}"}
                for index in range(dice.randrange(8))
            ]
            + ([{"name": "DB_PASSWORD", "value": f"pw-{number}"}] if dice.random() < 0.1 else []),
            "volumeMounts": [{"name": "data", "mountPath": "/data"} | _maybe(dice, 0.3, {"readOnly": True})],
        }
        | _maybe(dice, 0.9, {"securityContext": context})
        | _maybe(
            dice,
            0.6,
            {"resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}}},
        )
        | _maybe(dice, 0.5, {"readinessProbe": {"httpGet": {"path": "/ready", "port": 8000 + number}}})
    )


def _pod_spec(dice: random.Random) -> dict[str, Any]:
    volumes: tuple[dict[str, Any], ...] = (
        {"emptyDir": {}},
        {"configMap": {"name": "settings"}},
        {"hostPath": {"path": "/var/data"}},
    )
    return (
        {
            "containers": [_container(dice, number) for number in range(dice.choice((1, 1, 1, 2, 2, 3)))],
            "volumes": [{"name": "data", **dice.choice(volumes)}],
            "serviceAccountName": f"account-{dice.randrange(60)}",
        }
        | _maybe(dice, 0.3, {"initContainers": [_container(dice, 9)]})
        | _maybe(dice, 0.05, {"hostNetwork": True})
        | _maybe(dice, 0.05, {"hostPID": True})
        | _maybe(dice, 0.4, {"automountServiceAccountToken": False})
        | _maybe(dice, 0.5, {"securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}})
    )


def _workload(dice: random.Random, number: int) -> dict[str, Any]:
    kind = dice.choice(("Deployment", "Deployment", "Deployment", "StatefulSet", "DaemonSet", "Pod", "Job", "CronJob"))
    meta = _meta(dice, number, kind)
    template = {"metadata": {"labels": meta["labels"]}, "spec": _pod_spec(dice)}
    match kind:
        case "Pod":
            return {"apiVersion": "v1", "kind": kind, "metadata": meta, "spec": template["spec"]}
        case "Job":
            return {"apiVersion": "batch/v1", "kind": kind, "metadata": meta, "spec": {"template": template}}
        case "CronJob":
            schedule = {"schedule": "0 * * * *", "jobTemplate": {"spec": {"template": template}}}
            return {"apiVersion": "batch/v1", "kind": kind, "metadata": meta, "spec": schedule}
        case _:
            spec: dict[str, Any] = {
                "replicas": dice.randrange(1, 6),
                "selector": {"matchLabels": meta["labels"]},
                "template": template,
            }
            return {"apiVersion": "apps/v1", "kind": kind, "metadata": meta, "spec": spec}


def _service(dice: random.Random, number: int) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "selector": {"app": f"app-{dice.randrange(97)}"},
        "ports": [{"port": 80, "targetPort": 8000}],
    }
    kind = {"type": dice.choice(("ClusterIP", "NodePort", "LoadBalancer"))}
    return {"apiVersion": "v1", "kind": "Service", "metadata": _meta(dice, number, "service"), "spec": spec | kind}


def _config_map(dice: random.Random, number: int) -> dict[str, Any]:
    values = {f"key-{index}": f"value {dice.randrange(10_000)}" for index in range(dice.randrange(1, 12))}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _meta(dice, number, "config"), "data": values}


def _role(dice: random.Random, number: int) -> dict[str, Any]:
    meta: dict[str, Any] = _meta(dice, number, "role") | {"name": f"role-{number % 50}"}
    verbs = dice.choice((["get", "list"], ["*"], ["create", "delete"]))
    rules = [
        {"apiGroups": [""], "resources": dice.sample(["pods", "secrets", "pods/exec", "configmaps"], 2), "verbs": verbs}
    ]
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta, "rules": rules}


def _binding(dice: random.Random, number: int) -> dict[str, Any]:
    subjects = [{"kind": "ServiceAccount", "name": f"account-{dice.randrange(60)}", "namespace": f"ns-{number % 40}"}]
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": f"role-{number % 50}"}
    meta = _meta(dice, number, "binding")
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": meta,
        "subjects": subjects,
        "roleRef": reference,
    }


def _network_policy(dice: random.Random, number: int) -> dict[str, Any]:
    selector = dice.choice(({}, {"matchLabels": {"app": f"app-{dice.randrange(97)}"}}))
    spec = {"podSelector": selector, "policyTypes": dice.choice((["Ingress"], ["Ingress", "Egress"]))}
    meta = _meta(dice, number, "policy")
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec}


def _account(dice: random.Random, number: int) -> dict[str, Any]:
    meta = _meta(dice, number, "account") | {"name": f"account-{dice.randrange(60)}"}
    token = _maybe(dice, 0.5, {"automountServiceAccountToken": dice.random() < 0.5})
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta, **token}


def write(count: int, folder: Path) -> None:
    """Write `count` objects below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    all_objects = list(objects(count))
    for start in range(0, count, PER_FILE):
        text = yaml.dump_all(all_objects[start : start + PER_FILE], Dumper=yaml.CSafeDumper, sort_keys=False)
        (folder / f"objects-{start:06}.yaml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(int(sys.argv[1]), Path(sys.argv[2]))
