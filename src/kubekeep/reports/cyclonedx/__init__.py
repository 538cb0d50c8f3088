"""CycloneDX 1.6 (ECMA-424): the packages of images and SBOMs with their vulnerabilities, for Dependency-Track and DefectDojo."""

from __future__ import annotations

from typing import Final

from kubekeep.reports.cyclonedx.document import render
from kubekeep.reports.format import ReportFormat

FORMAT: Final = ReportFormat(
    name="cyclonedx",
    extension=".json",
    owns_extension=False,
    media_type="application/vnd.cyclonedx+json",
    description="CycloneDX 1.6 with packages and vulnerabilities, for Dependency-Track and DefectDojo",
    render=render,
)
