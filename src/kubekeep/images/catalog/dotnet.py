""".NET packages: `*.deps.json` beside applications and in shared runtimes; in folders the lock files of NuGet.

Only packages with files at run time are listed, because a package without any is replaced by the runtime. Projects are
not read, since their references are ranges.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from kubekeep.images.catalog.bounded import read_content
from kubekeep.images.catalog.documents import as_text, build_record, is_name, is_plain, read_json, read_xml
from kubekeep.images.content import CatalogRecord, LayerFile
from kubekeep.model.json_values import as_mapping
from kubekeep.model.package import Package

PATTERNS: Final = ("**/*.deps.json",)
FOLDER_PATTERNS: Final = ("**/packages.lock.json", "**/packages.config")
ASSETS: Final = ("runtime", "native", "runtimeTargets", "resources")
RUNTIME_PACK: Final = "runtimepack."


def read(file: LayerFile) -> CatalogRecord | None:
    """Return the packages of an application, a runtime or a lock file."""
    if file.path.endswith(".deps.json"):
        packages = _list_dependencies(as_mapping(read_json(read_content(file))))
    elif file.path.endswith(".lock.json"):
        packages = _list_locked(as_mapping(read_json(read_content(file))))
    else:
        packages = _list_config(read_content(file))
    return build_record(file, "dotnet", packages)


def _build(name: str, version: str, evidence: str, *, declared: bool) -> Iterator[Package]:
    if is_name(name) and "/" not in name and is_plain(version):
        yield Package(type="nuget", name=name, version=version, evidence=evidence, declared=declared)


def _list_dependencies(document: dict[str, Any]) -> Iterator[Package]:
    """Yield the libraries of the types `package` and `runtimepack` that have files in the target of the runtime."""
    targets = as_mapping(document.get("targets"))
    selected = as_mapping(targets.get(as_text(as_mapping(document.get("runtimeTarget")).get("name"))))
    for key, value in as_mapping(document.get("libraries")).items():
        kind = as_mapping(value).get("type")
        name, _, version = key.partition("/")
        is_pack = kind == "runtimepack"
        if not is_pack and (
            kind != "package" or not _has_assets(as_mapping(selected.get(key)), is_known=key in selected)
        ):
            continue
        yield from _build(name.removeprefix(RUNTIME_PACK), version, ".NET deps.json", declared=False)


def _has_assets(target: dict[str, Any], *, is_known: bool) -> bool:
    return not is_known or any(target.get(kind) for kind in ASSETS)


def _list_locked(document: dict[str, Any]) -> Iterator[Package]:
    for dependencies in as_mapping(document.get("dependencies")).values():
        for name, value in as_mapping(dependencies).items():
            entry = as_mapping(value)
            if entry.get("type") != "Project":
                yield from _build(name, as_text(entry.get("resolved")), "packages.lock.json", declared=True)


def _list_config(content: bytes) -> Iterator[Package]:
    for element in read_xml(content).iter("package"):
        yield from _build(element.get("id", ""), element.get("version", ""), "packages.config", declared=True)
