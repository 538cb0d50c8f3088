"""SBOMs of other tools: the same packages from all formats, in the terms of Kubekeep."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from tests.images.sbom.samples import LAYERS, create_image

from kubekeep.images.errors import SbomError
from kubekeep.images.sbom.document import Sbom, SubjectKind
from kubekeep.images.sbom.identity import get_package_url
from kubekeep.images.sbom.read import read_sbom
from kubekeep.images.sbom.write import write_sbom
from kubekeep.model.package import Package, PackageLocation, SourcePackage

PEERS = Path(__file__).parent / "peers"
IMAGE_FILES = sorted(path for path in PEERS.iterdir() if path.name.startswith(("syft", "trivy")))
PACKAGES = {
    ("deb", "debian", "bsdutils", "1:2.41.5-0+deb13u1"): ("GPL-2.0-or-later", "public-domain"),
    ("deb", "debian", "libacl1", "2.3.2-2+b1"): ("GPL-2.0-or-later", "public-domain"),
    ("deb", "debian", "tar", "1.35+dfsg-3.1"): ("GPL-2.0-or-later", "public-domain"),
    ("npm", "@babel", "core", "7.23.0"): ("MIT",),
    ("npm", "", "semver", "6.3.1"): ("ISC OR MIT",),
    ("pypi", "", "click", "8.1.7"): ("BSD-3-Clause",),
    ("pypi", "", "pyyaml", "6.0.2"): ("MIT",),
}


def read(path: Path) -> Sbom:
    return read_sbom(path.read_bytes(), path.name)


@pytest.mark.parametrize("path", IMAGE_FILES, ids=lambda path: path.name)
def test_all_formats_have_the_same_packages(path: Path) -> None:
    sbom = read(path)
    packages = {
        (package.type, package.namespace, package.name, package.version): package.licences for package in sbom.packages
    }
    assert packages == PACKAGES
    assert (sbom.subject.name, sbom.subject.kind) == ("shop.tar", SubjectKind.IMAGE)
    assert (sbom.distribution.id, sbom.distribution.version_id.partition(".")[0]) == ("debian", "13")
    assert (sbom.tool, sbom.tool_version) in {("syft", "1.18.1"), ("trivy", "0.59.1")}


@pytest.mark.parametrize("path", IMAGE_FILES, ids=lambda path: path.name)
def test_source_packages_and_suppliers(path: Path) -> None:
    packages = {package.name: package for package in read(path).packages}
    assert packages["bsdutils"].source == SourcePackage("util-linux", "2.41.5-0+deb13u1")
    assert packages["bsdutils"].supplier == "Chris Hofstaedtler <zeha@debian.org>"


def test_peers_list_the_packages_that_are_read() -> None:
    for path in PEERS.glob("*.cdx.json"):
        components = json.loads(path.read_text())["components"]
        assert len(read(path).packages) == sum("purl" in component for component in components), path.name


def test_locations_and_layers() -> None:
    for name in ("syft.cdx.json", "syft.json", "trivy.cdx.json"):
        packages = {package.name: package for package in read(PEERS / name).packages}
        (location,) = packages["click"].locations
        assert location.path == "usr/lib/python3/dist-packages/click-8.1.7.dist-info/METADATA"
        assert location.layer.startswith("sha256:6fc52aff")
    (location,) = {package.name: package for package in read(PEERS / "syft.spdx").packages}["click"].locations
    assert location == PackageLocation("usr/lib/python3/dist-packages/click-8.1.7.dist-info/METADATA")


def test_cdxgen() -> None:
    sbom = read(PEERS / "cdxgen.cdx.json")
    assert sbom.format == "CycloneDX 1.7"
    assert (sbom.subject.name, sbom.subject.version) == ("shop", "1.0.0")
    urls = [get_package_url(package) for package in sbom.packages]
    assert urls == ["pkg:npm/%40babel/core@7.23.0", "pkg:npm/lodash@4.17.21", "pkg:npm/semver@6.3.1"]
    assert sbom.packages[0].dependencies == ("pkg:npm/semver@6.3.1",)
    assert sbom.omitted == ("annotations",)


def test_dependency_graph_of_github() -> None:
    sbom = read(PEERS / "github.json")
    assert sbom.subject.name == "com.github.kubekeep/kubekeep"
    assert sbom.tool == "GitHub.com-Dependency-Graph"
    assert [(package.type, package.name, package.version, package.licences) for package in sbom.packages] == [
        ("githubactions", "checkout", "4.*.*", ("MIT",)),
        ("pypi", "sphinx-autobuild", "", ()),
    ]


def test_microsoft_sbom_tool() -> None:
    sbom = read(PEERS / "sbom-tool.spdx.json")
    assert (sbom.subject.name, sbom.subject.version) == ("shop", "1.0.0")
    (package,) = sbom.packages
    assert (package.type, package.name, package.version) == ("nuget", "Newtonsoft.Json", "13.0.3")
    assert (package.licences, package.supplier) == (("MIT",), "Newtonsoft")


def statement(predicate: Any) -> dict[str, Any]:
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "registry.example/shop", "digest": {"sha256": "d" * 64}}],
        "predicateType": "https://cyclonedx.org/bom",
        "predicate": predicate,
    }


def envelope(value: dict[str, Any]) -> dict[str, Any]:
    payload = base64.b64encode(json.dumps(value).encode()).decode()
    return {"payloadType": "application/vnd.in-toto+json", "payload": payload, "signatures": [{"sig": ""}]}


def test_attestations() -> None:
    document = json.loads((PEERS / "trivy.cdx.json").read_text())
    custom = {"Data": json.dumps(document), "Timestamp": "2026-01-01T00:00:00Z"}
    for value in (
        statement(document),
        envelope(statement(document)),
        {"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "dsseEnvelope": envelope(statement(document))},
        envelope(statement(custom)),
    ):
        for text in (json.dumps(value), json.dumps(value) + "\n"):
            sbom = read_sbom(text.encode(), "attestation")
            assert len(sbom.packages) == len(PACKAGES)
            assert sbom.subject.digest == f"sha256:{'d' * 64}"


def test_attestations_in_lines() -> None:
    sbom = json.dumps(envelope(statement(json.loads((PEERS / "trivy.cdx.json").read_text()))))
    provenance = json.dumps(envelope({"predicateType": "https://slsa.dev/provenance/v1", "predicate": {"builder": {}}}))
    assert len(read_sbom(f"{provenance}\n{sbom}\n\n".encode(), "attestations").packages) == len(PACKAGES)
    for lines, message in (
        ((sbom, sbom), "several SBOMs"),
        ((provenance, provenance), "not an SBOM"),
        ((sbom, "{"), "not valid JSON"),
    ):
        with pytest.raises(SbomError, match=message):
            read_sbom("\n".join(lines).encode(), "attestations")


def test_packages_without_package_url() -> None:
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.4",
        "metadata": {"tools": [{"vendor": "x", "name": "old", "version": "2"}], "component": {"name": "app"}},
        "components": [
            {"type": "library", "name": "zlib", "version": 1.2, "licenses": [{"license": {"name": "Zlib"}}]},
            {"type": "library", "group": "com.acme", "name": "core", "version": "3"},
            {"type": "library", "name": "bad", "version": "1", "purl": "no package URL"},
            {"type": "file", "name": "LICENSE"},
            {"type": "application", "name": "package-lock.json"},
            {"type": "library", "name": "outer", "version": "1", "components": [{"type": "library", "name": "inner"}]},
            {"type": "library"},
        ],
    }
    sbom = read_sbom(json.dumps(document).encode(), "old")
    assert [(package.type, package.namespace, package.name, package.version) for package in sbom.packages] == [
        ("", "", "bad", "1"),
        ("", "com.acme", "core", "3"),
        ("", "", "inner", ""),
        ("", "", "outer", "1"),
        ("", "", "zlib", "1.2"),
    ]
    assert (sbom.tool, sbom.tool_version) == ("old", "2")
    assert [problem.message for problem in sbom.problems] == [
        "components without a name: 1",
        "packages with an invalid package URL: 1, such as no package URL",
    ]


def test_package_listed_twice_is_one_package_with_both_locations() -> None:
    component = {"type": "library", "name": "x", "version": "1", "purl": "pkg:npm/x@1"}
    components = [
        {**component, "bom-ref": str(number), "evidence": {"occurrences": [{"location": f"/{number}/package.json"}]}}
        for number in range(2)
    ]
    other = {"type": "library", "name": "y", "purl": "pkg:npm/y@1", "bom-ref": "y"}
    document = {
        "bomFormat": "CycloneDX",
        "components": [*components, other],
        "dependencies": [{"ref": "y", "dependsOn": ["1", "y", "missing"]}],
        "compositions": [{"aggregate": "incomplete_third_party_only"}],
    }
    sbom = read_sbom(json.dumps(document).encode(), "twice")
    package, dependent = sbom.packages
    assert [location.path for location in package.locations] == ["0/package.json", "1/package.json"]
    assert dependent.dependencies == ("pkg:npm/x@1",)
    assert [problem.message for problem in sbom.problems] == ["the document states that it is incomplete"]


def test_spdx_that_describes_each_package() -> None:
    packages = [{"SPDXID": f"SPDXRef-{name}", "name": name, "versionInfo": "1"} for name in "ab"]
    document = {
        "spdxVersion": "SPDX-2.3",
        "name": "both",
        "packages": packages,
        "documentDescribes": ["SPDXRef-a", "SPDXRef-b"],
        "relationships": [
            {"spdxElementId": "SPDXRef-a", "relationshipType": "DEPENDENCY_OF", "relatedSpdxElement": "SPDXRef-b"}
        ],
    }
    sbom = read_sbom(json.dumps(document).encode(), "both")
    assert sbom.subject.name == "both"
    assert [package.name for package in sbom.packages] == ["a", "b"]
    assert sbom.packages[1].dependencies == ("package:a@1",)


def test_packages_without_identifiers_are_kept() -> None:
    names = ["a", "b", "c", "c"]
    entries = [{"name": name, "SPDXID": "SPDXRef-same" if name == "c" else ""} for name in names]
    spdx = {"spdxVersion": "SPDX-2.3", "packages": [*entries, {"name": "d"}]}
    syft = {"descriptor": {"name": "syft"}, "artifacts": [{"name": name, "version": "1"} for name in names]}
    assert [package.name for package in read_sbom(json.dumps(spdx).encode(), "x").packages] == ["a", "b", "c", "d"]
    assert [package.name for package in read_sbom(json.dumps(syft).encode(), "x").packages] == ["a", "b", "c"]


def test_tag_value_of_other_forms() -> None:
    text = """SPDXVersion: SPDX-2.2
# a comment
DocumentName: shop
Creator: Tool: example
PackageName: zlib
SPDXID: SPDXRef-zlib
PackageVersion: <text>1.3</text>
PackageLicenseDeclared: LicenseRef-1
PackageComment: <text>several
lines: of text
PackageName: none
</text>
ExternalRef: PACKAGE-MANAGER purl pkg:generic/zlib@1.3
LicenseID: LicenseRef-1
ExtractedText: <text>first line
second line</text>
FileName: ./a
SPDXID: SPDXRef-a
PackageCopyrightText: <text>never closed
"""
    sbom = read_sbom(text.replace("\n", "\r\n").encode(), "other")
    (package,) = sbom.packages
    assert get_package_url(package) == "pkg:generic/zlib@1.3"
    assert package.licences == ("first line\nsecond line",)
    assert sbom.omitted == ("files",)


def test_byte_order_mark() -> None:
    content = b"\xef\xbb\xbf" + write_sbom(create_image(), "cyclonedx")
    assert len(read_sbom(content, "marked").packages) == 5


def test_layers_of_a_package_in_several() -> None:
    package = next(
        package
        for package in read_sbom(write_sbom(create_image(), "cyclonedx"), "x").packages
        if package.type == "maven"
    )
    assert [location.layer for location in package.locations] == [LAYERS[1], LAYERS[0]]
    assert isinstance(package, Package)
