"""Image scans of Kubescape's operator: vulnerabilities of one image, and the workload that runs it."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.model.image import ImageSubject
from kubekeep.model.resource import ResourceSubject
from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.submission import ContainerEntry, EvaluatedScope, SubjectEntry, Submission
from kubekeep_server.foreign.decoding import ForeignDocumentError
from kubekeep_server.foreign.kubescape_container import convert, read_origin
from tests.server.foreign.documents import (
    DIGEST,
    UID,
    build_container_scan,
    build_control,
    build_image_vulnerability,
    build_posture_report,
    encode,
)
from tests.server.foreign.results import NOW, check_consistency, list_open_names
from tests.server.foreign.test_kubescape_report import read as read_report

CLUSTER = SourceCluster(UID, "production")


def read(scan: dict[str, Any], workload: SubjectEntry | None = None) -> Submission:
    submission = convert([encode(scan)], CLUSTER, NOW, workload)
    check_consistency(submission)
    return submission


def find_image(submission: Submission) -> SubjectEntry:
    return next(entry for entry in submission.subjects if isinstance(entry.subject, ImageSubject))


def test_vulnerability_has_its_package() -> None:
    submission = read(build_container_scan(build_image_vulnerability()))
    image = find_image(submission)
    assert image.subject == ImageSubject("ghcr.io/shop/web:1", DIGEST)
    assert image.listed_kinds == ("vulnerability",)
    (finding,) = image.findings
    package = finding.evidence[0].package
    assert package is not None
    assert (package.purl, package.fixed_version) == ("pkg:deb/openssl@3.0.1", "3.0.2")
    assert (package.path, package.layer) == ("var/lib/dpkg/status", "sha256:" + "c" * 64)
    (definition,) = submission.definitions
    assert (definition.key, definition.kind, definition.title, definition.severity) == (
        "CVE-2024-0001", "vulnerability", "A buffer overflow.", "high",
    )  # fmt: skip
    assert submission.scope == EvaluatedScope(is_partial=True)
    # Packages without a vulnerability are not in the document.
    assert submission.images == ()


@pytest.mark.parametrize(
    ("kind", "name", "purl"),
    [
        ("python", "Requests", "pkg:pypi/requests@1"),
        ("go-module", "golang.org/x/net", "pkg:golang/golang.org/x/net@1"),
        ("npm", "@babel/core", "pkg:npm/%40babel/core@1"),
        ("java-archive", "log4j-core", "pkg:maven/log4j-core@1"),
        ("", "unknown", "pkg:generic/unknown@1"),
        ("../x", "unknown", "pkg:generic/unknown@1"),
    ],
)
def test_types_of_packages_become_package_urls(kind: str, name: str, purl: str) -> None:
    vulnerability = build_image_vulnerability(packageType=kind, packageName=name, packageVersion="1")
    (finding,) = find_image(read(build_container_scan(vulnerability))).findings
    assert finding.evidence[0].package is not None
    assert finding.evidence[0].package.purl == purl


def test_one_vulnerability_of_two_packages_is_one_finding() -> None:
    vulnerabilities = (build_image_vulnerability(packageName=name) for name in ("libssl3", "openssl"))
    (finding,) = find_image(read(build_container_scan(*vulnerabilities))).findings
    assert [part.package.name for part in finding.evidence if part.package] == ["libssl3", "openssl"]


def test_state_of_the_fix_is_shown() -> None:
    vulnerability = build_image_vulnerability(fixedIn=[{"name": "wont-fix", "version": ""}])
    (finding,) = find_image(read(build_container_scan(vulnerability))).findings
    assert finding.evidence[0].message == "openssl 3.0.1: will not be fixed"


def test_ignored_vulnerability_is_suppressed() -> None:
    policies = [{"name": "accepted", "actions": ["ignore"], "expirationDate": None}]
    submission = read(
        build_container_scan(
            build_image_vulnerability(exceptionApplied=policies),
            build_image_vulnerability("CVE-2024-0002", exceptionApplied=[{"name": "alert", "actions": ["alertOnly"]}]),
        )
    )
    assert list_open_names(submission) == {("ghcr.io/shop/web:1", "CVE-2024-0002")}


def test_failed_scan_closes_nothing() -> None:
    submission = read(build_container_scan(status="Failed"))
    assert find_image(submission).listed_kinds == ()
    assert [gap.message for gap in submission.gaps] == ["the image ghcr.io/shop/web:1 was not scanned: Failed"]


def test_digest_of_a_configuration_is_not_that_of_an_image() -> None:
    submission = read(build_container_scan(imageHash=f"docker://{DIGEST}"))
    assert find_image(submission).subject == ImageSubject("ghcr.io/shop/web:1")


def test_workload_runs_the_image() -> None:
    scan = build_container_scan()
    (workload,) = (entry for entry in read(scan).subjects if isinstance(entry.subject, ResourceSubject))
    assert workload.subject == ResourceSubject("apps/v1", "Deployment", "web", "shop")
    assert workload.containers == (ContainerEntry("web", "ghcr.io/shop/web:1", DIGEST),)
    assert workload.key == read_origin([encode(scan)]).workload


def test_known_workload_keeps_all_but_the_digest() -> None:
    scan = build_container_scan()
    (known,) = read_report(build_posture_report({"web": [build_control("C-0057")]})).subjects
    assert known.key == read_origin([encode(scan)]).workload
    submission = convert([encode(scan)], CLUSTER, NOW, known)
    workload = next(entry for entry in submission.subjects if entry.key == known.key)
    assert workload.findings == known.findings
    assert workload.containers == (ContainerEntry("web", "ghcr.io/shop/web:1", DIGEST),)


@pytest.mark.parametrize("identifier", ["", "wlid://cluster-a", "wlid://cluster-a/namespace-b/gadget-c", "x/y/z"])
def test_scan_without_a_workload_has_the_image_only(identifier: str) -> None:
    scan = build_container_scan(wlid=identifier)
    assert read_origin([encode(scan)]).workload == ""
    assert len(read(scan).subjects) == 1


def test_parts_are_one_scan() -> None:
    scan = build_container_scan(build_image_vulnerability(), build_image_vulnerability("CVE-2024-0002"))
    parts = [
        {**scan, "vulnerabilities": scan["vulnerabilities"][:1], "paginationInfo": {"chunkNumber": 0}},
        {**scan, "summary": None, "vulnerabilities": scan["vulnerabilities"][1:],
         "paginationInfo": {"chunkNumber": 1, "isLastChunk": True}},
    ]  # fmt: skip
    documents = [encode(part) for part in parts]
    assert convert(documents, CLUSTER, NOW).subjects == read(scan).subjects
    with pytest.raises(ForeignDocumentError, match="part after 0 is missing"):
        convert(documents[:1], CLUSTER, NOW)
    with pytest.raises(ForeignDocumentError, match="part 0 is missing"):
        convert(documents[1:], CLUSTER, NOW)


def test_scan_without_an_image_or_a_source_is_refused() -> None:
    with pytest.raises(ForeignDocumentError, match="imageTag"):
        read(build_container_scan(imageTag="", imageHash=""))
    with pytest.raises(ForeignDocumentError, match="name the cluster"):
        convert([encode(build_container_scan())], None, NOW)
