"""SBOMs: packages of images by digest, and vulnerabilities of CycloneDX documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kubekeep.images.sbom.document import Sbom, SbomSubject, SubjectKind
from kubekeep.images.sbom.read import read_sbom
from kubekeep.images.sbom.write import FORMATS, write_sbom
from kubekeep.model.image import ImageSubject
from kubekeep.model.package import AffectedPackage, Distribution, Package
from kubekeep.model.resource import ResourceSubject
from kubekeep.model.scanned_source import SourceRegistry, SourceRepository
from kubekeep.model.submission import EvaluatedScope, SubjectEntry, Submission
from kubekeep_server.foreign.decoding import ForeignDocumentError
from kubekeep_server.foreign.sbom import convert
from tests.reports.rendering import render_text
from tests.reports.vulnerable import assess_vulnerable
from tests.server.foreign.documents import DIGEST, encode
from tests.server.foreign.results import NOW, check_consistency

PEERS = Path(__file__).parents[2] / "images" / "sbom" / "peers"
REGISTRY = SourceRegistry("ghcr.io")
PACKAGES = (
    Package(type="deb", namespace="debian", name="openssl", version="3.0.1"),
    Package(type="pypi", name="requests", version="2.0"),
)
IMAGE = Sbom(
    subject=SbomSubject("ghcr.io/shop/web:1", SubjectKind.IMAGE, digest=DIGEST, platform="linux/amd64"),
    created="2026-11-30T00:00:00Z",
    distribution=Distribution("debian", "12"),
    packages=PACKAGES,
)


def build_document(*vulnerabilities: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a CycloneDX document of an image as other tools write them, with two components."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": {
            "timestamp": "2026-11-30T00:00:00+00:00",
            "component": {
                "bom-ref": "root",
                "type": "container",
                "name": "ghcr.io/shop/web:1",
                "purl": f"pkg:oci/web@{DIGEST.replace(':', '%3A')}?repository_url=ghcr.io/shop/web",
            },
        },
        "components": [
            {"bom-ref": "ref-1", "type": "library", "name": "openssl", "version": "3.0.1",
             "purl": "pkg:deb/debian/openssl@3.0.1"},
            {"bom-ref": "ref-2", "type": "library", "name": "requests", "version": "2.0", "purl": "pkg:pypi/requests@2.0"},
        ],
        "vulnerabilities": list(vulnerabilities),
        **fields,
    }  # fmt: skip


def build_vulnerability(name: str = "CVE-2024-0001", reference: str = "ref-1", **fields: Any) -> dict[str, Any]:
    return {
        "id": name,
        "ratings": [{"severity": "low"}, {"severity": "high", "score": 7.5, "method": "CVSSv31"}, {"severity": "info"}],
        "description": "A buffer overflow.",
        "recommendation": "Upgrade openssl.",
        "references": [{"id": "GHSA-1"}],
        "advisories": [{"url": "https://example.com/1"}, {"url": "javascript:alert(1)"}],
        "affects": [{"ref": reference, "versions": [{"version": "3.0.2", "status": "unaffected"}]}],
        **fields,
    }


def read(document: bytes | dict[str, Any], source: Any = None) -> Submission:
    submission = convert(document if isinstance(document, bytes) else encode(document), source, NOW)
    check_consistency(submission)
    return submission


def find_entry(submission: Submission) -> SubjectEntry:
    (entry,) = submission.subjects
    return entry


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_packages_of_an_image_are_stored_by_digest(name: str) -> None:
    submission = read(write_sbom(IMAGE, name))
    assert submission.source == REGISTRY
    (image,) = submission.images
    assert (image.digest, image.references[0]) == (DIGEST, "ghcr.io/shop/web:1")
    assert {(package.name, package.version) for package in image.content.packages} == {
        ("openssl", "3.0.1"), ("requests", "2.0"),
    }  # fmt: skip
    assert image.content.distribution.id == "debian"
    entry = find_entry(submission)
    assert isinstance(entry.subject, ImageSubject)
    assert entry.subject.digest == DIGEST
    # Nothing in the document says that vulnerabilities were looked for.
    assert (entry.findings, entry.listed_kinds) == ((), ())
    assert submission.scope == EvaluatedScope(is_partial=True)


def test_report_of_kubekeep_has_the_vulnerabilities_of_its_submission() -> None:
    """Compare the image and the packages: other names of one image would be another image."""
    assessment = assess_vulnerable()
    image = msgspec.structs.replace(assessment, results=tuple(assessment.results[:1]))
    own = msgspec.json.decode(render_text("submission", image), type=Submission)
    converted = read(render_text("cyclonedx", image).encode(), own.source)

    def list_vulnerabilities(submission: Submission, *, is_open: bool) -> set[tuple[str, str, str]]:
        return {
            (entry.key, finding.definition, finding.fingerprint)
            for entry in submission.subjects
            for finding in entry.findings
            if bool(finding.evidence) == is_open
        }

    assert list_vulnerabilities(own, is_open=True)
    assert list_vulnerabilities(converted, is_open=True) == list_vulnerabilities(own, is_open=True)
    assert list_vulnerabilities(converted, is_open=False) == list_vulnerabilities(own, is_open=False)


def test_vulnerability_has_its_package() -> None:
    submission = read(build_document(build_vulnerability()))
    entry = find_entry(submission)
    assert entry.listed_kinds == ("vulnerability",)
    (finding,) = entry.findings
    assert finding.evidence[0].package == AffectedPackage("pkg:deb/debian/openssl@3.0.1", "openssl", "3.0.1", "3.0.2")
    (definition,) = submission.definitions
    assert (definition.key, definition.severity, definition.score) == ("CVE-2024-0001", "high", 7.5)
    assert (definition.aliases, definition.references) == (("GHSA-1",), ("https://example.com/1",))


@pytest.mark.parametrize("name", ["syft.cdx.json", "syft.json", "syft.spdx.json", "trivy.cdx.json"])
def test_documents_of_other_tools_are_converted(name: str) -> None:
    """Convert documents that Syft and Trivy have written."""
    content = (PEERS / name).read_bytes()
    submission = read(content, REGISTRY)
    expected = read_sbom(content, name)
    entry = find_entry(submission)
    assert isinstance(entry.subject, ImageSubject)
    assert entry.subject.digest == expected.subject.digest
    assert expected.packages
    # The image of Trivy's document was read from an archive, and has no digest.
    images = [expected.packages] if expected.subject.digest else []
    assert [image.content.packages for image in submission.images] == images
    assert any("are not stored" in gap.message for gap in submission.gaps) == (not images)
    # Trivy writes an empty list of vulnerabilities if it did not look for any.
    assert entry.listed_kinds == ()


def test_link_to_another_document_names_a_component() -> None:
    reference = "urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#ref-1"
    (finding,) = find_entry(read(build_document(build_vulnerability(reference=reference)))).findings
    assert finding.evidence[0].package is not None


def test_vulnerability_of_the_subject_has_no_package() -> None:
    (finding,) = find_entry(read(build_document(build_vulnerability(reference="root")))).findings
    assert finding.evidence[0].package is None


@pytest.mark.parametrize(
    ("analysis", "is_open"),
    [
        ({"state": "not_affected", "justification": "code_not_reachable"}, False),
        ({"state": "false_positive"}, False),
        ({"state": "resolved"}, False),
        ({"state": "exploitable"}, True),
        ({"state": "in_triage"}, True),
        ({"response": ["will_not_fix"]}, True),
        (None, True),
    ],
)
def test_analysis_suppresses(analysis: dict[str, Any] | None, *, is_open: bool) -> None:
    (finding,) = find_entry(read(build_document(build_vulnerability(analysis=analysis)))).findings
    assert finding.is_open == is_open


def test_incomplete_or_empty_list_closes_nothing() -> None:
    composition = {"aggregate": "incomplete", "vulnerabilities": ["x"]}
    documents = [build_document(), build_document(build_vulnerability(), compositions=[composition])]
    assert [find_entry(read(document)).listed_kinds for document in documents] == [(), ()]
    others = [{"aggregate": "incomplete", "assemblies": ["root"]}]
    assert find_entry(read(build_document(build_vulnerability(), compositions=others))).listed_kinds


def test_digest_of_a_reference_identifies_an_image() -> None:
    document = build_document()
    component = document["metadata"]["component"]
    del component["purl"]
    component["properties"] = [{"name": "aquasecurity:trivy:RepoDigest", "value": f"ghcr.io/shop/web@{DIGEST}"}]
    (image,) = read(document).images
    assert image.digest == DIGEST


def test_software_without_a_digest_is_a_subject_of_the_source() -> None:
    document = build_document(build_vulnerability())
    document["metadata"]["component"] = {"type": "application", "name": "web", "version": "1", "bom-ref": "root"}
    with pytest.raises(ForeignDocumentError, match="name the source"):
        read(document)
    source = SourceRepository("github.com/shop/web")
    submission = read(document, source)
    assert (submission.source, submission.images) == (source, ())
    assert find_entry(submission).subject == ResourceSubject("image.kubekeep.io/v1", "Sbom", "web")
    assert [gap.message for gap in submission.gaps] == [
        "the packages of web are not stored: the SBOM names no digest of an image"
    ]
    document["metadata"]["component"]["version"] = "2"
    assert find_entry(read(document, source)).key == find_entry(submission).key


def test_attestation_has_the_digest() -> None:
    document = build_document()
    del document["metadata"]["component"]["purl"]
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "ghcr.io/shop/web", "digest": {"sha256": "a" * 64}}],
        "predicateType": "https://cyclonedx.org/bom",
        "predicate": document,
    }
    (image,) = read(statement).images
    assert image.digest == DIGEST


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"{}", "not an SBOM"),
        (b"<bom/>", "XML is not supported"),
        (b"[" * 100_000, "nested too deeply|not valid JSON"),
        (json.dumps(build_document({"ratings": []})).encode(), r"vulnerabilities\[0\]"),
    ],
)
def test_unusable_document_is_refused(document: bytes, message: str) -> None:
    with pytest.raises(ForeignDocumentError, match=message):
        convert(document, REGISTRY, NOW)
