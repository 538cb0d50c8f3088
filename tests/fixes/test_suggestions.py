"""Fixes in SARIF logs, applied as a reader of SARIF would, resolve their findings, as a scan of the result shows."""

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
from kubekeep.library.cases import Case
from kubekeep.reports import ReportOptions, load
from kubekeep.usecases.request import EvaluationOptions, ReportNeeds, RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan
from tests.library.builtin_cases import list_failing_cases
from tests.requests import ALL_CONTROLS

ROOT = Path(__file__).parents[2]
SARIF = load("sarif")
LINES = re.compile(r".*?(?:\r\n|\n|\r|\Z)", re.DOTALL)


def results(path: Path, *controls: str, version: str = "latest") -> list[dict[str, Any]]:
    """Return the results of a SARIF log for a path, which is the working folder or below it."""
    request = ScanRequest(
        ScanInput(paths=(str(path),)),
        rules=RuleOptions(controls=controls) if controls else ALL_CONTROLS,
        evaluation=EvaluationOptions(kubernetes_version=version, exceptions=ExceptionOptions(inline=False)),
        needs=ReportNeeds(extras=SARIF.extras),
    )
    stream = io.StringIO()
    SARIF.render(scan(request), stream, ReportOptions())
    runs: list[dict[str, Any]] = json.loads(stream.getvalue())["runs"][0]["results"]
    return runs


def key(result: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return the subject of a result: control, file and object."""
    place = result["locations"][0]
    return (
        result["ruleId"],
        place.get("physicalLocation", {}).get("artifactLocation", {}).get("uri", ""),
        place["logicalLocations"][0]["fullyQualifiedName"],
    )


def replacements(fixes: Iterable[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    by_file: dict[str, list[dict[str, Any]]] = {}
    for fix in fixes:
        for change in fix["artifactChanges"]:
            by_file.setdefault(unquote(change["artifactLocation"]["uri"]), []).extend(change["replacements"])
    return by_file


def apply_replacements(text: str, changes: Iterable[Mapping[str, Any]]) -> str:
    """Return the text with SARIF's replacements (section 3.57) applied; columns are code points here."""
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
            stream.write(apply_replacements(text, changes))


@pytest.mark.parametrize("example", ["online-shop", "storefront-chart", "overlays"])
def test_fix_of_an_example_resolves_its_finding(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "examples" / example, tmp_path / "before")
    monkeypatch.chdir(tmp_path / "before")
    fixable = {key(result): result["fixes"] for result in results(Path()) if "fixes" in result}
    by_control = {fixes[0]: fixes for fixes in fixable}
    assert len(by_control) >= {"online-shop": 20}.get(example, 1)
    for control, about in by_control.items():
        copy = tmp_path / control
        shutil.copytree(tmp_path / "before", copy)
        monkeypatch.chdir(copy)
        apply(copy, fixable[about])
        assert about not in {key(result) for result in results(Path(), control)}


@pytest.mark.parametrize("group", range(8))
def test_fixes_of_failing_cases_resolve_them(group: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each control is scanned with its own cases only, since cases of others would fail too."""
    cases: dict[str, list[Case]] = {}
    for failing in list_failing_cases():
        cases.setdefault(failing.control.slug, []).append(failing)
    fixes = 0
    for slug in sorted(cases)[group::8]:
        folder = tmp_path / slug
        folder.mkdir()
        monkeypatch.chdir(folder)
        for case in cases[slug]:
            shutil.copyfile(case.file, folder / case.file.name)
        fixable = {key(result): result["fixes"] for result in results(Path(), slug) if "fixes" in result}
        fixes += len(fixable)
        if fixable:
            apply(folder, [fix for proposed in fixable.values() for fix in proposed])
            assert {key(result) for result in results(Path(), slug)} & fixable.keys() == set()
    assert fixes > 10


def test_fix_that_can_stop_a_program_has_a_warning(tmp_path: Path) -> None:
    text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - {name: web, image: web:1}\n"
    (tmp_path / "pod.yaml").write_text(text)
    descriptions = {
        result["ruleId"]: result["fixes"][0]["description"]["text"] for result in results(tmp_path, "C-0017", "C-0016")
    }
    assert "; warning: readOnlyRootFilesystem: the program fails" in descriptions["C-0017"]
    assert "warning" not in descriptions["C-0016"]
