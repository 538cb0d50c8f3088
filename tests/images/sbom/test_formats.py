"""Written SBOMs: valid by the official schemas and libraries, complete, and the same bytes for the same content."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from tests.images.sbom.samples import DIGEST, LAYERS, create_image, sboms
from tests.images.sbom.validation import check_cyclonedx, check_spdx3, check_spdx_json, check_spdx_tag_value

from kubekeep.images.licence_expressions import list_licences
from kubekeep.images.sbom.document import Sbom, SbomPart, SbomSubject, SubjectKind
from kubekeep.images.sbom.identity import identify
from kubekeep.images.sbom.read import read_sbom
from kubekeep.images.sbom.write import FORMATS, write_sbom
from kubekeep.model.package import Package

EXAMPLES = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@EXAMPLES
@given(sbom=sboms())
def test_any_content_is_valid_cyclonedx(sbom: Sbom) -> None:
    check_cyclonedx(write_sbom(sbom, "cyclonedx"), "1.6")
    check_cyclonedx(write_sbom(sbom, "cyclonedx-1.7"), "1.7")


@EXAMPLES
@given(sbom=sboms())
def test_any_content_is_valid_spdx(sbom: Sbom) -> None:
    check_spdx_json(write_sbom(sbom, "spdx"))


@pytest.mark.parametrize(
    ("supplier", "expected"),
    [
        ("()", "NOASSERTION"),
        ("((a) )", "Organization: a"),
        ("a (b)", "Organization: a (b)"),
        ("((", "Organization: (("),
    ],
)
def test_suppliers_in_spdx_have_a_name(supplier: str, expected: str) -> None:
    package = msgspec.structs.replace(create_image().packages[0], supplier=supplier)
    text = write_sbom(Sbom(subject=SbomSubject("x"), packages=(package,)), "spdx")
    check_spdx_json(text)
    assert expected in [entry.get("supplier") for entry in json.loads(text)["packages"]]


@EXAMPLES
@given(sbom=sboms())
def test_any_content_is_valid_spdx_3(sbom: Sbom) -> None:
    check_spdx3(write_sbom(sbom, "spdx-3"))


@settings(EXAMPLES, max_examples=10)
@given(sbom=sboms())
def test_any_content_is_valid_tag_value(sbom: Sbom) -> None:
    check_spdx_tag_value(write_sbom(sbom, "spdx-tag-value"))


def normalise(sbom: Sbom) -> Sbom:
    """Return the content that every format can hold: licences in canonical form."""
    packages = (msgspec.structs.replace(package, licences=list_licences(package.licences)) for package in sbom.packages)
    return msgspec.structs.replace(sbom, packages=tuple(packages), format="", identifier="", entries=())


@pytest.mark.parametrize("name", FORMATS)
def test_written_content_is_read_again(name: str) -> None:
    sbom = create_image()
    result = read_sbom(write_sbom(sbom, name), "image")
    assert normalise(result) == normalise(sbom)
    assert result.format in {"CycloneDX 1.6", "CycloneDX 1.7", "SPDX 2.3", "SPDX 3.0.1"}


@EXAMPLES
@given(sbom=sboms())
def test_any_package_is_read_again(sbom: Sbom) -> None:
    expected = sorted({identify_read(package) for package in sbom.packages})
    for name in FORMATS:
        result = read_sbom(write_sbom(sbom, name), "image")
        if name != "spdx-tag-value":
            assert [identify(package) for package in result.packages] == expected, name
        assert len(result.packages) == len(expected), name
        assert bool(result.problems) == bool(sbom.problems)


def identify_read(package: Package) -> str:
    """Return the reference of a package as a reader normalises it."""
    (result,) = read_sbom(
        write_sbom(Sbom(subject=SbomSubject("x"), packages=(package,)), "cyclonedx"), "package"
    ).packages
    return identify(result)


@pytest.mark.parametrize("name", FORMATS)
def test_same_content_gives_same_bytes(name: str) -> None:
    sbom = create_image()
    shuffled = msgspec.structs.replace(sbom, subject=msgspec.structs.replace(sbom.subject))
    assert write_sbom(shuffled, name) == write_sbom(sbom, name)
    other = msgspec.structs.replace(sbom, packages=sbom.packages[1:])
    assert write_sbom(other, name) != write_sbom(sbom, name)


def test_identifiers_depend_on_content() -> None:
    sbom = create_image()
    other = msgspec.structs.replace(sbom, packages=sbom.packages[1:])
    numbers = {json.loads(write_sbom(entry, "cyclonedx"))["serialNumber"] for entry in (sbom, other, sbom)}
    assert len(numbers) == 2
    namespaces = {json.loads(write_sbom(entry, "spdx"))["documentNamespace"] for entry in (sbom, other, sbom)}
    assert len(namespaces) == 2


def test_versions_of_cyclonedx_differ_only_in_their_numbers() -> None:
    documents = [json.loads(write_sbom(create_image(), name)) for name in ("cyclonedx", "cyclonedx-1.7")]
    for document in documents:
        del document["$schema"], document["specVersion"], document["serialNumber"]
    assert documents[0] == documents[1]


def test_cyclonedx_has_the_documented_fields() -> None:
    document = json.loads(write_sbom(create_image(), "cyclonedx"))
    metadata = document["metadata"]
    assert metadata["timestamp"] == "2026-01-02T03:04:05Z"
    assert metadata["component"]["type"] == "container"
    assert metadata["component"]["hashes"] == [{"alg": "SHA-256", "content": DIGEST.removeprefix("sha256:")}]
    assert metadata["lifecycles"] == [{"phase": "post-build"}]
    assert [entry["value"] for entry in metadata["properties"]] == [
        "opt/app.jar: the central directory is damaged",
        "no history",
    ]
    assert document["compositions"][0]["aggregate"] == "incomplete"
    components = {component["name"]: component for component in document["components"]}
    assert components["debian"]["type"] == "operating-system"
    bsdutils = components["bsdutils"]
    assert bsdutils["bom-ref"] == bsdutils["purl"]
    assert bsdutils["supplier"]["contact"] == [{"name": "Ann Example", "email": "ann@example.com"}]
    assert [entry["license"]["acknowledgement"] for entry in bsdutils["licenses"]] == ["declared"] * 3
    properties = {entry["name"]: entry["value"] for entry in bsdutils["properties"]}
    assert properties == {
        "kubekeep:layer:diffId": LAYERS[0],
        "kubekeep:package:evidence": "dpkg status",
        "kubekeep:source:name": "util-linux",
        "kubekeep:source:version": "2.41.5-0+deb13u1",
    }
    assert components["slf4j-api"]["licenses"] == [
        {"expression": "MIT AND (Apache-2.0 OR EPL-2.0)", "acknowledgement": "declared"}
    ]
    assert components["slf4j-api"]["evidence"]["occurrences"][0]["additionalContext"] == LAYERS[1]
    dependencies = {entry["ref"]: entry["dependsOn"] for entry in document["dependencies"]}
    assert dependencies[bsdutils["bom-ref"]] == [components["libc6"]["bom-ref"]]
    assert len(dependencies[metadata["component"]["bom-ref"]]) == 6


def test_spdx_has_the_documented_fields() -> None:
    document = json.loads(write_sbom(create_image(), "spdx"))
    packages = {package["name"]: package for package in document["packages"]}
    bsdutils = packages["bsdutils"]
    assert bsdutils["supplier"] == "Organization: Ann Example <ann@example.com>"
    assert bsdutils["filesAnalyzed"] is False
    (licence,) = document["hasExtractedLicensingInfos"]
    assert licence["extractedText"] == "public-domain"
    assert bsdutils["licenseDeclared"] == f"GPL-2.0-or-later AND (MIT OR ISC) AND {licence['licenseId']}"
    assert bsdutils["externalRefs"][0]["referenceLocator"].startswith("pkg:deb/debian/bsdutils@1:2.41.5-0%2Bdeb13u1?")
    kinds = [entry["relationshipType"] for entry in document["relationships"]]
    assert (kinds.count("DESCRIBES"), kinds.count("CONTAINS"), kinds.count("DEPENDS_ON")) == (1, 6, 1)
    assert [entry["comment"] for entry in document["annotations"]] == [
        "kubekeep:problem: opt/app.jar: the central directory is damaged",
        "kubekeep:problem: no history",
    ]


def test_completeness_is_not_claimed() -> None:
    sbom = msgspec.structs.replace(create_image(), problems=())
    assert json.loads(write_sbom(sbom, "cyclonedx"))["compositions"][0]["aggregate"] == "unknown"


@pytest.mark.parametrize("name", FORMATS)
def test_documents_of_several_subjects(name: str) -> None:
    sbom = create_image()
    references = [identify(package) for package in sbom.packages]
    parts = (
        SbomPart(sbom.subject, sbom.distribution, tuple(references[:3])),
        SbomPart(SbomSubject("web", SubjectKind.FOLDER, "2"), packages=tuple(references[2:])),
    )
    merged = msgspec.structs.replace(
        sbom, subject=SbomSubject("web"), distribution=Sbom(subject=sbom.subject).distribution, parts=parts
    )
    content = write_sbom(merged, name)
    if name.startswith("cyclonedx"):
        check_cyclonedx(content, name.partition("-")[2] or "1.6")
    elif name == "spdx":
        check_spdx_json(content)
    elif name == "spdx-3":
        check_spdx3(content)
    else:
        check_spdx_tag_value(content)
    result = read_sbom(content, "merged")
    assert result.parts == parts
    assert result.subject.name == "web"
