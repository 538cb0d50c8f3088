"""Shared Rego keeps to what the engine does right: functions name functions of other shared modules, no rules.

Once a rule of a shared module was named through an import, the engine takes the whole module for evaluated, and its
functions find nothing behind its imports but functions: a rule named there would be undefined in silence.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kubekeep.library.load import ROOT

MODULES = sorted((ROOT / "lib").glob("*.rego"))
TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`|#[^\n]*')


@pytest.mark.parametrize("file", MODULES, ids=lambda file: file.stem)
def test_functions_name_only_functions_of_other_modules(file: Path) -> None:
    source = TEXT.sub("", file.read_text(encoding="utf-8"))
    imported = re.findall(r"^import data\.kubekeep\.lib\.(\w+)", source, re.MULTILINE)
    rules = re.split(r"\n(?=\w)", source)
    functions = [rule for rule in rules if re.match(r"\w+\(", rule)]
    named = [
        match
        for rule in functions
        for name in imported
        for match in re.findall(rf"(?<![.\w]){name}\.\w+\b(?!\()", rule)
    ]
    assert not named


def test_there_are_modules() -> None:
    assert MODULES
