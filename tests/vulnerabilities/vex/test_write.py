"""Writing of VEX documents: valid by the schemas, the same bytes each time, equal in effect in all formats."""

from __future__ import annotations

import datetime as dt
import importlib.resources
import json
from typing import Any, Final

import jsonschema
import msgspec
import pytest
import referencing
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from kubekeep.vulnerabilities.vex.document import VexDocument
from kubekeep.vulnerabilities.vex.errors import VexError
from kubekeep.vulnerabilities.vex.read import read_vex
from kubekeep.vulnerabilities.vex.write import FORMATS, write_vex
from tests.vulnerabilities.vex.shop import (
    APP,
    DIGEST,
    LOG4J,
    PACKAGES,
    REQUESTS,
    SSL,
    STDLIB,
    UTIL,
    about,
    apply,
    openvex,
    read,
    vulnerability,
    within,
)

IMAGE = f"pkg:oci/shop@{DIGEST}?repository_url=registry.example/team/shop"

_COMPONENT: Final = {
    "type": "object",
    "properties": {
        "@id": {"type": "string", "format": "uri"},
        "identifiers": {"type": "object"},
        "hashes": {
            "type": "object",
            "propertyNames": {
                "enum": ["md5", "sha1", "sha-256", "sha-384", "sha-512", "sha3-256", "sha3-384", "sha3-512"]
            },
        },
        "subcomponents": {"type": "array", "uniqueItems": True, "items": {"type": "object"}},
    },
    "additionalProperties": False,
}
_TEXT: Final = {"type": "string"}
_STATEMENT: Final = {
    "type": "object",
    "required": ["vulnerability", "status"],
    "additionalProperties": False,
    "properties": {
        "vulnerability": {
            "type": "object",
            "required": ["name"],
            "additionalProperties": False,
            "properties": {"name": _TEXT, "aliases": {"type": "array", "uniqueItems": True, "items": _TEXT}},
        },
        "timestamp": {"type": "string", "format": "date-time"},
        "products": {"type": "array", "uniqueItems": True, "items": _COMPONENT},
        "status": {"enum": ["not_affected", "affected", "fixed", "under_investigation"]},
        "supplier": _TEXT,
        "status_notes": _TEXT,
        "justification": {
            "enum": [
                "component_not_present",
                "vulnerable_code_not_present",
                "vulnerable_code_not_in_execute_path",
                "vulnerable_code_cannot_be_controlled_by_adversary",
                "inline_mitigations_already_exist",
            ]
        },
        "impact_statement": _TEXT,
        "action_statement": _TEXT,
    },
    "allOf": [
        {
            "if": {"properties": {"status": {"const": "not_affected"}}},
            "then": {"oneOf": [{"required": ["justification"]}, {"required": ["impact_statement"]}]},
        },
        {"if": {"properties": {"status": {"const": "affected"}}}, "then": {"required": ["action_statement"]}},
    ],
}
OPENVEX_SCHEMA: Final = {
    "type": "object",
    "required": ["@context", "@id", "author", "timestamp", "version", "statements"],
    "additionalProperties": False,
    "properties": {
        "@context": {"type": "string", "format": "uri"},
        "@id": {"type": "string", "format": "uri"},
        "author": _TEXT,
        "timestamp": {"type": "string", "format": "date-time"},
        "version": {"type": "integer", "minimum": 1},
        "statements": {"type": "array", "minItems": 1, "uniqueItems": True, "items": _STATEMENT},
    },
}
"""The rules of OpenVEX's JSON schema 0.2.0 for the fields that Kubekeep writes: no package has the schema itself."""


def validate(content: bytes, name: str) -> None:
    match name:
        case "openvex":
            checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
            jsonschema.Draft202012Validator(OPENVEX_SCHEMA, format_checker=checker).validate(json.loads(content))
        case "cyclonedx":
            assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(content.decode()) is None
        case _:
            validate_csaf(json.loads(content))


def validate_csaf(document: Any) -> None:
    folder = importlib.resources.files("csaf_lib.verification.schemas")
    schemas = [json.loads(file.read_text()) for file in folder.iterdir() if file.name.endswith(".json")]
    registry: referencing.Registry[Any] = referencing.Registry().with_contents(
        (schema.get("$id") or schema["id"], schema) for schema in schemas
    )
    schema = next(schema for schema in schemas if "csaf" in schema.get("$id", ""))
    jsonschema.Draft202012Validator(
        schema, registry=registry, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    ).validate(document)


STATEMENTS = (
    about(within(IMAGE, "pkg:deb/debian/libssl3t64@3.5.1-1", "pkg:pypi/requests@2.31.0")),
    about(
        within(IMAGE, "pkg:pypi/requests@2.31.0"),
        name="CVE-2026-1002",
        justification=None,
        impact_statement="Compiled without it.",
        timestamp="2026-02-01T00:00:00Z",
    ),
    about(IMAGE, name="CVE-2026-1003", status="fixed", status_notes="Since 1.2."),
    about(
        within(IMAGE, "pkg:npm/%40scope/util"),
        name="GHSA-5",
        status="affected",
        vulnerability={"name": "GHSA-5", "aliases": ["CVE-2026-1005"]},
    ),
    about(
        within(IMAGE, "pkg:golang/stdlib@1.22.1"),
        name="CVE-2026-1006",
        justification="vulnerable_code_cannot_be_controlled_by_adversary",
    ),
    about(IMAGE, name="CVE-2026-1007", status="under_investigation"),
)
OWN = (
    about("pkg:maven/com.example/shop@1.0", "pkg:pypi/requests@2.31.0"),
    about(
        within(
            "pkg:maven/com.example/shop@1.0",
            {"@id": "pkg:maven/org.apache.logging.log4j/log4j-core", "hashes": {"sha1": "1" * 40}},
        ),
        name="CVE-2026-1002",
    ),
    about("pkg:npm/%40scope/util@2.0.0", name="CVE-2026-1003", status="affected"),
)
CASES = {"components of one image": STATEMENTS, "packages": OWN, "one image": (about(IMAGE),)}
NAMES = ("CVE-2026-1001", "CVE-2026-1002", "CVE-2026-1003", "CVE-2026-1005", "CVE-2026-1006", "CVE-2026-1007")


def document(statements: tuple[dict[str, Any], ...]) -> VexDocument:
    whole = read(openvex(*statements))
    return msgspec.structs.replace(whole, author_url="https://shop.example")


def decide(content: bytes) -> dict[tuple[str, str], tuple[str, str]]:
    """Return status and justification by vulnerability and package."""
    decided = {}
    for name in NAMES:
        for package in PACKAGES:
            statement, _ = apply(vulnerability(package, name), content)
            if statement is not None:
                decided[name, package.name] = (statement.status, statement.justification)
    return decided


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", FORMATS)
def test_written_documents_are_valid_and_mean_the_same(name: str, case: str) -> None:
    content = write_vex(document(CASES[case]), name)
    validate(content, name)
    assert content == write_vex(document(CASES[case]), name)
    assert decide(content) == decide(openvex(*CASES[case]))
    assert decide(content)


def test_effect_of_the_examples() -> None:
    decided = decide(openvex(*STATEMENTS))
    assert decided["CVE-2026-1001", SSL.name] == ("not_affected", "vulnerable_code_not_in_execute_path")
    assert ("CVE-2026-1001", UTIL.name) not in decided
    assert decided["CVE-2026-1002", REQUESTS.name] == ("not_affected", "")
    assert decided["CVE-2026-1003", APP.name] == ("fixed", "")
    assert decided["CVE-2026-1005", UTIL.name] == ("affected", "")
    assert decided["CVE-2026-1006", STDLIB.name] == (
        "not_affected",
        "vulnerable_code_cannot_be_controlled_by_adversary",
    )
    assert decide(openvex(*OWN))["CVE-2026-1002", LOG4J.name][0] == "not_affected"


@pytest.mark.parametrize("first", FORMATS)
@pytest.mark.parametrize("second", FORMATS)
def test_round_trips(first: str, second: str) -> None:
    once = read_vex(write_vex(document(STATEMENTS), first), "first")
    prepared = msgspec.structs.replace(once, author_url="https://shop.example")
    twice = write_vex(prepared, second)
    validate(twice, second)
    assert decide(twice) == decide(openvex(*STATEMENTS))
    assert read_vex(twice, "second").author == "Shop"


def test_openvex_keeps_its_identifier() -> None:
    content = json.loads(write_vex(document(STATEMENTS), "openvex"))
    assert content["@id"] == "https://shop.example/vex/1"
    assert content["statements"][1]["timestamp"] == "2026-02-01T00:00:00Z"
    assert "timestamp" not in content["statements"][0]


def test_identifier_depends_on_the_content() -> None:
    plain = msgspec.structs.replace(document(STATEMENTS), identifier="")
    later = msgspec.structs.replace(plain, timestamp=dt.datetime(2026, 3, 1, tzinfo=dt.UTC))
    first, second, third = (json.loads(write_vex(each, "openvex"))["@id"] for each in (plain, plain, later))
    assert first == second != third
    assert first.startswith("urn:uuid:")


@pytest.mark.parametrize(
    ("statement", "name", "message"),
    [
        (about(IMAGE, justification=None), "openvex", "not_affected needs a justification"),
        (about(IMAGE, status="affected", action_statement=None), "csaf", "affected needs an action statement"),
    ],
)
def test_rules_are_checked(statement: dict[str, Any], name: str, message: str) -> None:
    with pytest.raises(VexError, match=message):
        write_vex(document((statement,)), name)


def test_csaf_needs_a_publisher() -> None:
    with pytest.raises(VexError, match="CSAF needs name and namespace of the publisher"):
        write_vex(read(openvex(about(IMAGE))), "csaf")


def test_csaf_has_one_status_for_a_product() -> None:
    statements = (about(IMAGE), about(IMAGE, status="fixed", timestamp="2026-03-01T00:00:00Z"))
    with pytest.raises(VexError, match="keep only the latest statement on CVE-2026-1001"):
        write_vex(document(statements), "csaf")


def test_products_that_a_format_cannot_express() -> None:
    link = "urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#part-7"
    content = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": {"timestamp": "2026-01-01T00:00:00Z"},
        "vulnerabilities": [
            {
                "id": "CVE-2026-1001",
                "analysis": {"state": "not_affected", "justification": "code_not_present"},
                "affects": [{"ref": link}],
            }
        ],
    }
    linked = read_vex(json.dumps(content).encode(), "linked")
    with pytest.raises(VexError, match="OpenVEX cannot express the product part-7"):
        write_vex(linked, "openvex")
    assert json.loads(write_vex(linked, "cyclonedx"))["vulnerabilities"][0]["affects"] == [{"ref": link}]
