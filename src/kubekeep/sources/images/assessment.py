"""Comparison of packages with advisories in sources of images and SBOMs: the scanner, and what it could not assess.

A source without vulnerabilities imports none of the code that compares. Never opens an image or a database itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from kubekeep.images.inspected_image import InspectedImage
from kubekeep.images.sbom.document import Sbom
from kubekeep.model.assessment import UnreadInput
from kubekeep.model.location import Location
from kubekeep.model.package import Package
from kubekeep.model.vulnerability import VulnerabilityReport
from kubekeep.vulnerabilities.options import VulnerabilityOptions


class PackageScanner(Protocol):
    """A scanner of packages, as `vulnerabilities.scanner.VulnerabilityScanner`."""

    def assess_image(
        self,
        image: InspectedImage,
        statements: Iterable[tuple[str, bytes]] = (),
        compared: Sequence[Package] | None = None,
    ) -> VulnerabilityReport:
        """Return the vulnerabilities of an image."""

    def assess_sbom(self, sbom: Sbom) -> VulnerabilityReport:
        """Return the vulnerabilities of the packages in an SBOM."""

    def list_problems(self) -> list[str]:
        """Return messages about advisories and VEX documents that could not be read."""


@contextlib.contextmanager
def open_scanner(options: VulnerabilityOptions | None) -> Iterator[PackageScanner | None]:
    """Yield a scanner with these options, which is closed at the end; None without options."""
    if options is None:
        yield None
        return
    from kubekeep.vulnerabilities.scanner import VulnerabilityScanner  # noqa: PLC0415 - only to compare packages

    with contextlib.closing(VulnerabilityScanner(options)) as scanner:
        yield scanner


def list_advisory_problems(scanner: PackageScanner | None) -> Iterator[UnreadInput]:
    """Yield the advisories and VEX documents that could not be read."""
    if scanner is not None:
        yield from (UnreadInput(Location("advisories"), message) for message in scanner.list_problems())


def list_unassessed(report: VulnerabilityReport, name: str) -> Iterator[UnreadInput]:
    """Yield a part of the input that was not read for each group of packages that another database could assess."""
    for gap in report.not_assessed:
        if gap.is_incomplete:
            count = len(gap.packages)
            subject = f"{count} {gap.ecosystem}".rstrip()
            yield UnreadInput(Location(name), f"{subject} package{'s' * (count != 1)} not assessed: {gap.reason}")
