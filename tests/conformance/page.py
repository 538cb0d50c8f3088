"""Reference page and baseline of a conformance run. The same cases and engine give the same bytes."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.conformance.comparison import Agreement, CaseResult
from tests.conformance.suite import MODULE

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/reference/rego-conformance.md"
BASELINE = Path(__file__).with_name("baseline.json")

#: Folders about syntax that is newer than the parser; their errors name the syntax.
NEWEST = frozenset({"keywordrefs", "logic_operators", "rego_v2_import", "stringinterpolation"})


def totals(results: Sequence[CaseResult]) -> dict[str, int]:
    """Count the cases by agreement, including zero counts."""
    counts = Counter(result.agreement for result in results)
    return {agreement.value: counts[agreement] for agreement in Agreement}


def write(results: Sequence[CaseResult]) -> None:
    """Write both files."""
    BASELINE.write_text(json.dumps(totals(results), indent=2) + "\n", "utf-8")
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(render(results), "utf-8")


def render(results: Sequence[CaseResult]) -> str:
    """Render the page as Markdown."""
    current = [result for result in results if result.folder not in NEWEST]
    lines = [
        "# Conformance of the Rego engine",
        "",
        "<!-- made by `python -m tests.conformance.run --write`; do not edit -->",
        "",
        f"Every evaluation case of OPA's own suite (`v1/test/cases/testdata` of `{MODULE}`, v0 and v1 syntax)",
        "is evaluated and compared. A case that OPA answers and this engine refuses counts as *raises*: the error",
        "names what is not supported. A different answer, or an answer where OPA refuses, is *WRONG*; there is none,",
        "and a test keeps it so.",
        "",
        "| cases | agree | other code | raises | WRONG | crash |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        _row("all", results),
        _row("without the newest syntax", current),
        "",
        f"The newest syntax is what these folders are about: {', '.join(sorted(NEWEST))}. *Other code* means that both",
        "refuse, with different error codes.",
        "",
        "## Folders that do not agree in full",
        "",
        "| folder | agree | other code | raises | WRONG | crash |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for folder in sorted({result.folder for result in results}):
        cases = [result for result in results if result.folder == folder]
        if any(result.agreement != Agreement.AGREE for result in cases):
            lines.append(_row(folder, cases))
    folders = {result.folder for result in results}
    folders -= {result.folder for result in results if result.agreement != Agreement.AGREE}
    lines += ["", "## Folders that agree in full", "", ", ".join(sorted(folders)) + ".", ""]
    return "\n".join(lines)


def _row(name: str, cases: Sequence[CaseResult]) -> str:
    return f"| {name} | {' | '.join(map(str, totals(cases).values()))} |"
