"""Vulnerabilities of one image explained, and of two images compared. Never prints."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import BinaryIO

import msgspec

from kubekeep.images.errors import SbomError
from kubekeep.images.inspected_image import InspectedImage
from kubekeep.images.inspection import inspect_image
from kubekeep.images.options import ImageOptions
from kubekeep.images.sbom.compare import compare
from kubekeep.images.sbom.document import Sbom
from kubekeep.images.sbom.identity import identify
from kubekeep.images.sbom.image import create_image_sbom
from kubekeep.model.errors import RequestError
from kubekeep.model.vulnerability import Vulnerability, VulnerabilityReport
from kubekeep.sources.images.address import REGISTRY
from kubekeep.sources.sboms.address import is_sbom_address, to_path
from kubekeep.sources.sboms.file import read_document
from kubekeep.usecases.base_images import (
    PresentBase,
    find_base_in_history,
    find_present_base,
    list_layers,
    list_newer_bases,
)
from kubekeep.usecases.package_request import PackageRequest
from kubekeep.vulnerabilities.comparison import (
    AffectedPackageChange,
    Explanation,
    ImageAdvice,
    ImageComparison,
    PackageExplanation,
)
from kubekeep.vulnerabilities.options import VulnerabilityOptions
from kubekeep.vulnerabilities.scanner import VulnerabilityScanner
from kubekeep.vulnerabilities.upgrades import advise, advise_base, find_base_layers
from kubekeep.vulnerabilities.used_symbols import ImageSymbols


class ScannedPackages(msgspec.Struct, frozen=True):
    """The packages of an image or SBOM. steps: the instructions that made the layers. image: None for an SBOM."""

    sbom: Sbom
    steps: dict[str, str] = {}
    image: InspectedImage | None = None

    def assess(self, scanner: VulnerabilityScanner) -> VulnerabilityReport:
        """Return the vulnerabilities, as a scan finds them."""
        return scanner.assess_sbom(self.sbom) if self.image is None else scanner.assess_image(self.image)


def read_subject(reference: str, options: ImageOptions, stdin: BinaryIO) -> ScannedPackages:
    """Return the packages of an image or of `sbom:FILE` with all that a scan knows about them.

    Raises ImageAccessError, ImageContentError and SbomError.
    """
    if is_sbom_address(reference):
        return ScannedPackages(read_document(to_path(reference), stdin))
    image = inspect_image(reference, options, secrets=True)
    steps = (
        {}
        if image.configuration is None
        else {step.layer: step.created_by for step in image.configuration.list_steps() if step.layer}
    )
    return ScannedPackages(create_image_sbom(image), steps, image)


def _open_scanner(request: PackageRequest) -> contextlib.closing[VulnerabilityScanner]:
    return contextlib.closing(VulnerabilityScanner(request.vulnerabilities or VulnerabilityOptions()))


def explain(reference: str, name: str, request: PackageRequest, stdin: BinaryIO) -> Explanation:
    """Explain why the vulnerability or record `name` affects the packages of an image or SBOM, or does not.

    Raises KubekeepError if the image, the SBOM or the advisories cannot be read.
    """
    subject = read_subject(reference, request.images, stdin)
    symbols = None if subject.image is None else ImageSymbols(subject.image.content.go_symbols)
    explanations = []
    with _open_scanner(request) as scanner:
        report = subject.assess(scanner)
        affected = {
            identify(vulnerability.package): vulnerability
            for vulnerability in report.vulnerabilities
            if name.casefold() in map(str.casefold, vulnerability.names)
        }
        for package in subject.sbom.packages:
            records = scanner.explain(package, name, subject.sbom, symbols)
            vulnerability = affected.get(identify(package))
            if records or vulnerability is not None:
                explanations.append(PackageExplanation(package, vulnerability, records))
    explanations.sort(key=lambda explanation: explanation.vulnerability is None)
    return Explanation(reference, name, tuple(explanations), report.not_assessed, subject.steps)


def compare_images(old: str, new: str, request: PackageRequest, stdin: BinaryIO) -> ImageComparison:
    """Compare the packages and vulnerabilities of two images or SBOMs.

    Raises KubekeepError if one of them or the advisories cannot be read.
    """
    if is_sbom_address(old) and old == new == "sbom:-":
        raise SbomError("standard input can only be one of the two documents")
    subjects = [read_subject(reference, request.images, stdin) for reference in (old, new)]
    with _open_scanner(request) as scanner:
        reports = [subject.assess(scanner) for subject in subjects]
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


def advise_image(
    reference: str, bases: Sequence[str], request: PackageRequest, stdin: BinaryIO, *, newer_bases: bool = False
) -> ImageAdvice:
    """Return the upgrades of an image, and its vulnerabilities with other base images; only upgrades for an SBOM.

    bases: images that may be the present base, whose layers the image begins with, or another one. newer_bases: also compare
    newer tags of the repository of the present base, which is read from its registry. Raises KubekeepError if an image or the
    advisories cannot be read, and RequestError for base images of an SBOM.
    """
    subject = read_subject(reference, request.images, stdin)
    with _open_scanner(request) as scanner:
        report = subject.assess(scanner)
        advice = ImageAdvice(
            reference=reference,
            upgrades=advise(report),
            not_assessed=report.not_assessed,
            has_layers=subject.image is not None,
        )
        if subject.image is not None:
            return _advise_bases(advice, subject.image, report, scanner, bases, request.images, newer=newer_bases)
    if bases or newer_bases:
        raise RequestError(f"{reference} has no layers to compare with base images: name the image itself")
    return advice


def _advise_bases(
    advice: ImageAdvice,
    image: InspectedImage,
    report: VulnerabilityReport,
    scanner: VulnerabilityScanner,
    bases: Sequence[str],
    options: ImageOptions,
    *,
    newer: bool,
) -> ImageAdvice:
    """Return the advice with the vulnerabilities of the present base image, and with those of other ones."""
    present = PresentBase()
    candidates: dict[str, VulnerabilityReport] = {}
    for name in bases:
        base = inspect_image(name, options, secrets=True)
        shared = find_base_layers(list_layers(image), list_layers(base))
        if len(shared) > len(present.layers):
            present = PresentBase(name, shared)
        elif not shared:
            candidates[name] = scanner.assess_image(base)
    if newer:
        present = present if present.layers else find_present_base(image, options)
        candidates |= _assess_newer(present, image, scanner, options)
    if not present.layers:
        present = find_base_in_history(image.configuration)
    return msgspec.structs.replace(
        advice,
        base_name=present.name,
        stated_base=image.base.name if image.base else "",
        bases=advise_base(report, present.layers, candidates) if present.layers else None,
    )


def _assess_newer(
    present: PresentBase, image: InspectedImage, scanner: VulnerabilityScanner, options: ImageOptions
) -> dict[str, VulnerabilityReport]:
    """Return the vulnerabilities of newer tags of the repository of a base image, by name."""
    reports: dict[str, VulnerabilityReport] = {}
    for name in list_newer_bases(present.name, options.access) if present.name else ():
        base = inspect_image(f"{REGISTRY}{name}", options, secrets=True)
        if not find_base_layers(list_layers(image), list_layers(base)):
            reports[name] = scanner.assess_image(base)
    return reports


def _group_open(report: VulnerabilityReport) -> dict[str, tuple[Vulnerability, ...]]:
    """Group the vulnerabilities that no VEX statement suppresses by identifier."""
    groups: dict[str, list[Vulnerability]] = {}
    for vulnerability in report.vulnerabilities:
        if not vulnerability.is_suppressed:
            groups.setdefault(vulnerability.id, []).append(vulnerability)
    return {name: tuple(group) for name, group in groups.items()}
