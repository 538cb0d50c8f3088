"""Documents in OpenVEX, CycloneDX and CSAF about the image in `shop.py`."""

from __future__ import annotations

import json
from typing import Any

from tests.vulnerabilities.vex.shop import DIGEST, OTHER, REFERENCE


def encode(document: Any) -> bytes:
    return json.dumps(document).encode()


def cyclonedx(*vulnerabilities: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"timestamp": "2026-01-01T00:00:00Z"},
        **fields,
        "vulnerabilities": list(vulnerabilities),
    }


def analysed(*references: str, state: str = "not_affected", **fields: Any) -> dict[str, Any]:
    analysis = {"state": state, **({"justification": "code_not_reachable"} if state == "not_affected" else {})}
    return {
        "id": "CVE-2026-1001",
        "analysis": {**analysis, **fields.pop("analysis", {})},
        "affects": [{"ref": reference} for reference in references],
        **fields,
    }


SHOP = {"type": "container", "bom-ref": "root", "name": REFERENCE, "version": DIGEST}
ELSEWHERE = {"type": "container", "bom-ref": "root", "name": "registry.example/team/other", "version": OTHER}
COMPONENTS = [
    {"type": "library", "bom-ref": "r", "name": "requests", "version": "2.31.0", "purl": "pkg:pypi/requests"},
    {"type": "library", "bom-ref": "old", "name": "requests", "version": "2.30.0", "purl": "pkg:pypi/requests@2.30.0"},
]


def csaf(status: dict[str, list[str]], **fields: Any) -> dict[str, Any]:
    """Return a document with products as vendors describe them: a platform, packages, and packages in the platform."""
    platform = {
        "name": "Enterprise Linux 9",
        "product_id": "EL9",
        "product_identification_helper": {"cpe": "cpe:/o:redhat:enterprise_linux:9::baseos"},
    }
    ssl = {
        "name": "openssl-libs",
        "product_id": "ssl",
        "product_identification_helper": {"purl": "pkg:rpm/redhat/openssl-libs@3.0.7-27.el9?arch=x86_64"},
    }
    src = {
        "name": "openssl",
        "product_id": "src",
        "product_identification_helper": {"purl": "pkg:rpm/redhat/openssl?arch=src"},
    }
    branches = [
        {
            "category": "vendor",
            "name": "Red Hat",
            "branches": [
                {
                    "category": "product_family",
                    "name": "Enterprise Linux",
                    "branches": [
                        {"category": "product_name", "name": "Enterprise Linux 9", "product": platform},
                    ],
                },
                {
                    "category": "architecture",
                    "name": "x86_64",
                    "branches": [
                        {"category": "product_version", "name": "openssl-libs-3.0.7-27.el9.x86_64", "product": ssl},
                    ],
                },
                {"category": "product_name", "name": "openssl", "product": src},
                {
                    "category": "product_name",
                    "name": "requests",
                    "branches": [
                        {"category": "product_version", "name": "2.31.0", "product": product("exact")},
                        {"category": "product_version", "name": "2.30.0", "product": product("old")},
                        {"category": "product_version_range", "name": "vers:pypi/>=2", "product": product("range")},
                    ],
                },
            ],
        },
    ]
    relationships = [relationship("ssl", "EL9"), relationship("src", "EL9"), relationship("exact", "other")]
    names = [
        {"name": "other", "product_id": "other", "product_identification_helper": {"purl": "pkg:oci/other"}},
        {"name": REFERENCE, "product_id": "image"},
    ]
    return {
        "document": {
            "category": "csaf_vex",
            "csaf_version": "2.0",
            "publisher": {"category": "vendor", "name": "Red Hat", "namespace": "https://www.redhat.com"},
            "title": "CVE-2026-1001",
            "tracking": {
                "id": "CVE-2026-1001",
                "status": "final",
                "version": "3",
                "current_release_date": "2026-01-01T00:00:00Z",
            },
        },
        "product_tree": {
            "branches": branches,
            "full_product_names": names,
            "relationships": relationships,
            "product_groups": [{"group_id": "all", "product_ids": ["EL9:ssl", "EL9:src"]}],
        },
        "vulnerabilities": [{"cve": "CVE-2026-1001", "product_status": status, **fields}],
    }


def product(identifier: str) -> dict[str, Any]:
    return {
        "name": "requests",
        "product_id": identifier,
        "product_identification_helper": {"purl": "pkg:pypi/requests"},
    }


def relationship(component: str, whole: str) -> dict[str, Any]:
    name = {"name": f"{component} of {whole}", "product_id": f"{whole}:{component}"}
    return {
        "category": "default_component_of",
        "product_reference": component,
        "relates_to_product_reference": whole,
        "full_product_name": name,
    }


def flag(*products: str) -> dict[str, Any]:
    return {"flags": [{"label": "vulnerable_code_not_present", "product_ids": list(products)}]}
