"""The YAML report has the content of the JSON report for readers of YAML 1.1 and 1.2."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.oracles.references import get_answer

from kubekeep.model.assessment import Assessment
from kubekeep.model.text import json_text
from kubekeep.reports import ReportOptions, load
from kubekeep.reports.shared.yaml_text import mapping_lines, sequence_entry

AMBIGUOUS = (
    "yes",
    "No",
    "on",
    "OFF",
    "y",
    "n",
    "true",
    "null",
    "~",
    "",
    " ",
    "1",
    "1e3",
    "1_000",
    "0x1F",
    "0o17",
    "017",
    "1:30",
    ".inf",
    ".nan",
    "2026-11-24",
    "2026-11-24T10:00:01Z",
    "=",
    "<<",
    "-",
    "- a",
    "? a",
    ": a",
    "a: b",
    "a #b",
    "#a",
    "*a",
    "&a",
    "!a",
    "!!python/object:os.system",
    "%YAML 1.1",
    "---",
    "...",
    "|",
    ">",
    "@a",
    "`a`",
    "{a}",
    "[a]",
    "'a'",
    '"a"',
    "a\nb\n",
    "a\r\nb",
    "\tb",
    "\\/\\u0041",
    "\x00\x1b\x7f\x85\xa0\xad",
    "\u2028\u2029\u202e\ufeff\ufffe\uffff\U0001f600\U000e0041",
    "A" * 2000,
)
"""Text that some reader would misread without quotes, or that YAML cannot contain."""
NUMBERS = (0, -1, 2**63, 2**64 - 1, 0.0, -0.0, 1.5, 1e20, 1e-7, 1.5e300, 1e16, 123456789.125)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters()), inner, max_size=3),
    max_leaves=12,
)


def render_yaml(name: str, assessment: Assessment) -> str:
    stream = io.StringIO()
    load(name).render(assessment, stream, ReportOptions())
    return stream.getvalue()


def as_json(document: Any) -> Any:
    """Return the document with the format name of the JSON report."""
    scan = document["metadata"]["scanMetadata"]
    assert (scan["format"], scan["formats"]) == ("yaml", ["yaml"])
    scan |= {"format": "json", "formats": ["json"]}
    return document


def go_yaml(documents: list[str]) -> list[Any]:
    """Return the documents as kubectl's parser reads them."""
    answers = json.loads(get_answer("yaml", stdin=json.dumps(documents)).stdout)
    assert not [answer for answer in answers if "error" in answer or "strict" in answer]
    return [json.loads(answer["json"]) for answer in answers]


def test_pyyaml_reads_the_json_report(assessment: Assessment) -> None:
    document = yaml.safe_load(render_yaml("yaml", assessment))
    assert as_json(document) == json.loads(render_yaml("json", assessment))


def test_kubectl_reads_the_json_report(assessment: Assessment) -> None:
    (document,) = go_yaml([render_yaml("yaml", assessment)])
    assert as_json(document) == json.loads(render_yaml("json", assessment))


@pytest.mark.parametrize("text", AMBIGUOUS, ids=lambda text: ascii(text[:20]))
def test_text_stays_text(text: str) -> None:
    assert yaml.safe_load(mapping_lines({"key": text, "list": [text, [text]]})) == {"key": text, "list": [text, [text]]}
    assert yaml.safe_load(mapping_lines({text: text, "z": {text: [text]}})) == {text: text, "z": {text: [text]}}


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_stay_numbers(number: float) -> None:
    loaded = yaml.safe_load(mapping_lines({"key": number}))["key"]
    assert (type(loaded), loaded) == (type(number), number)


def test_go_parser_reads_the_same() -> None:
    documents: list[dict[str, Any]] = [{"key": text, text: [text, {text: text}]} for text in AMBIGUOUS]
    documents += [{"key": number} for number in NUMBERS]
    assert go_yaml([mapping_lines(document) for document in documents]) == documents


def test_any_value_loads_like_json() -> None:
    @settings(deadline=None, max_examples=200, database=None)
    @example([[[]], [{}], {"a": [[1], {"b": {}}]}])
    @given(VALUES)
    def loads(value: Any) -> None:
        assert yaml.safe_load(sequence_entry(value)) == [json.loads(json_text(value))]
        assert yaml.safe_load(mapping_lines({"a": {"b": value}})) == {"a": {"b": json.loads(json_text(value))}}

    loads()


def test_values_outside_json() -> None:
    value = {1: float("nan"), None: float("inf"), "lone": "\ud800"}
    assert yaml.safe_load(mapping_lines({"a": value})) == {"a": json.loads(json_text(value))}
