"""Images of the demo: packages of a base image and of an application, with those vulnerabilities that are known on a day."""

from __future__ import annotations

import functools
from typing import Final, NamedTuple

import msgspec

from kubekeep.images.package_url import format_package_url, parse_package_url
from kubekeep.model.finding_document import EvidenceDocument
from kubekeep.model.image import ImageSubject
from kubekeep.model.package import (
    AffectedPackage,
    Distribution,
    ImagePackages,
    Package,
    PackageLocation,
    qualify_name,
)
from kubekeep.model.submission import ImageEntry, SubjectEntry, SubmittedFinding, compute_digest
from kubekeep.model.text import encode_json
from kubekeep_server.demo.catalog import PackageVersion, StackPackage, load_catalog
from kubekeep_server.demo.chance import draw, draw_digest, draw_key
from kubekeep_server.demo.company import ENTRY_POINT, JAVA, Service
from kubekeep_server.demo.timeline import ARRIVAL, ARRIVING, EPOCH_DAYS, START, list_releases

VULNERABILITY: Final = "vulnerability"
PLATFORM: Final = "linux/amd64"
_ALMALINUX: Final = Distribution("almalinux", "9.4", "AlmaLinux")
_DEBIAN: Final = Distribution("debian", "12", "Debian GNU/Linux", "bookworm")
_TESTING: Final = Distribution("debian", "13", "Debian GNU/Linux", "trixie")
_BASES: Final = {JAVA: "base", "python": "base", "node": "base", "ruby": "base", "testing": ""}
"""The stack with the operating system; that of Debian for others."""
_TOMCAT: Final = "org.apache.tomcat.embed/"
_LOG4J: Final = "org.apache.logging.log4j/"
_SYSTEM_TYPES: Final = ("rpm", "deb")
_NEW_BASE: Final = 3
"""The first release on the newer base image."""
_FIRST_SHARE, _SHARE, _LARGEST_SHARE = 0.15, 0.13, 0.85
"""The part of the packages that is upgraded in the first release, the one that each release adds, and the most."""
_LATER: Final = 0.3
"""The part of the vulnerabilities that are published during the year."""
_PATHS: Final = {
    "rpm": "var/lib/rpm/rpmdb.sqlite",
    "deb": "var/lib/dpkg/status",
    "maven": "app/lib/{name}-{version}.jar",
    "pypi": "app/.venv/lib/python3.11/site-packages/{name}-{version}.dist-info/METADATA",
    "npm": "app/node_modules/{name}/package.json",
    "golang": "usr/local/bin/server",
    "gem": "usr/local/bundle/specifications/{name}-{version}.gemspec",
    "bitnami": "opt/bitnami/{name}/.spdx-{name}.spdx",
}


class DigestedEntry(NamedTuple):
    """A subject with its digest, as the manifest of a state has it."""

    entry: SubjectEntry
    digest: int


def digest_entry(entry: SubjectEntry) -> DigestedEntry:
    """Return a subject with its digest."""
    return DigestedEntry(entry, compute_digest(encode_json(entry)))


class _Installed(NamedTuple):
    """A package of an image with its vulnerabilities."""

    package: Package
    version: PackageVersion


class ServiceImage(NamedTuple):
    """The image of a release of a service."""

    service: Service
    release: int

    @property
    def tag(self) -> str:
        """The version."""
        return f"1.{self.release}.0"

    @property
    def reference(self) -> str:
        """The name with the tag."""
        return f"{self.service.image or f'ghcr.io/shop/{self.service.name}'}:{self.tag}"

    @property
    def digest(self) -> str:
        """The digest of the manifest."""
        return draw_digest(self.reference)


@functools.cache
def describe_image(image: ServiceImage) -> ImageEntry:
    """Return an image with its packages."""
    packages = tuple(installed.package for installed in _list_installed(image))
    base = _BASES.get(image.service.stack, "debian")
    distribution = {"base": _ALMALINUX, "debian": _DEBIAN}.get(base, _TESTING)
    return ImageEntry(image.digest, (image.reference,), PLATFORM, ImagePackages(distribution, packages))


def report_image(image: ServiceImage, day: float) -> DigestedEntry:
    """Return an image with its vulnerabilities that are known on a day."""
    return _report(image, get_epoch(day), is_arrived=day >= ARRIVAL)


@functools.cache
def _report(image: ServiceImage, epoch: int, *, is_arrived: bool) -> DigestedEntry:
    evidence: dict[str, list[EvidenceDocument]] = {}
    for number, installed in enumerate(_list_installed(image)):
        for problem in installed.version.problems:
            is_known = is_arrived if problem.definition == ARRIVING else _get_publication(problem.definition) <= epoch
            if is_known:
                described = _describe_evidence(number, installed.package, problem.fixed_version)
                evidence.setdefault(problem.definition, []).append(described)
    findings = (
        SubmittedFinding(key, draw_key(image.digest, key), tuple(documents)) for key, documents in evidence.items()
    )
    entry = SubjectEntry(
        draw_key(image.digest),
        ImageSubject(image.reference, image.digest, PLATFORM),
        findings=tuple(sorted(findings, key=lambda finding: finding.fingerprint)),
        listed_kinds=(VULNERABILITY,),
    )
    return digest_entry(entry)


def get_epoch(day: float) -> int:
    """Return the number of updates of the advisory database since the start."""
    return int((day - START) // EPOCH_DAYS)


@functools.cache
def _get_publication(definition: str) -> int:
    """Return the update of the advisory database that contains a vulnerability first."""
    if draw(definition, "later") >= _LATER:
        return 0
    return 1 + int(get_epoch(0) * draw(definition, "publication"))


@functools.cache
def _list_installed(image: ServiceImage) -> tuple[_Installed, ...]:
    stacks = load_catalog().stacks
    base = _BASES.get(image.service.stack, "debian")
    choices = (*(stacks[base].packages if base else ()), *stacks[image.service.stack].packages)
    return tuple(_install(image, choice) for choice in choices)


def _install(image: ServiceImage, choice: StackPackage) -> _Installed:
    package = _parse(choice.purl)
    is_system = package.type in _SYSTEM_TYPES
    newer = choice.newer if _is_upgraded(image, choice, is_system=is_system) else None
    version: PackageVersion = newer or choice
    package = _parse(version.purl)
    has_new_base = image.service.stack != JAVA and image.release >= _NEW_BASE
    layer = draw_digest(image.service.stack, has_new_base) if is_system else draw_digest(image.digest, "application")
    path = _PATHS[package.type].format(name=package.name, version=package.version)
    return _Installed(
        msgspec.structs.replace(package, locations=(PackageLocation(path, layer),), evidence=package.type), version
    )


_parse = functools.cache(parse_package_url)


def _is_upgraded(image: ServiceImage, choice: StackPackage, *, is_system: bool) -> bool:
    service = image.service
    if service.image and not is_system:
        return image.release > 0
    if is_system:
        # The base image of Java is the same all the year.
        return service.stack != JAVA and image.release >= _NEW_BASE
    if _TOMCAT in choice.purl:
        return list_releases(service)[image.release] > ARRIVAL
    if _LOG4J in choice.purl:
        return service.name != ENTRY_POINT or list_releases(service)[image.release] > ARRIVAL
    share = min(_FIRST_SHARE + _SHARE * image.release, _LARGEST_SHARE)
    return draw(service.name, choice.purl) < share


def _describe_evidence(number: int, package: Package, fixed: str) -> EvidenceDocument:
    name, location = qualify_name(package), package.locations[0]
    advice = f"fixed in {fixed}" if fixed else "no version fixes it"
    affected = AffectedPackage(format_package_url(package), name, package.version, fixed, location.path, location.layer)
    return EvidenceDocument(
        path=f"packages[{number}].version", message=f"{name} {package.version}: {advice}", package=affected
    )
