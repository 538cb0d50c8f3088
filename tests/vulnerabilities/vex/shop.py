"""An image with packages and vulnerabilities, and VEX documents about it, for the tests of this folder."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import msgspec

from kubekeep.images.package_url import parse_package_url
from kubekeep.model.package import Distribution, Package, PackageLocation, SourcePackage
from kubekeep.model.severity import Severity
from kubekeep.model.vulnerability import (
    VexStatement,
    VexUse,
    Vulnerability,
    VulnerabilityRating,
    VulnerabilityReport,
)
from kubekeep.vulnerabilities.vex.apply import apply_vex
from kubekeep.vulnerabilities.vex.document import VexDocument
from kubekeep.vulnerabilities.vex.read import read_vex
from kubekeep.vulnerabilities.vex.subject import VexSubject, create_image_subject

TODAY = dt.date(2026, 6, 1)
DIGEST = "sha256:" + "a" * 64
INDEX = "sha256:" + "b" * 64
OTHER = "sha256:" + "c" * 64
REFERENCE = "registry.example/team/shop:1.2"
DEBIAN = Distribution("debian", "13", version_codename="trixie")
JAR = "app/shop.jar"
LIB = f"{JAR}!/BOOT-INF/lib"
SHA1 = "1" * 40


def package(url: str, *paths: str, source: str = "", **fields: Any) -> Package:
    """Return a package with the files that prove it; source: name and version as `openssl@3.5.1-1`."""
    name, _, version = source.partition("@")
    return msgspec.structs.replace(
        parse_package_url(url),
        locations=tuple(map(PackageLocation, paths)),
        source=SourcePackage(name, version) if source else None,
        **fields,
    )


SSL = package(
    "pkg:deb/debian/libssl3t64@3.5.1-1?arch=amd64&distro=debian-13", "var/lib/dpkg/status", source="openssl@3.5.1-1"
)
REQUESTS = package("pkg:pypi/requests@2.31.0", "usr/lib/python3/requests-2.31.0.dist-info/METADATA")
APP = package("pkg:maven/com.example/shop@1.0", JAR)
LOG4J = package(
    "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1", f"{LIB}/log4j-core.jar", hashes=(("SHA-1", SHA1),)
)
API = package("pkg:maven/org.apache.logging.log4j/log4j-api@2.14.1", f"{LIB}/log4j-api.jar", "opt/log4j-api.jar")
STDLIB = package("pkg:golang/stdlib@1.22.1", "usr/bin/tool")
UTIL = package("pkg:npm/%40scope/util@1.0.0", "srv/node_modules/@scope/util/package.json")
INNER = package("pkg:npm/inner@2.0.0", "srv/node_modules/@scope/util/node_modules/inner/package.json")
PACKAGES = (SSL, REQUESTS, APP, LOG4J, API, STDLIB, UTIL, INNER)
SUBJECT = create_image_subject(
    REFERENCE, digests=(DIGEST, INDEX), platform="linux/amd64", distribution=DEBIAN, packages=PACKAGES
)


def vulnerability(package: Package, name: str = "CVE-2026-1001", **fields: Any) -> Vulnerability:
    """Return a vulnerability of a package."""
    fields.setdefault("rating", VulnerabilityRating(Severity.HIGH, 8.0))
    return Vulnerability(id=name, package=package, **fields)


def openvex(*statements: dict[str, Any], **fields: Any) -> bytes:
    """Return an OpenVEX document of 2026-01-01 with these statements."""
    document = {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://shop.example/vex/1",
        "author": "Shop",
        "timestamp": "2026-01-01T00:00:00Z",
        "version": 1,
        **fields,
        "statements": list(statements),
    }
    return json.dumps(document).encode()


def about(*products: Any, name: str = "CVE-2026-1001", status: str = "not_affected", **fields: Any) -> dict[str, Any]:
    """Return a statement about products: identifiers, or objects of OpenVEX."""
    if status == "not_affected":
        fields.setdefault("justification", "vulnerable_code_not_in_execute_path")
    if status == "affected":
        fields.setdefault("action_statement", "Update it.")
    entries = [{"@id": product} if isinstance(product, str) else product for product in products]
    statement = {"vulnerability": {"name": name}, "status": status, "products": entries, **fields}
    return {key: value for key, value in statement.items() if value is not None}


def within(product: str, *components: Any) -> dict[str, Any]:
    """Return a product with subcomponents."""
    entries = [{"@id": each} if isinstance(each, str) else each for each in components]
    return {"@id": product, "subcomponents": entries}


def read(content: bytes) -> VexDocument:
    return read_vex(content, "shop.vex.json")


def apply(
    target: Vulnerability, *contents: bytes, subject: VexSubject = SUBJECT
) -> tuple[VexStatement | None, tuple[VexUse, ...]]:
    """Return the statement that decides the status of a vulnerability, and the use of all statements."""
    report = VulnerabilityReport((target,))
    result = apply_vex(report, tuple(map(read, contents)), subject=subject, today=TODAY)
    return result.vulnerabilities[0].vex, result.vex
