"""Reader of CycloneDX JSON, of any version and tool. Reads only packages, subject and distribution.

Raises SbomError only for too many packages.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from kubekeep.images.content import ContentProblem
from kubekeep.images.licence_expressions import list_licences
from kubekeep.images.sbom.document import (
    INCOMPLETE,
    Sbom,
    SbomPart,
    SbomSubject,
    SubjectKind,
    UnitedPackages,
    unite_packages,
)
from kubekeep.images.sbom.fields import (
    create_location,
    create_package,
    find_distribution,
    limit_packages,
    list_mappings,
    list_url_problems,
    locate_mappings,
    read_distribution_id,
    read_image_digest,
    read_text,
    split_problem,
)
from kubekeep.images.sbom.identity import identify
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.location import Path
from kubekeep.model.package import NO_DISTRIBUTION, Distribution, Package, PackageLocation, SourcePackage

_KINDS: Final = {"container": SubjectKind.IMAGE, "file": SubjectKind.FOLDER}
_REFERENCES: Final = ("aquasecurity:trivy:RepoTag", "aquasecurity:trivy:RepoDigest")
"""Properties of Trivy with references of the image."""
_NO_PACKAGES: Final = frozenset(
    {"operating-system", "container", "file", "data", "device", "machine-learning-model", "cryptographic-asset"}
)
"""Types of components that are no packages, unless they have a package URL."""
_OMITTED: Final = ("services", "vulnerabilities", "formulation", "declarations", "definitions", "annotations")
_MERGED: Final = "merged:"
_SERIAL: Final = re.compile(r"urn:uuid:([0-9a-f-]{36})", re.IGNORECASE)
_LONGEST_PATH: Final = 32
"""Steps of a path to a component; real documents have a few."""
_Properties = dict[str, list[str]]


def read_cyclonedx(document: dict[str, Any]) -> Sbom:
    """Return the content of a CycloneDX document."""
    metadata = as_mapping(document.get("metadata"))
    root = as_mapping(metadata.get("component"))
    located = list(limit_packages(_flatten(document, root)))
    components = [component for _, component in located]
    targets = {
        read_text(entry.get("ref")): [read_text(target) for target in as_list(entry.get("dependsOn"))]
        for entry in list_mappings(document.get("dependencies"))
    }
    root_id = read_text(root.get("bom-ref"))
    part_ids = targets.get(root_id, []) if root_id.startswith(_MERGED) else []
    subjects = frozenset(part_ids)
    entries, problems = _read_entries(entry for entry in located if _get_id(entry[1]) not in subjects)
    united, references = _unite(entries, targets)
    systems = {
        _get_id(component): _read_distribution(component)
        for component in components
        if component.get("type") == "operating-system"
    }
    system = next(iter(systems.values()), None) or Distribution(*find_distribution(united.packages))
    (tool, tool_version), *origins = list(_list_tools(metadata)) or [("", "")]
    return Sbom(
        subject=_read_subject(root),
        created=read_text(metadata.get("timestamp")),
        distribution=NO_DISTRIBUTION if part_ids else system,
        packages=united.packages,
        problems=(*_list_problems(document), *problems),
        parts=tuple(_read_parts(part_ids, components, targets, systems, references)),
        tool=tool,
        tool_version=tool_version,
        origins=tuple(origins),
        format=f"CycloneDX {read_text(document.get('specVersion'))}".strip(),
        omitted=tuple(name for name in _OMITTED if document.get(name)),
        identifier=create_bom_link(read_text(document.get("serialNumber")), read_text(document.get("version"))),
        references=tuple(sorted(pair for pair in references.items() if pair[0] != pair[1] and pair[0])),
        entries=tuple(entries[number][0] for number in united.numbers),
    )


def create_bom_link(serial: str, version: str) -> str:
    """Return the BOM-Link of a document with a serial number `urn:uuid:...`; empty without one."""
    match = _SERIAL.fullmatch(serial)
    return f"urn:cdx:{match[1].lower()}/{version or 1}" if match else ""


def _get_id(component: dict[str, Any]) -> str:
    return read_text(component.get("bom-ref"))


def _unite(
    entries: Sequence[tuple[Path, str, Package]], targets: dict[str, list[str]]
) -> tuple[UnitedPackages, dict[str, str]]:
    """Return each package once, and its reference for each `bom-ref`."""
    references = {identifier: identify(package) for _, identifier, package in entries}
    united = unite_packages(
        _add_dependencies(package, targets.get(identifier, ()), references) for _, identifier, package in entries
    )
    return united, {identifier: united.references[reference] for identifier, reference in references.items()}


def _flatten(document: dict[str, Any], root: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield all components with their paths; those of an assembly follow it."""
    stack: list[Iterator[tuple[Path, dict[str, Any]]]] = [
        itertools.chain(
            locate_mappings(document.get("components"), ("components",)),
            locate_mappings(root.get("components"), ("metadata", "component", "components")),
        )
    ]
    while stack:
        entry = next(stack[-1], None)
        if entry is None:
            stack.pop()
            continue
        yield entry
        path, component = entry
        if "components" in component:
            inner = locate_mappings(component["components"], (*path, "components"))
            # Long paths of many packages need much memory: deeper ones share that of their ancestor.
            stack.append(inner if len(path) < _LONGEST_PATH else ((path, entry) for _, entry in inner))


def _read_subject(component: dict[str, Any]) -> SbomSubject:
    kind = _KINDS.get(read_text(component.get("type")), SubjectKind.APPLICATION)
    version = read_text(component.get("version"))
    properties = _read_properties(component)
    digest = version if version.startswith("sha256:") else ""
    if not digest and kind is SubjectKind.IMAGE:
        digest = read_image_digest(read_text(component.get("purl")))
    return SbomSubject(
        name=read_text(component.get("name")),
        kind=kind,
        version="" if version == digest else version,
        digest=digest,
        platform=_first(properties, "kubekeep:image:platform"),
        purl=read_text(component.get("purl")),
        references=tuple(reference for name in _REFERENCES for reference in properties.get(name, ()) if reference),
    )


def _list_tools(metadata: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield names and versions of the tools: a list up to version 1.4, later a mapping with components."""
    tools = metadata.get("tools")
    for tool in list_mappings(as_mapping(tools).get("components") if isinstance(tools, dict) else tools):
        if name := read_text(tool.get("name")):
            yield name, read_text(tool.get("version"))


def _read_entries(
    located: Iterable[tuple[Path, dict[str, Any]]],
) -> tuple[list[tuple[Path, str, Package]], list[ContentProblem]]:
    """Return path, `bom-ref` and package of each component that is a package, and the problems of components."""
    entries: list[tuple[Path, str, Package]] = []
    urls: list[tuple[str, Package]] = []
    nameless = 0
    for path, component in located:
        package = _read_package(component)
        if package is not None:
            entries.append((path, _get_id(component), package))
            urls.append((read_text(component.get("purl")), package))
        elif not read_text(component.get("name")):
            nameless += 1
    problems = [ContentProblem("", f"components without a name: {nameless}")] if nameless else []
    return entries, [*problems, *list_url_problems(urls)]


def _list_problems(document: dict[str, Any]) -> Iterator[ContentProblem]:
    """Yield the problems that a document states."""
    reasons = _read_properties(as_mapping(document.get("metadata"))).get("kubekeep:problem", ())
    for text in reasons:
        yield ContentProblem(*split_problem(text))
    aggregates = (read_text(entry.get("aggregate")) for entry in list_mappings(document.get("compositions")))
    if not reasons and any(aggregate.startswith("incomplete") for aggregate in aggregates):
        yield ContentProblem("", INCOMPLETE)


def _read_package(component: dict[str, Any]) -> Package | None:
    """Return the package of a component, or None for a component of another kind."""
    url, version = read_text(component.get("purl")), read_text(component.get("version"))
    component_type = read_text(component.get("type"))
    if not url and (component_type in _NO_PACKAGES or (component_type == "application" and not version)):
        # Without a version, an application is a lock file or another group of packages.
        return None
    name = read_text(component.get("name"))
    package = create_package(url, read_text(component.get("group")), name, version)
    if package is None:
        return None
    properties = _read_properties(component)
    return msgspec.structs.replace(
        package,
        source=_read_source(properties, package),
        licences=tuple(_list_licences(component)),
        supplier=_read_supplier(component),
        evidence=_first(properties, "kubekeep:package:evidence"),
        declared=_first(properties, "kubekeep:package:declared") == "true",
        hashes=tuple(
            (read_text(entry.get("alg")), read_text(entry.get("content")))
            for entry in list_mappings(component.get("hashes"))
        ),
        locations=tuple(dict.fromkeys(_list_locations(component, properties))),
    )


def _add_dependencies(package: Package, targets: Iterable[str], references: dict[str, str]) -> Package:
    dependencies = {references[target] for target in targets if target in references} - {identify(package)}
    if not dependencies:
        return package
    return msgspec.structs.replace(package, dependencies=tuple(sorted(dependencies)))


def _list_licences(component: dict[str, Any]) -> tuple[str, ...]:
    texts: list[str] = []
    for choice in list_mappings(component.get("licenses")):
        licence = as_mapping(choice.get("license"))
        texts.append(
            read_text(choice.get("expression")) or read_text(licence.get("id")) or read_text(licence.get("name"))
        )
    return list_licences(texts)


def _read_supplier(component: dict[str, Any]) -> str:
    """Return the supplier, else the manufacturer, publisher or author, as `Name <address>`."""
    for key in ("supplier", "manufacturer", "publisher", "author"):
        value = component.get(key)
        if isinstance(value, dict):
            name = read_text(value.get("name"))
            contact = next(list_mappings(value.get("contact")), {})
            address = read_text(contact.get("email"))
            if name:
                return f"{name} <{address}>" if address and address not in name else name
        elif text := read_text(value):
            return text
    return ""


def _read_source(properties: _Properties, package: Package) -> SourcePackage | None:
    """Return the source package from the properties of Kubekeep, Trivy or Syft, else from the package URL."""
    name = _first(properties, "kubekeep:source:name")
    if name:
        return SourcePackage(name, _first(properties, "kubekeep:source:version"))
    name = _first(properties, "aquasecurity:trivy:SrcName")
    if name:
        version, release, epoch = (
            _first(properties, f"aquasecurity:trivy:Src{field}") for field in ("Version", "Release", "Epoch")
        )
        return SourcePackage(name, (f"{epoch}:" if epoch else "") + version + (f"-{release}" if release else ""))
    return package.source


def _list_locations(component: dict[str, Any], properties: _Properties) -> Iterator[PackageLocation]:
    layers = properties.get("kubekeep:layer:diffId", [])
    only_layer = layers[0] if len(layers) == 1 else ""
    for occurrence in list_mappings(as_mapping(component.get("evidence")).get("occurrences")):
        if path := read_text(occurrence.get("location")):
            yield create_location(
                path, (read_text(occurrence.get("additionalContext")) if len(layers) > 1 else only_layer)
            )
    for name in ("aquasecurity:trivy:FilePath", "SrcFile"):
        for path in properties.get(name, ()):
            yield create_location(path, _first(properties, "aquasecurity:trivy:LayerDiffID"))
    number = 0
    while path := _first(properties, f"syft:location:{number}:path"):
        yield create_location(path, _first(properties, f"syft:location:{number}:layerID"))
        number += 1


def _read_distribution(component: dict[str, Any]) -> Distribution:
    properties = _read_properties(component)
    name = read_text(component.get("name"))
    return Distribution(
        id=read_distribution_id(name),
        version_id=read_text(component.get("version")),
        name=read_text(component.get("description")),
        version_codename=_first(properties, "kubekeep:distribution:versionCodename", "syft:distro:versionCodename"),
        id_like=tuple(_first(properties, "kubekeep:distribution:idLike", "syft:distro:idLike:0").split()),
        variant_id=_first(properties, "kubekeep:distribution:variantId"),
    )


def _read_parts(
    identifiers: Iterable[str],
    components: Iterable[dict[str, Any]],
    targets: dict[str, list[str]],
    systems: dict[str, Distribution],
    references: dict[str, str],
) -> Iterator[SbomPart]:
    """Yield the subjects of a document that Kubekeep merged."""
    by_id = {_get_id(component): component for component in components}
    for identifier in identifiers:
        if identifier in by_id:
            contained = targets.get(identifier, ())
            yield SbomPart(
                subject=_read_subject(by_id[identifier]),
                distribution=next((systems[target] for target in contained if target in systems), NO_DISTRIBUTION),
                packages=tuple(sorted({references[target] for target in contained if target in references})),
            )


def _read_properties(element: dict[str, Any]) -> _Properties:
    properties: _Properties = {}
    for entry in list_mappings(element.get("properties")):
        properties.setdefault(read_text(entry.get("name")), []).append(read_text(entry.get("value")))
    return properties


def _first(properties: _Properties, *names: str) -> str:
    """Return the first value of the first property that exists."""
    return next((properties[name][0] for name in names if name in properties), "")
