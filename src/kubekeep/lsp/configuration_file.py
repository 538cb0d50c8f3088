"""Checks, completion and hovers for `kubekeep.yaml` by the JSON Schema of the file. Reads no file and evaluates nothing."""

from __future__ import annotations

import functools
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from lsprotocol import types

from kubekeep.config.file import describe_type
from kubekeep.library.load import builtin
from kubekeep.model.location import Location, Path, Position, Region, line_starts
from kubekeep.model.similar_names import find_similar
from kubekeep.posture.select import UnknownNameError, find_controls, find_frameworks
from kubekeep.reports import load
from kubekeep.reports import names as list_formats
from kubekeep.sources.tree import LAST_WINS, Document, Limits, Problem
from kubekeep.sources.yaml_text import parse_documents

_LIMITS: Final = Limits(bytes=1 << 20, depth=32, aliased=10_000, documents=2, nodes=100_000)
_FRAMEWORKS: Final = frozenset({"framework"})
_CONTROLS: Final = frozenset({"exclude-controls"})
_FORMATS: Final = frozenset({"format"})
_KEY: Final = re.compile(r"([A-Za-z][A-Za-z-]*)\s*:")
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "array": (list,),
    "object": (dict,),
}
_NAMES: Final = {"string": "text", "boolean": "true or false", "integer": "a whole number", "number": "a number"}


class FileProblem(msgspec.Struct, frozen=True):
    """A problem of a document: its region, the first line if None; `location` is the cause in another file."""

    message: str
    severity: types.DiagnosticSeverity
    region: Region | None = None
    location: Location | None = None


class ConfigurationChecker:
    """Checks of texts by the schema."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._keys: Mapping[str, Any] = schema["properties"]

    def check(self, text: str) -> Iterator[FileProblem]:
        """Yield the problems of a text, in the order of its keys."""
        lines = line_starts(text)
        documents = [document for document in parse_documents(text, lines, _LIMITS) if document is not None]
        for document in documents:
            for problem in [document] if isinstance(document, Problem) else document.problems:
                line = bisect_right(lines, problem.at)
                position = Position(line, problem.at - lines[line - 1] + 1)
                yield _error(problem.message.removesuffix(LAST_WINS), Region(position, position))
        for document in documents[:1]:
            if isinstance(document, Document) and isinstance(document.value, dict):
                for key, value in document.value.items():
                    yield from self._check_key(document, key, value)
            elif isinstance(document, Document) and document.value is not None:
                text = f"keys and values expected, found {describe_type(document.value)}"
                yield _error(text, document.source_map.region(document.value, ()))

    def _check_key(self, document: Document, key: str, value: Any) -> Iterator[FileProblem]:
        region = document.source_map.region(document.value, (key,))
        schema = self._keys.get(key)
        if schema is None:
            similar = find_similar(str(key).lower().replace("_", "-"), self._keys)
            hint = f"did you mean {similar}?" if similar else "see `kubekeep config schema`"
            yield _error(f"unknown key {str(key)[:80]}: {hint}", region)
            return
        is_list = isinstance(value, list) and "anyOf" in schema
        entries = list(enumerate(value)) if is_list else [(None, value)]
        single = schema["anyOf"][0] if "anyOf" in schema else schema
        for index, entry in entries:
            path: Path = (key,) if index is None else (key, index)
            problem = _check_value(key, entry, single)
            if problem:
                yield _error(f"{key}: {problem}", document.source_map.region(document.value, path))

    def complete(self, text: str, line: str, number: int) -> list[types.CompletionItem]:
        """Return completions at the end of `line`, the text before the cursor in line `number` (from 0)."""
        if ":" not in line and not line.strip().startswith("-") and (not line or not line[0].isspace()):
            return [self._complete_key(key, schema) for key, schema in self._keys.items()]
        key = find_key(text, number)
        return [
            types.CompletionItem(value, kind=types.CompletionItemKind.EnumMember, detail=detail)
            for value, detail in self._list_values(key)
        ]

    def describe(self, key: str) -> str:
        """Return the description of a key in Markdown; empty for an unknown key."""
        schema = self._keys.get(key)
        if schema is None:
            return ""
        single = schema["anyOf"][0] if "anyOf" in schema else schema
        values = ", ".join(f"`{value}`" for value in single.get("enum", ()))
        kind = _NAMES.get(str(single.get("type")), str(single.get("type")))
        suffix = " or a list" if "anyOf" in schema else ""
        return f"**{key}**: {kind}{suffix}\n\n{schema.get('description', '')}" + (
            f"\n\nValues: {values}" if values else ""
        )

    def _complete_key(self, key: str, schema: Mapping[str, Any]) -> types.CompletionItem:
        return types.CompletionItem(
            key,
            kind=types.CompletionItemKind.Property,
            documentation=types.MarkupContent(types.MarkupKind.Markdown, str(schema.get("description", ""))),
            insert_text=f"{key}: ",
        )

    def _list_values(self, key: str) -> Iterator[tuple[str, str]]:
        library = builtin()
        if key in _FRAMEWORKS:
            yield from ((framework.slug, framework.title) for framework in library.frameworks.values())
        elif key in _CONTROLS:
            yield from ((control.id, control.title) for control in library.controls.values())
        elif key in _FORMATS:
            yield from ((name, "") for name in list_formats())
        else:
            schema = self._keys.get(key, {})
            single = schema["anyOf"][0] if "anyOf" in schema else schema
            values = ["true", "false"] if single.get("type") == "boolean" else single.get("enum", ())
            yield from ((value, "") for value in values)


def find_key(text: str, number: int) -> str:
    """Return the top-level key that line `number` (from 0) belongs to; empty if there is none."""
    lines = text.split("\n")[: number + 1]
    return next((match[1] for line in reversed(lines) if (match := _KEY.match(line))), "")


def _check_value(key: str, value: Any, schema: Mapping[str, Any]) -> str:
    """Return the problem of one value; empty if there is none."""
    names = schema.get("type", ())
    names = (names,) if isinstance(names, str) else tuple(names)
    if names and not any(map(functools.partial(_has_type, value), names)):
        expected = " or ".join(_NAMES.get(name, f"a {name}") for name in names)
        return f"{expected} expected, found {describe_type(value)}"
    allowed = schema.get("enum")
    if allowed and value not in allowed:
        return f"{value!r} is none of {', '.join(map(str, allowed))}"
    return _check_names(key, value) if isinstance(value, str) else ""


def _has_type(value: Any, name: str) -> bool:
    """Return True if a value has a type of JSON Schema."""
    return isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def _check_names(key: str, value: str) -> str:
    """Return the problem of comma-separated names of frameworks, controls or formats; empty if there is none."""
    names = [name.strip() for name in value.split(",")]
    try:
        if key in _FRAMEWORKS:
            find_frameworks(names)
        elif key in _CONTROLS:
            find_controls(names)
        elif key in _FORMATS:
            list(map(load, names))
    except UnknownNameError as error:
        return str(error)
    except LookupError as error:
        return str(error.args[0])
    return ""


def _error(message: str, region: Region | None) -> FileProblem:
    return FileProblem(message, types.DiagnosticSeverity.Error, region)
