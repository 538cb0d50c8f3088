"""SBOMs in CycloneDX 1.6 and 1.7 (ECMA-424), as JSON. Writes only; the same content gives the same bytes.

The names of properties are in docs/guides/sbom.md. `evidence.identity` is not used: some tools refuse the file, because
its type changed in 1.6.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from kubekeep.ecosystems.shared.registry import is_distribution_type
from kubekeep.images.licence_expressions import is_identifier, join_licences, list_licences, parse_expression
from kubekeep.images.sbom.document import Sbom, SbomPart, SbomSubject, SubjectKind
from kubekeep.images.sbom.encoding import create_uuid, encode, format_time
from kubekeep.images.sbom.identity import get_package_url, identify
from kubekeep.model.package import Distribution, Package, PackageLocation

_EMAIL: Final = re.compile(r"(.*\S)\s*<([A-Za-z0-9._+-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)>", re.DOTALL)
_HASH: Final = re.compile(r"[a-fA-F0-9]+")
_HASH_DIGITS: Final = {"MD5": 32, "SHA-1": 40, "SHA-256": 64, "SHA-384": 96, "SHA-512": 128, "SHA3-256": 64}
"""Algorithms of CycloneDX with the lengths of their values."""
_TYPES: Final = {
    SubjectKind.IMAGE: "container",
    SubjectKind.FOLDER: "file",
    SubjectKind.APPLICATION: "application",
}


class CycloneProperty(msgspec.Struct, frozen=True):
    """A fact that CycloneDX has no field for."""

    name: str
    value: str


class CycloneHash(msgspec.Struct, frozen=True):
    """The hash of a component."""

    alg: str
    content: str


class CycloneContact(msgspec.Struct, frozen=True):
    """A contact of a supplier."""

    name: str
    email: str


class CycloneOrganisation(msgspec.Struct, frozen=True, omit_defaults=True):
    """A supplier."""

    name: str
    contact: tuple[CycloneContact, ...] = ()


class CycloneLicence(msgspec.Struct, frozen=True, omit_defaults=True):
    """A licence by identifier or name."""

    id: str = ""
    name: str = ""
    acknowledgement: str | None = None


class CycloneLicenceChoice(msgspec.Struct, frozen=True, omit_defaults=True):
    """A licence, or an expression of several."""

    license: CycloneLicence | None = None
    expression: str = ""
    acknowledgement: str | None = None


class CycloneOccurrence(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A file that proves a component."""

    location: str
    additional_context: str = ""


class CycloneEvidence(msgspec.Struct, frozen=True):
    """The files that prove a component."""

    occurrences: tuple[CycloneOccurrence, ...]


class CycloneComponent(msgspec.Struct, frozen=True, omit_defaults=True):
    """A package, a distribution or the subject."""

    type: str
    name: str
    reference: str = msgspec.field(name="bom-ref", default="")
    supplier: CycloneOrganisation | None = None
    group: str = ""
    version: str = ""
    description: str = ""
    hashes: tuple[CycloneHash, ...] = ()
    licenses: tuple[CycloneLicenceChoice, ...] = ()
    purl: str = ""
    evidence: CycloneEvidence | None = None
    properties: tuple[CycloneProperty, ...] = ()


class CycloneTools(msgspec.Struct, frozen=True):
    """The tools that wrote a document."""

    components: tuple[CycloneComponent, ...]


class CycloneLifecycle(msgspec.Struct, frozen=True):
    """The phase in which a document was written."""

    phase: str


class CycloneMetadata(msgspec.Struct, frozen=True, omit_defaults=True):
    """Subject, time and tools of a document."""

    component: CycloneComponent
    timestamp: str = ""
    lifecycles: tuple[CycloneLifecycle, ...] = ()
    tools: CycloneTools | None = None
    properties: tuple[CycloneProperty, ...] = ()


class CycloneDependency(msgspec.Struct, frozen=True, rename="camel"):
    """The components that another one contains or requires."""

    ref: str
    depends_on: tuple[str, ...]


class CycloneComposition(msgspec.Struct, frozen=True):
    """The completeness of an assembly."""

    aggregate: str
    assemblies: tuple[str, ...]


class CycloneDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A document of CycloneDX 1.6 or 1.7."""

    schema: str = msgspec.field(name="$schema")
    bom_format: str = "CycloneDX"
    spec_version: str
    serial_number: str
    version: int = 1
    metadata: CycloneMetadata
    components: tuple[CycloneComponent, ...]
    dependencies: tuple[CycloneDependency, ...]
    compositions: tuple[CycloneComposition, ...]


def write_1_6(sbom: Sbom) -> bytes:
    """Return the SBOM in CycloneDX 1.6."""
    return encode(create_document(sbom, "1.6"))


def write_1_7(sbom: Sbom) -> bytes:
    """Return the SBOM in CycloneDX 1.7."""
    return encode(create_document(sbom, "1.7"))


def create_document(sbom: Sbom, version: str) -> CycloneDocument:
    """Return the document of an SBOM in a version of CycloneDX; the `bom-ref` of a package is that of `identify`."""
    root = _convert_subject(sbom.subject)
    if sbom.parts:
        root = msgspec.structs.replace(root, reference=_refer_to_whole(sbom))
    parts = sbom.parts or (SbomPart(sbom.subject, sbom.distribution, tuple(map(identify, sbom.packages))),)
    systems = {_refer_to_system(part.distribution): part.distribution for part in parts if part.distribution.id}
    subjects = [_convert_subject(part.subject) for part in sbom.parts]
    tools = tuple(
        CycloneComponent("application", name, version=tool_version)
        for name, tool_version in ((sbom.tool, sbom.tool_version), *sbom.origins)
        if name
    )
    return CycloneDocument(
        schema=f"http://cyclonedx.org/schema/bom-{version}.schema.json",
        spec_version=version,
        serial_number=f"urn:uuid:{create_uuid(sbom, f'cyclonedx-{version}')}",
        metadata=CycloneMetadata(
            component=root,
            timestamp=format_time(sbom.created),
            lifecycles=(CycloneLifecycle("post-build"),) if sbom.subject.kind is SubjectKind.IMAGE else (),
            tools=CycloneTools(tools) if tools else None,
            properties=tuple(_list_problems(sbom)),
        ),
        components=(
            *subjects,
            *(_convert_distribution(reference, system) for reference, system in systems.items()),
            *map(_convert_package, sbom.packages),
        ),
        dependencies=tuple(_list_dependencies(sbom, parts)),
        compositions=(CycloneComposition("incomplete" if sbom.problems else "unknown", (root.reference,)),),
    )


def _convert_subject(subject: SbomSubject) -> CycloneComponent:
    algorithm, _, value = subject.digest.partition(":")
    properties = (CycloneProperty("kubekeep:image:platform", subject.platform),) if subject.platform else ()
    return CycloneComponent(
        _TYPES[subject.kind],
        subject.name,
        f"subject:{subject.identity}",
        version=subject.version or subject.digest,
        hashes=tuple(_list_hashes([(algorithm.upper().replace("SHA", "SHA-", 1), value)])),
        properties=properties,
    )


def _refer_to_whole(sbom: Sbom) -> str:
    """Return the reference of a merged document, which differs from those of its subjects."""
    return f"merged:{sbom.subject.name}"


def _refer_to_system(distribution: Distribution) -> str:
    return f"os:{distribution.id}@{distribution.version_id}"


def _convert_distribution(reference: str, distribution: Distribution) -> CycloneComponent:
    values = (
        ("kubekeep:distribution:versionCodename", distribution.version_codename),
        ("kubekeep:distribution:variantId", distribution.variant_id),
        ("kubekeep:distribution:idLike", " ".join(distribution.id_like)),
    )
    return CycloneComponent(
        "operating-system",
        distribution.id,
        reference,
        version=distribution.version_id,
        description=distribution.name,
        properties=tuple(CycloneProperty(name, value) for name, value in values if value),
    )


def _convert_package(package: Package) -> CycloneComponent:
    layers = tuple(dict.fromkeys(location.layer for location in package.locations if location.layer))
    return CycloneComponent(
        "library",
        package.name,
        identify(package),
        supplier=_convert_supplier(package.supplier) if package.supplier else None,
        group="" if is_distribution_type(package.type) else package.namespace,
        version=package.version,
        hashes=tuple(_list_hashes(package.hashes)),
        licenses=_convert_licences(package.licences) if package.licences else (),
        purl=get_package_url(package),
        evidence=CycloneEvidence(tuple(_convert_locations(package.locations, len(layers) > 1)))
        if package.locations
        else None,
        properties=tuple(_list_properties(package, layers)),
    )


def _convert_supplier(supplier: str) -> CycloneOrganisation:
    match = _EMAIL.fullmatch(supplier)
    return (
        CycloneOrganisation(match[1], (CycloneContact(match[1], match[2]),)) if match else CycloneOrganisation(supplier)
    )


def _convert_licences(licences: tuple[str, ...]) -> tuple[CycloneLicenceChoice, ...]:
    """Return identifiers and names; one expression if any part is compound and all are valid, as 1.6 allows no mixture."""
    parts = list_licences(licences)
    if any(not is_identifier(part) for part in parts) and all(map(parse_expression, parts)):
        return (CycloneLicenceChoice(expression=join_licences(parts), acknowledgement="declared"),)
    return tuple(
        CycloneLicenceChoice(
            CycloneLicence(id=part, acknowledgement="declared")
            if is_identifier(part)
            else CycloneLicence(name=part, acknowledgement="declared")
        )
        for part in parts
    )


def _list_hashes(hashes: Iterable[tuple[str, str]]) -> Iterator[CycloneHash]:
    for algorithm, value in hashes:
        if len(value) == _HASH_DIGITS.get(algorithm) and _HASH.fullmatch(value):
            yield CycloneHash(algorithm, value.lower())


def _convert_locations(locations: Iterable[PackageLocation], has_layers: bool) -> Iterator[CycloneOccurrence]:  # noqa: FBT001
    """Yield the locations; with `has_layers`, the layers differ and are named."""
    for location in locations:
        yield CycloneOccurrence(location.path, location.layer if has_layers else "")


def _list_properties(package: Package, layers: Iterable[str]) -> Iterator[CycloneProperty]:
    for layer in layers:
        yield CycloneProperty("kubekeep:layer:diffId", layer)
    if package.evidence:
        yield CycloneProperty("kubekeep:package:evidence", package.evidence)
    if package.declared:
        yield CycloneProperty("kubekeep:package:declared", "true")
    if package.source:
        yield CycloneProperty("kubekeep:source:name", package.source.name)
        yield CycloneProperty("kubekeep:source:version", package.source.version)


def _list_problems(sbom: Sbom) -> Iterator[CycloneProperty]:
    for problem in sbom.problems:
        yield CycloneProperty(
            "kubekeep:problem", f"{problem.path}: {problem.message}" if problem.path else problem.message
        )


def _list_dependencies(sbom: Sbom, parts: tuple[SbomPart, ...]) -> Iterator[CycloneDependency]:
    """Yield the packages of each subject, then the known dependencies of packages in the same document."""
    known = set(map(identify, sbom.packages))
    if sbom.parts:
        yield CycloneDependency(_refer_to_whole(sbom), tuple(f"subject:{part.subject.identity}" for part in sbom.parts))
    for part in parts:
        system = (_refer_to_system(part.distribution),) if part.distribution.id else ()
        packages = (reference for reference in part.packages if reference in known)
        yield CycloneDependency(f"subject:{part.subject.identity}", (*system, *packages))
    for package in sbom.packages:
        if package.dependencies:
            targets = sorted(known.intersection(package.dependencies) - {identify(package)})
            if targets:
                yield CycloneDependency(identify(package), tuple(targets))
