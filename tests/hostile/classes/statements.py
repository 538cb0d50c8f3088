"""VEX documents in OpenVEX, CycloneDX and CSAF: a changed document never hides a vulnerability without a statement."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any, Final

from tests.hostile.classes.sboms import ADVISORIES, CANARY_SBOM, SBOM, check_canary, list_vulnerabilities
from tests.hostile.member import REPORT, Content, Expected, Link, Member, Run, Special, hostile_class
from tests.hostile.samples import TEXTS, damage, dump, mutate

_PURL: Final = "pkg:npm/left-pad@1.0.0"
_OPENVEX: Final[dict[str, Any]] = {
    "@context": "https://openvex.dev/ns/v0.2.0",
    "@id": "https://shop.example/vex/1",
    "author": "Shop",
    "role": "vendor",
    "timestamp": "2026-01-01T00:00:00Z",
    "version": 1,
    "statements": [
        {
            "vulnerability": {"name": "ACME-1001", "aliases": ["CVE-ACME-1001"]},
            "products": [{"@id": _PURL, "identifiers": {"purl": _PURL}}],
            "status": "not_affected",
            "justification": "vulnerable_code_not_in_execute_path",
            "impact_statement": "not used",
            "timestamp": "2026-01-01T00:00:00Z",
        }
    ],
}
_CYCLONEDX: Final[dict[str, Any]] = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "version": 1,
    "metadata": {"timestamp": "2026-01-01T00:00:00Z"},
    "components": [{"type": "library", "bom-ref": "a", "name": "left-pad", "version": "1.0.0", "purl": _PURL}],
    "vulnerabilities": [
        {
            "id": "ACME-1001",
            "references": [{"id": "CVE-ACME-1001", "source": {"name": "a"}}],
            "analysis": {
                "state": "not_affected",
                "justification": "code_not_reachable",
                "detail": "not used",
                "response": ["update"],
            },
            "affects": [{"ref": "a"}],
        }
    ],
}
_CSAF: Final[dict[str, Any]] = {
    "document": {
        "category": "csaf_vex",
        "csaf_version": "2.0",
        "publisher": {"category": "vendor", "name": "Shop", "namespace": "https://shop.example"},
        "title": "a",
        "tracking": {"id": "a", "status": "final", "version": "1", "current_release_date": "2026-01-01T00:00:00Z"},
    },
    "product_tree": {
        "branches": [
            {
                "category": "vendor",
                "name": "Shop",
                "branches": [
                    {
                        "category": "product_version",
                        "name": "1.0.0",
                        "product": {
                            "name": "left-pad",
                            "product_id": "a",
                            "product_identification_helper": {"purl": _PURL},
                        },
                    }
                ],
            }
        ]
    },
    "vulnerabilities": [
        {
            "cve": "CVE-ACME-1001",
            "ids": [{"system_name": "a", "text": "ACME-1001"}],
            "product_status": {"known_not_affected": ["a"]},
            "flags": [{"label": "vulnerable_code_not_present", "product_ids": ["a"]}],
            "notes": [{"category": "description", "text": "a"}],
        }
    ],
}
_DOCUMENTS: Final = {"OpenVEX": _OPENVEX, "CycloneDX": _CYCLONEDX, "CSAF": _CSAF}
_INPUT: Final[dict[str, Content]] = {"a.json": dump(SBOM), "canary.json": CANARY_SBOM, "advisories.jsonl": ADVISORIES}
_AUTHOR: Final = ("--author", "a", "--author-url", "https://a.example")
_FIXED: Final = ("--product", "pkg:npm/a@1", "--vulnerability", "CVE-2026-1", "--status", "fixed")
_SCAN: Final = ("sbom", "scan", "a.json", "canary.json", "--advisories", "advisories.jsonl", "--vex", "v.json", *REPORT)


def check_statements(run: Run) -> None:
    """Assert that no vulnerability is missing: a suppressed one stays in the report, with its statement."""
    check_canary(run)
    if not run.report:
        return
    assert {"ACME-1001", "ACME-1002", "ACME-1003"} <= list_vulnerabilities(run), "a vulnerability is missing"
    for result in run.report["results"]:
        for control in result["controls"]:
            is_suppressed = control["status"]["status"] == "passed"
            if control["controlID"] in {"ACME-1002", "ACME-1003"}:
                assert not is_suppressed, f"{control['controlID']} is suppressed by a statement about another one"


def _scan(
    name: str, content: Content, expected: Expected = Expected.EITHER, check: Callable[[Run], None] = check_statements
) -> Member:
    return Member(name, {**_INPUT, "v.json": content}, expected, _SCAN, check=check)


def _scan_changed(format_name: str, source: random.Random) -> Iterator[Member]:
    document = _DOCUMENTS[format_name]
    yield _scan("valid", dump(document))
    for name, changed in mutate(document, source, 60):
        yield _scan(name, dump(changed))
    for name, content in damage(dump(document).encode(), source, 16):
        yield _scan(name, content)


@hostile_class("OpenVEX documents")
def openvex(source: random.Random) -> Iterator[Member]:
    """Documents in which one value is of another type, and damaged ones."""
    yield from _scan_changed("OpenVEX", source)


@hostile_class("VEX in CycloneDX")
def cyclonedx(source: random.Random) -> Iterator[Member]:
    """Documents in which one value is of another type, and damaged ones."""
    yield from _scan_changed("CycloneDX", source)


@hostile_class("CSAF documents")
def csaf(source: random.Random) -> Iterator[Member]:
    """Documents in which one value is of another type, and damaged ones."""
    yield from _scan_changed("CSAF", source)


@hostile_class("structures of VEX documents")
def structures(source: random.Random) -> Iterator[Member]:
    """Wide, empty and contradictory statements, cycles of products, times far away, and files that are no documents."""
    del source
    statement = _OPENVEX["statements"][0]
    fields: dict[str, dict[str, Any]] = {
        "no products": {"products": []},
        "any package": {"products": [{"@id": "pkg:npm"}]},
        "pattern": {"products": [{"@id": "*"}, {"@id": "pkg:npm/*"}]},
        "empty product": {"products": [{"@id": ""}]},
        "other version": {"products": [{"@id": "pkg:npm/left-pad@2"}]},
        "product of itself": {"products": [{"@id": _PURL, "subcomponents": [{"@id": _PURL}]}]},
        "nested products": {"products": json.loads('[{"@id":"a","subcomponents":' * 100 + "[]" + "}]" * 100)},
        "many products": {"products": [{"@id": f"pkg:npm/n{n}@1"} for n in range(50_000)]},
        "future": {"timestamp": "2999-01-01T00:00:00Z"},
        "end of time": {"timestamp": "9999-12-31T23:59:59-23:59"},
        "start of time": {"timestamp": "0001-01-01T00:00:00+23:59"},
        "any vulnerability": {"vulnerability": {"name": "*"}},
        "all aliases": {"vulnerability": {"name": "x", "aliases": ["ACME-1001", "", "*"]}},
        "no justification": {"justification": None, "impact_statement": None},
        "other status": {"status": "NOT_AFFECTED"},
    }
    for name, changes in fields.items():
        yield _scan(name, dump({**_OPENVEX, "statements": [{**statement, **changes}]}))
    affected = {**statement, "status": "affected", "action_statement": "a", "justification": None}
    branch: Any = _CSAF["product_tree"]["branches"][0]
    for _ in range(400):
        branch = {"category": "vendor", "name": "a", "branches": [branch]}
    relation = {
        "category": "default_component_of",
        "product_reference": "b",
        "relates_to_product_reference": "a",
        "full_product_name": {"name": "b", "product_id": "b"},
    }
    tree = _CSAF["product_tree"]
    text = dump(_OPENVEX)
    contents: dict[str, Content] = {
        "conflict": dump({**_OPENVEX, "statements": [statement, affected]}),
        "conflict in the other order": dump({**_OPENVEX, "statements": [affected, statement]}),
        "many statements": dump({**_OPENVEX, "statements": [statement] * 20_000}),
        "many vulnerabilities": dump(
            {
                **_OPENVEX,
                "statements": [{**statement, "vulnerability": {"name": f"CVE-2026-{n}"}} for n in range(20_000)],
            }
        ),
        "repeated status": text.replace('"status"', '"status": "affected", "status"'),
        "repeated statements": text[:-1] + ', "statements": []}',
        "nested branches": dump({**_CSAF, "product_tree": {"branches": [branch]}}),
        "cycle of relationships": dump(
            {
                **_CSAF,
                "product_tree": {
                    **tree,
                    "relationships": [
                        relation,
                        {**relation, "product_reference": "a", "relates_to_product_reference": "b"},
                    ],
                },
            }
        ),
        "relationship to itself": dump(
            {**_CSAF, "product_tree": {**tree, "relationships": [{**relation, "relates_to_product_reference": "b"}]}}
        ),
        "chain of relationships": dump(
            {
                **_CSAF,
                "product_tree": {
                    **tree,
                    "relationships": [
                        {
                            **relation,
                            "product_reference": f"r{n}",
                            "relates_to_product_reference": f"r{n + 1}",
                            "full_product_name": {"name": "x", "product_id": f"r{n}"},
                        }
                        for n in range(20_000)
                    ],
                },
            }
        ),
        "group of groups": dump(
            {**_CSAF, "product_tree": {**tree, "product_groups": [{"group_id": "g", "product_ids": ["g", "a"]}]}}
        ),
        "draft": dump(
            {
                **_CSAF,
                "document": {**_CSAF["document"], "tracking": {**_CSAF["document"]["tracking"], "status": "draft"}},
            }
        ),
        "envelope": dump({"payloadType": "x", "payload": "eyJ9", "signatures": []}),
        "empty": "",
        "nested": '{"@context": "https://openvex.dev/ns", "x": ' + "[" * 200_000,
        "two documents": f"{text}\n{text}",
        "list": "[]",
        "not UTF-8": b'{"@context": "\xff"}',
        "UTF-16": text.encode("utf-16"),
        "65 MiB": " " * (65 << 20),
        "FIFO": Special.FIFO,
        "folder": Special.FOLDER,
        "socket": Special.SOCKET,
        "device": Link("/dev/zero"),
        "link to itself": Link("v.json"),
    }
    for name, content in contents.items():
        yield _scan(name, content)


@hostile_class("texts of VEX documents")
def texts(source: random.Random) -> Iterator[Member]:
    """Texts that attack a report or a command, in all texts of a document."""
    del source
    for name, text in TEXTS.items():
        statement = {
            **_OPENVEX["statements"][0],
            "impact_statement": text,
            "status_notes": text,
            "supplier": text,
            "justification": "vulnerable_code_not_present",
        }
        documents = {
            "OpenVEX": {
                **_OPENVEX,
                "author": text,
                "role": text,
                "statements": [
                    statement,
                    {**statement, "vulnerability": {"name": text, "aliases": [text]}, "products": [{"@id": text}]},
                ],
            },
            "CycloneDX": {
                **_CYCLONEDX,
                "vulnerabilities": [
                    {
                        **_CYCLONEDX["vulnerabilities"][0],
                        "analysis": {"state": "not_affected", "justification": "code_not_reachable", "detail": text},
                        "recommendation": text,
                    }
                ],
            },
            "CSAF": {
                **_CSAF,
                "document": {
                    **_CSAF["document"],
                    "title": text,
                    "publisher": {"category": "vendor", "name": text, "namespace": text},
                },
                "vulnerabilities": [
                    {
                        **_CSAF["vulnerabilities"][0],
                        "threats": [{"category": "impact", "details": text, "product_ids": ["a"]}],
                        "title": text,
                    }
                ],
            },
        }
        for number, (format_name, document) in enumerate(documents.items()):
            yield _scan(f"{format_name} with {name}", dump(document))
            target = ("openvex", "cyclonedx", "csaf")[(number + 1) % 3]
            for arguments in (
                ("vex", "show", "v.json"),
                ("vex", "convert", "v.json", "-f", target, *_AUTHOR, "-o", "out"),
            ):
                yield Member(
                    f"{arguments[1]} {format_name} with {name}",
                    {"v.json": dump(document)},
                    Expected.EITHER,
                    arguments,
                    ("out",),
                )
        word = text.replace("\x00", "")
        statement_options = (
            "--product",
            word or "a",
            "--vulnerability",
            word,
            "--status",
            "affected",
            "--action",
            word,
        )
        options = (*statement_options, "-o", "out")
        yield Member(f"new statement with {name}", {}, Expected.EITHER, ("vex", "create", *options), ("out",))
        yield Member(
            f"name of a file with {name}", {}, Expected.REFUSED, ("vex", "show", text.replace("\x00", "")[:200] or "a")
        )


@hostile_class("commands for VEX documents")
def commands(source: random.Random) -> Iterator[Member]:
    """Changed documents for `vex show`, `convert` and `create --add-to`."""
    for format_name, document in _DOCUMENTS.items():
        for number, (name, changed) in enumerate(mutate(document, source, 24)):
            target = ("openvex", "cyclonedx", "csaf")[number % 3]
            for arguments in (
                ("vex", "show", "v.json", "-f", ("pretty", "json")[number % 2]),
                ("vex", "convert", "v.json", "-f", target, *_AUTHOR, "-o", "out"),
                ("vex", "create", "--add-to", "v.json", *_FIXED),
            ):
                yield Member(
                    f"{arguments[1]} {format_name} {number}: {name}",
                    {"v.json": dump(changed)},
                    Expected.EITHER,
                    arguments,
                    ("out", "v.json"),
                )
