"""Reader of SPDX 2.2 and 2.3 of any tool. Reads only packages, subject and distribution.

Raises SbomError only for too many packages.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from kubekeep.images.content import ContentProblem
from kubekeep.images.licence_expressions import NO_LICENCE, list_licences, split_conjunction
from kubekeep.images.sbom.document import Sbom, SbomPart, SbomSubject, SubjectKind, UnitedPackages, unite_packages
from kubekeep.images.sbom.fields import (
    create_location,
    create_package,
    find_distribution,
    index_elements,
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
from kubekeep.model.package import NO_DISTRIBUTION, Distribution, Package, PackageLocation, SourcePackage

_DOCUMENT: Final = "SPDXRef-DOCUMENT"
_MERGED: Final = "SPDXRef-Merged-"
_KINDS: Final = {"CONTAINER": SubjectKind.IMAGE, "SOURCE": SubjectKind.FOLDER, "FILE": SubjectKind.FOLDER}
_INVERSE: Final = {"DEPENDENCY_OF": "DEPENDS_ON", "CONTAINED_BY": "CONTAINS", "DESCRIBED_BY": "DESCRIBES"}
"""Relationships from the other side."""
_ADDRESS: Final = re.compile(r"(.*\S) \((\S+@\S+)\)", re.DOTALL)
_TOOL: Final = re.compile(r"(.+?)-(v?\d\S*)")
_BUILT: Final = re.compile(r"built package from: (\S+) (\S+)")
_ACQUIRED: Final = re.compile(r"acquired package info from [^:]+: (/.*)", re.DOTALL)
_PLACED: Final = re.compile(r"(.*) layer=(\S*)", re.DOTALL)
_SOURCE: Final = re.compile(r"(.*) version=(.*)", re.DOTALL)
_CHECKSUMS: Final = {"SHA1": "SHA-1", "SHA256": "SHA-256", "SHA384": "SHA-384", "SHA512": "SHA-512"}
_OMITTED: Final = ("files", "snippets", "reviewers")
_Relationships = dict[str, dict[str, list[str]]]
_Annotations = dict[str, list[str]]


def read_spdx(document: dict[str, Any]) -> Sbom:
    """Return the content of an SPDX document."""
    relationships = _read_relationships(document)
    elements, paths = index_elements(limit_packages(locate_mappings(document.get("packages"), ("packages",))), "SPDXID")
    root = _find_root(relationships, elements)
    systems = {
        identifier: _read_distribution(entry)
        for identifier, entry in elements.items()
        if entry.get("primaryPackagePurpose") == "OPERATING-SYSTEM"
    }
    part_ids = relationships["CONTAINS"].get(root, []) if root.startswith(_MERGED) else []
    licences = _read_licence_names(document)
    others = {root, *part_ids, *systems}
    entries = {
        identifier: _read_package(entry, licences) for identifier, entry in elements.items() if identifier not in others
    }
    known = {identifier: package for identifier, package in entries.items() if package is not None}
    identifiers = list(known)
    united, references = _unite(known, relationships)
    creation = as_mapping(document.get("creationInfo"))
    *origins, (tool, tool_version) = list(_list_tools(creation)) or [("", "")]
    system = next(iter(systems.values()), None) or Distribution(*find_distribution(united.packages))
    return Sbom(
        subject=_read_subject(elements[root]) if root else SbomSubject(read_text(document.get("name"))),
        created=read_text(creation.get("created")),
        distribution=NO_DISTRIBUTION if part_ids else system,
        packages=united.packages,
        problems=tuple(_list_problems(document, entries, elements)),
        parts=tuple(_read_parts(part_ids, elements, relationships["CONTAINS"], systems, references)),
        tool=tool,
        tool_version=tool_version,
        origins=tuple(origins),
        format=read_text(document.get("spdxVersion")).replace("-", " ", 1) or "SPDX",
        omitted=tuple(name for name in _OMITTED if document.get(name)),
        identifier=read_text(document.get("documentNamespace")),
        entries=tuple(paths[identifiers[number]] for number in united.numbers),
    )


def _find_root(relationships: _Relationships, elements: dict[str, dict[str, Any]]) -> str:
    """Return the described element; empty if several are, because some tools describe each package."""
    described = {element for element in relationships["DESCRIBES"].get(_DOCUMENT, ()) if element in elements}
    return described.pop() if len(described) == 1 else ""


def _unite(known: dict[str, Package], relationships: _Relationships) -> tuple[UnitedPackages, dict[str, str]]:
    """Return each package once, and its reference for each identifier of an element."""
    references = {identifier: identify(package) for identifier, package in known.items()}
    united = unite_packages(
        _add_dependencies(package, relationships["DEPENDS_ON"].get(identifier, ()), references)
        for identifier, package in known.items()
    )
    return united, {identifier: united.references[reference] for identifier, reference in references.items()}


def _read_relationships(document: dict[str, Any]) -> _Relationships:
    """Return the targets of all relationships, by their type and their first element."""
    relationships: _Relationships = defaultdict(lambda: defaultdict(list))
    for element in as_list(document.get("documentDescribes")):
        relationships["DESCRIBES"][_DOCUMENT].append(read_text(element))
    for entry in list_mappings(document.get("relationships")):
        kind = read_text(entry.get("relationshipType"))
        first, second = read_text(entry.get("spdxElementId")), read_text(entry.get("relatedSpdxElement"))
        if kind in _INVERSE:
            kind, first, second = _INVERSE[kind], second, first
        relationships[kind][first].append(second)
    return relationships


def _read_licence_names(document: dict[str, Any]) -> dict[str, str]:
    """Return the names, else the texts, of licences outside of the SPDX list."""
    names: dict[str, str] = {}
    for entry in list_mappings(document.get("hasExtractedLicensingInfos")):
        name = read_text(entry.get("name"))
        names[read_text(entry.get("licenseId"))] = (
            name if name not in NO_LICENCE else read_text(entry.get("extractedText"))
        )
    return names


def _list_tools(creation: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield names and versions of the tools; GitHub names itself behind the library that it uses."""
    for creator in as_list(creation.get("creators")):
        kind, _, text = read_text(creator).partition(": ")
        if kind == "Tool" and text.strip():
            match = _TOOL.fullmatch(text.strip())
            yield (match[1], match[2]) if match else (text.strip(), "")


def _read_subject(entry: dict[str, Any]) -> SbomSubject:
    kind = _KINDS.get(read_text(entry.get("primaryPackagePurpose")), SubjectKind.APPLICATION)
    version = read_text(entry.get("versionInfo"))
    is_digest = version.startswith("sha256:")
    url = _read_url(entry)
    source_info = read_text(entry.get("sourceInfo"))
    return SbomSubject(
        name=read_text(entry.get("name")),
        kind=kind,
        version="" if is_digest else version,
        digest=version if is_digest else read_image_digest(url) if kind is SubjectKind.IMAGE else "",
        platform=source_info.removeprefix("platform: ") if source_info.startswith("platform: ") else "",
        purl=url,
    )


def _list_problems(
    document: dict[str, Any], entries: dict[str, Package | None], elements: dict[str, dict[str, Any]]
) -> Iterator[ContentProblem]:
    for text in _read_annotations(document).get("kubekeep:problem", ()):
        yield ContentProblem(*split_problem(text))
    nameless = sum(
        package is None and not read_text(elements[identifier].get("name")) for identifier, package in entries.items()
    )
    if nameless:
        yield ContentProblem("", f"packages without a name: {nameless}")
    known = ((_read_url(elements[name]), package) for name, package in entries.items() if package is not None)
    yield from list_url_problems(known)


def _read_url(entry: dict[str, Any]) -> str:
    """Return the package URL of an entry; empty without one."""
    locators = (
        read_text(reference.get("referenceLocator"))
        for reference in list_mappings(entry.get("externalRefs"))
        if reference.get("referenceType") == "purl"
    )
    return next(locators, "")


def _read_package(entry: dict[str, Any], licences: dict[str, str]) -> Package | None:
    """Return the package of an entry, or None for an entry of another kind."""
    url = _read_url(entry)
    version = read_text(entry.get("versionInfo"))
    purpose = read_text(entry.get("primaryPackagePurpose"))
    if not url and (purpose in _KINDS or (purpose == "APPLICATION" and not version)):
        return None
    annotations = _read_annotations(entry)
    namespace = _first(annotations, "kubekeep:namespace")
    package = create_package(url, namespace, read_text(entry.get("name")), version)
    if package is None:
        return None
    source_info = read_text(entry.get("sourceInfo"))
    return msgspec.structs.replace(
        package,
        source=_read_source(annotations, source_info, package),
        licences=_read_licences(entry, licences),
        supplier=_read_supplier(entry),
        evidence="" if _ACQUIRED.match(source_info) or _BUILT.match(source_info) else source_info,
        declared=_first(annotations, "kubekeep:declared") == "true",
        hashes=tuple(_list_hashes(entry)),
        locations=tuple(dict.fromkeys(_list_locations(annotations, source_info))),
    )


def _list_hashes(entry: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for checksum in list_mappings(entry.get("checksums")):
        algorithm = read_text(checksum.get("algorithm"))
        yield _CHECKSUMS.get(algorithm, algorithm), read_text(checksum.get("checksumValue"))


def _add_dependencies(package: Package, targets: Iterable[str], references: dict[str, str]) -> Package:
    dependencies = {references[target] for target in targets if target in references} - {identify(package)}
    if not dependencies:
        return package
    return msgspec.structs.replace(package, dependencies=tuple(sorted(dependencies)))


def _read_licences(entry: dict[str, Any], names: dict[str, str]) -> tuple[str, ...]:
    """Return the declared licences, else the concluded ones, with the names of those outside of the SPDX list."""
    texts = (read_text(entry.get(key)).strip() for key in ("licenseDeclared", "licenseConcluded"))
    text = next((text for text in texts if text not in NO_LICENCE), "")
    return list_licences(names.get(part, part) for part in split_conjunction(text))


def _read_supplier(entry: dict[str, Any]) -> str:
    for key in ("supplier", "originator"):
        text = read_text(entry.get(key))
        if text and text not in NO_LICENCE:
            name = text.partition(": ")[2] if text.startswith(("Person: ", "Organization: ")) else text
            match = _ADDRESS.fullmatch(name.strip())
            return f"{match[1]} <{match[2]}>" if match else name.strip().removesuffix(" ()")
    return ""


def _read_source(annotations: _Annotations, source_info: str, package: Package) -> SourcePackage | None:
    match = _SOURCE.fullmatch(_first(annotations, "kubekeep:source")) or _BUILT.fullmatch(source_info)
    return SourcePackage(match[1], match[2]) if match else package.source


def _list_locations(annotations: _Annotations, source_info: str) -> Iterator[PackageLocation]:
    for text in annotations.get("kubekeep:location", ()):
        if match := _PLACED.fullmatch(text):
            yield create_location(match[1], match[2])
    if match := _ACQUIRED.fullmatch(source_info):
        for path in match[1].split(", "):
            yield create_location(path)


def _read_distribution(entry: dict[str, Any]) -> Distribution:
    annotations = _read_annotations(entry)
    return Distribution(
        id=read_distribution_id(read_text(entry.get("name"))),
        version_id=read_text(entry.get("versionInfo")),
        name=_first(annotations, "kubekeep:distribution:name"),
        version_codename=_first(annotations, "kubekeep:distribution:versionCodename"),
        id_like=tuple(_first(annotations, "kubekeep:distribution:idLike").split()),
        variant_id=_first(annotations, "kubekeep:distribution:variantId"),
    )


def _read_parts(
    identifiers: Iterable[str],
    elements: dict[str, dict[str, Any]],
    contained: dict[str, list[str]],
    systems: dict[str, Distribution],
    references: dict[str, str],
) -> Iterator[SbomPart]:
    """Yield the subjects of a document that Kubekeep merged."""
    for identifier in identifiers:
        if identifier in elements:
            targets = contained.get(identifier, ())
            yield SbomPart(
                subject=_read_subject(elements[identifier]),
                distribution=next((systems[target] for target in targets if target in systems), NO_DISTRIBUTION),
                packages=tuple(sorted({references[target] for target in targets if target in references})),
            )


def _read_annotations(element: dict[str, Any]) -> _Annotations:
    """Return the texts of annotations by the name before the first `: `."""
    annotations: _Annotations = {}
    for annotation in list_mappings(element.get("annotations")):
        name, _, value = read_text(annotation.get("comment")).partition(": ")
        annotations.setdefault(name, []).append(value)
    return annotations


def _first(annotations: _Annotations, name: str) -> str:
    return annotations.get(name, ("",))[0]
