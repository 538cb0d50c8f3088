"""Locations of values of built objects, checked by hand for every feature."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kubekeep.model.location import parse_path
from kubekeep.model.resource import Resource
from kubekeep.sources.kustomize.build import Kustomizations
from kubekeep.sources.source import Root
from tests.sources.kustomize.builds import build_with_kustomize, describe_location, resources, write_tree
from tests.sources.kustomize.features import BUILT, CHART, TREES

POD = "spec.template.spec"
FIRST = f"{POD}.containers[0]"

EXPECTED: dict[str, dict[str, dict[str, str]]] = {
    "overlays": {
        "Deployment/staging-web-prod": {
            "": "base/deployment.yaml: apiVersion: apps/v1",
            "apiVersion": "base/deployment.yaml: apiVersion: apps/v1",
            "kind": "base/deployment.yaml: kind: Deployment",
            "metadata.name": "base/deployment.yaml: name: web",
            "metadata.namespace": "prod/kustomization.yaml: namespace: production",
            "metadata.labels": "base/deployment.yaml: labels: {tier: front}",
            "metadata.labels.tier": "base/deployment.yaml: labels: {tier: front}",
            "metadata.labels.stage": "staging/kustomization.yaml: stage: staging-pair",
            "metadata.labels.team": "prod/kustomization.yaml: team: prod-team",
            "metadata.labels.plain": "prod/kustomization.yaml: plain: prod-plain",
            "metadata.annotations": "staging/kustomization.yaml: commonAnnotations:",
            "metadata.annotations.owner": "staging/kustomization.yaml: owner: staging-owner",
            "spec.replicas": "prod/replicas.yaml: replicas: 7",
            "spec.selector.matchLabels.app": "base/deployment.yaml: app: web",
            "spec.selector.matchLabels.stage": "staging/kustomization.yaml: stage: staging-pair",
            "spec.template.metadata.labels.stage": "staging/kustomization.yaml: stage: staging-pair",
            "spec.template.metadata.labels.team": "prod/kustomization.yaml: team: prod-team",
            "spec.template.metadata.annotations.owner": "staging/kustomization.yaml: owner: staging-owner",
            f"{FIRST}.image": "base/deployment.yaml: image: registry.test/web:1.0",
            # Missing: the nearest existing ancestor.
            f"{FIRST}.resources.limits": "base/deployment.yaml: - name: web",
            f"{FIRST}.securityContext.runAsNonRoot": "base/deployment.yaml: securityContext:",
            f"{POD}.securityContext": "base/deployment.yaml: spec:",
        },
        "Service/staging-web-prod": {
            "spec.selector.app": "base/service.yaml: app: web",
            "spec.selector.stage": "staging/kustomization.yaml: stage: staging-pair",
            "metadata.labels": "staging/kustomization.yaml: - pairs:",
        },
        "ConfigMap/shop-prod": {"data.a": 'prod/config.json: "a": "json-a"}}'},
    },
    "strategic": {
        "Deployment/web": {
            "metadata.labels": "base/deployment.yaml: metadata:",
            "apiVersion": "base/deployment.yaml: apiVersion: apps/v1",
            f"{POD}.containers": "base/deployment.yaml: containers:",
            f"{FIRST}": "prod/patch.yaml: - name: sidecar",
            f"{FIRST}.image": "prod/patch.yaml: image: sidecar-image",
            f"{FIRST}.securityContext": "prod/patch.yaml: - name: sidecar",
            f"{POD}.containers[1].name": "base/deployment.yaml: - name: web",
            f"{POD}.containers[1].image": "base/deployment.yaml: image: registry.test/web:1.0",
            f"{POD}.containers[1].args": "prod/patch.yaml: args: [--patched]",
            f"{POD}.containers[1].args[0]": "prod/patch.yaml: args: [--patched]",
            f"{POD}.containers[1].securityContext": "prod/patch.yaml: securityContext:",
            f"{POD}.containers[1].securityContext.runAsUser": "prod/patch.yaml: runAsUser: 0",
            f"{POD}.containers[1].securityContext.privileged": "prod/patch.yaml: securityContext:",
            f"{POD}.containers[1].ports[0].containerPort": "base/deployment.yaml: - containerPort: 8080",
            f"{POD}.initContainers": "prod/patch.yaml: initContainers:",
            f"{POD}.initContainers[0].image": "prod/patch.yaml: image: init-image",
            f"{POD}.tolerations[0].key": "prod/patch.yaml: - key: patch-toleration",
            f"{POD}.hostNetwork": "prod/kustomization.yaml: hostNetwork: true",
            f"{POD}.volumes": "prod/kustomization.yaml: volumes:",
            f"{POD}.volumes[0].hostPath.path": "prod/kustomization.yaml: hostPath: {path: /srv}",
        },
        "Service/web": {
            "spec.type": "prod/kustomization.yaml: type: NodePort",
            "spec.ports[0].port": "prod/kustomization.yaml: - port: 443",
            "spec.ports[1].port": "base/service.yaml: - port: 80",
            "spec.ports[1].targetPort": "base/service.yaml: targetPort: http",
        },
    },
    "operations": {
        "Deployment/web": {
            f"{FIRST}.image": "prod/kustomization.yaml: value: operation-image",
            f"{FIRST}.securityContext": "base/deployment.yaml: securityContext:",
            f"{FIRST}.securityContext.allowPrivilegeEscalation": "prod/operations.yaml: value: true",
            f"{FIRST}.securityContext.privileged": "base/deployment.yaml: securityContext:",
            f"{FIRST}.env[0].value": "prod/operations.yaml: value: {name: FIRST, value: operation-first}",
            f"{FIRST}.env[1].value": "base/deployment.yaml: value: base-mode",
            f"{POD}.containers[1].args[0]": "prod/operations.yaml: - op: copy",
            f"{POD}.containers[2]": "prod/kustomization.yaml: value:",
            f"{POD}.containers[2].image": "prod/kustomization.yaml: image: added-image",
            f"{POD}.containers[2].securityContext": "prod/kustomization.yaml: value:",
        },
        "Service/web": {"spec.type": 'prod/operations.json: "value": "LoadBalancer"}'},
        "ConfigMap/one": {
            "data.a": "prod/extra.yaml: data: {a: list-a}",
            'data["b/c"]': """prod/kustomization.yaml: patch: '[{"op": "add", "path": "/data/b~1c", "value": "flow-value"}]'""",
        },
        "ConfigMap/two": {"data.a": "prod/extra.yaml: a: list-b", "": "prod/extra.yaml: - apiVersion: v1"},
    },
    "components": {
        "Deployment/p-web": {
            f"{FIRST}.image": "parts/loud/kustomization.yaml: newTag: loud-tag",
            f"{POD}.shareProcessNamespace": "parts/debug/kustomization.yaml: shareProcessNamespace: true",
            "metadata.annotations.loud": 'parts/loud/kustomization.yaml: commonAnnotations: {loud: "yes"}',
        },
        "Pod/p-tool": {
            "spec.containers[0].image": "parts/debug/tool.yaml: - {name: tool, image: tool-image}",
            "spec.securityContext": "parts/debug/tool.yaml: spec:",
        },
    },
    "generators": {
        "Pod/user": {
            "spec.containers[0].envFrom[0].configMapRef.name": "prod/user.yaml: name: settings",
            "spec.containers[0].envFrom[1].secretRef.name": "prod/user.yaml: - secretRef: {name: token}",
        },
        "Secret/token": {
            "data.password": "prod/kustomization.yaml: literals: [password=hunter-literal]",
            "type": "prod/kustomization.yaml: type: Opaque",
            "metadata.name": "prod/kustomization.yaml: - name: token",
            "metadata.annotations.note": "prod/kustomization.yaml: note: by-generator",
        },
        "ConfigMap/settings-*": {
            "": "prod/kustomization.yaml: - name: settings",
            "data": "prod/kustomization.yaml: - name: settings",
            "data.colour": "prod/kustomization.yaml: - colour=literal-red",
            "data.quoted": 'prod/kustomization.yaml: - quoted="literal quoted"',
            'data["notes.txt"]': "prod/notes.txt: first line",
            "data.renamed": "prod/sub/other.conf: other",
            "data.SIZE": "prod/settings.env: SIZE=env-large",
            "data.SHAPE": "prod/settings.env: SHAPE=env-round",
            "metadata.labels.made": "prod/kustomization.yaml: labels: {made: by-options}",
            "immutable": "prod/kustomization.yaml: - name: settings",
        },
        "ConfigMap/made-*": {
            "data.kept": "made/kustomization.yaml: - kept=made-value",
            "data.added": "prod/kustomization.yaml: literals: [added=merged-value]",
        },
    },
    "images": {
        "Deployment/web": {
            f"{FIRST}.image": 'prod/kustomization.yaml: newTag: "2.0"',
            f"{POD}.containers[1].image": "prod/kustomization.yaml: digest: sha256:24a0c4b4a4c0eb97a1aabb8e29f18e917d05abfe1b7a7c07857230879ce7d3d3",
            "spec.replicas": "prod/kustomization.yaml: count: 5",
        }
    },
    "replacements": {
        "Deployment/web": {
            f"{FIRST}.env[0].value": "prod/kustomization.yaml: - spec.template.spec.containers.[name=web].env.[name=MODE].value",
            f"{FIRST}.env[1].value": "base/deployment.yaml: value: base-old",
            f"{POD}.containers[1].image": "prod/more.yaml: - spec.template.spec.containers.1.image",
            f"{FIRST}.args[1]": "prod/kustomization.yaml: value: --to=$(SERVICE_NAME)",
            f"{FIRST}.args[0]": "base/deployment.yaml: args: [--verbose, --slow]",
            'metadata.annotations["mode/of.web"]': r"prod/kustomization.yaml: - metadata.annotations.mode/of\.web",
        }
    },
    "configured": {
        "Deployment/front-web": {
            f"{POD}.containers[1].image": "prod/prefix.yaml: newTag: transformed",
            "spec.selector.matchLabels.app": "prod/kustomization.yaml: app: configured",
        },
        "Machine/front-mill": {
            "spec.engine.image": "prod/kustomization.yaml: - {name: registry.test/engine, newTag: configured-tag}",
            "spec.service": "prod/machine.yaml: service: web",
            "spec.speed": "prod/kustomization.yaml: value: 9",
            "spec.ports[1].port": "prod/machine.yaml: - port: 2",
        },
    },
    "twice": {
        "Deployment/left-web": {
            "spec.paused": "left/p.yaml: spec: {paused: true}",
            "spec.replicas": "base/deployment.yaml: replicas: 1",
            "metadata.namespace": "prod/kustomization.yaml: namespace: both",
        },
        "Deployment/right-web": {
            "spec.paused": "base/deployment.yaml: spec:",
            "spec.replicas": "right/kustomization.yaml: replicas: [{name: web, count: 3}]",
        },
    },
    "legacy": {
        "Deployment/web": {
            f"{POD}.hostPID": "prod/merge.yaml: hostPID: true",
            f"{POD}.containers[1].image": "prod/kustomization.yaml: newTag: legacy-tag",
            "spec.template.metadata.labels.legacy": "prod/kustomization.yaml: commonLabels: {legacy: common}",
        },
        "Service/web": {
            "spec.sessionAffinity": "prod/merge.yaml: sessionAffinity: ClientIP",
            "spec.externalName": "prod/kustomization.yaml: externalName: legacy-inline",
            "spec.selector.legacy": "prod/kustomization.yaml: commonLabels: {legacy: common}",
        },
    },
    "schema": {
        "Engine/mill": {
            "spec.containers[0].name": "prod/engine.yaml: - name: two",
            "spec.containers[0].image": "prod/engine.yaml: image: two-image",
            "spec.containers[0].args[0]": "prod/patch.yaml: args: [patched]",
            "spec.containers[1].image": "prod/engine.yaml: image: one-image",
        }
    },
    "access": {
        "ClusterRoleBinding/a-admins": {
            "roleRef.name": "prod/rbac.yaml: roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}",
            "subjects[0].namespace": "prod/kustomization.yml: namespace: moved",
            "subjects[0].name": "prod/rbac.yaml: name: default",
        },
        "Namespace/moved": {"metadata.name": "prod/kustomization.yml: namespace: moved"},
        "ServiceAccount/a-default": {
            "metadata.name": "prod/rbac.yaml: metadata: {name: default, namespace: old}",
            "metadata.namespace": "prod/kustomization.yml: namespace: moved",
        },
    },
}


@pytest.mark.parametrize("tree", TREES)
def test_values_are_located_where_they_are_set(tree: str, tmp_path: Path) -> None:
    root = write_tree(tmp_path, TREES[tree])
    built_resources = resources(root, BUILT)
    traced = {
        name: {path: describe_location(root, find_object(built_resources, name), path) for path in paths}
        for name, paths in EXPECTED[tree].items()
    }
    assert traced == EXPECTED[tree]


def find_object(built_resources: dict[str, Resource], name: str) -> Resource:
    """Return the object called name; a trailing * stands for a hash."""
    (key,) = [key for key in built_resources if key == name or (name.endswith("*") and key.startswith(name[:-1]))]
    return built_resources[key]


@pytest.mark.skipif(shutil.which("helm") is None, reason="no helm on the PATH")
def test_chart_objects_are_located_at_their_entry(tmp_path: Path) -> None:
    root = write_tree(tmp_path, CHART)
    (pod,) = resources(root, BUILT, Kustomizations(allow_helm=True)).values()
    assert describe_location(root, pod, "spec.containers[0].image") == "prod/kustomization.yaml: - name: shop"
    assert describe_location(root, pod, "spec.hostIPC") == "prod/kustomization.yaml: value: true"


def test_files_are_shown_relative_to_the_given_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_tree(tmp_path, TREES["overlays"])
    monkeypatch.chdir(root / "prod")
    built_resources = list(Kustomizations().read([Root("kustomize", ".", ".", str(root / "prod"))]))
    locations = [resource.locate(parse_path("spec")) for resource in built_resources if isinstance(resource, Resource)]
    described = {location.file for location in locations if location}
    assert described == {"../base/deployment.yaml", "../base/service.yaml", "config.json"}
    assert len(build_with_kustomize(root / "prod")) == len(built_resources)


def test_items_of_an_object_of_another_kind_are_located(tmp_path: Path) -> None:
    item = "- {apiVersion: v1, kind: Pod, metadata: {name: %s}}"
    files = {
        "kustomization.yaml": "resources: [a.yaml, b.yaml]\n",
        "a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nitems:\n" + f"{item % 'b'}\n{item % 'c'}\n",
        "b.yaml": f"apiVersion: v1\nkind: PodList\nmetadata: {{name: d}}\nitems:\n{item % 'e'}\n",
    }
    built_resources = resources(write_tree(tmp_path, files), ".")
    locations = {name: str(resource.locate(("metadata", "name"))) for name, resource in built_resources.items()}
    assert locations == {"Pod/b": "a.yaml:5", "Pod/c": "a.yaml:6", "Pod/e": "b.yaml:5"}


@pytest.mark.skipif(shutil.which("helm") is None, reason="no helm on the PATH")
def test_charts_are_distinguished_by_release(tmp_path: Path) -> None:
    second = "- name: shop\n  releaseName: mine\n- name: shop\n  releaseName: yours\n"
    root = write_tree(tmp_path, CHART)
    write_tree(root, {"prod/kustomization.yaml": f"helmCharts:\n{second}"})
    built_resources = resources(root, BUILT, Kustomizations(allow_helm=True))
    locations = {name: resource.locate(("spec",)) for name, resource in built_resources.items()}
    assert {name: str(location) for name, location in locations.items()} == {
        "Pod/mine-shop": "prod/kustomization.yaml:2",
        "Pod/yours-shop": "prod/kustomization.yaml:4",
    }


STYLES = {
    "literal": ("|-", "  ", 8),
    "indented": ("|2-", "  ", 8),
    "commented": ("| # why", "  ", 8),
    "folded": (">-", "  ", 3),
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_inline_patches_keep_their_lines(style: str, end: str, tmp_path: Path) -> None:
    indicator, indent, line = STYLES[style]
    patch = ["", "apiVersion: v1", "kind: Pod", "metadata: {name: one}", "spec: {hostPID: true}"]
    if style == "folded":
        patch = ['[{"op": "add", "path": "/spec/hostPID",', '"value": true}]']
    lines = ["resources: [pod.yaml]", "patches:", f"- patch: {indicator}", *(f"{indent}  {text}" for text in patch)]
    root = write_tree(tmp_path, {"k/pod.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: one}\nspec: {}\n"})
    text = end.join([*lines, "  target: {kind: Pod}", ""])
    (root / "k/kustomization.yaml").write_bytes(text.encode())
    (pod,) = resources(root, "k").values()
    assert str(pod.locate(("spec", "hostPID"))) == f"k/kustomization.yaml:{line}"
