"""Locations of packages in SBOM documents of all formats: each is the entry of the package in the file."""

from __future__ import annotations

import base64
import codecs
import json
from pathlib import Path
from typing import Any

import pytest

from kubekeep.images.sbom.document import Sbom
from kubekeep.images.sbom.identity import identify_everywhere
from kubekeep.images.sbom.read import read_sbom
from kubekeep.images.sbom.write import FORMATS, write_sbom
from kubekeep.model.location import Location
from kubekeep.model.package import Package
from kubekeep.sources.sboms.locations import locate_packages

ROOT = Path(__file__).parents[3]
PEERS = ROOT / "tests" / "images" / "sbom" / "peers"
EXAMPLES = ROOT / "examples" / "sboms"
DOCUMENTS = sorted(path for folder in (PEERS, EXAMPLES) for path in folder.iterdir() if path.suffix != ".md")
_decode = json.JSONDecoder().raw_decode


def locate(content: bytes) -> tuple[Sbom, list[Location]]:
    """Return the SBOM and the location of each of its packages."""
    sbom = read_sbom(content, "app.json")
    locations = locate_packages(content, sbom.entries, "app.json")
    return sbom, [locations.locate({}, ("packages", number, "version")) for number in range(len(sbom.packages))]


def read_entry(text: str, location: Location) -> Any:
    """Return the JSON value that begins at a location, or the line of another file."""
    assert location.region is not None
    line = text.split("\n")[location.region.start.line - 1]
    if not text.lstrip("\ufeff").startswith("{"):
        return line
    before = "\n".join(text.split("\n")[: location.region.start.line - 1])
    at = len(before) + bool(before) + location.region.start.column - 1
    return _decode(text, at)[0]


def is_entry_of(entry: Any, package: Package) -> bool:
    """Return True if an entry of a document, read again alone, has the name of the package."""
    text = json.dumps(entry) if isinstance(entry, dict) else entry
    return package.name.lower() in text.lower()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_entries_of_documents_of_all_tools(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    sbom, locations = locate(text.encode())
    assert sbom.packages
    for package, location in zip(sbom.packages, locations, strict=True):
        entry = read_entry(text, location)
        assert is_entry_of(entry, package), (package.name, location)
        if isinstance(entry, dict):
            assert {"name", "purl", "SPDXID", "bom-ref"} & entry.keys(), "the entry is a whole one, not a part"
        else:
            assert entry.startswith("PackageName: ")


@pytest.mark.parametrize("name", FORMATS)
def test_entries_of_own_documents(name: str) -> None:
    text = write_sbom(read_sbom((PEERS / "syft.json").read_bytes(), "syft.json"), name).decode()
    sbom, locations = locate(text.encode())
    assert len({str(location) for location in locations}) == len(sbom.packages) > 1
    for package, location in zip(sbom.packages, locations, strict=True):
        assert is_entry_of(read_entry(text, location), package)


def test_region_ends_after_the_first_key_as_in_manifests() -> None:
    sbom, locations = locate((EXAMPLES / "storefront.cdx.json").read_bytes())
    regions = {package.name: location.region for package, location in zip(sbom.packages, locations, strict=True)}
    lodash = regions["lodash"]
    assert lodash is not None
    assert (lodash.start.line, lodash.start.column, lodash.end.line, lodash.end.column) == (58, 5, 59, 13)
    assert str(locations[0]) == "app.json:43"


def cyclonedx(*components: Any, **fields: Any) -> dict[str, Any]:
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": list(components)} | fields


def component(name: str, **fields: Any) -> dict[str, Any]:
    return {"type": "library", "name": name, "version": "1", "purl": f"pkg:npm/{name}@1"} | fields


def test_nested_components_and_components_of_the_subject() -> None:
    document = cyclonedx(
        component("outer", components=[component("middle", components=[component("inner")])]),
        "no component",
        component("last"),
        metadata={"component": {"type": "application", "name": "app", "components": [component("own")]}},
    )
    for indent in (2, None):
        text = json.dumps(document, indent=indent)
        sbom, locations = locate(text.encode())
        names = [read_entry(text, location)["name"] for location in locations]
        assert names == [package.name for package in sbom.packages] == ["inner", "last", "middle", "outer", "own"]


def test_components_nested_too_deeply_have_the_place_of_an_ancestor() -> None:
    document = component("c60")
    for depth in reversed(range(60)):
        document = component(f"c{depth}", components=[document])
    text = json.dumps(cyclonedx(document), indent=1)
    sbom, locations = locate(text.encode())
    entries = {
        package.name: read_entry(text, location)["name"]
        for package, location in zip(sbom.packages, locations, strict=True)
    }
    assert entries["c10"] == "c10"
    assert entries["c60"] == entries["c59"] != "c60"


def test_package_of_several_entries_has_the_place_of_the_first() -> None:
    text = json.dumps(cyclonedx(component("b"), component("a"), component("a", purl="pkg:npm/a@1?vcs_url=x")), indent=2)
    sbom, locations = locate(text.encode())
    assert [read_entry(text, location)["name"] for location in locations] == ["a", "b"]
    assert read_entry(text, locations[0])["purl"] == "pkg:npm/a@1"
    assert len({identify_everywhere(package) for package in sbom.packages}) == 2


def test_envelopes() -> None:
    document = cyclonedx(component("a"), component("b"))
    statement = {"_type": "https://in-toto.io/Statement/v1", "subject": [], "predicate": document}
    text = json.dumps(statement, indent=2)
    assert [read_entry(text, location)["name"] for location in locate(text.encode())[1]] == ["a", "b"]
    payload = base64.b64encode(text.encode()).decode()
    # Encoded text has no lines: the place is the field with it.
    for value in ({"payload": payload, "signatures": []}, {"Data": json.dumps(document), "Timestamp": "now"}):
        text = json.dumps(value, indent=2)
        assert {str(location) for location in locate(text.encode())[1]} == {"app.json:2"}
    lines = [json.dumps({"predicateType": "provenance"}), "", json.dumps(statement), ""]
    text = "\n".join(lines)
    locations = locate(text.encode())[1]
    assert {str(location) for location in locations} == {"app.json:3"}
    assert [read_entry(text, location)["name"] for location in locations] == ["a", "b"]


def test_columns_count_characters_and_marks_of_byte_order_do_not_count() -> None:
    text = json.dumps(cyclonedx(component("é", version="😀"), component("b")), ensure_ascii=False)
    expected = text.index('{"type": "library", "name": "b"') + 1
    for content in (text.encode(), codecs.BOM_UTF8 + text.encode()):
        sbom, locations = locate(content)
        region = locations[[package.name for package in sbom.packages].index("b")].region
        assert region is not None
        assert (region.start.line, region.start.column) == (1, expected)
    windows = json.dumps(cyclonedx(component("a"), component("b")), indent=2).replace("\n", "\r\n")
    assert [str(location) for location in locate(windows.encode())[1]] == ["app.json:5", "app.json:11"]


def test_mapping_instead_of_a_list_and_repeated_keys() -> None:
    text = json.dumps(cyclonedx() | {"components": component("only")}, indent=2)
    assert read_entry(text, locate(text.encode())[1][0])["name"] == "only"
    text = '{"bomFormat": "CycloneDX",\n"components": [{"name": "a", "version": "1"}],\n'
    text += '"components": [{"name": "b", "version": "1", "x": ' + "1" * 400 + "}]}"
    assert read_entry(text, locate(text.encode())[1][0])["name"] == "b"


def test_tag_value_inside_text_is_no_package() -> None:
    text = "\n\nSPDXVersion: SPDX-2.3\nDocumentComment: <text>one\nPackageName: no\n</text>\nPackageName: yes\nSPDXID: SPDXRef-1\n"
    sbom, locations = locate(text.encode())
    assert [package.name for package in sbom.packages] == ["yes"]
    assert [str(location) for location in locations] == ["app.json:7"]


def test_other_parts_have_the_file() -> None:
    content = (EXAMPLES / "storefront.cdx.json").read_bytes()
    locations = locate_packages(content, read_sbom(content, "x").entries, "x")
    assert locations.locate({}, ("distribution",)) == locations.locate({}, ("packages", 99)) == Location("x")
    assert locate_packages(b"{}", [("components", 0)], "x").locate({}, ("packages", 0)).region is not None
    assert locate_packages(b"{", [("components", 0)], "x").locate({}, ("packages", 0)) == Location("x")
