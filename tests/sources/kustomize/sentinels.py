"""Random kustomizations in which every value is unique, so that it identifies its line.

Never asserts; the same seed gives the same tree.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import yaml

KINDS: Final = {
    "Deployment": ("apps/v1", ("spec", "template", "spec")),
    "DaemonSet": ("apps/v1", ("spec", "template", "spec")),
    "CronJob": ("batch/v1", ("spec", "jobTemplate", "spec", "template", "spec")),
    "Pod": ("v1", ("spec",)),
    "Engine": ("shop.test/v1", ("spec", "pod")),
}
_BUILTIN: Final = ("Deployment", "DaemonSet", "CronJob", "Pod")


class KustomizationTree:
    """Writes one tree: a base, overlays on it and components."""

    def __init__(self, root: Path, seed: int) -> None:
        self._root = root
        self._random = random.Random(seed)
        self._count = 0
        self._objects: list[tuple[str, str]] = []

    def write(self) -> str:
        """Write the tree and return the folder of the outermost overlay."""
        documents = []
        for number in range(self._random.randint(2, 4)):
            kind = self._random.choice(list(KINDS))
            self._objects.append((kind, f"o{number}"))
            documents.append(self._object(kind, f"o{number}"))
        self._save("base/objects.yaml", documents)
        self._save("base/kustomization.yaml", [{"resources": ["objects.yaml"]}])
        below = "base"
        for level in range(self._random.randint(1, 3)):
            folder = f"overlay{level}"
            self._overlay(folder, below)
            below = folder
        return below

    def _overlay(self, folder: str, below: str) -> None:
        rules: dict[str, Any] = {"resources": [f"../{below}"]}
        if self._random.random() < 0.3:
            self._save(f"part-{folder}/kustomization.yaml", [{"kind": "Component", **self._rules(f"part-{folder}")}])
            rules["components"] = [f"../part-{folder}"]
        self._save(f"{folder}/kustomization.yaml", [rules | self._rules(folder)])

    def _rules(self, folder: str) -> dict[str, Any]:
        rules: dict[str, Any] = {}
        generators: dict[str, Callable[[], Any]] = {
            "namePrefix": lambda: self._random.choice("abc") + "-",
            "nameSuffix": lambda: "-" + self._random.choice("xyz"),
            "namespace": self._text,
            "commonAnnotations": lambda: {self._key(): self._text()},
            "labels": lambda: [{"pairs": {self._key(): self._text()}, "includeSelectors": self._random.random() < 0.5}],
            "images": lambda: [{"name": f"image{self._random.randint(0, 2)}", "newTag": self._text()}],
            "replicas": lambda: [{"name": name, "count": self._number()} for _, name in self._replicated()],
        }
        for name, make in generators.items():
            if self._random.random() < 0.25:
                rules[name] = make()
        rules["patches"] = [self._patch(folder, number) for number in range(self._random.randint(0, 4))]
        return rules

    def _replicated(self) -> list[tuple[str, str]]:
        return [reference for reference in self._objects if reference[0] == "Deployment"][:1]

    def _patch(self, folder: str, number: int) -> dict[str, Any]:
        kind, name = self._random.choice(self._objects)
        if self._random.random() < 0.5:
            patch: Any = self._operations(kind)
            entry: dict[str, Any] = {"target": {"kind": kind, "name": name}}
        else:
            patch = self._merge(kind, name)
            entry = {} if self._random.random() < 0.7 else {"target": {"kind": kind, "name": f"{name[:1]}.*"}}
            if not entry:
                patch["metadata"]["name"] = name
        if self._random.random() < 0.5:
            self._save(f"{folder}/patch{number}.yaml", [patch])
            return {"path": f"patch{number}.yaml", **entry}
        return {"patch": Block(yaml.safe_dump(patch, sort_keys=False)), **entry}

    def _operations(self, kind: str) -> list[dict[str, Any]]:
        pod = "/" + "/".join(KINDS[kind][1])
        operations: list[dict[str, Any]] = [
            {"op": "add", "path": f"/metadata/annotations/{self._key()}", "value": self._text()},
            {"op": "add", "path": f"{pod}/containers/0/args/-", "value": self._text()},
            {"op": "add", "path": f"{pod}/containers/0/env/0", "value": {"name": self._key(), "value": self._text()}},
            {"op": "replace", "path": f"{pod}/containers/0/image", "value": f"image0:{self._text()}"},
            {"op": "add", "path": f"{pod}/nodeSelector", "value": {self._key(): self._text()}},
            {"op": "remove", "path": f"{pod}/containers/0/env/0"},
            {"op": "add", "path": f"{pod}/containers/-", "value": self._container(f"c{self._random.randint(5, 9)}x")},
        ]
        return self._random.sample(operations, self._random.randint(1, 3))

    def _merge(self, kind: str, name: str) -> dict[str, Any]:
        version, path = KINDS[kind]
        pod: dict[str, Any] = {}
        if self._random.random() < 0.7:
            pod["containers"] = [self._merged_container() for _ in range(1)]
            if self._random.random() < 0.4:
                pod["containers"].append(self._container(f"side{self._random.randint(0, 9)}"))
        if self._random.random() < 0.4:
            pod["nodeSelector"] = {self._key(): self._text()}
        if self._random.random() < 0.4:
            pod["tolerations"] = [{"key": self._text()}]
        if self._random.random() < 0.3:
            pod["volumes"] = [{"name": self._random.choice(("v0", "v1")), "hostPath": {"path": self._text()}}]
        if kind not in _BUILTIN:
            # Without merge keys the list would lose the entries that operations address.
            pod["containers"] = [self._container("c0")]
        patch = self._document(version, kind, name, {"annotations": {self._key(): self._text()}}, path, pod)
        patch["metadata"].pop("labels", None)
        return patch

    def _merged_container(self) -> dict[str, Any]:
        changed: dict[str, Any] = {"name": "c0"}
        if self._random.random() < 0.5:
            changed["image"] = f"image{self._random.randint(0, 2)}:{self._text()}"
        if self._random.random() < 0.5:
            changed["args"] = [self._text(), self._text()]
        if self._random.random() < 0.6:
            changed["env"] = [
                {"name": "e0", "value": self._text()},
                {"name": self._key(), "value": self._text()},
            ]
        if self._random.random() < 0.3:
            changed["ports"] = [{"containerPort": self._number()}]
        if self._random.random() < 0.3:
            context = {"runAsUser": self._number()}
            changed["securityContext"] = {"$patch": "replace", **context} if self._random.random() < 0.5 else context
        return changed

    def _object(self, kind: str, name: str) -> dict[str, Any]:
        version, path = KINDS[kind]
        pod = {
            "containers": [self._container(f"c{number}") for number in range(self._random.randint(1, 3))],
            "nodeSelector": {self._key(): self._text()},
            "tolerations": [{"key": self._text(), "operator": "Exists"}],
            "volumes": [{"name": "v0", "hostPath": {"path": self._text()}}],
        }
        metadata = {"annotations": {self._key(): self._text()}, "labels": {self._key(): self._text()}}
        return self._document(version, kind, name, metadata, path, pod)

    def _document(
        self, version: str, kind: str, name: str, metadata: dict[str, Any], path: tuple[str, ...], pod: dict[str, Any]
    ) -> dict[str, Any]:
        document: dict[str, Any] = {"apiVersion": version, "kind": kind, "metadata": {"name": name, **metadata}}
        inner = document
        for step in path[:-1]:
            inner = inner.setdefault(step, {})
        inner[path[-1]] = pod
        return document

    def _container(self, name: str) -> dict[str, Any]:
        return {
            "name": name,
            "image": f"image{self._random.randint(0, 2)}:{self._text()}",
            "args": [self._text(), self._text()],
            "env": [{"name": f"e{number}", "value": self._text()} for number in range(2)],
            "ports": [{"containerPort": self._number()}],
            "securityContext": {"runAsUser": self._number(), "capabilities": {"add": [self._text()]}},
        }

    def _text(self) -> str:
        self._count += 1
        return f"s{self._count:05d}"

    def _number(self) -> int:
        self._count += 1
        return 10_000 + self._count

    def _key(self) -> str:
        return f"k{self._random.randint(0, 5)}"

    def _save(self, name: str, documents: list[Any]) -> None:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False), encoding="utf-8")


class Block(str):
    """Text to write as a literal block."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """YAML with literal blocks and without aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        """Return True: never write an alias."""
        del data
        return True


def _block(dumper: yaml.SafeDumper, text: Block) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style="|")


_Dumper.add_representer(Block, _block)
