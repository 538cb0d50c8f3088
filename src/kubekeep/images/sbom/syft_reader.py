"""Reader of the JSON format of Syft. Reads only packages, subject and distribution.

Raises SbomError only for too many packages.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from kubekeep.images.licence_expressions import list_licences
from kubekeep.images.sbom.document import Sbom, SbomSubject, SubjectKind, unite_packages
from kubekeep.images.sbom.fields import (
    create_location,
    create_package,
    index_elements,
    limit_packages,
    list_mappings,
    list_url_problems,
    locate_mappings,
    read_text,
)
from kubekeep.images.sbom.identity import identify
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.package import Distribution, Package, PackageLocation


def read_syft(document: dict[str, Any]) -> Sbom:
    """Return the content of a document of `syft -o json`."""
    artifacts, paths = index_elements(limit_packages(locate_mappings(document.get("artifacts"), ("artifacts",))), "id")
    entries = {
        identifier: package
        for identifier, artifact in artifacts.items()
        if (package := _read_package(artifact)) is not None
    }
    dependencies: dict[str, set[str]] = {}
    for relationship in list_mappings(document.get("artifactRelationships")):
        # "parent is a dependency of child"
        parent, child = read_text(relationship.get("parent")), read_text(relationship.get("child"))
        if relationship.get("type") == "dependency-of" and parent in entries and child in entries and parent != child:
            dependencies.setdefault(child, set()).add(identify(entries[parent]))
    united = unite_packages(
        msgspec.structs.replace(package, dependencies=tuple(sorted(dependencies.get(identifier, ()))))
        for identifier, package in entries.items()
    )
    known = list(entries)
    descriptor, schema = as_mapping(document.get("descriptor")), as_mapping(document.get("schema"))
    return Sbom(
        subject=_read_subject(as_mapping(document.get("source"))),
        distribution=_read_distribution(as_mapping(document.get("distro"))),
        packages=united.packages,
        problems=tuple(
            list_url_problems((read_text(artifacts[name].get("purl")), package) for name, package in entries.items())
        ),
        tool=read_text(descriptor.get("name")),
        tool_version=read_text(descriptor.get("version")),
        format=f"Syft JSON {read_text(schema.get('version'))}".strip(),
        omitted=("files",) if document.get("files") else (),
        entries=tuple(paths[known[number]] for number in united.numbers),
    )


def _read_package(artifact: dict[str, Any]) -> Package | None:
    name, version = read_text(artifact.get("name")), read_text(artifact.get("version"))
    package = create_package(read_text(artifact.get("purl")), "", name, version)
    if package is None:
        return None
    metadata = as_mapping(artifact.get("metadata"))
    return msgspec.structs.replace(
        package,
        licences=list_licences(_list_licences(artifact)),
        supplier=read_text(metadata.get("maintainer")),
        locations=tuple(dict.fromkeys(_list_locations(artifact))),
    )


def _list_licences(artifact: dict[str, Any]) -> Iterator[str]:
    for licence in as_list(artifact.get("licenses")):
        fields = as_mapping(licence)
        yield read_text(fields.get("spdxExpression")) or read_text(fields.get("value")) or read_text(licence)


def _list_locations(artifact: dict[str, Any]) -> Iterator[PackageLocation]:
    for location in list_mappings(artifact.get("locations")):
        if path := read_text(location.get("path")):
            yield create_location(path, read_text(location.get("layerID")))


def _read_subject(source: dict[str, Any]) -> SbomSubject:
    metadata = as_mapping(source.get("metadata"))
    is_image = source.get("type") == "image"
    architecture, system = read_text(metadata.get("architecture")), read_text(metadata.get("os"))
    return SbomSubject(
        name=read_text(metadata.get("userInput")) or read_text(source.get("name")),
        kind=SubjectKind.IMAGE if is_image else SubjectKind.FOLDER,
        version="" if is_image else read_text(source.get("version")),
        digest=read_text(metadata.get("manifestDigest")),
        platform=f"{system}/{architecture}" if system and architecture else "",
        references=tuple(
            filter(None, (read_text(name) for key in ("tags", "repoDigests") for name in as_list(metadata.get(key))))
        ),
    )


def _read_distribution(distro: dict[str, Any]) -> Distribution:
    return Distribution(
        id=read_text(distro.get("id")),
        version_id=read_text(distro.get("versionID")),
        name=read_text(distro.get("prettyName")),
        version_codename=read_text(distro.get("versionCodename")),
        id_like=tuple(filter(None, map(read_text, as_list(distro.get("idLike"))))),
        variant_id=read_text(distro.get("variantID")),
    )
