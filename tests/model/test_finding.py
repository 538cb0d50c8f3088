"""The platform's finding: every kind of subject, its fingerprint, and its published JSON form."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from kubekeep.model.definition import Definition, FindingKind
from kubekeep.model.exception import AppliedException, ExceptionSource
from kubekeep.model.finding import Finding
from kubekeep.model.finding_document import FindingDocument, build_finding_document
from kubekeep.model.image import API_VERSION, KIND, Image
from kubekeep.model.known_vulnerability import KnownVulnerability
from kubekeep.model.location import Location, Position, Region
from kubekeep.model.package import AffectedPackage
from kubekeep.model.priority import UNKNOWN_PRIORITY, Priority
from kubekeep.model.resource import Resource
from kubekeep.model.severity import Severity
from kubekeep.model.subject import Container, Host, Process, Subject
from kubekeep.model.verdict import Evidence

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "src" / "kubekeep" / "model" / "finding-v1.schema.json").read_text())
ADR = (ROOT / "docs" / "decisions" / "0024-finding-model.md").read_text()
EXAMPLES = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", ADR, re.DOTALL)]


def create_image(reference: str) -> Image:
    content = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": reference}}
    return Image(content, digest="sha256:aa", platform="linux/amd64")


IMAGE = create_image("registry.example.com/web:1.4")
PACKAGE = AffectedPackage("pkg:deb/debian/xz-utils@5.6.0-0.2", "xz-utils", "5.6.0-0.2", layer="sha256:bb")
PROCESS = Process(Host("node-1", "production"), "/tmp/x", 4711, Container("shop", "Deployment/web", "web"))  # noqa: S108
POD = Resource({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"}})


def finding(subject: Subject, **changes: Any) -> Finding:
    definition = KnownVulnerability(
        slug="cve-2024-3094",
        ids=("CVE-2024-3094",),
        title="Malicious code",
        severity=10.0,
        fix="Upgrade.",
        urgency=UNKNOWN_PRIORITY,
    )
    evidence = (Evidence("usr/lib/liblzma.so", exists=True, package=PACKAGE),)
    values: dict[str, Any] = {"definition": definition, "subject": subject, "evidence": evidence}
    return Finding(**(values | changes))


class Leak(Definition, frozen=True, kw_only=True):
    """A definition of another kind."""

    @property
    def kind(self) -> str:
        return FindingKind.SECRET


def test_priority_and_its_reasons() -> None:
    priority = Priority(Severity.CRITICAL, 9.0, "container a is privileged", ("reachable from the internet",))
    document = json.loads(msgspec.json.encode(build_finding_document(finding(POD, priority=priority))))
    jsonschema.validate(document, SCHEMA)
    reasons = ["container a is privileged", "reachable from the internet"]
    assert document["priority"] == {"level": "critical", "score": 9.0, "reasons": reasons}
    assert "priority" not in json.loads(msgspec.json.encode(build_finding_document(finding(POD))))


@pytest.mark.parametrize("subject", [POD, IMAGE, Host("node-1"), PROCESS], ids=["resource", "image", "host", "process"])
def test_every_subject_matches_the_published_schema(subject: Subject) -> None:
    location = Location("deploy/web.yaml", Region(Position(3, 5), Position(3, 9)))
    exception = AppliedException(name="reviewed", source=ExceptionSource.FILE, reason="behind a gateway")
    evidence = Evidence("spec.x", exists=False, location=location, fix="true", exception=exception)
    document = json.loads(msgspec.json.encode(build_finding_document(finding(subject, evidence=(evidence,)))))
    jsonschema.validate(document, SCHEMA)
    assert document["suppression"]["reason"] == "behind a gateway"
    assert document["evidence"][0]["location"] == {
        "file": "deploy/web.yaml",
        "line": 3,
        "column": 5,
        "endLine": 3,
        "endColumn": 9,
    }


@pytest.mark.parametrize("example", EXAMPLES, ids=[example["kind"] for example in EXAMPLES])
def test_examples_of_the_decision_record_are_valid(example: dict[str, Any]) -> None:
    jsonschema.validate(example, SCHEMA)
    decoded = msgspec.convert(example, FindingDocument)
    assert json.loads(msgspec.json.encode(decoded)) == example


def test_decision_record_has_vulnerability_and_runtime_examples() -> None:
    assert [example["kind"] for example in EXAMPLES] == ["vulnerability", "runtime"]


def test_fingerprints_ignore_tags_and_process_ids() -> None:
    retagged = create_image("mirror.example.com/web:latest")
    assert finding(IMAGE).fingerprint == finding(retagged).fingerprint
    restarted = msgspec.structs.replace(PROCESS, pid=1, host=Host("node-2", "production"))
    assert finding(PROCESS).fingerprint == finding(restarted).fingerprint


def test_fingerprints_distinguish_problem_and_subject() -> None:
    others = [
        finding(IMAGE, definition=Definition(slug="cve-2024-0001", title="Other", severity=5.0, fix="Upgrade.")),
        finding(IMAGE, definition=Leak(slug="CVE-2024-3094", title="Secret", severity=5.0, fix="Remove it.")),
        finding(msgspec.structs.replace(IMAGE, digest="sha256:cc")),
        finding(Host("node-1")),
        finding(PROCESS),
        finding(POD),
    ]
    fingerprints = {one.fingerprint for one in (finding(IMAGE), *others)}
    assert len(fingerprints) == len(others) + 1
    assert all(re.fullmatch("[0-9a-f]{64}", fingerprint) for fingerprint in fingerprints)
