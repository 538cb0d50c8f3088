"""Explanations of vulnerabilities, and comparisons of images by their vulnerabilities. Values only."""

from __future__ import annotations

import msgspec

from kubekeep.images.sbom.compare import SbomComparison
from kubekeep.model.package import Package
from kubekeep.model.vulnerability import MatchedRecord, NotAssessed, Vulnerability
from kubekeep.vulnerabilities.upgrades import BaseAdvice, Upgrade


class PackageExplanation(msgspec.Struct, frozen=True):
    """A package with the records about the requested vulnerability that name it.

    vulnerability: None if no record affects the package; the records then state the reasons.
    """

    package: Package
    vulnerability: Vulnerability | None
    records: tuple[MatchedRecord, ...]

    @property
    def is_unknown(self) -> bool:
        """True if no record affects the package, but its version cannot be compared with one of them."""
        return self.vulnerability is None and any(record.is_incomparable for record in self.records)


class Explanation(msgspec.Struct, frozen=True):
    """The packages of an image or SBOM that records about a vulnerability name: affected ones first.

    steps: the instruction of the build that made each layer, by diff id. not_assessed: packages without an answer.
    """

    reference: str
    name: str
    packages: tuple[PackageExplanation, ...]
    not_assessed: tuple[NotAssessed, ...]
    steps: dict[str, str]


class AffectedPackageChange(msgspec.Struct, frozen=True):
    """A vulnerability that only one of two images has, or that both have: `old` and `new` are its packages there."""

    old: tuple[Vulnerability, ...]
    new: tuple[Vulnerability, ...]

    @property
    def vulnerability(self) -> Vulnerability:
        """One of the vulnerabilities, of the newer image if it has one."""
        return (*self.new, *self.old)[0]


class ImageComparison(msgspec.Struct, frozen=True):
    """The differences of two images or SBOMs: packages, and vulnerabilities by identifier, most severe first."""

    names: tuple[str, str]
    packages: SbomComparison
    added: tuple[AffectedPackageChange, ...]
    resolved: tuple[AffectedPackageChange, ...]
    unchanged: tuple[AffectedPackageChange, ...]
    not_assessed: tuple[NotAssessed, ...]


class ImageAdvice(msgspec.Struct, frozen=True, kw_only=True):
    """The upgrades and base images that remove most vulnerabilities of an image.

    base_name: the base image that the layers of the image begin with; empty if it is none of the named ones.
    stated_base: the base image that the image names. bases: the split by origin and other base images, without a name by the
    history of the build; None if the base is unknown. has_layers: False for an SBOM.
    """

    reference: str
    upgrades: tuple[Upgrade, ...]
    base_name: str = ""
    stated_base: str = ""
    bases: BaseAdvice | None = None
    not_assessed: tuple[NotAssessed, ...] = ()
    has_layers: bool = True
