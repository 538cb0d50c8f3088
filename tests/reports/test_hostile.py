"""Whatever stands in names, paths and messages, every format stays readable by its readers."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import msgspec
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree

from kubekeep.model.assessment import Assessment, ResourceResult, Unread
from kubekeep.model.finding import Evidence, Status, Verdict
from kubekeep.model.location import Location
from kubekeep.model.resource import FileType, Resource, Source
from kubekeep.reports import Options, load, names


def readable_by_people(text: str) -> None:
    assert all(char == "\n" or char.isprintable() or char.isspace() or ord(char) > 0xFF for char in text)


def json_lines(text: str) -> None:
    for line in text.splitlines():
        json.loads(line)


def yaml_documents(text: str) -> None:
    assert list(yaml.safe_load_all(text))


READERS: dict[str, Callable[[str], object]] = {
    "json": json.loads,
    "sarif": json.loads,
    "junit": lambda text: etree.fromstring(text.encode()),
    "pretty": readable_by_people,
    "gitlab-sast": json.loads,
    "gitlab-codequality": json.loads,
    "oscal": json.loads,
    "ocsf": json_lines,
    "policyreport": yaml_documents,
    "openreports": yaml_documents,
}


@pytest.mark.parametrize("name", names())
def test_any_text_anywhere(name: str, assessment: Assessment) -> None:
    @settings(deadline=None, max_examples=60, database=None)
    @example(text='"\\</failure>]]>&#0;\x1b\r\n\t\ud83d', path="a[0]")
    @given(text=st.text(st.characters()), path=st.text(st.characters(), max_size=20))
    def stays_readable(text: str, path: str) -> None:
        stream = io.StringIO()
        load(name).render(tainted(assessment, text, path), stream, Options())
        stream.getvalue().encode()
        READERS.get(name, str)(stream.getvalue())

    stays_readable()


def tainted(assessment: Assessment, text: str, path: str) -> Assessment:
    """`assessment` with `text` wherever manifests and rules put text, and one failed resource."""
    metadata = {"name": text, "namespace": text, "annotations": {text: text}}
    source = Source(path=text, base=f"/{text}", file_type=FileType.YAML, document=0)
    resource = Resource({"apiVersion": f"{text}/v1", "kind": text, "metadata": metadata}, source)
    evidence = (
        Evidence(path, exists=True, location=Location(text), fix=json.dumps(text), message=text),
        Evidence(text, exists=False, message=text),
    )
    return msgspec.structs.replace(
        assessment,
        results=(ResourceResult(resource, {"privileged": Verdict(Status.FAILED, evidence)}),),
        unread=(Unread(Location(text), text),),
    )
