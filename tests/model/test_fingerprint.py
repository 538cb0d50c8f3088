"""Fingerprints are independent of lines, files and list order, and differ between paths."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.model.fingerprint import Identity, evidence_fingerprint, fingerprint, format_stable_path
from kubekeep.model.redaction import redact
from kubekeep.model.resource import Resource
from kubekeep.model.source import Source
from kubekeep.sources.manifests.names import YAML

SECRET = "h7Zq-planted"  # noqa: S105 - made up


def pod(*containers: dict[str, Any], version: str = "v1", file: str = "a.yaml") -> Resource:
    source = Source(file, "/srv", YAML, 0)
    metadata = {"name": "web", "namespace": "shop"}
    return Resource(
        {"apiVersion": version, "kind": "Pod", "metadata": metadata, "spec": {"containers": list(containers)}}, source
    )


def container(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "command": ["serve", SECRET, "--port=80", f"--token={SECRET}", "-pSECRET", "--verbose"],
        "env": [{"name": "TOKEN", "value": SECRET}, {"name": "FROM", "valueFrom": {"secretKeyRef": {"name": "s"}}}],
        "envFrom": [{"secretRef": {"name": SECRET}}],
        "ports": [{"containerPort": 80}, {"containerPort": 81, "protocol": "UDP"}],
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - a path in a container
        "securityContext": {"capabilities": {"add": ["SYS_ADMIN", "NET_RAW"]}},
        **fields,
    }


def subject(rules: list[dict[str, Any]], subjects: list[dict[str, Any]], *, version: str = "v1") -> Resource:
    api = f"rbac.authorization.k8s.io/{version}"
    role = Resource({"apiVersion": api, "kind": "ClusterRole", "metadata": {"name": "r"}, "rules": rules})
    bound = {"apiVersion": api, "kind": "ClusterRoleBinding", "metadata": {"name": "b"}, "subjects": subjects}
    return Resource(
        {"kind": "ServiceAccount", "name": "s", "namespace": "n", "relatedObjects": []},
        related=(Resource(bound), role),
    )


@pytest.mark.parametrize(
    ("path", "stable"),
    [
        ("", ""),
        ("spec.hostPID", "spec.hostPID"),
        ("spec.containers[1].image", "spec.containers[name=app].image"),
        ("spec.containers[2].image", "spec.containers[+].image"),
        ("spec.containers[1].env[0].value", "spec.containers[name=app].env[name=TOKEN].value"),
        ("spec.containers[1].envFrom[0].secretRef", "spec.containers[name=app].envFrom[0].secretRef"),
        ("spec.containers[1].ports[0].hostPort", "spec.containers[name=app].ports[containerPort=80].hostPort"),
        ("spec.containers[1].ports[1]", "spec.containers[name=app].ports[containerPort=81,protocol=UDP]"),
        ("spec.containers[1].volumeMounts[0]", "spec.containers[name=app].volumeMounts[name=tmp]"),
        (
            "spec.containers[1].securityContext.capabilities.add[1]",
            "spec.containers[name=app].securityContext.capabilities.add[=NET_RAW]",
        ),
        (
            "spec.containers[1].securityContext.capabilities.drop[0]",
            "spec.containers[name=app].securityContext.capabilities.drop[+]",
        ),
        ("spec.containers[1].command[1]", "spec.containers[name=app].command[1]"),
        ("spec.containers[1].command[2]", "spec.containers[name=app].command[--port]"),
        ("spec.containers[1].command[3]", "spec.containers[name=app].command[--token]"),
        ("spec.containers[1].command[4]", "spec.containers[name=app].command[4]"),
        ("no path ]]", "no path ]]"),
    ],
)
def test_stable_paths(path: str, stable: str) -> None:
    resource = pod(container("side"), container("app"))
    assert format_stable_path(resource, path) == stable
    assert format_stable_path(Resource(redact(resource)), path) == stable, "the redacted copy has the same path"


def test_values_of_custom_kinds_are_excluded() -> None:
    custom = {"apiVersion": "example.com/v1", "kind": "Thing", "spec": {"words": [SECRET], "items": [{"key": SECRET}]}}
    assert format_stable_path(Resource(custom), "spec.words[0]") == "spec.words[0]"
    assert format_stable_path(Resource(custom), "spec.items[0].key") == "spec.items[0].key"


def test_order_of_rules_and_subjects_is_irrelevant() -> None:
    pods = {"apiGroups": [""], "resources": ["pods", "secrets"], "verbs": ["get", "list"]}
    nodes = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}
    mine, other = {"kind": "User", "name": "a"}, {"kind": "Group", "name": "a"}
    before = subject([pods, nodes], [mine, other])
    after = subject([nodes, {**pods, "resources": ["secrets", "pods"], "verbs": ["list", "get"]}], [other, mine])
    for old, new in (
        ("relatedObjects[1].rules[0].verbs[1]", "relatedObjects[1].rules[1].verbs[0]"),
        ("relatedObjects[0].subjects[0]", "relatedObjects[0].subjects[1]"),
    ):
        assert evidence_fingerprint("C-0007", before, old) == evidence_fingerprint("C-0007", after, new)
        assert evidence_fingerprint("C-0007", before, old) != evidence_fingerprint("C-0007", before, new)


def test_file_version_and_other_containers_are_irrelevant() -> None:
    path = "spec.containers[{}].image"
    expected = evidence_fingerprint("C-0001", pod(container("app")), path.format(0))
    moved = pod(container("side"), container("app", image="x"), version="v2", file="b.yaml")
    assert evidence_fingerprint("C-0001", moved, path.format(1)) == expected
    assert evidence_fingerprint("C-0001", moved, path.format(0)) != expected
    assert evidence_fingerprint("C-0002", moved, path.format(1)) != expected


def test_identity_of_joined_subject_includes_its_parts() -> None:
    here, newer = subject([], []), subject([], [], version="v1beta1")
    assert Identity.from_subject(here) == Identity.from_subject(newer)
    alone = Resource({"kind": "ServiceAccount", "name": "s", "namespace": "n"})
    assert Identity.from_subject(alone) != Identity.from_subject(here)


def test_parts_are_separated() -> None:
    texts = {
        fingerprint("a", Identity("", "b", "c", "d")),
        fingerprint("ab", Identity("", "", "c", "d")),
        fingerprint("a", Identity("", "b", "", "cd")),
        fingerprint("a", Identity("", "b", "c", "d"), ""),
        fingerprint("", Identity("", "b", "c", "d")),
    }
    assert len(texts) == 5


def test_malformed_text_has_a_fingerprint() -> None:
    strange = Resource({"apiVersion": [], "kind": {}, "metadata": {"name": "\ud800\x00", "namespace": 7}})
    assert len(evidence_fingerprint("\ud800", strange, "spec[\ud800")) == 64


def test_fingerprint_of_existing_baselines() -> None:
    """Guard the format: a change invalidates all existing baselines and requires a new VERSION and a migration."""
    value = evidence_fingerprint("C-0057", pod(container("app")), "spec.containers[0].securityContext.privileged")
    assert value == "06805c902657b986ae6680ad190511baa83cdd088b9b21776234f7043c5c1e5a"


def test_instructions_and_files_are_counted_by_their_names() -> None:
    commands = [{"program": "curl", "command": ["curl", "-k", "x"]}, {"program": "curl", "command": ["curl"]}]
    steps = [{"instruction": "RUN", "commands": []}, {"instruction": "USER", "user": "a"}]
    stages = [{"name": "build", "instructions": [*steps, {"instruction": "RUN", "commands": commands}]}]
    dockerfile = Resource({"apiVersion": "docker.kubekeep.io/v1", "kind": "Dockerfile", "stages": stages})
    path = "stages[0].instructions[2].commands[1].command[0]"
    assert format_stable_path(dockerfile, path) == "stages[name=build].instructions[RUN 1].commands[curl 1].command[0]"
    files = [{"path": "/a"}, {"path": "/b"}, {"path": "/b"}, {}]
    image = Resource({"apiVersion": "image.kubekeep.io/v1", "kind": "ContainerImage", "files": files})
    assert format_stable_path(image, "files[2].mode") == "files[/b 1].mode"
    assert format_stable_path(image, "files[3]") == "files[3]"
    other = Resource({"apiVersion": "example.com/v1", "kind": "Shop", "files": files})
    assert format_stable_path(other, "files[2]") == "files[2]"


def test_many_elements_are_counted_once() -> None:
    """Findings in a list of thousands of packages, of a packed object too, whose path is the same as for an unpacked one."""
    packages = [{"purl": f"pkg:deb/debian/p{number % 3000}"} for number in range(20_000)]
    image = Resource({"apiVersion": "image.kubekeep.io/v1", "kind": "ContainerImage", "packages": packages})
    packed = image.pack()
    paths = [f"packages[{number}].licences" for number in range(len(packages))]
    formatted = [format_stable_path(image, path) for path in paths]
    assert [format_stable_path(packed, path) for path in paths] == formatted
    assert formatted[2999:3001] == [
        "packages[pkg:deb/debian/p2999 0].licences",
        "packages[pkg:deb/debian/p0 1].licences",
    ]
    packages.append({"purl": "pkg:deb/debian/p0"})
    assert format_stable_path(image, "packages[20000]") == "packages[pkg:deb/debian/p0 7]"


def test_redacted_dockerfile_has_the_same_paths() -> None:
    step = {"instruction": "ENV", "env": [{"name": "TOKEN", "value": SECRET}]}
    document = {"apiVersion": "docker.kubekeep.io/v1", "kind": "Dockerfile", "stages": [{"instructions": [step]}]}
    path = "stages[0].instructions[0].env[0].value"
    redacted = Resource(redact(Resource(document)))
    assert SECRET not in str(redacted.object)
    assert format_stable_path(redacted, path) == format_stable_path(Resource(document), path)
