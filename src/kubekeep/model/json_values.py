"""Typed access to values of JSON and YAML documents, where a field may hold anything. Never raises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def as_mapping(value: Any) -> dict[str, Any]:
    """Return `value` if it is a mapping, else {}."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """Return `value` if it is a list, else []."""
    return value if isinstance(value, list) else []


def drop_empty(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys with a value that is true: without empty texts and lists, zeros, nulls and False."""
    return {key: value for key, value in entry.items() if value}


def drop_nulls(value: Any) -> Any:
    """Return `value` without null fields at any depth, which Kubernetes treats as absent."""
    if isinstance(value, dict):
        return {key: drop_nulls(field) for key, field in value.items() if field is not None}
    return [drop_nulls(element) for element in value] if isinstance(value, list) else value
