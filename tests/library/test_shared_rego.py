"""Shared Rego avoids a limit of the engine: functions may use functions of other shared modules, but no rules.

After a rule of a shared module was used through an import, the engine treats the whole module as evaluated. Imported
rules that its functions use are then silently undefined.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kubekeep.library.load import ROOT

MODULES = sorted((ROOT / "lib").glob("*.rego"))
TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`|#[^\n]*')


@pytest.mark.parametrize("file", MODULES, ids=lambda file: file.stem)
def test_functions_use_only_functions_of_other_modules(file: Path) -> None:
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


def test_library_has_shared_modules() -> None:
    assert MODULES
