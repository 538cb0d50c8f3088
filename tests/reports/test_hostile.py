"""Every format stays readable and keeps its structure with hostile names, paths and messages."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree, html
from markdown_it import MarkdownIt
from prometheus_client.parser import text_string_to_metric_families
from tests.reports.hostile import TAME, TEXTS, brought, taint_cluster, tainted
from tests.reports.rendering import rendered

from kubekeep.model.assessment import Assessment
from kubekeep.reports import load, names


def readable_by_people(text: str) -> None:
    assert all(char == "\n" or char.isprintable() or char.isspace() or ord(char) > 0xFF for char in text)


def table(text: str) -> list[int]:
    """Return the number of cells of each row."""
    return [len(row) for row in csv.reader(io.StringIO(text), strict=True)]


def tags(text: str) -> list[str]:
    """Return the elements of a page except the paragraphs and code that render the chapters of a control."""
    page: Any = html.document_fromstring(text)
    json.loads(str(page.get_element_by_id("data").text))
    assert not page.xpath("//img | //iframe | //body//style | //@*[starts-with(name(), 'on')]")
    assert len(page.xpath("//script")) == 2
    return [str(element.tag) for element in page.iter() if element.tag not in {"p", "code"}]


def metrics(text: str) -> list[tuple[str, int]]:
    """Return the families with the number of their series."""
    return [(family.name, len(family.samples)) for family in text_string_to_metric_families(text)]


def workflow(text: str) -> list[str]:
    """Return the runner's action for each line: a command with its property names, or an empty text."""
    assert "##[" not in text
    commands = [re.match(r"::([\w-]+)(?: ([^:]*))?::", line.strip()) for line in re.split(r"\r\n|\r|\n", text)]
    return [re.sub(r"=[^,]*", "", match.group()) if match else "" for match in commands]


def markup(text: str) -> list[str]:
    """Return the kinds of all parts of a document except code and words, which may replace each other."""
    parts: list[str] = []
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text):
        for part in (token, *(token.children or ())):
            if part.type == "html_inline":
                assert part.content in {"<code>", "</code>", "<!---->"}
            elif part.type == "html_block":
                parts += re.findall(r"</?(?!code)\w+", part.content)
            elif part.type not in {"text", "code_inline", "inline", "text_special"}:
                parts.append(part.type)
    return parts


def json_lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.removesuffix("\n").split("\n")]


def yaml_documents(text: str) -> list[Any]:
    documents = list(yaml.load_all(text, yaml.CSafeLoader))
    assert documents
    return documents


READERS: dict[str, Callable[[str], object]] = {
    "csv": table,
    "github": workflow,
    "json": json.loads,
    "junit": lambda text: etree.fromstring(text.encode()),
    "html": tags,
    "markdown": markup,
    "pretty": readable_by_people,
    "prometheus": metrics,
    "sarif": json.loads,
    "yaml": yaml_documents,
    "gitlab-sast": json.loads,
    "gitlab-codequality": json.loads,
    "oscal": json.loads,
    "ocsf": json_lines,
    "policyreport": yaml_documents,
    "openreports": yaml_documents,
}
STRUCTURES: dict[str, Callable[[str], object]] = {
    "csv": table,
    "github": workflow,
    "html": tags,
    "markdown": markup,
    "prometheus": metrics,
}
"""Structure of the reports that are not documents of entries."""


@pytest.mark.parametrize("name", names())
def test_any_text_is_readable(name: str, assessment: Assessment) -> None:
    # Typesetting takes a second per page.
    @settings(deadline=None, max_examples=15 if load(name).binary else 60, database=None)
    @example(text='"\\</failure>]]>&#0;\x1b\r\n\t\ud83d', path="a[0]")
    @given(text=st.text(st.characters()), path=st.text(st.characters(), max_size=20))
    def stays_readable(text: str, path: str) -> None:
        READERS.get(name, str)(rendered(name, tainted(assessment, text, path)))

    stays_readable()


@pytest.mark.parametrize("aim", TEXTS)
@pytest.mark.parametrize("name", names())
def test_hostile_text_keeps_structure(name: str, aim: str, assessment: Assessment) -> None:
    actual, tame = (structure(name, rendered(name, brought(assessment, text))) for text in (TEXTS[aim], TAME))
    assert actual == tame or not TEXTS[aim].strip(), "only without a text may there be no entry for it"


@pytest.mark.parametrize("name", names())
def test_hostile_cluster_keeps_structure(name: str, assessment: Assessment) -> None:
    # Typesetting is slow; the test above covers every text.
    for aim in ["typst", "controls"] if load(name).binary else TEXTS:
        actual, tame = (structure(name, rendered(name, taint_cluster(assessment, text))) for text in (TEXTS[aim], TAME))
        assert actual == tame or not TEXTS[aim].strip(), f"{aim}: only without a text may there be no entry for it"


def structure(name: str, text: str) -> object:
    return STRUCTURES[name](text) if name in STRUCTURES else shape(READERS.get(name, str)(text))


def shape(value: Any) -> object:
    """Return a document without its texts: keys that are input text are removed, entries stay."""
    match value:
        case dict():
            return [shape(entry) for entry in value.values()]
        case list() | tuple():
            return [shape(entry) for entry in value]
        case etree._Element():  # noqa: SLF001 - lxml has no other name for it
            return [(str(element.tag), *map(str, element.attrib)) for element in value.iter()]
        case _:
            return "text" if isinstance(value, str) else value
