"""SBOM documents as resources of kind `Sbom`. Never evaluates controls."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from kubekeep.images.sbom.document import Sbom, SbomSubject, SubjectKind
from kubekeep.images.sbom.read import read_sbom
from kubekeep.model.assessment import UnreadInput
from kubekeep.model.errors import KubekeepError
from kubekeep.model.image import API_VERSION, Image, PackageList
from kubekeep.model.location import Location
from kubekeep.model.package import ImagePackages
from kubekeep.model.resource import Resource
from kubekeep.model.source import FileType, Source
from kubekeep.model.vulnerability import VulnerabilityReport
from kubekeep.registry.reference import is_tag, is_untagged
from kubekeep.sources.images.assessment import (
    PackageScanner,
    list_advisory_problems,
    list_unassessed,
    open_scanner,
)
from kubekeep.sources.images.document import describe_distribution, describe_package
from kubekeep.sources.sboms.file import name_document, read_content
from kubekeep.sources.sboms.locations import SbomLocations, locate_packages
from kubekeep.sources.source import ReadContext

KIND: Final = "Sbom"
_WITH_SOURCES: Final = frozenset({"deb", "apk"})
_ENOUGH: Final = 20
"""Packages of a distribution of which at least one has a source package with another name."""
_FILE_TYPE: Final = FileType("sbom", "SBOM", fixed_files=("",), has_excerpts=False)


def read_sboms(paths: Iterable[str], context: ReadContext) -> Iterator[Resource | UnreadInput]:
    """Yield the resource of each document, then the parts of it that were not read or assessed."""
    with open_scanner(context.options.vulnerabilities) as scanner:
        for path in paths:
            yield from _read_sbom(path, context, scanner)
        yield from list_advisory_problems(scanner)


def _read_sbom(path: str, context: ReadContext, scanner: PackageScanner | None) -> Iterator[Resource | UnreadInput]:
    name = name_document(path)
    context.files += 1
    try:
        sbom, locations = _read_document(path, context)
    except KubekeepError as error:
        yield UnreadInput(Location(name), str(error).removeprefix(f"{name}: "))
        return
    report = None if scanner is None else scanner.assess_sbom(sbom)
    # The working folder is shown to users, not traversed.
    today, base = dt.datetime.now(dt.UTC).date(), os.getcwd()  # noqa: PTH109
    source = Source(name, base, _FILE_TYPE, 0, lazy_source_map=locations)
    document = _build_document(sbom, name, today, report)
    keeps_packages = context.options.images.keeps_packages
    yield _create_subject(sbom, document, source, is_compared=report is not None, keeps_packages=keeps_packages)
    yield from (
        UnreadInput(Location(name), ": ".join(filter(None, (problem.path, problem.message))))
        for problem in sbom.problems
    )
    if report is not None:
        yield from list_unassessed(report, name)
        if reason := _explain_missing_sources(sbom):
            yield UnreadInput(Location(name), reason)


def _create_subject(
    sbom: Sbom, document: dict[str, Any], source: Source, *, is_compared: bool, keeps_packages: bool
) -> PackageList:
    """Return the image that an SBOM describes, or the SBOM itself as the subject for other software."""
    if sbom.subject.kind is not SubjectKind.IMAGE:
        return PackageList(document, source, is_compared=is_compared)
    packages = ImagePackages(distribution=sbom.distribution, packages=sbom.packages, problems=len(sbom.problems))
    return Image(
        document,
        source,
        digest=sbom.subject.digest,
        platform=sbom.subject.platform,
        is_compared=is_compared,
        packages=msgspec.msgpack.encode(packages) if keeps_packages else b"",
    )


def _explain_missing_sources(sbom: Sbom) -> str:
    """Return the reason why advisories may be missing if the SBOM names no source packages; empty if it names some.

    Advisories of Debian and Alpine name source packages, and in every distribution some packages have another name.
    """
    packages = [package for package in sbom.packages if package.type in _WITH_SOURCES]
    names_source = any(package.source is not None and package.source.name != package.name for package in packages)
    if len(packages) < _ENOUGH or names_source:
        return ""
    return (
        f"none of the {len(packages):,} {' and '.join(sorted({package.type for package in packages}))} packages names its "
        "source package: advisories for source packages with other names are not found; make the SBOM with a tool that "
        "writes `upstream` into package URLs"
    )


def _read_document(path: str, context: ReadContext) -> tuple[Sbom, SbomLocations]:
    """Return the SBOM and the locations of its packages; the text is not kept. Raises SbomError."""
    content = read_content(path, context.stdin)
    sbom = read_sbom(content, name_document(path))
    return sbom, locate_packages(content, sbom.entries, name_document(path))


def _list_names(subject: SbomSubject) -> list[str]:
    """Return the references of the image that an SBOM states, its own name first.

    Some tools write the tag as the version of the image (Syft into SPDX), and the name without it.
    """
    name = subject.name
    if subject.version and is_tag(subject.version) and is_untagged(name):
        name = f"{name}:{subject.version}"
    return list(dict.fromkeys(filter(None, (name, *subject.references))))


def _build_document(sbom: Sbom, name: str, today: dt.date, report: VulnerabilityReport | None) -> dict[str, Any]:
    subject = sbom.subject
    names = _list_names(subject) if subject.kind is SubjectKind.IMAGE else []
    facts = {
        "name": subject.name,
        "names": names,
        "kind": subject.kind.value,
        "version": subject.version,
        "digest": subject.digest,
        "platform": subject.platform,
    }
    document = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": next(iter(names), subject.name) or name},
        "scanned": today.isoformat(),
        "subject": {key: value for key, value in facts.items() if value},
        "distribution": describe_distribution(sbom.distribution, today),
        "packages": [describe_package(package) for package in sbom.packages],
    }
    if report is None:
        return document
    from kubekeep.sources.images.assessed_packages import describe_assessment  # noqa: PLC0415 - only with a report

    return document | describe_assessment(report, sbom.packages)
