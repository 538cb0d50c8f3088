"""Application of statements: each case has a vulnerability of the image in `shop.py` and the status that must result."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kubekeep.model.package import Distribution, Package
from kubekeep.model.vulnerability import MatchedRecord, VexUseState, VulnerabilityReport
from kubekeep.vulnerabilities.vex.apply import apply_vex
from kubekeep.vulnerabilities.vex.subject import VexSubject, create_image_subject
from tests.vulnerabilities.vex.shop import (
    API,
    APP,
    DEBIAN,
    DIGEST,
    INDEX,
    INNER,
    JAR,
    LOG4J,
    OTHER,
    PACKAGES,
    REFERENCE,
    REQUESTS,
    SHA1,
    SSL,
    STDLIB,
    SUBJECT,
    TODAY,
    UTIL,
    about,
    apply,
    openvex,
    package,
    read,
    vulnerability,
    within,
)

IMAGE = f"pkg:oci/shop@{DIGEST}?repository_url=registry.example/team/shop"
NOT_AFFECTED = "not_affected"

PRODUCTS: dict[str, tuple[Package, Any, bool]] = {
    # Images
    "digest": (SSL, f"pkg:oci/shop@{DIGEST}", True),
    "digest, percent-encoded": (SSL, f"pkg:oci/shop@{DIGEST.replace(':', '%3A')}", True),
    "digest and repository": (SSL, IMAGE, True),
    "digest of the index": (SSL, f"pkg:oci/shop@{INDEX}", True),
    "digest of a mirrored image": (SSL, f"pkg:oci/shop@{DIGEST}?repository_url=mirror.example/shop", True),
    "other digest": (SSL, f"pkg:oci/shop@{OTHER}?repository_url=registry.example/team/shop", False),
    "repository without digest": (SSL, "pkg:oci/shop?repository_url=registry.example/team/shop", True),
    "repository without the name": (SSL, "pkg:oci/shop?repository_url=registry.example/team", True),
    "other repository": (SSL, "pkg:oci/shop?repository_url=registry.example/other/shop", False),
    "other registry": (SSL, "pkg:oci/shop?repository_url=evil.example/team/shop", False),
    "repository as prefix": (SSL, "pkg:oci/shop?repository_url=registry.example/te", False),
    "name only": (SSL, "pkg:oci/shop", True),
    "other name": (SSL, "pkg:oci/shop-admin", False),
    "tag": (SSL, "pkg:oci/shop?repository_url=registry.example/team/shop&tag=1.2", True),
    "other tag": (SSL, "pkg:oci/shop?repository_url=registry.example/team/shop&tag=1.3", False),
    "architecture": (SSL, "pkg:oci/shop?repository_url=registry.example/team/shop&arch=amd64", True),
    "other architecture": (SSL, "pkg:oci/shop?repository_url=registry.example/team/shop&arch=arm64", False),
    "unknown qualifier": (SSL, "pkg:oci/shop?repository_url=registry.example/team/shop&edition=x", False),
    "pkg:docker": (SSL, "pkg:docker/team/shop@1.2?repository_url=registry.example", True),
    "pkg:docker of Docker Hub": (SSL, "pkg:docker/team/shop@1.2", False),
    "reference": (SSL, REFERENCE, True),
    "reference with digest": (SSL, f"registry.example/team/shop@{DIGEST}", True),
    "reference with other digest": (SSL, f"registry.example/team/shop@{OTHER}", False),
    "reference with other tag": (SSL, "registry.example/team/shop:1.3", False),
    "reference without tag": (SSL, "registry.example/team/shop", False),
    "hash of the manifest": (SSL, {"hashes": {"sha-256": DIGEST[7:]}}, True),
    "hash with prefix": (SSL, {"hashes": {"sha-256": DIGEST}}, True),
    "other hash": (SSL, {"hashes": {"sha-256": OTHER[7:]}}, False),
    "name, but other hash": (SSL, {"@id": REFERENCE, "hashes": {"sha-256": OTHER[7:]}}, False),
    "name, but package URL of other digest": (
        SSL,
        {"@id": REFERENCE, "identifiers": {"purl": f"pkg:oci/shop@{OTHER}"}},
        False,
    ),
    "@id without, package URL with other digest": (
        SSL,
        {"@id": "pkg:oci/shop", "identifiers": {"purl": f"pkg:oci/shop@{OTHER}"}},
        False,
    ),
    "other IRI": (SSL, "https://shop.example/products/other", False),
    # Subcomponents
    "image, component": (SSL, within(IMAGE, "pkg:deb/debian/libssl3t64@3.5.1-1"), True),
    "image, component without version": (SSL, within(IMAGE, "pkg:deb/debian/libssl3t64"), True),
    "image, other component": (SSL, within(IMAGE, "pkg:deb/debian/zlib1g"), False),
    "image, component of other version": (SSL, within(IMAGE, "pkg:deb/debian/libssl3t64@3.5.2-1"), False),
    "other image, component": (SSL, within(f"pkg:oci/shop@{OTHER}", "pkg:deb/debian/libssl3t64@3.5.1-1"), False),
    "image, one of two components": (SSL, within(IMAGE, "pkg:npm/left-pad", "pkg:deb/debian/libssl3t64"), True),
    "image, component by hash": (LOG4J, within(IMAGE, {"hashes": {"sha1": SHA1}}), True),
    "image, component by MD5": (LOG4J, within(IMAGE, {"hashes": {"md5": "1" * 32}}), False),
    "image, component by other hash": (LOG4J, within(IMAGE, {"hashes": {"sha1": "2" * 40}}), False),
    "image, right package URL, other hash": (
        LOG4J,
        within(IMAGE, {"@id": "pkg:maven/org.apache.logging.log4j/log4j-core", "hashes": {"sha1": "2" * 40}}),
        False,
    ),
    "image, archive that contains it": (LOG4J, within(IMAGE, "pkg:maven/com.example/shop@1.0"), True),
    # Packages as products
    "package": (REQUESTS, "pkg:pypi/requests@2.31.0", True),
    "package without version": (REQUESTS, "pkg:pypi/requests", True),
    "package of other version": (REQUESTS, "pkg:pypi/requests@2.31.1", False),
    "version is no prefix": (REQUESTS, "pkg:pypi/requests@2.31", False),
    "other package": (REQUESTS, "pkg:pypi/requests-toolbelt", False),
    "other type": (REQUESTS, "pkg:npm/requests@2.31.0", False),
    "name in another spelling": (REQUESTS, "pkg:PYPI/Requests@2.31.0", True),
    "namespace": (UTIL, "pkg:npm/%40scope/util@1.0.0", True),
    "namespace, not encoded": (UTIL, "pkg:npm/@scope/util@1.0.0", True),
    "without its namespace": (UTIL, "pkg:npm/util@1.0.0", False),
    "Go with prefix of the version": (STDLIB, "pkg:golang/stdlib@v1.22.1", True),
    "Go of other version": (STDLIB, "pkg:golang/stdlib@v1.22.10", False),
    "equal qualifiers": (SSL, "pkg:deb/debian/libssl3t64@3.5.1-1?arch=amd64&distro=debian-13", True),
    "other architecture of a package": (SSL, "pkg:deb/debian/libssl3t64@3.5.1-1?arch=arm64", False),
    "other release": (SSL, "pkg:deb/debian/libssl3t64?distro=debian-12", False),
    "release without a version": (SSL, "pkg:deb/debian/libssl3t64?distro=debian", True),
    "beginning of a release": (SSL, "pkg:deb/debian/libssl3t64?distro=debian-1", False),
    "code name of the release": (SSL, "pkg:deb/debian/libssl3t64?distro=trixie", True),
    "code name of another release": (SSL, "pkg:deb/debian/libssl3t64?distro=bookworm", False),
    "qualifier that the package lacks": (REQUESTS, "pkg:pypi/requests@2.31.0?extension=whl", False),
    "subpath that the package lacks": (REQUESTS, "pkg:pypi/requests@2.31.0#sub", False),
    "source package": (SSL, "pkg:deb/debian/openssl@3.5.1-1?arch=source", True),
    "source package of another distribution": (SSL, "pkg:deb/ubuntu/openssl@3.5.1-1?arch=source", False),
    "source package of other version": (SSL, "pkg:deb/debian/openssl@3.5.2-1?arch=source", False),
    "source name without arch=source": (SSL, "pkg:deb/debian/openssl@3.5.1-1", False),
    "another tool's qualifiers": (SSL, "pkg:deb/debian/libssl3t64@3.5.1-1?upstream=openssl&package-id=0a1b", True),
    # Packages that contain packages
    "archive": (LOG4J, "pkg:maven/com.example/shop@1.0", True),
    "archive of other version": (LOG4J, "pkg:maven/com.example/shop@2.0", False),
    "archive, component": (
        LOG4J,
        within("pkg:maven/com.example/shop@1.0", "pkg:maven/org.apache.logging.log4j/log4j-core"),
        True,
    ),
    "archive, component that is also elsewhere": (
        API,
        within("pkg:maven/com.example/shop@1.0", "pkg:maven/org.apache.logging.log4j/log4j-api"),
        False,
    ),
    "archive, package outside": (REQUESTS, within("pkg:maven/com.example/shop@1.0", "pkg:pypi/requests"), False),
    "npm package in the folder of another one": (INNER, "pkg:npm/%40scope/util@1.0.0", True),
    "npm package beside another one": (UTIL, "pkg:npm/inner@2.0.0", False),
    "part of the package": (APP, "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1", False),
    "@id of one, identifier of another package": (
        REQUESTS,
        {"@id": "pkg:apk/wolfi/product@1.23.0-r1", "identifiers": {"purl": "pkg:pypi/requests@2.31.0"}},
        True,
    ),
    # CPEs name distributions, nothing else
    "CPE of the distribution": (SSL, "cpe:/o:debian:debian_linux:13", True),
    "CPE 2.3 of the distribution": (SSL, "cpe:2.3:o:debian:debian_linux:13:*:*:*:*:*:*:*", True),
    "CPE of another release": (SSL, "cpe:/o:debian:debian_linux:1", False),
    "CPE of the distribution, other software": (REQUESTS, "cpe:/o:debian:debian_linux:13", False),
    "CPE of a package": (REQUESTS, "cpe:2.3:a:python-requests:requests:2.31.0:*:*:*:*:*:*:*", False),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products(name: str) -> None:
    target, product, applies = PRODUCTS[name]
    statement, uses = apply(vulnerability(target), openvex(about(product)))
    assert (statement.status if statement else None) == (NOT_AFFECTED if applies else None)
    assert (uses[0].state is VexUseState.APPLIED) == applies


NAMES: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "id": ({}, {"name": "CVE-2026-1001"}, True),
    "id in another case": ({}, {"name": "cve-2026-1001"}, True),
    "other id": ({}, {"name": "CVE-2026-10010"}, False),
    "alias of the vulnerability": ({"aliases": ("GHSA-a",)}, {"name": "GHSA-a"}, True),
    "alias of the statement": ({}, {"name": "GHSA-b", "aliases": ["CVE-2026-1001"]}, True),
    "alias of both": ({"aliases": ("GHSA-a",)}, {"name": "PYSEC-1", "aliases": ["GHSA-a"]}, True),
    "record": ({"records": (MatchedRecord("DSA-1-1", "Debian:13", "openssl", "1"),)}, {"name": "DSA-1-1"}, True),
    "description only": ({}, {"name": "OTHER-1", "description": "CVE-2026-1001"}, False),
}


@pytest.mark.parametrize("name", NAMES)
def test_names(name: str) -> None:
    fields, names, applies = NAMES[name]
    statement, _ = apply(vulnerability(SSL, **fields), openvex(about(IMAGE, vulnerability=names)))
    assert (statement is not None) == applies


EARLY, LATE = "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"
TIMES: dict[str, tuple[list[dict[str, Any]], str]] = {
    "later statement": ([about(IMAGE, timestamp=EARLY), about(IMAGE, status="affected", timestamp=LATE)], "affected"),
    "order in the document": (
        [about(IMAGE, status="affected", timestamp=LATE), about(IMAGE, timestamp=EARLY)],
        "affected",
    ),
    "later fix": (
        [about(IMAGE, status="affected", timestamp=EARLY), about(IMAGE, status="fixed", timestamp=LATE)],
        "fixed",
    ),
    "document's time is older": ([about(IMAGE, status="affected"), about(IMAGE, timestamp=EARLY)], NOT_AFFECTED),
    "other time zone": (
        [about(IMAGE, timestamp="2026-02-01T00:30:00+02:00"), about(IMAGE, status="affected", timestamp=EARLY)],
        "affected",
    ),
    "same time": ([about(IMAGE, status="under_investigation"), about(IMAGE)], "under_investigation"),
    "from the future": (
        [about(IMAGE, status="affected", timestamp=EARLY), about(IMAGE, timestamp="2026-06-09T00:00:00Z")],
        "affected",
    ),
    "later statement about another product": (
        [about(IMAGE, timestamp=EARLY), about(f"pkg:oci/shop@{OTHER}", status="affected", timestamp=LATE)],
        NOT_AFFECTED,
    ),
    "later statement with a flaw": (
        [about(IMAGE, status="affected", timestamp=EARLY), about(IMAGE, justification=None, timestamp=LATE)],
        "affected",
    ),
    "later statement about a component": (
        [
            about(IMAGE, timestamp=EARLY),
            about(within(IMAGE, "pkg:deb/debian/libssl3t64"), status="affected", timestamp=LATE),
        ],
        "affected",
    ),
    "affected without an action": (
        [about(IMAGE, timestamp=EARLY), about(IMAGE, status="affected", action_statement=None, timestamp=LATE)],
        "affected",
    ),
}


@pytest.mark.parametrize("name", TIMES)
def test_times(name: str) -> None:
    statements, status = TIMES[name]
    decided, _ = apply(vulnerability(SSL), openvex(*statements))
    assert decided is not None
    assert decided.status == status


def test_latest_of_several_documents() -> None:
    first = openvex(about(IMAGE), **{"@id": "https://a.example/1"})
    second = openvex(about(IMAGE, status="fixed"), **{"@id": "https://b.example/1", "timestamp": LATE})
    for contents in ((first, second), (second, first)):
        decided, _ = apply(vulnerability(SSL), *contents)
        assert decided is not None
        assert decided.status == "fixed"


def test_newer_version_of_a_document_replaces_it() -> None:
    old = openvex(about(IMAGE, timestamp=LATE))
    new = openvex(about("pkg:npm/other"), version=2)
    decided, uses = apply(vulnerability(SSL), old, new)
    assert decided is None
    assert uses[0].state is VexUseState.INVALID
    assert uses[0].text == "version 2 of the document supersedes it"


FLAWS: dict[str, tuple[dict[str, Any], str]] = {
    "no justification": (
        about(IMAGE, justification=None),
        "not_affected needs a justification or an impact statement",
    ),
    "unknown justification": (about(IMAGE, justification="trust_me"), "unknown justification 'trust_me'"),
    "no product": ({**about(), "products": None}, "the statement names no product"),
    "empty list of products": (about(), "the statement names no product"),
    "future": (about(IMAGE, timestamp="2027-01-01T00:00:00Z"), "it is from the future: 2027-01-01T00:00:00+00:00"),
}


@pytest.mark.parametrize("name", FLAWS)
def test_flawed_statement_suppresses_nothing(name: str) -> None:
    statement, message = FLAWS[name]
    decided, uses = apply(vulnerability(SSL), openvex(statement))
    assert decided is None
    assert (uses[0].state, uses[0].text) == (VexUseState.INVALID, message)
    assert uses[0].position == "statements[0]"


def test_impact_statement_is_enough() -> None:
    decided, _ = apply(vulnerability(SSL), openvex(about(IMAGE, justification=None, impact_statement="Patched.")))
    assert decided is not None
    assert (decided.text, decided.author, decided.origin) == ("Patched.", "Shop", "shop.vex.json")


UPSTREAM: dict[str, tuple[list[dict[str, Any]], str | None]] = {
    "one of two": ([about(IMAGE, name="CVE-1")], None),
    "both": ([about(IMAGE, name="CVE-1"), about(IMAGE, name="CVE-2", status="fixed")], NOT_AFFECTED),
    "one affected": ([about(IMAGE, name="CVE-1"), about(IMAGE, name="CVE-2", status="affected")], "affected"),
    "one for another image": ([about(IMAGE, name="CVE-1"), about(f"pkg:oci/shop@{OTHER}", name="CVE-2")], None),
    "the record itself": ([about(IMAGE, name="DSA-7-1")], NOT_AFFECTED),
}


@pytest.mark.parametrize("name", UPSTREAM)
def test_record_about_several_cves(name: str) -> None:
    statements, status = UPSTREAM[name]
    decided, uses = apply(vulnerability(SSL, "DSA-7-1", upstream=("CVE-1", "CVE-2")), openvex(*statements))
    assert (decided.status if decided else None) == status
    if name == "one of two":
        assert uses[0].text == "the vulnerability is about several CVEs, and others of them have no statement"


def test_uses() -> None:
    content = openvex(
        about(IMAGE, timestamp=LATE),
        about("pkg:deb/debian/libssl3t64"),
        about(IMAGE, name="CVE-2026-1009"),
        about(f"pkg:oci/shop@{OTHER}"),
        about("cpe:/a:acme:tool:1"),
    )
    _, uses = apply(vulnerability(SSL), content)
    assert [(use.state.value, use.text) for use in uses] == [
        ("applied", ""),
        ("overruled", "a later statement applies"),
        ("unused", "no package of the product has this vulnerability"),
        ("other-product", "its products are neither the scanned software nor one of its packages"),
        (
            "other-product",
            "its products have only CPEs, which Kubekeep compares with the distribution only: add a package URL",
        ),
    ]
    assert uses[0].packages == ("pkg:deb/debian/libssl3t64@3.5.1-1?arch=amd64&distro=debian-13",)
    assert uses[0].products == (IMAGE,)


@pytest.mark.parametrize(
    ("statement", "warning"),
    [
        (about("pkg:oci/shop"), "pkg:oci/shop names neither a digest nor a repository: it matches any registry"),
        (
            about(IMAGE, justification="component_not_present"),
            "it states component_not_present, but the package is in the list of packages",
        ),
        (about("pkg:oci/shop?repository_url=registry.example/team/shop"), ""),
    ],
)
def test_warnings(statement: dict[str, Any], warning: str) -> None:
    _, uses = apply(vulnerability(SSL), openvex(statement))
    assert (uses[0].state, uses[0].text) == (VexUseState.APPLIED, warning)


def test_other_vulnerabilities_stay_unchanged() -> None:
    others = (vulnerability(REQUESTS), vulnerability(SSL, "CVE-2026-1002"))
    report = VulnerabilityReport((vulnerability(SSL), *others))
    document = read(openvex(about("pkg:deb/debian/libssl3t64")))
    result = apply_vex(report, (document,), subject=SUBJECT, today=TODAY)
    assert result.vulnerabilities[0].vex is not None
    assert result.vulnerabilities[1:] == others


def test_packages_default_to_those_of_the_report() -> None:
    subject = VexSubject(names=("shop",))
    decided, uses = apply(vulnerability(LOG4J), openvex(about("pkg:maven/com.example/shop")), subject=subject)
    assert decided is None
    assert uses[0].state is VexUseState.OTHER_PRODUCT


@pytest.mark.parametrize(
    ("reference", "repository", "applies"),
    [
        ("nginx:1.29", "docker.io/library/nginx", True),
        ("nginx:1.29", "index.docker.io/library/nginx", True),
        ("nginx:1.29", "index.docker.io/library", True),
        ("nginx:1.29", "quay.io/library/nginx", False),
        ("oci:layout", "docker.io/library/nginx", False),
    ],
)
def test_docker_hub(reference: str, repository: str, applies: bool) -> None:  # noqa: FBT001
    subject = create_image_subject(reference, packages=PACKAGES)
    product = f"pkg:oci/nginx?repository_url={repository}"
    decided, _ = apply(vulnerability(SSL), openvex(about(product)), subject=subject)
    assert (decided is not None) == applies


@pytest.mark.parametrize(
    ("reference", "product", "applies"),
    [
        ("nginx:1.29", "docker.io/library/nginx:1.29", True),
        ("docker.io/library/nginx:1.29", "nginx:1.29", True),
        ("index.docker.io/library/nginx:1.29", "nginx:1.29", True),
        ("docker.io/team/nginx:1.29", "nginx:1.29", False),
        ("nginx:1.29", "nginx:1.2", False),
        ("nginx:1.29", "nginx", False),
        ("nginx", "nginx", True),
        ("containerd://nginx:1.29", "nginx:1.29", True),
        ("oci:nginx:1.29", "nginx:1.29", False),
        ("./nginx:1.29", "nginx:1.29", False),
    ],
)
def test_references_to_docker_hub(reference: str, product: str, applies: bool) -> None:  # noqa: FBT001
    decided, _ = apply(
        vulnerability(SSL), openvex(about(product)), subject=create_image_subject(reference, packages=PACKAGES)
    )
    assert (decided is not None) == applies


def test_layout_is_identified_by_its_digest() -> None:
    subject = create_image_subject(f"oci:/images/{JAR}", digests=(DIGEST,), distribution=DEBIAN, packages=PACKAGES)
    assert apply(vulnerability(SSL), openvex(about(IMAGE)), subject=subject)[0] is not None


RPM = package(
    "pkg:rpm/redhat/openssl-libs@3.0.7-27.el9?arch=x86_64&distro=rhel-9.4&epoch=1", source="openssl@3.0.7-27.el9"
)


@pytest.mark.parametrize(
    ("product", "applies"),
    [
        ("pkg:rpm/redhat/openssl-libs@3.0.7-27.el9?arch=x86_64&epoch=1", True),
        ("pkg:rpm/redhat/openssl-libs@1:3.0.7-27.el9", True),
        ("pkg:rpm/redhat/openssl-libs@3.0.7-27.el9?epoch=2", False),
        ("pkg:rpm/redhat/openssl@3.0.7-27.el9?arch=src&epoch=1", True),
        ("pkg:rpm/redhat/openssl@3.0.7-28.el9?arch=src&epoch=1", False),
        ("pkg:rpm/redhat/openssl-libs?distro=rhel-9", True),
        ("pkg:rpm/redhat/openssl-libs?distro=rhel-9.2", False),
        ("pkg:rpm/redhat/openssl-libs?distro=rhel-8", False),
        ("cpe:/o:redhat:enterprise_linux:9::baseos", True),
        ("cpe:/o:redhat:enterprise_linux:8::baseos", False),
        ("cpe:/o:redhat:rhel_eus:9.4::baseos", False),
    ],
)
def test_rpm(product: str, applies: bool) -> None:  # noqa: FBT001
    subject = create_image_subject(REFERENCE, distribution=Distribution("rhel", "9.4"), packages=(RPM,))
    decided, _ = apply(vulnerability(RPM), openvex(about(product)), subject=subject)
    assert (decided is not None) == applies


def test_document_replaces_an_earlier_status() -> None:
    first = apply_vex(
        VulnerabilityReport((vulnerability(SSL),)), (read(openvex(about(IMAGE))),), subject=SUBJECT, today=TODAY
    )
    later = read(openvex(about(IMAGE, status="affected", timestamp=LATE), **{"@id": "https://b.example"}))
    result = apply_vex(first, (later,), subject=SUBJECT, today=TODAY)
    assert msgspec.structs.asdict(result)["vulnerabilities"][0].vex.status == "affected"
    assert len(result.vex) == 2
