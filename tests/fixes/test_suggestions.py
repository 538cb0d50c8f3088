"""The fixes in a SARIF log, applied as any reader of SARIF would, mend what they are for: told by a scan of the result."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from kubekeep.exceptions.load import ExceptionOptions
from kubekeep.library.cases import Case, cases_of
from kubekeep.library.load import builtin
from kubekeep.reports import ReportOptions, load
from kubekeep.usecases.request import EvaluationOptions, ReportNeeds, RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan

ROOT = Path(__file__).parents[2]
SARIF = load("sarif")
LINES = re.compile(r".*?(?:\r\n|\n|\r|\Z)", re.DOTALL)


def results(path: Path, *controls: str, version: str = "latest") -> list[dict[str, Any]]:
    """The results of a SARIF log about what is at a path, which is the working folder or below it."""
    request = ScanRequest(
        ScanInput(paths=(str(path),)),
        rules=RuleOptions(controls=controls),
        evaluation=EvaluationOptions(kubernetes_version=version, exceptions=ExceptionOptions(inline=False)),
        needs=ReportNeeds(extras=SARIF.wants),
    )
    stream = io.StringIO()
    SARIF.render(scan(request), stream, ReportOptions())
    found: list[dict[str, Any]] = json.loads(stream.getvalue())["runs"][0]["results"]
    return found


def key(result: Mapping[str, Any]) -> tuple[str, str, str]:
    """What a result is about: control, file and object."""
    place = result["locations"][0]
    return (
        result["ruleId"],
        place.get("physicalLocation", {}).get("artifactLocation", {}).get("uri", ""),
        place["logicalLocations"][0]["fullyQualifiedName"],
    )


def replacements(fixes: Iterable[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for fix in fixes:
        for change in fix["artifactChanges"]:
            found.setdefault(unquote(change["artifactLocation"]["uri"]), []).extend(change["replacements"])
    return found


def replaced(text: str, changes: Iterable[Mapping[str, Any]]) -> str:
    """The text with SARIF's replacements (§3.57), whose columns are code points here."""
    starts = [match.start() for match in LINES.finditer(text)]

    def span(change: Mapping[str, Any]) -> tuple[int, int]:
        region = change["deletedRegion"]
        start, end = (starts[region[f"{at}Line"] - 1] + region[f"{at}Column"] - 1 for at in ("start", "end"))
        return start, end

    for change in sorted(changes, key=span, reverse=True):
        start, end = span(change)
        text = text[:start] + change["insertedContent"]["text"] + text[end:]
    return text


def apply(folder: Path, fixes: Iterable[Mapping[str, Any]]) -> None:
    for name, changes in replacements(fixes).items():
        with (folder / name).open(newline="") as stream:
            text = stream.read()
        with (folder / name).open("w", newline="") as stream:
            stream.write(replaced(text, changes))


@pytest.mark.parametrize("example", ["online-shop", "storefront-chart", "overlays"])
def test_each_fix_of_an_example_mends_its_finding(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "examples" / example, tmp_path / "before")
    monkeypatch.chdir(tmp_path / "before")
    fixable = {key(result): result["fixes"] for result in results(Path()) if "fixes" in result}
    by_control = {found[0]: found for found in fixable}
    assert len(by_control) >= {"online-shop": 20}.get(example, 1)
    for control, about in by_control.items():
        copy = tmp_path / control
        shutil.copytree(tmp_path / "before", copy)
        monkeypatch.chdir(copy)
        apply(copy, fixable[about])
        assert about not in {key(result) for result in results(Path(), control)}


CASES: dict[str, list[Case]] = {}
for found in cases_of(builtin(), [control for control in builtin().controls.values() if not control.rule]):
    if found.expected == "fail" and not found.options.params and found.options.minor == 37:
        CASES.setdefault(found.control.slug, []).append(found)


@pytest.mark.parametrize("group", range(8))
def test_the_fixes_of_failing_cases_mend_them(group: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each control with its own cases alone; together they would tell of each other."""
    fixes = 0
    for slug in sorted(CASES)[group::8]:
        folder = tmp_path / slug
        folder.mkdir()
        monkeypatch.chdir(folder)
        for case in CASES[slug]:
            shutil.copyfile(case.file, folder / case.file.name)
        fixable = {key(result): result["fixes"] for result in results(Path(), slug) if "fixes" in result}
        fixes += len(fixable)
        if fixable:
            apply(folder, [fix for found in fixable.values() for fix in found])
            assert {key(result) for result in results(Path(), slug)} & fixable.keys() == set()
    assert fixes > 10
