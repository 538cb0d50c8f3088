"""Reports and results in all formats on standard output, which may be a terminal."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any, Final

from kubekeep.reports import names
from tests.hostile.classes.sboms import RECORDS, SBOM
from tests.hostile.member import Expected, Member, hostile_class
from tests.hostile.samples import POD, TEXTS, dump, replace

_FORMATS: Final = tuple(name for name in names() if name not in {"pdf", "submission"})
_AFFECTED: Final = ("--product", "pkg:npm/a@1", "--vulnerability", "CVE-2026-1", "--status", "affected")
_ATTACKS: Final = {"all kinds": "\x1b[31m\x9b31m\u202e\u200b\x7f\u2028\U000e0041", **TEXTS}


def _taint(text: str) -> dict[str, str]:
    """Return a manifest, an SBOM and an advisory with a text in all places that have one."""
    document: Any = SBOM
    for path in (("components", 1, "licenses"), ("metadata", "component", "name"), ("components", 2, "version")):
        document = replace(document, path, [{"license": {"name": text}}] if path[-1] == "licenses" else text)
    record = {
        **RECORDS[0],
        "summary": text,
        "details": text,
        "aliases": [text],
        "references": [{"type": "WEB", "url": text}],
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": text, "namespace": text},
        "spec": {"containers": [{"name": text, "image": text, "securityContext": {"privileged": True}}]},
    }
    return {"in/a.json": dump(pod), "in/b.yaml": POD, "a.json": dump(document), "advisories.jsonl": dump(record)}


@hostile_class("reports on standard output")
def reports(source: random.Random) -> Iterator[Member]:
    """Scans of manifests and SBOMs whose texts attack a terminal, in each format."""
    del source
    for (attack, text), format_name in itertools.product(_ATTACKS.items(), _FORMATS):
        files = _taint(text)
        scans = {
            "manifest": ("scan", "control", "C-0057,C-0016", "in"),
            "SBOM": ("sbom", "scan", "a.json", "--advisories", "advisories.jsonl"),
        }
        for name, arguments in scans.items():
            yield Member(
                f"{name} with {attack} as {format_name}", files, Expected.EITHER, (*arguments, "-f", format_name)
            )


@hostile_class("results on standard output")
def results(source: random.Random) -> Iterator[Member]:
    """Commands other than scans that print texts of their input."""
    del source
    for attack, text in _ATTACKS.items():
        for arguments in (
            ("sbom", "show", "a.json", "-f", "json"),
            ("sbom", "show", "a.json", "--packages"),
            ("sbom", "diff", "a.json", "b.json", "-f", "json"),
            ("sbom", "diff", "a.json", "b.json", "-f", "markdown"),
            ("sbom", "merge", "a.json", "b.json"),
            ("sbom", "merge", "a.json", "b.json", "-f", "spdx"),
            ("sbom", "merge", "a.json", "b.json", "-f", "spdx-tag-value"),
            ("sbom", "merge", "a.json", "b.json", "-f", "spdx-3"),
            ("image", "explain", "sbom:a.json", "ACME-1001", "--advisories", "advisories.jsonl", "-f", "json"),
            ("image", "diff", "sbom:a.json", "sbom:b.json", "--advisories", "advisories.jsonl", "-f", "json"),
            ("paths", "in", "-f", "json"),
            ("vex", "show", "v.json", "-f", "json"),
            ("vex", "convert", "v.json", "-f", "csaf", "--author", "a", "--author-url", "https://a.example"),
            ("vex", "convert", "v.json", "-f", "cyclonedx"),
            ("vex", "create", *_AFFECTED, "--action", text.replace("\x00", "") or "a"),
            ("exceptions", "list", "e.json", "-o", "json"),
            ("exceptions", "list", "e.json"),
        ):
            statement = {
                "vulnerability": {"name": "CVE-2026-1"},
                "products": [{"@id": "pkg:npm/a@1"}],
                "status": "affected",
                "action_statement": text,
            }
            vex = {
                "@context": "https://openvex.dev/ns/v0.2.0",
                "@id": "https://a.example/1",
                "author": text,
                "timestamp": "2026-01-01T00:00:00Z",
                "version": 1,
                "statements": [statement],
            }
            exception = [
                {
                    "name": text,
                    "policyType": "postureExceptionPolicy",
                    "actions": ["alertOnly"],
                    "reason": text,
                    "resources": [{"designatorType": "Attributes", "attributes": {"kind": "Pod", "name": text}}],
                    "posturePolicies": [{"controlID": "C-0057"}],
                }
            ]
            files = {**_taint(text), "b.json": dump(SBOM), "v.json": dump(vex), "e.json": dump(exception)}
            yield Member(f"{' '.join(arguments)[:60]} with {attack}", files, Expected.EITHER, arguments)
