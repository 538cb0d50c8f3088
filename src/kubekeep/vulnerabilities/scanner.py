"""Assessment of images and SBOMs: packages, advisories and VEX statements together. Never opens an image.

The advisories are opened for the first assessment, and stay open.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Sequence

from kubekeep.images.inspection import InspectedImage
from kubekeep.images.package import Distribution, Package
from kubekeep.images.sbom.document import Sbom
from kubekeep.vulnerabilities.options import VulnerabilityOptions
from kubekeep.vulnerabilities.source import AdvisorySource
from kubekeep.vulnerabilities.vulnerability import MatchedRecord, VulnerabilityReport


def create_scanner(options: VulnerabilityOptions | None) -> VulnerabilityScanner | None:
    """Return a scanner with these options; None without options."""
    return None if options is None else VulnerabilityScanner(options)


class VulnerabilityScanner:
    """Finds the vulnerabilities of packages with one set of advisories."""

    def __init__(self, options: VulnerabilityOptions) -> None:
        self._options = options

    @functools.cached_property
    def source(self) -> AdvisorySource:
        """The advisories. Raises AdvisoryDatabaseError."""
        from kubekeep.vulnerabilities.database.open import open_advisories  # noqa: PLC0415 - only for a scan

        return open_advisories(self._options)

    def assess_image(self, image: InspectedImage) -> VulnerabilityReport:
        """Return the vulnerabilities of an image."""
        return self._assess(image.content.packages, image.content.distribution)

    def assess_sbom(self, sbom: Sbom) -> VulnerabilityReport:
        """Return the vulnerabilities of the packages in an SBOM."""
        return self._assess(sbom.packages, sbom.distribution)

    def explain(self, package: Package, name: str, distribution: Distribution) -> tuple[MatchedRecord, ...]:
        """Return the records about a vulnerability that name the package, with the reasons of those that do not apply."""
        from kubekeep.vulnerabilities.matching.explain import explain_match  # noqa: PLC0415 - only for an explanation

        return explain_match(package, name, distribution, self.source)

    def _assess(self, packages: Sequence[Package], distribution: Distribution) -> VulnerabilityReport:
        from kubekeep.vulnerabilities.matching.match import match_packages  # noqa: PLC0415 - only for a scan

        return match_packages(packages, distribution, self.source, today=dt.datetime.now(dt.UTC).date())
