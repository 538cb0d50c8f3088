"""Conditions of queries on definitions."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement

from kubekeep.model.severity import Severity
from kubekeep_server.store.schema import definition


def has_severity(names: Iterable[str]) -> ColumnElement[bool]:
    """Return the condition that a definition has one of some severities, such as `critical`."""
    return definition.c.severity.in_([int(Severity.parse(name)) for name in names])


def contains_text(text: str) -> ColumnElement[bool]:
    """Return the condition that the identifier, an alias or the title contains a text, in any case."""
    return definition.c.text.contains(text.casefold(), autoescape=True)
