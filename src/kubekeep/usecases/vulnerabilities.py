"""Vulnerabilities of one image explained, and of two images compared. Never prints."""

from __future__ import annotations

from typing import BinaryIO

import msgspec

from kubekeep.images.errors import SbomError
from kubekeep.images.inspection import inspect_image
from kubekeep.images.options import ImageOptions
from kubekeep.images.sbom.compare import compare
from kubekeep.images.sbom.document import Sbom
from kubekeep.images.sbom.image import create_image_sbom
from kubekeep.sources.sboms.address import is_sbom_address, to_path
from kubekeep.sources.sboms.file import read_document
from kubekeep.vulnerabilities.comparison import (
    AffectedPackageChange,
    Explanation,
    ImageComparison,
    PackageExplanation,
)
from kubekeep.vulnerabilities.options import VulnerabilityOptions
from kubekeep.vulnerabilities.scanner import VulnerabilityScanner
from kubekeep.vulnerabilities.used_symbols import ImageSymbols
from kubekeep.vulnerabilities.vulnerability import Vulnerability, VulnerabilityReport


class Subject(msgspec.Struct, frozen=True):
    """The packages of an image or SBOM. steps: the instructions that made the layers. symbols: None for an SBOM."""

    sbom: Sbom
    steps: dict[str, str] = {}
    symbols: ImageSymbols | None = None


def read_subject(reference: str, options: ImageOptions, stdin: BinaryIO) -> Subject:
    """Return the packages of an image or of `sbom:FILE` with all that a scan knows about them.

    Raises ImageAccessError, ImageContentError and SbomError.
    """
    if is_sbom_address(reference):
        return Subject(read_document(to_path(reference), stdin))
    image = inspect_image(reference, options, secrets=True)
    steps = (
        {}
        if image.configuration is None
        else {step.layer: step.created_by for step in image.configuration.list_steps() if step.layer}
    )
    return Subject(create_image_sbom(image), steps, ImageSymbols(image.content.go_symbols))


def explain(
    reference: str, name: str, options: ImageOptions, vulnerabilities: VulnerabilityOptions, stdin: BinaryIO
) -> Explanation:
    """Explain why the vulnerability or record `name` affects the packages of an image or SBOM, or does not.

    Raises KubekeepError if the image, the SBOM or the advisories cannot be read.
    """
    subject = read_subject(reference, options, stdin)
    scanner = VulnerabilityScanner(vulnerabilities)
    report = scanner.assess_sbom(subject.sbom, subject.symbols)
    affected = {
        id(vulnerability.package): vulnerability
        for vulnerability in report.vulnerabilities
        if name.casefold() in map(str.casefold, vulnerability.names)
    }
    explanations = []
    for package in subject.sbom.packages:
        records = scanner.explain(package, name, subject.sbom, subject.symbols)
        if records or id(package) in affected:
            explanations.append(PackageExplanation(package, affected.get(id(package)), records))
    explanations.sort(key=lambda explanation: explanation.vulnerability is None)
    return Explanation(reference, name, tuple(explanations), report.not_assessed, subject.steps)


def compare_images(
    old: str, new: str, options: ImageOptions, vulnerabilities: VulnerabilityOptions, stdin: BinaryIO
) -> ImageComparison:
    """Compare the packages and vulnerabilities of two images or SBOMs.

    Raises KubekeepError if one of them or the advisories cannot be read.
    """
    if is_sbom_address(old) and old == new == "sbom:-":
        raise SbomError("standard input can only be one of the two documents")
    scanner = VulnerabilityScanner(vulnerabilities)
    subjects = [read_subject(reference, options, stdin) for reference in (old, new)]
    reports = [scanner.assess_sbom(subject.sbom, subject.symbols) for subject in subjects]
    before, after = map(_group_open, reports)
    changes = [AffectedPackageChange(before.get(name, ()), after.get(name, ())) for name in {**before, **after}]
    changes.sort(key=lambda change: (-(change.vulnerability.rating.score or 0.0), change.vulnerability.id))
    return ImageComparison(
        (old, new),
        compare(*(subject.sbom for subject in subjects)),
        added=tuple(change for change in changes if not change.old),
        resolved=tuple(change for change in changes if not change.new),
        unchanged=tuple(change for change in changes if change.old and change.new),
        not_assessed=tuple(gap for report in reports for gap in report.not_assessed),
    )


def _group_open(report: VulnerabilityReport) -> dict[str, tuple[Vulnerability, ...]]:
    """Group the vulnerabilities that no VEX statement suppresses by identifier."""
    groups: dict[str, list[Vulnerability]] = {}
    for vulnerability in report.vulnerabilities:
        if not vulnerability.is_suppressed:
            groups.setdefault(vulnerability.id, []).append(vulnerability)
    return {name: tuple(group) for name, group in groups.items()}
