"""SBOM documents: CycloneDX, SPDX 2 and 3, tag-value and Syft, and the texts of them in reports."""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Callable, Iterator
from typing import Any, Final

from kubekeep.images.sbom.read import read_sbom
from kubekeep.images.sbom.write import write_sbom
from tests.hostile.member import REPORT, Content, Expected, Link, Member, Run, Special, hostile_class
from tests.hostile.samples import TEXTS, damage, dump, list_paths, mutate, replace

DIGEST: Final = "sha256:" + "a" * 64
SBOM: Final[dict[str, Any]] = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "version": 1,
    "serialNumber": "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79",
    "metadata": {
        "timestamp": "2026-01-01T00:00:00Z",
        "tools": {"components": [{"type": "application", "name": "tool", "version": "1"}]},
        "component": {
            "bom-ref": "root",
            "type": "container",
            "name": "registry.example/shop",
            "version": DIGEST,
            "purl": f"pkg:oci/shop@{DIGEST}",
        },
    },
    "components": [
        {"bom-ref": "os", "type": "operating-system", "name": "debian", "version": "12"},
        {
            "bom-ref": "a",
            "type": "library",
            "name": "left-pad",
            "version": "1.0.0",
            "purl": "pkg:npm/left-pad@1.0.0",
            "licenses": [{"license": {"id": "MIT"}}],
        },
        {
            "bom-ref": "b",
            "type": "library",
            "name": "requests",
            "version": "2.31.0",
            "purl": "pkg:pypi/requests@2.31.0",
            "supplier": {"name": "a"},
            "hashes": [{"alg": "SHA-256", "content": "ab" * 32}],
            "properties": [{"name": "syft:location:0:path", "value": "a/METADATA"}],
        },
    ],
    "dependencies": [{"ref": "root", "dependsOn": ["a", "b"]}, {"ref": "a", "dependsOn": ["b"]}],
}
CANARY_SBOM: Final = json.dumps(
    {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": {"component": {"type": "application", "name": "canary"}},
    }
    | {"components": [{"type": "library", "name": "canary", "version": "1.0.0", "purl": "pkg:npm/canary@1.0.0"}]}
)
"""A valid SBOM beside hostile ones: its vulnerability must be in every report."""
_SYFT: Final[dict[str, Any]] = {
    "artifacts": [
        {
            "id": "a",
            "name": "left-pad",
            "version": "1.0.0",
            "type": "npm",
            "language": "javascript",
            "purl": "pkg:npm/left-pad@1.0.0",
            "cpes": [],
            "licenses": [{"value": "MIT", "spdxExpression": "MIT", "type": "declared"}],
            "locations": [{"path": "/a/package.json", "layerID": DIGEST}],
        },
        {
            "id": "b",
            "name": "requests",
            "version": "2.31.0",
            "type": "python",
            "purl": "pkg:pypi/requests@2.31.0",
            "metadataType": "python-package",
            "metadata": {"name": "requests"},
        },
    ],
    "artifactRelationships": [{"parent": "a", "child": "b", "type": "dependency-of"}],
    "source": {
        "id": "c",
        "name": "shop",
        "version": DIGEST,
        "type": "image",
        "metadata": {
            "userInput": "shop",
            "manifestDigest": DIGEST,
            "tags": ["a:1"],
            "architecture": "amd64",
            "os": "linux",
        },
    },
    "distro": {"id": "debian", "versionID": "12"},
    "descriptor": {"name": "syft", "version": "1.0.0"},
    "schema": {"version": "16.0.0"},
}


def create_record(identifier: str, name: str, ecosystem: str, **fields: Any) -> dict[str, Any]:
    """Return an advisory that affects a package below 3.0.0."""
    return {
        "id": identifier,
        "modified": "2026-01-01T00:00:00Z",
        "published": "2026-01-01T00:00:00Z",
        "aliases": [f"CVE-{identifier}"],
        "summary": "s",
        "details": "d",
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
        "references": [{"type": "WEB", "url": "https://e.example"}],
        "affected": [
            {
                "package": {"ecosystem": ecosystem, "name": name},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.0.0"}]}],
            }
        ],
        **fields,
    }


RECORDS: Final = (
    create_record("ACME-1001", "left-pad", "npm"),
    create_record("ACME-1002", "requests", "PyPI"),
    create_record("ACME-1003", "canary", "npm"),
)
ADVISORIES: Final = "\n".join(map(json.dumps, RECORDS))
SCAN_SBOM: Final = ("sbom", "scan", "a.json", "canary.json", "--advisories", "advisories.jsonl", *REPORT)
"""A scan of a hostile SBOM beside the canary."""


def list_vulnerabilities(run: Run) -> set[str]:
    """Return the vulnerabilities in the report."""
    return {control["controlID"] for result in run.report.get("results", []) for control in result["controls"]} & {
        record["id"] for record in RECORDS
    }


def check_canary(run: Run) -> None:
    """Assert that the vulnerability of the canary is in the report."""
    assert not run.report or "ACME-1003" in list_vulnerabilities(run), "the vulnerability of the canary is missing"


def _scan(
    name: str,
    content: Content,
    expected: Expected = Expected.EITHER,
    check: Callable[[Run], None] = check_canary,
) -> Member:
    files = {"a.json": content, "canary.json": CANARY_SBOM, "advisories.jsonl": ADVISORIES}
    return Member(name, files, expected, SCAN_SBOM, check=check)


def _check_complete(run: Run) -> None:
    """Assert that packages are compared with advisories, or the report names the problem."""
    check_canary(run)
    assessed = {"ACME-1001", "ACME-1002"} <= list_vulnerabilities(run)
    is_named = run.unread or run.report.get("notAssessed") or run.code in {2, 3}
    assert assessed or is_named, f"lost a vulnerability in silence: {list_vulnerabilities(run)}"


@functools.cache
def _write(format_name: str) -> bytes:
    return write_sbom(read_sbom(dump(SBOM).encode(), "a"), format_name)


def _mutate_document(document: Any, source: random.Random, protected: tuple[str, ...]) -> Iterator[Member]:
    """Yield scans of a changed document. protected: keys whose change may change the packages themselves."""
    for name, changed in mutate(document, source, 40):
        path, _, _ = name.partition(" is ")
        is_identity = path.split(".")[-1] in protected
        yield _scan(name, dump(changed), check=check_canary if is_identity else _check_complete)
    for name, content in damage(dump(document).encode(), source, 16):
        yield _scan(name, content)


_KEYS: Final = ("purl", "name", "version", "components", "type", "bom-ref", "bomFormat", "0", "1", "2")
_FORMATS: Final = ("cyclonedx", "cyclonedx-1.7", "spdx", "spdx-3", "spdx-tag-value")


@hostile_class("CycloneDX documents")
def cyclonedx(source: random.Random) -> Iterator[Member]:
    """Documents in which one value is of another type, and damaged ones."""
    yield _scan("valid", dump(SBOM), Expected.READ, _check_complete)
    yield from _mutate_document(SBOM, source, _KEYS)


@hostile_class("SPDX documents")
def spdx(source: random.Random) -> Iterator[Member]:
    """Documents of SPDX 2.3 in which one value is of another type, and damaged ones."""
    document = json.loads(_write("spdx"))
    yield _scan("valid", dump(document), Expected.READ, _check_complete)
    yield from _mutate_document(
        document,
        source,
        (
            *_KEYS,
            "SPDXID",
            "referenceLocator",
            "referenceType",
            "referenceCategory",
            "packages",
            "externalRefs",
            "relatedSpdxElement",
            "spdxElementId",
            "relationshipType",
            "relationships",
            "versionInfo",
            "documentDescribes",
            "primaryPackagePurpose",
        ),
    )


@hostile_class("SPDX 3 documents")
def spdx3(source: random.Random) -> Iterator[Member]:
    """Documents of SPDX 3.0 in which one value is of another type, and damaged ones."""
    document = json.loads(_write("spdx-3"))
    yield _scan("valid", dump(document), Expected.READ, _check_complete)
    graph = {
        "@graph",
        "spdxId",
        "@id",
        "packageUrl",
        "software_packageUrl",
        "software_packageVersion",
        "identifier",
        "externalIdentifier",
        "to",
        "from",
        "relationshipType",
        "rootElement",
        "element",
        "@context",
        "software_primaryPurpose",
        "externalIdentifierType",
    }
    yield from _mutate_document(document, source, (*_KEYS, *graph, *map(str, range(40))))


@hostile_class("tag-value documents")
def tag_value(source: random.Random) -> Iterator[Member]:
    """Documents of SPDX as text: damaged, with repeated and unknown tags, and texts that do not end."""
    text = _write("spdx-tag-value").decode()
    yield _scan("valid", text, Expected.READ, _check_complete)
    for name, content in damage(text.encode(), source, 40):
        yield _scan(name, content)
    for name, line in {
        "text without an end": "PackageComment: <text>a",
        "unknown tag": "X" * 5_000 + ": y",
        "no colon": "x" * 100_000,
        "relationship to itself": "Relationship: SPDXRef-DOCUMENT DESCRIBES SPDXRef-DOCUMENT",
        "controls": "PackageName: \x1b[31m\u202e",
        "null": "PackageName: a\x00b",
        "repeated": "SPDXVersion: SPDX-2.3",
        "other version": "SPDXVersion: SPDX-9",
        "many lines": "\n" * 500_000,
        "many packages": "PackageName: a\n" * 50_000,
        "external reference": "ExternalRef: PACKAGE-MANAGER purl",
        "wrong reference": "ExternalRef: PACKAGE-MANAGER purl pkg:npm/%ff@%00",
    }.items():
        yield _scan(f"{name} at the end", f"{text}\n{line}\n")
        yield _scan(f"{name} at the start", f"{text[: text.index(chr(10))]}\n{line}\n{text}")


@hostile_class("Syft documents")
def syft(source: random.Random) -> Iterator[Member]:
    """Documents of Syft in which one value is of another type, and damaged ones."""
    yield _scan("valid", dump(_SYFT), Expected.READ, _check_complete)
    yield from _mutate_document(_SYFT, source, (*_KEYS, "artifacts", "descriptor"))


@hostile_class("structures of SBOMs")
def structures(source: random.Random) -> Iterator[Member]:
    """Cycles, repeated keys and references, deep nesting, many packages, nested envelopes, and files of other kinds."""
    del source
    text, component = dump(SBOM), SBOM["components"][1]
    nested: Any = component
    for _ in range(400):
        nested = {"type": "library", "name": "x", "version": "1", "components": [nested]}
    components: dict[str, Any] = {
        "cycle of dependencies": {
            "dependencies": [
                {"ref": "a", "dependsOn": ["b"]},
                {"ref": "b", "dependsOn": ["a"]},
                {"ref": "root", "dependsOn": ["root"]},
            ]
        },
        "chain of dependencies": {"dependencies": [{"ref": str(n), "dependsOn": [str(n + 1)]} for n in range(50_000)]},
        "references to nothing": {"dependencies": [{"ref": "x", "dependsOn": ["y", 5, None]}]},
        "same reference": {"components": [*SBOM["components"], {**component, "name": "other"}]},
        "same component": {"components": [*SBOM["components"], *[component] * 5_000]},
        "other types": {"components": [None, 5, "a", [], {}, *SBOM["components"]]},
        "many components": {
            "components": [
                *SBOM["components"],
                *(
                    {"type": "library", "name": f"n{n}", "version": "1", "purl": f"pkg:npm/n{n}@1"}
                    for n in range(20_000)
                ),
            ]
        },
        "two systems": {
            "components": [*SBOM["components"], {"type": "operating-system", "name": "alpine", "version": "3.20"}]
        },
        "long name": {
            "components": [
                *SBOM["components"],
                {"type": "library", "name": "n" * 1_000_000, "version": "v" * 1_000_000},
            ]
        },
        "long licence": {
            "components": [
                *SBOM["components"],
                {**component, "bom-ref": "l", "licenses": [{"expression": "(" * 5_000 + "MIT" + ")" * 5_000}]},
            ]
        },
        "statements about itself": {
            "vulnerabilities": [
                {"id": record["id"], "analysis": {"state": "not_affected"}, "affects": [{"ref": "a"}, {"ref": "b"}]}
                for record in RECORDS
            ]
        },
    }
    for name, fields in components.items():
        yield _scan(name, dump({**SBOM, **fields}), check=_check_complete)
    yield _scan("nested components", dump({**SBOM, "components": [*SBOM["components"], nested]}), check=_check_complete)
    envelope: Any = SBOM
    for _ in range(50):
        envelope = {
            "predicateType": "https://cyclonedx.org/bom",
            "predicate": envelope,
            "subject": [{"digest": {"sha256": "b" * 64}}],
        }
    contents: dict[str, Content] = {
        "envelopes": dump(envelope),
        "repeated key": text.replace('"components"', '"components": [], "components"'),
        "repeated key at the end": f'{text[:-1]}, "components": []}}',
        "two documents": f"{text}\n{text}",
        "nested": '{"bomFormat": "CycloneDX", "x": ' + "[" * 200_000,
        "other encoding": text.encode("utf-16"),
        "mark of UTF-8": b"\xef\xbb\xbf" + text.encode(),
        "XML": '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><bom>&e;</bom>',
        "empty": "",
        "spaces": " " * 1_000_000,
        "not UTF-8": text.replace("left-pad", "left-\udcff").encode("utf-8", "surrogateescape"),
        "lone surrogate": text.replace("left-pad", "left-\\ud800"),
        "null in a name": text.replace("left-pad", "left-\\u0000"),
        "FIFO": Special.FIFO,
        "folder": Special.FOLDER,
        "socket": Special.SOCKET,
        "link to itself": Link("a.json"),
        "endless device": Link("/dev/zero"),
        "129 MiB": " " * (129 << 20),
    }
    for name, content in contents.items():
        yield _scan(name, content)


@hostile_class("commands for SBOMs")
def commands(source: random.Random) -> Iterator[Member]:
    """Changed documents for `sbom show`, `diff` and `merge`, of which each format of a result is valid."""
    documents: list[Any] = [SBOM, json.loads(_write("spdx")), json.loads(_write("spdx-3")), _SYFT]
    for number, (name, changed) in enumerate(entry for document in documents for entry in mutate(document, source, 12)):
        files = {"a.json": dump(changed), "b.json": dump(SBOM)}
        for arguments in (
            ("sbom", "show", "a.json", "--packages"),
            ("sbom", "diff", "a.json", "b.json", "-f", ("pretty", "json", "markdown")[number % 3]),
            ("sbom", "merge", "a.json", "b.json", "-f", _FORMATS[number % len(_FORMATS)], "-o", "merged"),
        ):
            yield Member(f"{number} {arguments[1]}: {name}", files, Expected.EITHER, arguments, ("merged",))


@hostile_class("texts of SBOMs")
def texts(source: random.Random) -> Iterator[Member]:
    """Texts that attack a report, in all texts of a document."""
    del source
    places = [
        path
        for path in list_paths(SBOM)
        if path and path[-1] in {"name", "version", "value", "id", "bom-ref", "timestamp", "content"}
    ]
    for name, text in TEXTS.items():
        document: Any = SBOM
        for path in places:
            document = replace(document, path, text)
        yield _scan(f"all texts with {name}", dump(document))
        for key in ("name", "version", "bom-ref"):
            document = replace(SBOM, ("components", 1, key), text)
            yield _scan(f"{key} with {name}", dump(document), check=_check_complete)
        yield _scan(
            f"subject with {name}", dump(replace(SBOM, ("metadata", "component", "name"), text)), check=_check_complete
        )
        licensed = replace(SBOM, ("components", 1, "licenses"), [{"license": {"name": text}}])
        yield _scan(f"licence with {name}", dump(licensed), check=_check_complete)
        for arguments in (
            ("sbom", "show", "a.json", "--packages"),
            ("sbom", "diff", "a.json", "canary.json", "-f", "markdown"),
            ("sbom", "diff", "a.json", "canary.json"),
        ):
            files = {"a.json": dump(licensed), "canary.json": CANARY_SBOM}
            yield Member(f"{' '.join(arguments)} with {name}", files, Expected.EITHER, arguments)
