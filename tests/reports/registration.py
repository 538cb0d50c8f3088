"""Properties of the report formats for the tests of all formats. A new format is registered here.

Its golden file and its function in `test_same_figures` are separate.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec
import yaml
from lxml import etree, html
from markdown_it import MarkdownIt
from prometheus_client.parser import text_string_to_metric_families

from kubekeep.model.submission import Submission


class Registration(NamedTuple):
    """Properties of one format."""

    read: Callable[[str], object]
    """Parser of the text of a report; raises an error if it is invalid."""
    is_structure: bool = False
    """`read` returns only the structure of a report, without texts of the input."""
    has_target: bool = True
    """False if a report has one entry per finding and does not name the scanned target."""
    memory_reason: str = ""
    """Reason that the format holds a report in memory as a whole."""
    findings_reason: str = ""
    """Reason that the format keeps data of every finding in memory."""


def assert_readable(text: str) -> None:
    assert all(char == "\n" or char.isprintable() or char.isspace() or ord(char) > 0xFF for char in text)


def count_cells(text: str) -> list[int]:
    """Return the number of cells of each row."""
    return [len(row) for row in csv.reader(io.StringIO(text), strict=True)]


def list_tags(text: str) -> list[str]:
    """Return the elements of a page except the paragraphs and code that render the chapters of a control."""
    page: Any = html.document_fromstring(text)
    json.loads(str(page.get_element_by_id("data").text))
    assert not page.xpath("//img | //iframe | //body//style | //@*[starts-with(name(), 'on')]")
    assert len(page.xpath("//script")) == 2
    return [str(element.tag) for element in page.iter() if element.tag not in {"p", "code"}]


def count_series(text: str) -> list[tuple[str, int]]:
    """Return the families with the number of their series."""
    return [(family.name, len(family.samples)) for family in text_string_to_metric_families(text)]


def list_actions(text: str) -> list[str]:
    """Return the runner's action for each line: a command with its property names, or an empty text."""
    assert "##[" not in text
    commands = [re.match(r"::([\w-]+)(?: ([^:]*))?::", line.strip()) for line in re.split(r"\r\n|\r|\n", text)]
    return [re.sub(r"=[^,]*", "", match.group()) if match else "" for match in commands]


def list_markup(text: str) -> list[str]:
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


def read_json_lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.removesuffix("\n").split("\n")] if text else []


def read_yaml_documents(text: str) -> list[Any]:
    documents = list(yaml.load_all(text, yaml.CSafeLoader))
    assert documents
    return documents


def count_submission(text: str) -> list[Any]:
    """Return the numbers of entries, of subjects in any order: keys, which order them, follow from names."""
    submission = msgspec.json.decode(text, type=Submission)
    subjects = sorted(
        (len(entry.containers), sorted(len(finding.evidence) for finding in entry.findings))
        for entry in submission.subjects
    )
    return [subjects, len(submission.gaps), len(submission.definitions), len(submission.images)]


REGISTRATIONS: Final = {
    "csv": Registration(count_cells, is_structure=True, has_target=False),
    "cyclonedx": Registration(
        json.loads, has_target=False, memory_reason="packages and vulnerabilities of all images are joined"
    ),
    "findings": Registration(read_json_lines, has_target=False, findings_reason="findings are grouped by definition"),
    "github": Registration(list_actions, is_structure=True, has_target=False),
    "gitlab-codequality": Registration(json.loads, has_target=False),
    "gitlab-container-scanning": Registration(json.loads, has_target=False),
    "gitlab-sast": Registration(json.loads, has_target=False),
    "html": Registration(list_tags, is_structure=True, memory_reason="the script data is one object with shared texts"),
    "json": Registration(json.loads),
    "junit": Registration(lambda text: etree.fromstring(text.encode()), has_target=False),
    "markdown": Registration(list_markup, is_structure=True),
    "ocsf": Registration(read_json_lines, has_target=False),
    "openreports": Registration(
        read_yaml_documents, has_target=False, findings_reason="the results of a namespace are counted and split first"
    ),
    "oscal": Registration(json.loads, findings_reason="findings refer to their observations"),
    "pdf": Registration(str, memory_reason="pages are typeset as a whole"),
    "policyreport": Registration(
        read_yaml_documents, has_target=False, findings_reason="the results of a namespace are counted and split first"
    ),
    "pretty": Registration(assert_readable),
    "prometheus": Registration(count_series, is_structure=True),
    "sarif": Registration(json.loads, has_target=False),
    "submission": Registration(count_submission, is_structure=True, has_target=False),
    "yaml": Registration(read_yaml_documents),
}
