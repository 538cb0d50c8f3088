"""Reading of OpenVEX, CycloneDX and CSAF: products, statuses and times."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from kubekeep.images.sbom.read import read_sbom
from kubekeep.model.package import Distribution
from kubekeep.model.vulnerability import VexUseState
from kubekeep.vulnerabilities.vex.document import VexStatus
from kubekeep.vulnerabilities.vex.subject import create_image_subject, create_sbom_subject
from tests.vulnerabilities.vex.documents import COMPONENTS, ELSEWHERE, SHOP, analysed, csaf, cyclonedx, encode, flag
from tests.vulnerabilities.vex.shop import (
    DIGEST,
    LOG4J,
    PACKAGES,
    REFERENCE,
    REQUESTS,
    SSL,
    UTIL,
    about,
    apply,
    openvex,
    read,
    vulnerability,
)

IMAGE = f"pkg:oci/shop@{DIGEST}"
BOM = "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79"
LINK = "urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1"


# The examples of the OpenVEX specification (Apache-2.0, https://github.com/openvex/spec), section "Updating Statements
# with Inherited Data".
UPDATED: dict[str, Any] = {
    "@context": "https://openvex.dev/ns",
    "@id": "https://openvex.dev/docs/example/vex-84822c4e5028c",
    "author": "Wolfi J Inkinson",
    "role": "Document Creator",
    "timestamp": "2023-01-09T09:08:42-06:00",
    "version": 1,
    "statements": [
        {
            "timestamp": "2023-01-08T18:02:03-06:00",
            "vulnerability": {"name": "CVE-2023-12345"},
            "products": [{"@id": "pkg:apk/wolfi/git@2.39.0-r1?arch=armv7"}],
            "status": "under_investigation",
        },
        {
            "vulnerability": {"name": "CVE-2023-12345"},
            "products": [{"@id": "pkg:apk/wolfi/git@2.39.0-r1?arch=armv7"}],
            "status": "fixed",
        },
    ],
}


def test_openvex_example() -> None:
    document = read(encode(UPDATED))
    assert (document.format, document.author, document.version) == ("OpenVEX 0.0.1", "Wolfi J Inkinson", (1,))
    times = [str(statement.timestamp) for statement in document.statements]
    assert times == ["2023-01-09 00:02:03+00:00", "2023-01-09 15:08:42+00:00"]
    assert [statement.status for statement in document.statements] == [VexStatus.UNDER_INVESTIGATION, VexStatus.FIXED]


def test_openvex_0_0_1() -> None:
    content = encode(
        {
            "@context": "https://openvex.dev/ns",
            "@id": "https://shop.example/vex",
            "author": "Shop",
            "timestamp": "2026-01-01T00:00:00Z",
            "version": "1",
            "statements": [
                {
                    "vulnerability": "CVE-2026-1001",
                    "products": [IMAGE, "pkg:oci/other"],
                    "subcomponents": ["pkg:pypi/requests@2.31.0"],
                    "status": "not_affected",
                    "justification": "vulnerable_code_not_present",
                }
            ],
        }
    )
    assert apply(vulnerability(REQUESTS), content)[0] is not None
    assert apply(vulnerability(SSL), content)[0] is None


CYCLONEDX: dict[str, tuple[dict[str, Any], str | None]] = {
    "component of the image": (
        cyclonedx(analysed("r"), metadata={"component": SHOP}, components=COMPONENTS),
        "not_affected",
    ),
    "component of another image": (
        cyclonedx(analysed("r"), metadata={"component": ELSEWHERE}, components=COMPONENTS),
        None,
    ),
    "component of another version": (cyclonedx(analysed("old"), components=COMPONENTS), None),
    "component without a subject": (cyclonedx(analysed("r"), components=COMPONENTS), "not_affected"),
    "the image itself": (cyclonedx(analysed("root"), metadata={"component": SHOP}), "not_affected"),
    "another image itself": (cyclonedx(analysed("root"), metadata={"component": ELSEWHERE}), None),
    "package URL as reference": (cyclonedx(analysed("pkg:pypi/requests@2.31.0")), "not_affected"),
    "package URL in another image": (
        cyclonedx(analysed("pkg:pypi/requests@2.31.0"), metadata={"component": ELSEWHERE}),
        None,
    ),
    "unknown reference": (cyclonedx(analysed("nowhere"), components=COMPONENTS), None),
    "nested component": (
        cyclonedx(
            analysed("r"),
            components=[
                {
                    "type": "library",
                    "bom-ref": "o",
                    "name": "outer",
                    "purl": "pkg:npm/outer@1",
                    "components": COMPONENTS,
                }
            ],
        ),
        None,
    ),
    "fixed": (cyclonedx(analysed("r", state="resolved"), components=COMPONENTS), "fixed"),
    "fixed with pedigree": (cyclonedx(analysed("r", state="resolved_with_pedigree"), components=COMPONENTS), "fixed"),
    "false positive": (cyclonedx(analysed("r", state="false_positive"), components=COMPONENTS), "not_affected"),
    "in triage": (cyclonedx(analysed("r", state="in_triage"), components=COMPONENTS), "under_investigation"),
    "exploitable": (
        cyclonedx(analysed("r", state="exploitable", analysis={"response": ["update"]}), components=COMPONENTS),
        "affected",
    ),
    "no justification": (
        cyclonedx(analysed("r", analysis={"justification": ""}), components=COMPONENTS),
        None,
    ),
    "term without equivalent": (
        cyclonedx(analysed("r", analysis={"justification": "requires_configuration"}), components=COMPONENTS),
        "not_affected",
    ),
    "unknown justification": (
        cyclonedx(analysed("r", analysis={"justification": "trust_me", "detail": "x"}), components=COMPONENTS),
        None,
    ),
    "no analysis": (cyclonedx({"id": "CVE-2026-1001", "affects": [{"ref": "r"}]}, components=COMPONENTS), None),
    "equivalent identifier": (
        cyclonedx(
            analysed("r", id="GHSA-x", references=[{"id": "CVE-2026-1001", "source": {"name": "NVD"}}]),
            components=COMPONENTS,
        ),
        "not_affected",
    ),
    "listed version": (
        cyclonedx(
            analysed(
                affects=[{"ref": "pkg:pypi/requests", "versions": [{"version": "2.31.0", "status": "unaffected"}]}]
            )
        ),
        "not_affected",
    ),
    "other listed version": (
        cyclonedx(
            analysed(
                affects=[{"ref": "pkg:pypi/requests", "versions": [{"version": "2.30.0", "status": "unaffected"}]}]
            )
        ),
        None,
    ),
    "version that is affected": (
        cyclonedx(
            analysed(affects=[{"ref": "pkg:pypi/requests", "versions": [{"version": "2.31.0", "status": "affected"}]}])
        ),
        None,
    ),
    "range of versions": (
        cyclonedx(analysed(affects=[{"ref": "pkg:pypi/requests", "versions": [{"range": "vers:pypi/>=2"}]}])),
        None,
    ),
}


@pytest.mark.parametrize("name", CYCLONEDX)
def test_cyclonedx(name: str) -> None:
    document, status = CYCLONEDX[name]
    decided, _ = apply(vulnerability(REQUESTS), encode(document))
    assert (decided.status if decided else None) == status


@pytest.mark.parametrize("version", ["1.4", "1.5", "1.6", "1.7"])
def test_versions_of_cyclonedx(version: str) -> None:
    document = cyclonedx(analysed("r"), components=COMPONENTS, specVersion=version)
    assert read(encode(document)).format == f"CycloneDX {version}"


def test_later_analysis_wins() -> None:
    early = analysed("r", analysis={"lastUpdated": "2026-02-01T00:00:00Z"})
    late = analysed("r", state="exploitable", analysis={"lastUpdated": "2026-03-01T00:00:00Z", "detail": "Update."})
    decided, _ = apply(vulnerability(REQUESTS), encode(cyclonedx(late, early, components=COMPONENTS)))
    assert decided is not None
    assert (decided.status, decided.text) == ("affected", "Update.")


SBOM = encode(
    {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": BOM,
        "version": 1,
        "metadata": {
            "component": {"type": "application", "name": "shop", "purl": "pkg:npm/shop@1.0.0", "version": "1.0.0"}
        },
        "components": [
            {
                "type": "library",
                "bom-ref": "part-7",
                "name": "util",
                "version": "1.0.0",
                "purl": "pkg:npm/%40scope/util@1.0.0",
            },
        ],
    }
)

LINKS: dict[str, tuple[str, bool]] = {
    "bom-ref": (f"{LINK}#part-7", True),
    "other bom-ref": (f"{LINK}#part-8", False),
    "package URL": (f"{LINK}#pkg:npm/%40scope/util@1.0.0", True),
    "package URL, percent-encoded": (f"{LINK}#pkg%3Anpm%2F%2540scope%2Futil%401.0.0", True),
    "other package": (f"{LINK}#pkg:npm/other@1.0.0", False),
    "whole document": (LINK, True),
    "other version of the document": (f"{LINK[:-1]}2#part-7", False),
    "other document": (f"urn:cdx:{'0' * 8}-395b-41f5-a30f-a58921a69b79/1#part-7", False),
}


@pytest.mark.parametrize("name", LINKS)
def test_bom_links(name: str) -> None:
    reference, applies = LINKS[name]
    subject = create_sbom_subject(read_sbom(SBOM, "shop.cdx.json"))
    decided, _ = apply(vulnerability(UTIL), encode(cyclonedx(analysed(reference))), subject=subject)
    assert (decided is not None) == applies


@pytest.mark.parametrize(
    ("product", "applies"),
    [
        ("pkg:npm/shop@1.0.0", True),
        ("pkg:npm/shop", True),
        ("pkg:npm/shop@2.0.0", False),
        ("shop@1.0.0", True),
        ("s", False),
    ],
)
def test_application(product: str, applies: bool) -> None:  # noqa: FBT001
    subject = create_sbom_subject(read_sbom(SBOM, "shop.cdx.json"))
    decided, _ = apply(vulnerability(UTIL), openvex(about(product)), subject=subject)
    assert (decided is not None) == applies


@pytest.mark.parametrize(
    ("product", "applies"),
    [
        ("pkg:oci/shop?repository_url=registry.example/team/shop", True),
        (f"pkg:oci/shop@{DIGEST}?repository_url=registry.example/team/shop", True),
        (f"pkg:oci/shop@{'sha256:' + '0' * 64}", False),
        ("pkg:oci/shop?repository_url=evil.example/shop", False),
        ("shop:1.2", True),
    ],
)
def test_image_with_a_package_url(product: str, applies: bool) -> None:  # noqa: FBT001
    purl = f"pkg:oci/shop@{DIGEST}?repository_url=registry.example/team/shop"
    component = {"type": "container", "name": "shop", "version": "1.2", "purl": purl}
    sbom = encode({**json.loads(SBOM), "metadata": {"component": component}})
    decided, _ = apply(
        vulnerability(UTIL), openvex(about(product)), subject=create_sbom_subject(read_sbom(sbom, "shop.cdx.json"))
    )
    assert (decided is not None) == applies


def test_statements_in_the_sbom_itself() -> None:
    sbom = json.loads(SBOM)
    content = encode({**sbom, "vulnerabilities": [analysed("part-7")]})
    subject = create_sbom_subject(read_sbom(content, "shop.cdx.json"))
    assert apply(vulnerability(UTIL), content, subject=subject)[0] is not None
    assert apply(vulnerability(UTIL), content)[0] is None


RPM = msgspec.structs.replace(
    read_sbom(
        encode(
            {
                "bomFormat": "CycloneDX",
                "specVersion": "1.6",
                "components": [
                    {
                        "type": "library",
                        "name": "openssl-libs",
                        "purl": "pkg:rpm/redhat/openssl-libs@3.0.7-27.el9?arch=x86_64&upstream=openssl-3.0.7-27.el9.src.rpm",
                    }
                ],
            }
        ),
        "rpm",
    ).packages[0]
)
EL9 = create_image_subject(REFERENCE, distribution=Distribution("rhel", "9.4"), packages=(RPM, *PACKAGES))
EL8 = create_image_subject(REFERENCE, distribution=Distribution("rhel", "8.10"), packages=(RPM, *PACKAGES))

CSAF: dict[str, tuple[dict[str, Any], str | None]] = {
    "package in the platform": (csaf({"known_not_affected": ["EL9:ssl"]}, **flag("EL9:ssl")), "not_affected"),
    "source package in the platform": (csaf({"known_not_affected": ["EL9:src"]}, **flag("EL9:src")), "not_affected"),
    "group of products": (
        csaf({"known_not_affected": ["EL9:ssl"]}, flags=[{"label": "component_not_present", "group_ids": ["all"]}]),
        "not_affected",
    ),
    "impact instead of a flag": (
        csaf(
            {"known_not_affected": ["EL9:ssl"]},
            threats=[{"category": "impact", "details": "Not built in.", "product_ids": ["EL9:ssl"]}],
        ),
        "not_affected",
    ),
    "other threat is no explanation": (
        csaf(
            {"known_not_affected": ["EL9:ssl"]},
            threats=[{"category": "exploit_status", "details": "None.", "product_ids": ["EL9:ssl"]}],
        ),
        None,
    ),
    "flag of another product": (csaf({"known_not_affected": ["EL9:ssl"]}, **flag("EL9")), None),
    "platform": (csaf({"known_not_affected": ["EL9"]}, **flag("EL9")), "not_affected"),
    "fixed": (csaf({"fixed": ["EL9:ssl"]}), "fixed"),
    "first fixed": (csaf({"first_fixed": ["EL9:ssl"]}), "fixed"),
    "recommended is no status": (csaf({"recommended": ["EL9:ssl"]}), None),
    "affected": (
        csaf(
            {"known_affected": ["EL9:ssl"]},
            remediations=[{"category": "vendor_fix", "details": "Update.", "product_ids": ["EL9:ssl"]}],
        ),
        "affected",
    ),
    "under investigation": (csaf({"under_investigation": ["EL9:ssl"]}), "under_investigation"),
    "contradiction": (
        csaf({"known_not_affected": ["EL9:ssl"], "known_affected": ["EL9:ssl"]}, **flag("EL9:ssl")),
        "affected",
    ),
}


@pytest.mark.parametrize("name", CSAF)
def test_csaf(name: str) -> None:
    document, status = CSAF[name]
    decided, _ = apply(vulnerability(RPM), encode(document), subject=EL9)
    assert (decided.status if decided else None) == status
    assert apply(vulnerability(RPM), encode(document), subject=EL8)[0] is None
    assert apply(vulnerability(REQUESTS), encode(document), subject=EL9)[0] is None


@pytest.mark.parametrize(
    ("identifier", "applies"),
    [("exact", True), ("old", False), ("range", False), ("other:exact", False), ("image", True)],
)
def test_version_of_a_branch(identifier: str, applies: bool) -> None:  # noqa: FBT001
    content = encode(csaf({"known_not_affected": [identifier]}, **flag(identifier)))
    decided, uses = apply(vulnerability(REQUESTS), content, subject=EL9)
    assert (decided is not None) == applies
    if identifier == "range":
        assert uses[0].text.startswith("its products are version ranges")


def test_csaf_2_1() -> None:
    document = csaf({"known_not_affected": ["exact"]}, **flag("exact"))
    document["document"]["csaf_version"] = "2.1"
    names = document["product_tree"]["full_product_names"]
    helper = {"purls": ["pkg:pypi/other@1", "pkg:pypi/requests@2.31.0"]}
    names.append({"name": "requests", "product_id": "several", "product_identification_helper": helper})
    document["vulnerabilities"][0]["product_status"] = {"known_not_affected": ["several"]}
    document["vulnerabilities"][0] |= flag("several")
    assert read(encode(document)).format == "CSAF 2.1"
    assert apply(vulnerability(REQUESTS), encode(document))[0] is not None


def test_unused_statement_about_the_archive() -> None:
    decided, uses = apply(vulnerability(LOG4J), openvex(about("pkg:maven/com.example/shop@1.0", name="CVE-2026-1003")))
    assert (decided, uses[0].state) == (None, VexUseState.UNUSED)
