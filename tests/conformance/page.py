"""The reference page and the ratchet, both made of one run. Same cases and engine, same bytes."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.conformance.judge import Judged, Verdict
from tests.conformance.suite import MODULE

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/reference/rego-conformance.md"
BASELINE = Path(__file__).with_name("baseline.json")

#: Folders about syntax newer than this engine's parser; their errors name the syntax.
NEWEST = frozenset({"keywordrefs", "logic_operators", "rego_v2_import", "stringinterpolation"})


def totals(judged: Sequence[Judged]) -> dict[str, int]:
    """Number of cases by verdict, every verdict named."""
    found = Counter(item.verdict for item in judged)
    return {verdict.value: found[verdict] for verdict in Verdict}


def write(judged: Sequence[Judged]) -> None:
    """Renew both files."""
    BASELINE.write_text(json.dumps(totals(judged), indent=2) + "\n", "utf-8")
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(render(judged), "utf-8")


def render(judged: Sequence[Judged]) -> str:
    """The page as Markdown."""
    current = [item for item in judged if item.folder not in NEWEST]
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
        _row("all", judged),
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
    for folder in sorted({item.folder for item in judged}):
        cases = [item for item in judged if item.folder == folder]
        if any(item.verdict != Verdict.AGREE for item in cases):
            lines.append(_row(folder, cases))
    whole = {item.folder for item in judged} - {item.folder for item in judged if item.verdict != Verdict.AGREE}
    lines += ["", "## Folders that agree in full", "", ", ".join(sorted(whole)) + ".", ""]
    return "\n".join(lines)


def _row(name: str, cases: Sequence[Judged]) -> str:
    found = totals(cases)
    return f"| {name} | {' | '.join(str(number) for number in found.values())} |"
