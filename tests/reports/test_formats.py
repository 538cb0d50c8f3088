"""Tests that every report format of the package must pass; the formats are derived from the package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from tests.reports.registration import REGISTRATIONS
from tests.reports.rendering import remove_whitespace, render_bytes, render_text

from kubekeep.model.assessment import Assessment, UnassessedInput
from kubekeep.model.location import Location, Position, Region
from kubekeep.reports import ReportOptions, collect, formats, load, names

GOLDEN = Path(__file__).parent / "golden"
PLANTED = "kept-secret-4711"
TEXTS = tuple(name for name in names() if not load(name).binary)
"""Text formats. The bytes of binary ones change with releases of libraries; separate tests check their content."""


@pytest.mark.parametrize("name", TEXTS)
def test_golden(name: str, assessment: Assessment, pytestconfig: pytest.Config) -> None:
    text = render_bytes(name, assessment)
    path = GOLDEN / f"{name}{load(name).extension}"
    if pytestconfig.getoption("--update-golden", default=False):
        path.write_bytes(text)
    assert text == path.read_bytes(), "run pytest with --update-golden if the change is intended"


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("options", [ReportOptions(), ReportOptions(colour=True, links=True, verbose=True, width=60)])
def test_no_secrets_or_control_characters(name: str, options: ReportOptions, assessment: Assessment) -> None:
    text = render_text(name, assessment, options)
    assert PLANTED not in text
    assert "\x00" not in text
    assert "\x1b[31mred" not in text
    assert load(name).binary or text.endswith("\n")


@pytest.mark.parametrize("name", names())
def test_unread_input_is_reported(name: str, assessment: Assessment) -> None:
    text = remove_whitespace(render_text(name, assessment))
    assert remove_whitespace("mapping values are not allowed here") in text
    assert "charts/broken.yaml" in text


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("options", [ReportOptions(), ReportOptions(verbose=True)])
def test_input_that_was_not_assessed_is_reported(name: str, options: ReportOptions, assessment: Assessment) -> None:
    part = UnassessedInput(Location("infra/main.tf", Region(Position(7, 1), Position(7, 9))), "the module is remote")
    text = remove_whitespace(render_text(name, msgspec.structs.replace(assessment, unassessed=(part,)), options))
    assert remove_whitespace(part.message) in text
    assert part.location.file in text


@pytest.mark.parametrize("name", names())
def test_empty_scan_renders(name: str, assessment: Assessment) -> None:
    empty = msgspec.structs.replace(
        assessment, results=(), summaries=(), frameworks=(), unread=(), compliance=None, files=0
    )
    assert render_text(name, empty)


@pytest.mark.parametrize("name", names())
def test_output_grows_linearly(name: str, assessment: Assessment) -> None:
    """Count the bytes written: repeated output per finding shows without measuring time."""
    sizes = []
    for times in (1, 100, 200):
        many = msgspec.structs.replace(assessment, results=assessment.results * times)
        sizes.append(len(render_bytes(name, many, ReportOptions(verbose=True))))
    assert sizes[2] - sizes[1] <= 1.02 * (sizes[1] - sizes[0]) * 100 / 99


def test_every_format_is_registered() -> None:
    assert sorted(REGISTRATIONS) == list(names())


def test_formats_are_read_only_by_name() -> None:
    by_name = formats()
    assert tuple(by_name) == names()
    assert {"pretty", "json", "sarif", "junit"} <= set(by_name)
    with pytest.raises(TypeError):
        by_name["json"] = by_name["pretty"]  # type: ignore[index]


def test_aliases_and_unknown_names() -> None:
    assert load("pretty-printer") is load("pretty")
    with pytest.raises(LookupError, match=", ".join(names())):
        load("docx")


def test_duplicate_name_is_refused() -> None:
    with pytest.raises(ValueError, match="two report formats are called 'json'"):
        collect([load("json"), load("json")])
    with pytest.raises(ValueError, match="'json'"):
        collect([load("json"), msgspec.structs.replace(load("pretty"), aliases=("json",))])


def test_loading_one_format_imports_only_it() -> None:
    script = (
        "import sys, kubekeep.reports as r; r.load('json');"
        'print(*(name for name in r.names() if f\'kubekeep.reports.{name.replace("-", "_")}\' in sys.modules))'
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["json"]
