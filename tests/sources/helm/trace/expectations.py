"""Expected locations of a generated chart, derived from its unique words. Independent of the tracing code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from kubekeep.model.location import Location
from kubekeep.model.location import Path as Steps
from tests.sources.helm.trace.charts import TracedDocument, list_paths

_WORD: Final = re.compile(r"\b(?:[kvy][a-z]*\d+x|\d{6,7})\b")
_KEY: Final = re.compile(r"\b([ky][a-z]*\d+x)$")


class Expectation(msgspec.Struct, frozen=True):
    """Expected source of a path: one of `lines`, and one of the lines of `settings`; None if unknown."""

    lines: frozenset[tuple[str, int]] | None
    settings: frozenset[tuple[str, int]] | None


class Words:
    """Lines of the unique words of a chart: `templates` by key, `values` by value or key."""

    def __init__(self, folder: Path, overriding_file: Path) -> None:
        self.templates: dict[str, set[tuple[str, int]]] = {}
        self.values: dict[str, set[tuple[str, int]]] = {}
        for file in sorted(folder.rglob("templates/*")):
            for number, line in enumerate(file.read_text().split("\n"), 1):
                for word in re.findall(r"(?:(?<=T-)y[a-z]*\d+x|\bk[a-z]*\d+x(?=:))", line):
                    self.templates.setdefault(word, set()).add((file.relative_to(folder).as_posix(), number))
        for file in (*sorted(folder.rglob("values.yaml")), overriding_file):
            path = file.relative_to(folder).as_posix() if file != overriding_file else file.name
            for number, line in enumerate(file.read_text().split("\n"), 1):
                for word in _WORD.findall(line):
                    self.values.setdefault(word, set()).add((path, number))

    def list_expectations(self, traced: TracedDocument) -> Iterator[tuple[Steps, Expectation]]:
        """Yield the paths of a document with the expectation, including some missing paths."""
        for path, value in list_paths(traced.value):
            word = next((str(step) for step in reversed(path) if _KEY.search(str(step))), None)
            if word is None:
                continue
            index = next(index for index in range(len(path) - 1, -1, -1) if str(path[index]) == word)
            lines = self.templates.get(word)
            if lines is None:
                continue
            if index < len(path) - 1 and word.startswith("k"):
                lines = None
            yield path, Expectation(frozenset(lines) if lines else None, self._settings(value))
            if isinstance(value, dict) and value and word == path[-1]:
                yield (*path, "missing"), Expectation(frozenset(lines) if lines else None, self._of_mapping(value))

    def _settings(self, value: Any) -> frozenset[tuple[str, int]] | None:
        if isinstance(value, dict | list):
            return None
        lines: set[tuple[str, int]] = set()
        for word in _WORD.findall(str(value)):
            lines |= self.values.get(word, set())
        return frozenset(lines)

    def _of_mapping(self, value: dict[str, Any]) -> frozenset[tuple[str, int]] | None:
        """Expect no setting if a template writes one of the entries."""
        return frozenset() if any(str(key).startswith("k") for key in value) else None


def compare_location(expectation: Expectation, location: Location) -> tuple[bool | None, bool | None, bool]:
    """Compare a location: line correct, setting correct (None if the expectation is unknown), and wrong file."""
    line = setting = None
    wrong_file = False
    if expectation.lines is not None:
        line = location.region is not None and (location.file, location.region.start.line) in expectation.lines
        wrong_file = location.file not in {file for file, _ in expectation.lines}
    if expectation.settings is not None:
        traced_setting = location.setting
        source = (
            (traced_setting.file, traced_setting.region.start.line)
            if traced_setting and traced_setting.region
            else None
        )
        setting = source in expectation.settings if expectation.settings else traced_setting is None
        wrong_file |= bool(
            source and expectation.settings and source[0] not in {file for file, _ in expectation.settings}
        )
    return line, setting, wrong_file
