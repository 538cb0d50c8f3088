""".NET packages: `*.deps.json` beside applications and in programs of a single file, assemblies, lock files of NuGet.

Only packages with files at run time are listed, because a package without any is replaced by the runtime, and only those
with a file in the image, which the merge of the layers finds out. Projects are not read, since their references are ranges.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, Final

from msgspec.structs import replace

from kubekeep.images.catalog.bounded import read_content
from kubekeep.images.catalog.documents import as_text, build_record, is_name, is_plain, read_json, read_xml
from kubekeep.images.catalog.dotnet_assemblies import read_assembly
from kubekeep.images.content import ANY_FOLDER, CatalogRecord, Executable, LayerFile
from kubekeep.model.json_values import as_mapping
from kubekeep.model.package import Package

PATTERNS: Final = ("**/*.deps.json",)
FOLDER_PATTERNS: Final = ("**/packages.lock.json", "**/packages.config")
ASSETS: Final = ("runtime", "native", "runtimeTargets", "resources")
RUNTIME_PACK: Final = "runtimepack."
MAXIMUM_FILES: Final = 20
"""Files of a package that are looked for; one of them is enough."""
MAXIMUM_FOLDERS: Final = 12


def read(file: LayerFile) -> CatalogRecord | None:
    """Return the packages of an application, a runtime or a lock file."""
    if file.path.endswith(".deps.json"):
        return _read_dependencies(file)
    if file.path.endswith(".lock.json"):
        packages = _list_locked(as_mapping(read_json(read_content(file))))
    else:
        packages = _list_config(read_content(file))
    return build_record(file, "dotnet", packages)


def read_executable(executable: Executable) -> CatalogRecord | None:
    """Return the packages in a program of a single file, or the one of an assembly."""
    file = LayerFile(executable.path, executable.dotnet_libraries)
    if executable.dotnet_libraries:
        libraries = _list_dependencies(as_mapping(read_json(executable.dotnet_libraries)))
        return build_record(file, "dotnet", (package for package, _ in libraries))
    assembly = read_assembly(executable.path, executable.version_resource) if executable.version_resource else None
    if assembly is None:
        return None
    packages = _build(assembly.name, assembly.version, ".NET assembly", declared=False)
    return build_record(file, "dotnet", (replace(package, supplier=assembly.company) for package in packages))


def _read_dependencies(file: LayerFile) -> CatalogRecord:
    """Return the record of a `deps.json`. One without packages counts too: it describes all assemblies of its folder."""
    folder = file.path.rpartition("/")[0]
    proofs: dict[Package, tuple[str, ...]] = {}
    for package, files in _list_dependencies(as_mapping(read_json(read_content(file)))):
        paths = tuple(_list_proofs(folder, files))
        if paths or not files:
            proofs[package] = paths
    record = build_record(file, "dotnet", proofs) or CatalogRecord(file.path, "dotnet")
    return replace(record, proofs=tuple(proofs[package] for package in record.packages))


def _list_proofs(folder: str, files: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield the paths of a package's files: beside `deps.json`, as published, and in a cache of NuGet, as built."""
    prefix = f"{folder}/" if folder else ""
    for cached, path in itertools.islice(files, MAXIMUM_FILES):
        if not is_name(path) or path.count("/") > MAXIMUM_FOLDERS:
            continue
        parts = path.split("/")
        # A file with translations is in the folder of its language.
        yield from dict.fromkeys((f"{prefix}{parts[-1]}", prefix + "/".join(parts[-2:]), prefix + path))
        if is_name(cached):
            yield f"{ANY_FOLDER}{cached}/{path}"


def _build(name: str, version: str, evidence: str, *, declared: bool) -> Iterator[Package]:
    if is_name(name) and "/" not in name and is_plain(version):
        yield Package(type="nuget", name=name, version=version, evidence=evidence, declared=declared)


def _list_dependencies(document: dict[str, Any]) -> Iterator[tuple[Package, list[tuple[str, str]]]]:
    """Yield the libraries of the types `package` and `runtimepack` that have files in the target of the runtime.

    Each has its files, with the folder of the package in a cache of NuGet.
    """
    targets = as_mapping(document.get("targets"))
    selected = as_mapping(targets.get(as_text(as_mapping(document.get("runtimeTarget")).get("name"))))
    for key, value in as_mapping(document.get("libraries")).items():
        library = as_mapping(value)
        name, _, version = key.partition("/")
        is_pack = library.get("type") == "runtimepack"
        # A pack that the target does not have is a part of the application all the same.
        files = _list_files(as_mapping(selected.get(key))) if key in selected else [] if is_pack else [f"{name}.dll"]
        if not is_pack and (library.get("type") != "package" or not files):
            continue
        for package in _build(name.removeprefix(RUNTIME_PACK), version, ".NET deps.json", declared=False):
            yield package, [(as_text(library.get("path")), path) for path in files]


def _list_files(target: dict[str, Any]) -> list[str]:
    return [path for kind in ASSETS for path in as_mapping(target.get(kind))]


def _list_locked(document: dict[str, Any]) -> Iterator[Package]:
    for dependencies in as_mapping(document.get("dependencies")).values():
        for name, value in as_mapping(dependencies).items():
            entry = as_mapping(value)
            if entry.get("type") != "Project":
                yield from _build(name, as_text(entry.get("resolved")), "packages.lock.json", declared=True)


def _list_config(content: bytes) -> Iterator[Package]:
    for element in read_xml(content).iter("package"):
        yield from _build(element.get("id", ""), element.get("version", ""), "packages.config", declared=True)
