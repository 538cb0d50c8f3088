"""Hostile SBOM files end in a result or in an SbomError, within limits of time and memory, and never control a terminal."""

from __future__ import annotations

import base64
import io
import json
import random
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.images.sbom.samples import create_image

from kubekeep.images.errors import SbomError
from kubekeep.images.sbom import read
from kubekeep.images.sbom.read import read_sbom
from kubekeep.images.sbom.write import FORMATS, write_sbom
from kubekeep.reports.format import ReportOptions
from kubekeep.reports.sboms.json import write_sbom as write_json
from kubekeep.reports.sboms.show import write_packages, write_summary

PEERS = Path(__file__).parent / "peers"
CDX = '{"bomFormat":"CycloneDX","specVersion":"1.6",'
SPDX = '{"spdxVersion":"SPDX-2.3",'

REFUSED = {
    "empty": b"",
    "spaces": b" \n ",
    "text": b"hello",
    "zeros": bytes(100),
    "number": b"[1]",
    "object": b"{}",
    "truncated": CDX.encode(),
    "deep": (CDX + '"x":' + "[" * 100_000).encode(),
    "deep and closed": (CDX + '"x":' + "[" * 100_000 + "]" * 100_000 + "}").encode(),
    "xml": b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'b'>]><bom/>",
    "latin-1": b'{"bomFormat":"CycloneDX","x":"\xe4"}',
    "envelopes": json.dumps(
        {"predicate": {"predicate": {"predicate": {"predicate": {"predicate": {"predicate": {}}}}}}}
    ).encode(),
    "infinite": (CDX + '"x":1e999}').encode(),
    "payload": json.dumps({"payload": "%%%"}).encode(),
    "payload of text": json.dumps({"payload": base64.b64encode(b"x").decode()}).encode(),
    "billion components": (CDX + '"components":[' + "{}," * 5_000_001 + "{}]}").encode(),
    "many packages": (CDX + '"components":[' + '{"name":"a"},' * 200_001 + "{}]}").encode(),
    "many packages in SPDX": (SPDX + '"packages":[' + '{"name":"a"},' * 200_001 + "{}]}").encode(),
    "many packages of Syft": ('{"descriptor":{},"artifacts":[' + '{"name":"a"},' * 200_001 + "{}]}").encode(),
    "many packages in tag-value": b"SPDXVersion: SPDX-2.3\n" + b"PackageName: a\n" * 1_000_001,
    "billion lists": b"[" + b"[]," * 5_000_001 + b"[]]",
}
ACCEPTED = {
    "duplicate keys": CDX + '"components":[{"name":"a"}],"components":[{"name":"b","name":"c"}]}',
    "cycle": CDX
    + '"components":[{"name":"a","bom-ref":"a"},{"name":"b","bom-ref":"b"}],'
    + '"dependencies":[{"ref":"a","dependsOn":["b","a"]},{"ref":"b","dependsOn":["a"]}]}',
    "same bom-ref": CDX + '"components":[{"name":"a","bom-ref":"x"},{"name":"b","bom-ref":"x"}]}',
    "bad purls": CDX
    + '"components":['
    + ",".join(
        json.dumps({"name": "x", "version": str(number), "purl": url})
        for number, url in enumerate(
            [
                "pkg:",
                "pkg:/",
                "pkg:npm",
                "pkg:npm/",
                "pkg:npm/%zz@1",
                "pkg:npm/x@%ff",
                "npm/x",
                "pkg:1/x",
                "pkg:npm/x?a=b&a=c",
                "pkg:npm/" + "a/" * 5000 + "x",
            ]
        )
    )
    + "]}",
    "long texts": CDX + '"components":[{"name":"' + "a" * 1_000_000 + '","version":"1"}]}',
    "deep licence": CDX + '"components":[{"name":"a","licenses":[{"expression":"' + "(" * 10_000 + 'MIT"}]}]}',
    "long licence": CDX
    + '"components":[{"name":"a","licenses":[{"license":{"name":"'
    + "MIT AND " * 2000
    + 'MIT"}}]}]}',
    "numbers": CDX + '"components":[{"name":1,"version":1e300},{"name":true,"version":null}]}',
    "nested components": CDX + '"components":[' + '{"name":"a","components":[' * 200 + "]}" * 200 + "]}",
    "properties": CDX + '"components":[{"name":"a","properties":[{"name":"syft:location:0:path"},{"value":1},5]}]}',
    "self relationship": SPDX
    + '"packages":[{"SPDXID":"a","name":"a"}],"relationships":['
    + '{"spdxElementId":"a","relationshipType":"DEPENDS_ON","relatedSpdxElement":"a"},'
    + '{"spdxElementId":"SPDXRef-DOCUMENT","relationshipType":"DESCRIBES","relatedSpdxElement":"SPDXRef-DOCUMENT"}]}',
    "merged into itself": SPDX
    + '"packages":[{"SPDXID":"SPDXRef-Merged-a","name":"a"}],"relationships":['
    + '{"spdxElementId":"SPDXRef-DOCUMENT","relationshipType":"DESCRIBES","relatedSpdxElement":"SPDXRef-Merged-a"},'
    + '{"spdxElementId":"SPDXRef-Merged-a","relationshipType":"CONTAINS","relatedSpdxElement":"SPDXRef-Merged-a"}]}',
    "no identifiers": SPDX + '"packages":[{"name":"a"},{"name":"b"},{}]}',
    "control characters": CDX
    + '"metadata":{"component":{"name":"\\u001b]0;x\\u0007\\u202e"},"tools":[{"name":"\\u001b[31m"}]},'
    + '"components":[{"name":"\\u001b[2J\\r\\n::error::x","version":"\\u0000","purl":"pkg:npm/%1b%5b2J@%0d"}]}',
    "many duplicates": CDX
    + '"components":['
    + ",".join(f'{{"name":"a","evidence":{{"occurrences":[{{"location":"{number}"}}]}}}}' for number in range(5_000))
    + "]}",
    "tag-value": "SPDXVersion: SPDX-2.3\nPackageName: <text>\nRelationship: a\nSPDXREF: x\nExternalRef: x\nPackageChecksum\n",
}


def show(content: bytes) -> str:
    """Return everything that the commands print of a document."""
    sbom = read_sbom(content, "file")
    stream = io.StringIO()
    options = ReportOptions(width=80)
    write_summary(sbom, stream, options)
    write_packages(sbom.packages, stream, options)
    write_json(sbom, sbom.packages, io.StringIO())
    for name in FORMATS:
        write_sbom(sbom, name)
    return stream.getvalue()


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_file_is_refused(name: str) -> None:
    with pytest.raises(SbomError, match=r"^file: "):
        read_sbom(REFUSED[name], "file")


@pytest.mark.parametrize("name", ACCEPTED)
def test_hostile_file_is_read(name: str) -> None:
    text = show(ACCEPTED[name].encode())
    assert text
    assert not set(text) & {*map(chr, range(10)), *map(chr, range(11, 32)), "\x7f", "\u202e"}


def test_size_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "MAX_BYTES", 1 << 20)
    with pytest.raises(SbomError, match="more than 1 MiB"):
        read_sbom((CDX + '"x":"' + "a" * (1 << 20) + '"}').encode(), "file")


def test_memory_stays_near_the_size_of_the_document() -> None:
    components = ",".join(
        json.dumps(
            {"type": "library", "name": f"package-{number}", "version": "1", "purl": f"pkg:npm/package-{number}@1"}
        )
        for number in range(3_000)
    )
    content = (CDX + f'"components":[{components}]}}').encode()
    tracemalloc.start()
    try:
        read_sbom(content, "file")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 30 * len(content)


def list_places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each container in a document with each of its keys."""
    keys: Any = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in list(keys):
        yield value, key
        yield from list_places(value[key])


WRONG: list[Any] = [None, True, 0, -1.5, "", "x", "\x1b[2J", [], {}, [[]], [None], {"a": {}}, [{"name": []}]]


DOCUMENTS = {path.name: path.read_bytes() for path in sorted(PEERS.glob("*.json"))} | {
    name: write_sbom(create_image(), name) for name in FORMATS if name != "spdx-tag-value"
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_wrong_types_in_each_field(name: str) -> None:
    document = json.loads(DOCUMENTS[name])
    generator = random.Random(1)
    for container, key in list(list_places(document)):
        value, container[key] = container[key], generator.choice(WRONG)
        try:
            sbom = read_sbom(json.dumps(document).encode(), "file")
        except SbomError:
            continue
        finally:
            container[key] = value
        for format_name in ("cyclonedx", "spdx"):
            write_sbom(sbom, format_name)


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=200), position=st.integers(0, 5000))
def test_damaged_files(content: bytes, position: int) -> None:
    for name in FORMATS:
        whole = write_sbom(create_image(), name)
        for damaged in (whole[:position] + content + whole[position:], whole[:position], content):
            try:
                sbom = read_sbom(damaged, "file")
            except SbomError:
                continue
            write_sbom(sbom, name)
