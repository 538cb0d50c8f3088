"""The content of an SBOM, independent of its format. No I/O.

The formats of CycloneDX and SPDX are written from these values and read into them.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Iterable
from typing import Final, TypeVar

import msgspec

from kubekeep.ecosystems.shared.registry import is_distribution_type
from kubekeep.images.content import ContentProblem
from kubekeep.images.sbom.identity import identify, identify_everywhere
from kubekeep.model.location import Path
from kubekeep.model.package import NO_DISTRIBUTION, Distribution, Package

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
    manifest of the image (`sha256:...`). platform: as "linux/amd64". purl: as the document has it. references: other
    names of the image that its tool wrote, with tags or digests.
    """

    name: str
    kind: SubjectKind = SubjectKind.APPLICATION
    version: str = ""
    digest: str = ""
    platform: str = ""
    purl: str = ""
    references: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """Identity of the subject: documents with the same one describe the same software."""
        return self.digest or (f"{self.name}@{self.version}" if self.version else self.name)


class SbomPart(msgspec.Struct, frozen=True):
    """One of several subjects of a merged SBOM, with its distribution and the references of its packages."""

    subject: SbomSubject
    distribution: Distribution = NO_DISTRIBUTION
    packages: tuple[str, ...] = ()


class Sbom(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The packages of a subject.

    created: time of the subject in RFC 3339, not of the run; empty if unknown. problems: parts of the subject that were
    not read, so that the packages are incomplete. parts: the subjects of a merged document. tool and tool_version: the
    program that wrote the document. origins: names and versions of the programs that wrote the documents of which it is made.
    format: of the document that was read, as "CycloneDX 1.6". omitted: sections of
    that document that Kubekeep does not keep, as "vulnerabilities". identifier: of that document, the BOM-Link
    `urn:cdx:UUID/VERSION` of CycloneDX or the namespace of SPDX. references: the package by `bom-ref`, if they differ.
    entries: for each of `packages`, the path of its first entry in that document, through envelopes; in a file of several
    documents, it begins with the number of the document. Empty if the packages come from elsewhere.
    """

    subject: SbomSubject
    created: str = ""
    distribution: Distribution = NO_DISTRIBUTION
    packages: tuple[Package, ...] = ()
    problems: tuple[ContentProblem, ...] = ()
    parts: tuple[SbomPart, ...] = ()
    tool: str = ""
    tool_version: str = ""
    origins: tuple[tuple[str, str], ...] = ()
    format: str = ""
    omitted: tuple[str, ...] = ()
    identifier: str = ""
    references: tuple[tuple[str, str], ...] = ()
    entries: tuple[Path, ...] = ()


INCOMPLETE: Final = "the document states that it is incomplete"
"""Message of the problem of a document that is incomplete without a reason."""


class UnitedPackages(msgspec.Struct, frozen=True):
    """Each package of several entries once, sorted by reference.

    references: the reference of the package for the reference of each entry. numbers: for each package, the position of
    its first entry.
    """

    packages: tuple[Package, ...]
    references: dict[str, str]
    numbers: tuple[int, ...]


def unite_packages(packages: Iterable[Package]) -> UnitedPackages:
    """Return each package once, with the locations and licences of all entries that name the same package.

    Entries name the same package also if their package URLs differ in qualifiers that only describe it. Packages of two
    releases of a distribution differ, because other advisories apply. Dependencies refer to the united packages.
    """
    groups: dict[tuple[str, int], list[Package]] = {}
    identities: dict[str, tuple[str, int]] = {}
    releases: dict[str, list[str]] = {}
    first: dict[tuple[str, int], int] = {}
    for number, package in enumerate(packages):
        reference = identify(package)
        identity = identities.get(reference)
        if identity is None:
            name = identify_everywhere(package)
            release = _find_release(releases.setdefault(name, []), package)
            identity = identities[reference] = (name, release)
        groups.setdefault(identity, []).append(package)
        first.setdefault(identity, number)
    by_identity = {identity: _join(group) if len(group) > 1 else group[0] for identity, group in groups.items()}
    references = {reference: identify(by_identity[identity]) for reference, identity in identities.items()}
    united = sorted(by_identity.items(), key=lambda entry: identify(entry[1]))
    return UnitedPackages(
        packages=tuple(refer(package, references) for _, package in united),
        references=references,
        numbers=tuple(first[identity] for identity, _ in united),
    )


def _find_release(known: list[str], package: Package) -> int:
    """Return the position of the package's release in `known`, where a new one is added.

    `debian-12` and `debian-12.5` are one release; a package that states none is of the first.
    """
    stated = dict(package.qualifiers).get("distro", "") if is_distribution_type(package.type) else ""
    for number, release in enumerate(known):
        shorter, longer = sorted((stated, release), key=len)
        if not shorter or shorter == longer or longer.startswith(f"{shorter}."):
            known[number] = longer
            return number
    known.append(stated)
    return len(known) - 1


def refer(package: Package, references: dict[str, str]) -> Package:
    """Return the package with dependencies on the entries of `references`."""
    if all(references.get(dependency, dependency) == dependency for dependency in package.dependencies):
        return package
    dependencies = {references.get(dependency, dependency) for dependency in package.dependencies}
    return msgspec.structs.replace(package, dependencies=tuple(sorted(dependencies)))


def _join(packages: list[Package]) -> Package:
    """Return the first package with the facts of all."""
    return msgspec.structs.replace(
        packages[0],
        source=next((package.source for package in packages if package.source), None),
        licences=_append(package.licences for package in packages),
        supplier=next((package.supplier for package in packages if package.supplier), ""),
        dependencies=tuple(sorted({name for package in packages for name in package.dependencies})),
        evidence=next((package.evidence for package in packages if package.evidence), ""),
        declared=all(package.declared for package in packages),
        hashes=_append(package.hashes for package in packages),
        locations=_append(package.locations for package in packages),
    )


def _append(tuples: Iterable[tuple[T, ...]]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(itertools.chain.from_iterable(tuples)))
