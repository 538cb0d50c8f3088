"""The content of an SBOM, independent of its format. No I/O.

The formats of CycloneDX and SPDX are written from these values and read into them.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final, TypeVar

import msgspec

from kubekeep.images.content import ContentProblem
from kubekeep.images.package import NO_DISTRIBUTION, Distribution, Package
from kubekeep.images.sbom.purl import identify, identify_everywhere

T = TypeVar("T")


class SubjectKind(enum.StrEnum):
    """The kind of software that an SBOM describes."""

    IMAGE = "image"
    FOLDER = "folder"
    APPLICATION = "application"
    """Any other software, and the subject of a merged document."""


class SbomSubject(msgspec.Struct, frozen=True, omit_defaults=True):
    """The software that an SBOM describes.

    name: reference of the image, or name of the folder or application. version: of an application. digest: of the
    manifest of the image (`sha256:...`). platform: as "linux/amd64".
    """

    name: str
    kind: SubjectKind = SubjectKind.APPLICATION
    version: str = ""
    digest: str = ""
    platform: str = ""

    @property
    def identity(self) -> str:
        """Identity of the subject: documents with the same one describe the same software."""
        return self.digest or f"{self.name}@{self.version}"


class SbomPart(msgspec.Struct, frozen=True):
    """One of several subjects of a merged SBOM, with its distribution and the references of its packages."""

    subject: SbomSubject
    distribution: Distribution = NO_DISTRIBUTION
    packages: tuple[str, ...] = ()


class Sbom(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The packages of a subject.

    created: time of the subject in RFC 3339, not of the run; empty if unknown. problems: parts of the subject that were
    not read, so that the packages are incomplete. parts: the subjects of a merged document. tool and tool_version: the
    program that listed the packages. format: of the document that was read, as "CycloneDX 1.6". omitted: sections of
    that document that Kubekeep does not keep, as "vulnerabilities".
    """

    subject: SbomSubject
    created: str = ""
    distribution: Distribution = NO_DISTRIBUTION
    packages: tuple[Package, ...] = ()
    problems: tuple[ContentProblem, ...] = ()
    parts: tuple[SbomPart, ...] = ()
    tool: str = ""
    tool_version: str = ""
    format: str = ""
    omitted: tuple[str, ...] = ()


INCOMPLETE: Final = "the document states that it is incomplete"
"""Message of the problem of a document that is incomplete without a reason."""


def unite_packages(packages: Iterable[Package]) -> tuple[tuple[Package, ...], dict[str, str]]:
    """Return each package once, sorted by reference, and the reference of its one entry for each reference.

    An entry has the locations and licences of all entries that name the same package, also if their package URLs differ
    in qualifiers that only describe it. Dependencies refer to these entries.
    """
    by_identity: dict[str, Package] = {}
    identities: dict[str, str] = {}
    for package in packages:
        reference = identify(package)
        identity = identities.get(reference)
        if identity is None:
            identity = identities[reference] = identify_everywhere(package)
        known = by_identity.get(identity)
        by_identity[identity] = package if known is None or known == package else _join(known, package)
    references = {reference: identify(by_identity[identity]) for reference, identity in identities.items()}
    united = sorted(((identify(package), package) for package in by_identity.values()), key=lambda entry: entry[0])
    return tuple(_refer(package, references) for _, package in united), references


def _refer(package: Package, references: dict[str, str]) -> Package:
    """Return the package with dependencies on the entries of `references`."""
    if all(references.get(dependency, dependency) == dependency for dependency in package.dependencies):
        return package
    dependencies = {references.get(dependency, dependency) for dependency in package.dependencies}
    return msgspec.structs.replace(package, dependencies=tuple(sorted(dependencies)))


def _join(first: Package, second: Package) -> Package:
    return msgspec.structs.replace(
        first,
        source=first.source or second.source,
        licences=_append(first.licences, second.licences),
        supplier=first.supplier or second.supplier,
        dependencies=tuple(sorted({*first.dependencies, *second.dependencies})),
        evidence=first.evidence or second.evidence,
        declared=first.declared and second.declared,
        hashes=_append(first.hashes, second.hashes),
        locations=_append(first.locations, second.locations),
    )


def _append(first: tuple[T, ...], second: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys((*first, *second)))
