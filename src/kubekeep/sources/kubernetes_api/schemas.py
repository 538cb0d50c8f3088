"""Kinds and fields of the built-in Kubernetes API, from the compact schemas that `scripts/api_schemas.py` writes.

Checks names and types of fields, not values. Kinds of other API groups are never unknown.
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

import msgspec

from kubekeep._native import FieldCheck
from kubekeep.model.location import Path, format_path
from kubekeep.model.resource_types import SHORT_NAMES
from kubekeep.model.similar_names import find_similar
from kubekeep.model.unknown_field import FieldProblems, MistypedField, UnknownField

_LEAF: Final = -1
"""Type of a field without known fields below it."""
_ANY: Final = "*"
"""Name of the only field of a map."""
_SIMILARITY: Final = 0.75
_MOST: Final = 20
"""Maximum number of unknown fields, and of mistyped ones, reported per object."""
_DESCRIPTIONS_OF_SHAPES: Final = {
    "s": "a text",
    "i": "an integer",
    "n": "a number",
    "b": "true or false",
    "o": "a mapping",
    "q": "a text or a number",
}
_SWITCHED_OFF: Final = 16
"""Version that serves the kinds removed two versions later only on request, such as a Deployment of `extensions/v1beta1`."""
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
"""The same of a field, and the shape of its value, as in the native module."""


_NO_PROBLEMS: Final = FieldProblems()


class ApiSchemas(msgspec.Struct, frozen=True):
    """Kinds by API version, with the number of their type."""

    oldest: int
    newest: int
    kinds: dict[str, dict[str, _Entry]]
    types: msgspec.Raw
    """The fields of each type, by name."""

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

    def explain_unserved_kind(self, api_version: str, kind: str, minor: int) -> str | None:
        """Return why Kubernetes 1.`minor` does not have a kind that other versions have; None if it has it."""
        entry = self.kinds.get(api_version, {}).get(kind)
        if entry is None or entry[1] <= minor <= entry[2]:
            return None
        _, first, last = entry
        removed = _SWITCHED_OFF if last == _SWITCHED_OFF + 1 else last + 1
        period = f"before Kubernetes 1.{first}" if minor < first else f"since Kubernetes 1.{removed}"
        served = self._find_served_version(api_version, kind, minor)
        return f"no kind {kind} in {api_version} {period}{f': use {served}' if served else ''}"

    def _find_served_version(self, api_version: str, kind: str, minor: int) -> str | None:
        """Return the API version to use for a kind in Kubernetes 1.`minor`: a stable one, of the same group, the newest."""
        group = api_version.rpartition("/")[0]
        served = {
            version: known[kind][1]
            for version, known in self.kinds.items()
            if kind in known and known[kind][1] <= minor <= known[kind][2]
        }

        def rank(version: str) -> tuple[bool, bool, bool, int]:
            return "alpha" in version, "beta" in version, version.rpartition("/")[0] != group, -served[version]

        return min(served, key=rank, default=None)

    def find_problems(self, document: dict[str, Any], minor: int) -> FieldProblems:
        """Return the fields of an object that its kind does not have in Kubernetes 1.`minor`, or has with another type.

        For an API version that this Kubernetes no longer has, its last fields are the known ones.
        """
        entry = self.kinds.get(document["apiVersion"], {}).get(document["kind"])
        if entry is None:
            return _NO_PROBLEMS
        number, first, last = entry
        unknown, mistyped = _load_check().find(document, number, min(max(minor, first), last), _MOST)
        if not unknown and not mistyped:
            return _NO_PROBLEMS
        return FieldProblems(
            tuple([self._explain_field(path, number) for path, number in unknown]),
            tuple([_explain_shape(document, *problem) for problem in mistyped]),
        )

    def _explain_field(self, path: Path, number: int) -> UnknownField:
        fields = _load_types()[number]
        name = str(path[-1])
        return UnknownField(path, self._explain(name, fields.get(name) or fields.get(_ANY), number), fields.keys())

    def _explain(self, name: str, entry: _FieldEntry | None, number: int) -> str:
        if entry is not None:
            _, first, last, _ = entry
            return (
                f"no field {name} before Kubernetes 1.{first}"
                if last == self.newest
                else f"no field {name} since Kubernetes 1.{last + 1}"
            )
        types = _load_types()
        fields = types[number]
        nested = [field for field, (child, *_) in fields.items() if child != _LEAF and name in types[child]]
        if len(nested) == 1:
            return f"unknown field {name}: did you mean {nested[0]}.{name}?"
        return f"unknown field {name}{_suggest(name, fields)}"


def _suggest_kind(name: str, kinds: Iterable[str]) -> str:
    """Return the part of a message that suggests a kind by its short name, for transposed letters, or a similar one."""
    kinds = tuple(kinds)
    short = SHORT_NAMES.get(name.casefold())
    matches = [kind for kind in kinds if kind == short or sorted(kind.casefold()) == sorted(name.casefold())]
    return f": did you mean {matches[0]}?" if matches else _suggest(name, kinds)


def _explain_shape(document: Any, path: Path, depth: int, shape: str) -> MistypedField:
    """Return a value that does not have the shape of its field, whose path has `depth` steps.

    A key of a Secret is not named: it may be one.
    """
    value = functools.reduce(lambda owner, step: owner[step], path, document)
    expected = {"[": "a list", "{": "a mapping"}.get(shape[0]) or _DESCRIPTIONS_OF_SHAPES[shape]
    label = f"a value in {path[0]}" if path[:depth] in _PAYLOADS else format_path(path)
    return describe_mistyped(value, expected, path, label)


def describe_mistyped(value: Any, expected: str, path: Path, label: str) -> MistypedField:
    """Return the problem of a value at a path, which the message names `label`; `expected` describes the right type."""
    actual = _DESCRIPTIONS.get(type(value), "another value")
    return MistypedField(path, f"{label} is {actual}, not {expected}")


def _suggest(name: str, names: Iterable[str]) -> str:
    """Return the part of a message that suggests a similar name, if there is one."""
    by_spelling = {candidate.casefold(): candidate for candidate in names}
    similar = find_similar(name.casefold(), by_spelling, cutoff=_SIMILARITY)
    return f": did you mean {by_spelling[similar]}?" if similar else ""


@functools.cache
def load_schemas() -> ApiSchemas:
    """Load the schemas that come with the package."""
    text = pathlib.Path(__file__).with_name("schemas.json").read_bytes()
    return msgspec.json.decode(text, type=ApiSchemas)


@functools.cache
def _load_check() -> FieldCheck:
    return FieldCheck(bytes(load_schemas().types))


@functools.cache
def _load_types() -> list[dict[str, _FieldEntry]]:
    """Load the types for messages; most scans have no problem to explain."""
    return msgspec.json.decode(load_schemas().types, type=list[dict[str, _FieldEntry]])


@functools.cache
def _list_groups() -> frozenset[str]:
    """Return the built-in API groups; "" is the core group."""
    return frozenset(version.rpartition("/")[0] for version in load_schemas().kinds)
