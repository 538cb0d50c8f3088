"""Vulnerabilities of images that other tools report: subjects and evidence with the identity that Kubekeep gives them. No I/O."""

from __future__ import annotations

import re
from typing import Final

from kubekeep.images.package_url import format_package_url
from kubekeep.model.definition import FindingKind
from kubekeep.model.finding_document import EvidenceDocument
from kubekeep.model.fingerprint import Identity
from kubekeep.model.image import API_VERSION, KIND, ImageSubject
from kubekeep.model.package import AffectedPackage, Package, PackageLocation, qualify_name
from kubekeep_server.foreign.assembly import SubjectDraft
from kubekeep_server.foreign.decoding import MAX_TEXT, shorten

LISTED: Final = (FindingKind.VULNERABILITY.value,)
"""The kinds of problems of an image of which all vulnerabilities are listed."""
GROUP: Final = API_VERSION.partition("/")[0]
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


def create_image(reference: str, digest: str, platform: str = "") -> SubjectDraft:
    """Return an image as a subject. It is identified by its digest, without one by its reference."""
    subject = ImageSubject(reference=shorten(reference), digest=digest, platform=shorten(platform))
    return SubjectDraft(subject, Identity(GROUP, KIND, "", subject.digest or subject.reference))


def is_digest(text: str) -> bool:
    """Return True for the digest of a manifest (OCI image specification)."""
    return _DIGEST.fullmatch(text) is not None


def describe_affected(package: Package, fixed_version: str, advice: str) -> EvidenceDocument:
    """Return the evidence that a package is vulnerable. advice: on the fix, if no fixed version is known."""
    location = package.locations[0] if package.locations else PackageLocation("")
    name, fix = qualify_name(package), shorten(fixed_version)
    affected = AffectedPackage(
        purl=shorten(format_package_url(package)),
        name=shorten(name),
        version=shorten(package.version),
        fixed_version=fix,
        path=shorten(location.path),
        layer=shorten(location.layer),
    )
    state = f"fixed in {fix}" if fix else advice or "no fixed version known"
    return EvidenceDocument(message=shorten(f"{name} {package.version}: {state}", MAX_TEXT), package=affected)
