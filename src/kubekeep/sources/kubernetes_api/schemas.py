"""Kinds and fields of the built-in Kubernetes API, from the compact schemas that `scripts/api_schemas.py` writes.

Names only: types and values are not checked, and kinds of other API groups are never unknown.
"""

from __future__ import annotations

import difflib
import functools
import importlib.resources
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

import msgspec

from kubekeep.model.location import Path
from kubekeep.model.resource_types import SHORT_NAMES
from kubekeep.model.unknown_field import UnknownField

_LEAF: Final = -1
"""Type of a field without known fields below it."""
_ANY: Final = "*"
"""Name of the only field of a map."""
_SIMILARITY: Final = 0.75
_MOST: Final = 20
"""Maximum number of unknown fields reported per object."""

_Entry: TypeAlias = tuple[int, int, int]
"""Type number, first and last minor version."""


class ApiSchemas(msgspec.Struct, frozen=True):
    """Kinds by API version, and the fields of each type by number."""

    oldest: int
    newest: int
    kinds: dict[str, dict[str, _Entry]]
    types: list[dict[str, _Entry]]

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

    def find_unknown_fields(self, document: dict[str, Any], minor: int) -> tuple[UnknownField, ...]:
        """Return the fields of an object that its kind does not have in Kubernetes 1.`minor`.

        For an API version that this Kubernetes no longer has, its last fields are the known ones.
        """
        entry = self.kinds.get(document["apiVersion"], {}).get(document["kind"])
        if entry is None:
            return ()
        number, first, last = entry
        unknown: list[UnknownField] = []
        self._check(document, number, min(max(minor, first), last), (), unknown)
        return tuple(unknown[:_MOST])

    def _check(self, value: Any, number: int, minor: int, path: Path, unknown: list[UnknownField]) -> None:
        if isinstance(value, dict):
            fields = self.types[number]
            of_map = fields.get(_ANY)
            for name, child in value.items():
                entry = fields.get(name) or of_map
                if entry is None or not entry[1] <= minor <= entry[2]:
                    message = self._explain(str(name), entry, number)
                    unknown.append(UnknownField((*path, str(name)), message, fields.keys()))
                elif entry[0] != _LEAF and isinstance(child, dict | list):
                    self._check(child, entry[0], minor, (*path, name), unknown)
        elif isinstance(value, list):
            for index, child in enumerate(value):
                if isinstance(child, dict):
                    self._check(child, number, minor, (*path, index), unknown)

    def _explain(self, name: str, entry: _Entry | None, number: int) -> str:
        if entry is not None:
            _, first, last = entry
            return (
                f"no field {name} before Kubernetes 1.{first}"
                if last == self.newest
                else f"no field {name} since Kubernetes 1.{last + 1}"
            )
        fields = self.types[number]
        nested = [field for field, (child, _, _) in fields.items() if child != _LEAF and name in self.types[child]]
        if len(nested) == 1:
            return f"unknown field {name}: did you mean {nested[0]}.{name}?"
        return f"unknown field {name}{_suggest(name, fields)}"


def _suggest_kind(name: str, kinds: Iterable[str]) -> str:
    """Return the part of a message that suggests a kind by its short name, for transposed letters, or a similar one."""
    kinds = tuple(kinds)
    short = SHORT_NAMES.get(name.casefold())
    matches = [kind for kind in kinds if kind == short or sorted(kind.casefold()) == sorted(name.casefold())]
    return f": did you mean {matches[0]}?" if matches else _suggest(name, kinds)


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
