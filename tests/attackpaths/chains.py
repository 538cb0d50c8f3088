"""Helpers to write small clusters and to render attack paths as chains of labels. Never asserts."""

from __future__ import annotations

import yaml

from kubekeep.attackpaths.find import compute_attack_paths
from kubekeep.model.attack import AttackPath, AttackQuery, Attacks
from kubekeep.model.resource import Resource
from kubekeep.posture.roles import FILES, RoleCoverage


def find_paths(text: str, *sources: str, to: str = "", most: int = 1000, roles: RoleCoverage = FILES) -> Attacks:
    """Find the attack paths in the documents of `text`, without any evaluated control."""
    resources = [Resource(document) for document in yaml.load_all(text, yaml.CSafeLoader) if document]
    return compute_attack_paths(resources, [], {}, AttackQuery(sources, (to,) if to else (), most), roles)


def chain(path: AttackPath) -> str:
    """Return a path as `internet > Service a/b > ...`."""
    return " > ".join((path.source.label, *(edge.target.label for edge in path.edges)))


def chains(text: str, *sources: str, to: str = "") -> list[str]:
    """Return the paths in `text` as chains, the worst first."""
    return [chain(path) for path in find_paths(text, *sources, to=to).paths]


def pod(spec: str = "", container: str = "", name: str = "web", namespace: str = "shop") -> str:
    """Return a Pod with one container; `spec` and `container` are additional fields in flow style (`a: 1, b: 2`)."""
    more = f", {spec}" if spec else ""
    fields = f", {container}" if container else ""
    return f"""
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {namespace}, labels: {{app: {name}}}}}
spec: {{containers: [{{name: c, image: i{fields}}}]{more}}}
---"""


def service(fields: str = "type: LoadBalancer", name: str = "web", namespace: str = "shop") -> str:
    """Return a Service for the pods of that name, on port 80."""
    return f"""
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{selector: {{app: {name}}}, ports: [{{port: 80}}], {fields}}}
---"""


def role(rules: str, *, cluster: bool = False, subject: str = "kind: ServiceAccount, name: default") -> str:
    """Return a role with these rules in flow style, bound to a subject in its namespace or in the cluster."""
    kind = "ClusterRole" if cluster else "Role"
    place = "" if cluster else ", namespace: shop"
    named = f"{subject}, namespace: shop" if "ServiceAccount" in subject else subject
    return f"""
apiVersion: rbac.authorization.k8s.io/v1
kind: {kind}
metadata: {{name: r{place}}}
rules: {rules}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {kind}Binding
metadata: {{name: b{place}}}
subjects: [{{{named}}}]
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {kind}, name: r}}
---"""
