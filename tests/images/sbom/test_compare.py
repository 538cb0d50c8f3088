"""Comparison and merging of SBOMs, and the order of versions."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.images.sbom.samples import create_image

from kubekeep.images.content import ContentProblem
from kubekeep.images.sbom.compare import PackageChangeKind, compare, compare_versions
from kubekeep.images.sbom.document import Sbom, SbomSubject
from kubekeep.images.sbom.identity import get_package_url, identify
from kubekeep.images.sbom.merge import merge
from kubekeep.images.sbom.read import read_sbom
from kubekeep.model.package import Package

PEERS = Path(__file__).parent / "peers"


def npm(name: str, version: str, *licences: str) -> Package:
    return Package(type="npm", name=name, version=version, licences=licences)


def create(*packages: Package, name: str = "shop") -> Sbom:
    return Sbom(subject=SbomSubject(name), packages=packages, tool="Kubekeep")


def list_changes(old: Sbom, new: Sbom) -> list[tuple[str, str, str, str]]:
    return [
        (
            change.kind.value,
            change.package.name,
            change.old.version if change.old else "",
            change.new.version if change.new else "",
        )
        for change in compare(old, new).changes
    ]


def test_changes() -> None:
    old = create(
        npm("a", "1.9"),
        npm("b", "2"),
        npm("c", "1"),
        npm("d", "1", "MIT"),
        npm("e", "main"),
        npm("f", "1"),
        npm("f", "3"),
    )
    new = create(
        npm("a", "1.10"),
        npm("b", "1"),
        npm("d", "1", "GPL-3.0-only"),
        npm("e", ""),
        npm("f", "2"),
        npm("f", "3"),
        npm("g", "1"),
    )
    comparison = compare(old, new)
    assert list_changes(old, new) == [
        ("upgraded", "a", "1.9", "1.10"),
        ("downgraded", "b", "2", "1"),
        ("removed", "c", "1", ""),
        ("licence", "d", "1", "1"),
        ("changed", "e", "main", ""),
        ("upgraded", "f", "1", "2"),
        ("added", "g", "", "1"),
    ]
    assert comparison.unchanged == 1
    assert comparison.warnings == ()
    assert compare(new, new).changes == ()
    assert compare(new, new).unchanged == len(new.packages)


def test_licences_that_one_side_does_not_state_are_no_change() -> None:
    assert list_changes(create(npm("a", "1", "MIT")), create(npm("a", "1"))) == []


def test_upgrade_with_other_licences() -> None:
    (change,) = compare(create(npm("a", "1", "MIT")), create(npm("a", "2", "BUSL-1.1"))).changes
    assert change.kind is PackageChangeKind.UPGRADED
    assert change.has_other_licences


def test_warnings() -> None:
    incomplete = msgspec.structs.replace(create(), problems=(ContentProblem("a", "b"),), tool="other")
    assert [text.partition(":")[0] for text in compare(incomplete, create()).warnings] == [
        "they are by different tools (other and Kubekeep), which may list other packages",
        "the old document is incomplete",
    ]


def test_documents_of_different_tools_have_no_other_packages() -> None:
    documents = [read_sbom((PEERS / name).read_bytes(), name) for name in ("trivy.spdx", "syft.cdx.json")]
    assert compare(documents[0], documents[1]).changes == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1.9", "1.10"),
        ("1.0~rc1", "1.0"),
        ("1.0-rc1", "1.0"),
        ("1.0.0-alpha.1", "1.0.0"),
        ("1.0a1", "1.0"),
        ("1.1.1", "1.1.1a"),
        ("1.1.1a", "1.1.1b"),
        ("2.0", "1:1.0"),
        ("1.0", "1.0.1"),
        ("2.41-12", "2.41-12+deb13u5"),
        ("v1.2.3", "v1.3"),
        ("1.0", "1.0-1"),
        ("8.2401.0-1", "8.2402.0-1"),
    ],
)
def test_order_of_versions(old: str, new: str) -> None:
    assert compare_versions(old, new) == 1
    assert compare_versions(new, old) == -1


@given(first=st.text("0a.~:-b", max_size=6), second=st.text("0a.~:-b", max_size=6))
def test_order_of_versions_is_antisymmetric(first: str, second: str) -> None:
    assert compare_versions(first, second) == -compare_versions(second, first)
    assert compare_versions(first, first) == 0


def test_merge_joins_documents_about_the_same_subject() -> None:
    first, second = (read_sbom((PEERS / name).read_bytes(), name) for name in ("syft.cdx.json", "trivy.cdx.json"))
    second = msgspec.structs.replace(second, subject=first.subject)
    merged = merge([first, second], "both")
    assert merged.subject == first.subject
    assert merged.parts == ()
    assert merged.distribution == first.distribution
    assert len(merged.packages) == 7


def test_merge_of_several_subjects_keeps_the_origin_of_packages() -> None:
    shared, own = npm("a", "1", "MIT"), npm("b", "1")
    other = Package(
        type="npm", name="a", version="1", qualifiers=(("vcs_url", "git+https://example.com"),), licences=("ISC",)
    )
    web, database = create(shared, own, name="web"), create(other, name="db")
    database = msgspec.structs.replace(database, problems=(ContentProblem("x", "damaged"),))
    merged = merge([web, database], "shop")
    assert merged.subject == SbomSubject("shop")
    assert [package.licences for package in merged.packages] == [("MIT", "ISC"), ()]
    assert [(part.subject.name, part.packages) for part in merged.parts] == [
        ("web", ("pkg:npm/a@1", "pkg:npm/b@1")),
        ("db", ("pkg:npm/a@1",)),
    ]
    assert merged.problems == (ContentProblem("x", "damaged (db)"),)
    again = merge([merged, create(npm("c", "1"), name="queue")], "all")
    assert [part.subject.name for part in again.parts] == ["web", "db", "queue"]


def test_merge_of_one_document_keeps_its_content() -> None:
    image = create_image()
    assert merge([image], "x") == msgspec.structs.replace(
        image, tool="", tool_version="", origins=(("Kubekeep", "0.1.0"),)
    )


def test_references_of_packages_without_type() -> None:
    package = Package(type="", namespace="acme", name="tool", version="1")
    assert get_package_url(package) == ""
    assert identify(package) == "package:acme/tool@1"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            "pkg:deb/debian/bsdutils@1:2.41.5?arch=amd64&distro=debian-13&upstream=util-linux",
            "pkg:deb/debian/bsdutils@2.41.5?arch=amd64&distro=debian-13.8&epoch=1",
        ),
        (
            "pkg:rpm/almalinux/dbus@1.12.20-8.el9?arch=x86_64&epoch=1&upstream=dbus-1.12.20-8.el9.src.rpm",
            "pkg:rpm/alma/dbus@1.12.20-8.el9?arch=x86_64&distro=alma-9.4&epoch=1",
        ),
        ("pkg:golang/github.com/blang/semver@v4.0.0#v4", "pkg:golang/github.com/blang/semver/v4@v4.0.0"),
        (
            "pkg:golang/github.com/Azure/azure-sdk-for-go@v1.9.0#sdk/azcore",
            "pkg:golang/github.com/azure/azure-sdk-for-go/sdk/azcore@v1.9.0",
        ),
        ("pkg:pypi/PyYAML@6.0.2", "pkg:pypi/pyyaml@6.0.2"),
        ("pkg:npm/@babel/core@7.23.0", "pkg:npm/%40babel/core@7.23.0"),
    ],
)
def test_package_urls_of_different_tools_name_the_same_package(first: str, second: str) -> None:
    documents = [
        read_sbom(json.dumps({"bomFormat": "CycloneDX", "components": [{"name": "x", "purl": url}]}).encode(), url)
        for url in (first, second)
    ]
    assert compare(documents[0], documents[1]).changes == ()
    assert len(merge(documents, "both").packages) == 1


def test_epoch_of_rpm_is_part_of_the_version() -> None:
    old, new = (
        Package(type="rpm", name="dbus", version="1.12", qualifiers=(("epoch", epoch),)) for epoch in ("1", "2")
    )
    (change,) = compare(create(old), create(new)).changes
    assert change.kind is PackageChangeKind.UPGRADED
