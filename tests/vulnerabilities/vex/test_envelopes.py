"""Attestations around VEX documents, and hostile documents."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import pytest

from kubekeep.vulnerabilities.vex import nodes
from kubekeep.vulnerabilities.vex.errors import VexError
from kubekeep.vulnerabilities.vex.nodes import LONGEST
from kubekeep.vulnerabilities.vex.read import read_vex
from tests.vulnerabilities.vex.documents import COMPONENTS, SHOP, analysed, csaf, cyclonedx, encode, flag
from tests.vulnerabilities.vex.shop import DIGEST, OTHER, SSL, about, apply, openvex, read, vulnerability

IMAGE = f"pkg:oci/shop@{DIGEST}"


def statement(predicate: Any, predicate_type: str = "https://openvex.dev/ns/v0.2.0") -> dict[str, Any]:
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "anything", "digest": {"sha256": DIGEST[7:]}}],
        "predicateType": predicate_type,
        "predicate": predicate,
    }


def envelope(content: dict[str, Any]) -> dict[str, Any]:
    payload = base64.b64encode(encode(content)).decode()
    return {"payloadType": "application/vnd.in-toto+json", "payload": payload, "signatures": [{"sig": ""}]}


WHOLE = json.loads(openvex(about(IMAGE)))
INHERITING = json.loads(openvex({**about(), "products": None}))
ATTESTATIONS: dict[str, Any] = {
    "statement": statement(WHOLE),
    "DSSE": envelope(statement(WHOLE)),
    "bundle": {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "dsseEnvelope": envelope(statement(WHOLE)),
    },
    "predicate as text": envelope(statement({"Data": json.dumps(WHOLE), "Timestamp": "2026-01-01T00:00:00Z"})),
    "products of the subject": envelope(statement(INHERITING)),
    "CSAF": envelope(
        statement(csaf({"known_not_affected": ["image"]}, **flag("image")), "https://docs.oasis-open.org/csaf")
    ),
    "CycloneDX": envelope(
        statement(cyclonedx(analysed("root"), metadata={"component": SHOP}), "https://cyclonedx.org/bom")
    ),
}


@pytest.mark.parametrize("name", ATTESTATIONS)
def test_attestations(name: str) -> None:
    content = encode(ATTESTATIONS[name])
    assert apply(vulnerability(SSL), content)[0] is not None
    lines = encode(envelope(statement({"buildType": "x"}, "https://slsa.dev/provenance/v1"))) + b"\n" + content + b"\n"
    assert apply(vulnerability(SSL), lines)[0] is not None


def test_attestation_about_another_image() -> None:
    attestation = statement(INHERITING)
    attestation["subject"][0]["digest"]["sha256"] = OTHER[7:]
    assert apply(vulnerability(SSL), encode(envelope(attestation)))[0] is None


def change(path: tuple[Any, ...], value: Any, document: dict[str, Any] | None = None) -> bytes:
    """Return a document with another value at a path."""
    changed = copy.deepcopy(document or WHOLE)
    parent: Any = changed
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return encode(changed)


_CSAF = csaf({"fixed": ["EL9:ssl"]})
_CDX = cyclonedx(analysed("r"), components=COMPONENTS)
HOSTILE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not a VEX document"),
    "text": (b"hello", "not a VEX document"),
    "list": (b"[]", "not a VEX document"),
    "other object": (b"{}", "not a VEX document"),
    "XML": (b"<bom/>", "not a VEX document"),
    "truncated": (openvex(about(IMAGE))[:-4], "not valid JSON"),
    "not UTF-8": (b'{"@context": "\xff"}', "not valid JSON"),
    "nested": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
    "many values": (b'{"a": [' + b"," * 4_000_001 + b"]}", "more than 4,000,000 values"),
    "nested attestations": (encode(statement(statement(statement(statement(statement(WHOLE)))))), "not a VEX document"),
    "payload is no base64": (encode({"payload": "%%%"}), "not a VEX document"),
    "two documents": (openvex(about(IMAGE)) + b"\n" + openvex(about(IMAGE)), "the file has several VEX documents"),
    "no statements": (openvex(), "statements is empty"),
    "statements of another type": (change(("statements",), "x"), "statements is not a list"),
    "statement of another type": (change(("statements", 0), 7), "statements[0] is not an object"),
    "status": (change(("statements", 0, "status"), "harmless"), "statements[0].status is not one of not_affected,"),
    "vulnerability": (change(("statements", 0, "vulnerability"), {}), "statements[0].vulnerability has no name"),
    "vulnerability of another type": (
        change(("statements", 0, "vulnerability"), [1]),
        "vulnerability is not an object",
    ),
    "product of another type": (change(("statements", 0, "products", 0), 7), "products[0] is not an object"),
    "product without identifier": (change(("statements", 0, "products", 0), {}), "products[0] has no identifier"),
    "package URL": (
        change(("statements", 0, "products", 0, "@id"), "pkg:nothing"),
        "statements[0].products[0].@id is not a package URL: package URL pkg:nothing has no name",
    ),
    "two versions": (
        change(("statements", 0, "products", 0), {"@id": "pkg:npm/a@1", "identifiers": {"purl": "pkg:npm/a@2"}}),
        "has an @id and a package URL of different versions",
    ),
    "time": (change(("timestamp",), "yesterday"), "timestamp is not a time in RFC 3339: yesterday"),
    "time far away": (change(("timestamp",), "0001-01-01T00:00:00+23:00"), "timestamp is not a time in RFC 3339"),
    "version": (change(("version",), "1.x"), "version is not a version: 1.x"),
    "huge version": (change(("version",), 10**40), "version is not a version"),
    "long text": (change(("author",), "a" * (LONGEST + 1)), f"author has more than {LONGEST:,} characters"),
    "control characters": (change(("timestamp",), "\x1b[31m"), r"RFC 3339: \x1b[31m"),
    "CSAF: unknown product": (
        change(("vulnerabilities", 0, "product_status", "fixed"), ["x"], _CSAF),
        "vulnerabilities[0].product_status.fixed names the unknown product 'x'",
    ),
    "CSAF: relationship to itself": (
        change(("product_tree", "relationships", 0, "product_reference"), "EL9:ssl", _CSAF),
        "product_tree.relationships[0] refers to an unknown product",
    ),
    "CSAF: product id twice": (
        change(("product_tree", "full_product_names", 0, "product_id"), "ssl", _CSAF),
        "product_id occurs twice",
    ),
    "CSAF: no name": (
        change(("vulnerabilities", 0, "cve"), "", _CSAF),
        "vulnerabilities[0] has neither a cve nor an id",
    ),
    "CSAF: branches of another type": (change(("product_tree", "branches"), {}, _CSAF), "branches is not a list"),
    "CycloneDX: state": (
        change(("vulnerabilities", 0, "analysis", "state"), "fine", _CDX),
        "vulnerabilities[0].analysis.state is not one of not_affected,",
    ),
    "CycloneDX: ref twice": (change(("components", 1, "bom-ref"), "r", _CDX), "bom-ref occurs twice"),
    "CycloneDX: BOM-Link": (
        change(("vulnerabilities", 0, "affects", 0, "ref"), "urn:cdx:1#a", _CDX),
        "vulnerabilities[0].affects[0].ref is not a BOM-Link",
    ),
    "CycloneDX: no id": (change(("vulnerabilities", 0, "id"), None, _CDX), "vulnerabilities[0] has no id"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_documents(name: str) -> None:
    content, message = HOSTILE[name]
    with pytest.raises(VexError) as error:
        read_vex(content, "bad\x1b.json")
    assert str(error.value).startswith(r"bad\x1b.json: ")
    assert message in str(error.value)
    assert "\x1b" not in str(error.value)


def test_nested_branches() -> None:
    branch: dict[str, Any] = {"category": "vendor", "name": "x"}
    for _ in range(200):
        branch = {"category": "vendor", "name": "x", "branches": [branch]}
    with pytest.raises(VexError, match="is nested more than 100 times"):
        read(change(("product_tree", "branches"), [branch], _CSAF))


def test_number_of_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "MAX_TARGETS", 100)
    document = copy.deepcopy(_CSAF)
    document["product_tree"] = {"full_product_names": [{"name": str(n), "product_id": str(n)} for n in range(20)]}
    entry = {"cve": "CVE-2026-10001", "product_status": {"fixed": [str(n) for n in range(20)]}}
    document["vulnerabilities"] = [entry] * 5
    assert len(read(encode(document)).statements) == 5
    document["vulnerabilities"] = [entry] * 6
    with pytest.raises(VexError, match="exceeds the limit of 100 products"):
        read(encode(document))


VALUES: tuple[Any, ...] = (None, 2**70, "", "pkg:npm/a", [None], {"a": None})


def list_paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all values in a document."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [each for key, child in children for each in ((*path, key), *list_paths(child, (*path, key)))]


@pytest.mark.parametrize("document", [WHOLE, _CSAF, _CDX], ids=["OpenVEX", "CSAF", "CycloneDX"])
def test_any_value_at_any_place(document: dict[str, Any]) -> None:
    refused = 0
    for path in list_paths(document):
        for value in VALUES:
            content = change(path, value, document)
            try:
                apply(vulnerability(SSL), content)
            except VexError:
                refused += 1
    assert refused > 20
