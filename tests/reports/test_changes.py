"""A comparison in every format, read back by a reader of that format, with hostile names."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
import yaml
from markdown_it import MarkdownIt

from kubekeep.model.comparison import Comparison, Difference, FindingChange, RecordedFinding, ReportLocation
from kubekeep.model.fingerprint import Granularity, Identity
from kubekeep.model.location import Location, Position, Region
from kubekeep.model.severity import Severity
from kubekeep.model.text import visible
from kubekeep.reports import ReportOptions, changes

ASSETS = Path(__file__).parent / "assets"
HOSTILE = "\x1b[31m|`</td>]]>&\n# @all [x](http://evil) \u202e\ud800\x00 <script> 数据 #1 ![i](u) {{x}} __b__"


def difference(change: FindingChange, number: int, text: str = "x", level: Severity = Severity.HIGH) -> Difference:
    region = Region(Position(3, 5), Position(3, 9))
    path = f"spec.{text}"
    place = ReportLocation(path, "fixPath", f"path=1/api=v1//Pod/{text}", Location(f"{text}.yaml", region))
    finding = RecordedFinding(
        f"C-{number}", Identity("", "Pod", text, text), path, f"{text}.yaml", 0, text, level, place
    )
    reasons = {FindingChange.INCOMPARABLE: f"nobody looked {text}", FindingChange.EXCEPTED: f"excepted by {text}"}
    reason = reasons.get(change, "")
    return Difference(change, finding, "passed", "failed", reason)


def comparison(text: str = "x", many: int = 1) -> Comparison:
    return Comparison(
        base="main.json",
        head="branch.json",
        granularity=Granularity.EVIDENCE,
        new=tuple(difference(FindingChange.NEW, number, text) for number in range(many)),
        resolved=(difference(FindingChange.RESOLVED, 7, text),),
        unchanged=(difference(FindingChange.UNCHANGED, 8, text),),
        incomparable=(difference(FindingChange.INCOMPARABLE, 9, text, Severity.UNKNOWN),),
        excepted=(difference(FindingChange.EXCEPTED, 6, text),),
        warnings=(f"tool: {text}",),
    )


EMPTY = Comparison(base="a", head="b", granularity=Granularity.CONTROL)


def render_comparison(name: str, comparison: Comparison, *, verbose: bool = False) -> str:
    stream = io.StringIO()
    changes.load(name).render(comparison, stream, ReportOptions(verbose=verbose))
    text = stream.getvalue()
    assert text.endswith("\n")
    text.encode()
    return text


def read_sarif(text: str) -> list[str]:
    log = json.loads(text)
    schema = json.loads((ASSETS / "sarif-2.1.0.json").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator(schema).validate(log)
    return [result["ruleId"] for result in log["runs"][0]["results"]]


def read_junit(text: str) -> list[str]:
    cases = ET.fromstring(text).iter("testcase")  # noqa: S314 - our own document
    return [case.attrib["classname"].removeprefix("Kubekeep/") for case in cases if case.find("failure") is not None]


def read_gitlab(text: str) -> list[str]:
    vulnerabilities = json.loads(text)["vulnerabilities"]
    assert len({vulnerability["id"] for vulnerability in vulnerabilities}) == len(vulnerabilities)
    return [vulnerability["identifiers"][0]["value"] for vulnerability in vulnerabilities]


def read_markdown(text: str) -> list[str]:
    """Return the second column of the tables without excepted findings; cells must contain only text."""
    text = text.partition("\n### Covered by exceptions\n")[0]
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(text)
    kinds = {token.type for token in tokens} | {child.type for token in tokens for child in token.children or ()}
    assert not kinds & {"html_block", "html_inline", "link_open", "image", "code_inline", "em_open", "strong_open"}
    rows: list[list[str]] = []
    for index, token in enumerate(tokens):
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "td_open":
            children = tokens[index + 1].children or []
            rows[-1].append("".join(child.content for child in children))
    assert {len(row) for row in rows} <= {0, 4}
    return [row[1].split()[0] for row in rows if row]


def read_json(text: str) -> list[str]:
    document = json.loads(text)
    return [difference["controlID"] for key in ("new", "incomparable") for difference in document.get(key, ())]


def read_yaml(text: str) -> list[str]:
    return read_json(json.dumps(yaml.safe_load(text)))


READERS: dict[str, Any] = {
    "sarif": read_sarif,
    "junit": read_junit,
    "gitlab-sast": read_gitlab,
    "markdown": read_markdown,
    "json": read_json,
    "yaml": read_yaml,
}


def test_every_format_has_a_reader() -> None:
    assert {*READERS, "pretty"} == set(changes.names())


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("text", ["x", HOSTILE, "a" * 100_000])
def test_new_findings_are_in_every_format(name: str, text: str) -> None:
    if name == "markdown" and len(text) > 1000:
        assert len(render_comparison(name, comparison(text, 3))) < 65_536
        return
    assert READERS[name](render_comparison(name, comparison(text, 3))) == ["C-0", "C-1", "C-2", "C-9"]


@pytest.mark.parametrize("name", READERS)
def test_equal_scans_have_no_findings(name: str) -> None:
    assert READERS[name](render_comparison(name, EMPTY)) == []


def test_json_has_kubescapes_layout() -> None:
    document = json.loads(render_comparison("json", comparison()))
    assert list(document) == ["new", "resolved", "unchanged", "incomparable", "accepted", "warnings"]
    assert document["new"] == [
        {
            "resourceID": "path=1/api=v1//Pod/x",
            "controlID": "C-0",
            "controlName": "x",
            "severity": "High",
            "baseStatus": "passed",
            "headStatus": "failed",
            "evidenceType": "fixPath",
            "path": "spec.x",
        }
    ]
    assert document["incomparable"][0]["reason"] == "nobody looked x"
    assert [(difference["controlID"], difference["reason"]) for difference in document["accepted"]] == [
        ("C-6", "excepted by x")
    ]
    assert list(json.loads(render_comparison("json", EMPTY))) == ["new", "resolved", "unchanged"]


@pytest.mark.parametrize("text", ["x", HOSTILE])
def test_comment_lists_excepted_findings(text: str) -> None:
    whole = render_comparison("markdown", comparison(text))
    _, title, table = whole.partition("### Covered by exceptions\n")
    assert read_markdown(f"{title.replace('### Covered by exceptions', '')}{table}") == ["C-6"]
    assert "excepted by" in table
    assert "Covered" not in render_comparison("markdown", EMPTY)


def test_long_comment_is_cut_and_counts_the_rest() -> None:
    text = render_comparison("markdown", comparison(many=5000))
    assert len(text) < 65_536
    short_text = len(read_markdown(text))
    assert f"\n{5000 - short_text} more are not shown" in text


def test_pretty_shows_every_change_without_escape_codes() -> None:
    text = render_comparison("pretty", comparison(HOSTILE))
    assert "\x1b" not in text
    titles = ("NEW  1", "INCOMPARABLE  1", "COVERED BY EXCEPTIONS  1", "RESOLVED  1")
    for words in (*titles, "nobody looked", "excepted by", "the scans differ: tool"):
        assert words in text
    assert "1 new, 1 resolved, 1 unchanged, 1 incomparable, 1 covered by exceptions" in " ".join(text.split())
    assert "UNCHANGED" not in text
    assert "UNCHANGED" in render_comparison("pretty", comparison(), verbose=True)


def test_severity_filter() -> None:
    severe = changes.filter_severity(comparison(), Severity.CRITICAL)
    assert (len(severe.new), len(severe.incomparable), len(severe.excepted)) == (0, 1, 0)
    assert changes.filter_severity(comparison(), Severity.HIGH) == comparison()


def test_unknown_format_is_an_error() -> None:
    with pytest.raises(LookupError, match="unknown format 'words'"):
        changes.load("words")
    assert changes.load("pretty-printer").name == "pretty"


def test_gitlab_report_escapes_file_names() -> None:
    report = json.loads(render_comparison("gitlab-sast", comparison(HOSTILE)))
    files = {vulnerability["location"]["file"] for vulnerability in report["vulnerabilities"]}
    assert files == {visible(f"{HOSTILE}.yaml")}
    assert all(file.isprintable() for file in files)
