"""Kinds and fields of the built-in Kubernetes API, from the compact schemas that `scripts/api_schemas.py` writes.

Checks names and types of fields, not values. Kinds of other API groups are never unknown.
"""

from __future__ import annotations

import difflib
import functools
import importlib.resources
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

import msgspec

from kubekeep.model.location import Path, format_path
from kubekeep.model.resource_types import SHORT_NAMES
from kubekeep.model.unknown_field import FieldProblems, MistypedField, UnknownField

_LEAF: Final = -1
"""Type of a field without known fields below it."""
_ANY: Final = "*"
"""Name of the only field of a map."""
_SIMILARITY: Final = 0.75
_MOST: Final = 20
"""Maximum number of unknown fields, and of mistyped ones, reported per object."""
_ANY_VALUE: Final = "*"
"""Shape of a field that may hold any value."""
_SCALARS: Final[dict[str, tuple[frozenset[type], str]]] = {
    "s": (frozenset({str}), "a text"),
    "i": (frozenset({int}), "an integer"),
    "n": (frozenset({int, float}), "a number"),
    "b": (frozenset({bool}), "true or false"),
    "o": (frozenset({dict}), "a mapping"),
    "q": (frozenset({str, int, float}), "a text or a number"),
}
"""Types of values by shape, and their description."""
_PAYLOADS: Final[tuple[Path, ...]] = (("data",), ("stringData",))
_DESCRIPTIONS: Final[dict[type, str]] = {
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "a mapping",
}

_Entry: TypeAlias = tuple[int, int, int]
"""Type number, first and last minor version of a kind."""
_FieldEntry: TypeAlias = tuple[int, int, int, str]
"""The same of a field, and the shape of its value: a key of `_SCALARS`, with `[` for a list of it and `{` for a map."""


class ApiSchemas(msgspec.Struct, frozen=True):
    """Kinds by API version, and the fields of each type by number."""

    oldest: int
    newest: int
    kinds: dict[str, dict[str, _Entry]]
    types: list[dict[str, _FieldEntry]]

    def explain_unknown_kind(self, api_version: str, kind: str) -> str | None:
        """Return why a kind of a built-in group does not exist in any Kubernetes version; None if it does."""
        group = api_version.rpartition("/")[0]
        if group not in _list_groups():
            return None
        kinds = self.kinds.get(api_version)
        if kinds is not None and (kind in kinds or kind == "List"):
            return None
        others = sorted(version for version, known in self.kinds.items() if kind in known)
        if others:
            # Stable versions first: v1 before v1beta1, and the newest of them.
            best = min(
                others, key=lambda version: ("alpha" in version, "beta" in version, -self.kinds[version][kind][2])
            )
            return f"no kind {kind} in {api_version}: it is in {best}"
        if kinds is None:
            return f"no API version {api_version} in Kubernetes"
        return f"no kind {kind} in {api_version}{_suggest_kind(kind, (*kinds, 'List'))}"

    def find_problems(self, document: dict[str, Any], minor: int) -> FieldProblems:
        """Return the fields of an object that its kind does not have in Kubernetes 1.`minor`, or has with another type.

        For an API version that this Kubernetes no longer has, its last fields are the known ones.
        """
        entry = self.kinds.get(document["apiVersion"], {}).get(document["kind"])
        if entry is None:
            return FieldProblems()
        number, first, last = entry
        unknown: list[UnknownField] = []
        mistyped: list[MistypedField] = []
        self._check(document, number, min(max(minor, first), last), (), unknown, mistyped)
        return FieldProblems(tuple(unknown[:_MOST]), tuple(mistyped[:_MOST]))

    def _check(
        self,
        value: Any,
        number: int,
        minor: int,
        path: Path,
        unknown: list[UnknownField],
        mistyped: list[MistypedField],
    ) -> None:
        if isinstance(value, dict):
            fields = self.types[number]
            of_map = fields.get(_ANY)
            for name, child in value.items():
                entry = fields.get(name) or of_map
                if entry is None or not entry[1] <= minor <= entry[2]:
                    message = self._explain(str(name), entry, number)
                    unknown.append(UnknownField((*path, str(name)), message, fields.keys()))
                elif not _has_shape(child, entry[3]):
                    mistyped.append(_explain_shape(child, entry[3], (*path, name)))
                elif entry[0] != _LEAF and isinstance(child, dict | list):
                    self._check(child, entry[0], minor, (*path, name), unknown, mistyped)
        elif isinstance(value, list):
            for index, child in enumerate(value):
                if isinstance(child, dict):
                    self._check(child, number, minor, (*path, index), unknown, mistyped)

    def _explain(self, name: str, entry: _FieldEntry | None, number: int) -> str:
        if entry is not None:
            _, first, last, _ = entry
            return (
                f"no field {name} before Kubernetes 1.{first}"
                if last == self.newest
                else f"no field {name} since Kubernetes 1.{last + 1}"
            )
        fields = self.types[number]
        nested = [field for field, (child, *_) in fields.items() if child != _LEAF and name in self.types[child]]
        if len(nested) == 1:
            return f"unknown field {name}: did you mean {nested[0]}.{name}?"
        return f"unknown field {name}{_suggest(name, fields)}"


def _suggest_kind(name: str, kinds: Iterable[str]) -> str:
    """Return the part of a message that suggests a kind by its short name, for transposed letters, or a similar one."""
    kinds = tuple(kinds)
    short = SHORT_NAMES.get(name.casefold())
    matches = [kind for kind in kinds if kind == short or sorted(kind.casefold()) == sorted(name.casefold())]
    return f": did you mean {matches[0]}?" if matches else _suggest(name, kinds)


def _has_shape(value: Any, shape: str) -> bool:
    """Return True if the API server can read a value of a field; it reads null as an absent value."""
    if value is None or shape == _ANY_VALUE:
        return True
    if shape[0] == "[":
        return isinstance(value, list) and all(_has_shape(element, shape[1:]) for element in value)
    if shape[0] == "{":
        return isinstance(value, dict) and all(_has_shape(element, shape[1:]) for element in value.values())
    return type(value) in _SCALARS[shape][0] or (shape == "i" and type(value) is float and value.is_integer())


def _explain_shape(value: Any, shape: str, path: Path) -> MistypedField:
    """Return the first value that does not have the shape of its field; a key of a Secret is not named: it may be one."""
    is_payload = path in _PAYLOADS
    while shape[0] in "[{" and isinstance(value, list if shape[0] == "[" else dict):
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        shape = shape[1:]
        key, value = next(entry for entry in entries if not _has_shape(entry[1], shape))
        path = (*path, key)
    expected = {"[": "a list", "{": "a mapping"}.get(shape[0]) or _SCALARS[shape][1]
    place = f"a value in {path[0]}" if is_payload else format_path(path)
    return MistypedField(path, f"{place} is {_DESCRIPTIONS[type(value)]}, not {expected}")


def _suggest(name: str, names: Iterable[str]) -> str:
    """Return the part of a message that suggests a similar name, if there is one."""
    by_spelling = {candidate.casefold(): candidate for candidate in names}
    similar = difflib.get_close_matches(name.casefold(), by_spelling, n=1, cutoff=_SIMILARITY)
    return f": did you mean {by_spelling[similar[0]]}?" if similar else ""


@functools.cache
def load_schemas() -> ApiSchemas:
    """Load the schemas that come with the package."""
    text = importlib.resources.files("kubekeep.sources.kubernetes_api").joinpath("schemas.json").read_bytes()
    return msgspec.json.decode(text, type=ApiSchemas)


@functools.cache
def _list_groups() -> frozenset[str]:
    """Return the built-in API groups; "" is the core group."""
    return frozenset(version.rpartition("/")[0] for version in load_schemas().kinds)
