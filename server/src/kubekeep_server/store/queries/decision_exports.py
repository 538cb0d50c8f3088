"""Decisions in force with all that a file of them contains. Writes no file."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from kubekeep.model.decision import DecisionKind, DecisionScope, DecisionState
from kubekeep.model.submission import DefinitionEntry
from kubekeep_server.store.decision_schema import decision, decode_scope
from kubekeep_server.store.numbers import to_moment
from kubekeep_server.store.queries.definitions import load_entries
from kubekeep_server.store.schema import IS_SUBJECT, definition, finding, subject
from kubekeep_server.store.scopes import Scope

MOST_DECISIONS: Final = 10_000
_MOST_FINDINGS: Final = 1_000


class DecidedFinding(msgspec.Struct, frozen=True):
    """An open finding that a decision names by its fingerprint: the key of its definition, and its subject."""

    definition: str
    kind: str
    namespace: str
    name: str


class ExportedDecision(msgspec.Struct, frozen=True, kw_only=True):
    """A decision in force. definitions: those of its scope that are known, by key. findings: in the scope of the user."""

    id: int
    kind: DecisionKind
    scope: DecisionScope
    reason: str
    changed: dt.datetime
    expires: dt.datetime
    definitions: dict[str, DefinitionEntry]
    findings: tuple[DecidedFinding, ...] = ()


def load_exports(
    connection: Connection, scope: Scope, is_selected: Callable[[DecisionScope], bool]
) -> tuple[ExportedDecision, ...]:
    """Return the decisions in force with a selected scope, the first one first.

    Raises ValueError for more than `MOST_DECISIONS`.
    """
    query = select(decision).where(decision.c.state == DecisionState.ACTIVE).order_by(decision.c.id)
    rows = [(row, decode_scope(row.scope)) for row in connection.execute(query)]
    selected = [(row, decided) for row, decided in rows if is_selected(decided)]
    if len(selected) > MOST_DECISIONS:
        raise ValueError(f"a file has at most {MOST_DECISIONS:,} decisions; {len(selected):,} are in force")
    entries = load_entries(connection, {key for _, decided in selected for key in decided.definitions})
    return tuple(_build(connection, scope, entries, row, decided) for row, decided in selected)


def _build(
    connection: Connection, scope: Scope, entries: dict[str, DefinitionEntry], row: Any, decided: DecisionScope
) -> ExportedDecision:
    return ExportedDecision(
        id=row.id,
        kind=DecisionKind(row.kind),
        scope=decided,
        reason=row.reason,
        changed=to_moment(row.changed),
        expires=to_moment(row.expires),
        definitions={key: entries[key] for key in decided.definitions if key in entries},
        findings=_load_findings(connection, scope, row.id) if decided.fingerprints else (),
    )


def _load_findings(connection: Connection, scope: Scope, number: int) -> tuple[DecidedFinding, ...]:
    """Return the different findings that have the mark of a decision; branches of a repository have the same ones."""
    query = (
        select(definition.c.key, subject.c.kind, subject.c.namespace, subject.c.name)
        .distinct()
        .select_from(finding)
        .join(subject, IS_SUBJECT)
        .join(definition, definition.c.id == finding.c.definition)
        .where(finding.c.closed.is_(None), finding.c.decision == number)
        .where(scope.shows(finding.c.source, subject.c.namespace))
        .order_by(definition.c.key, subject.c.kind, subject.c.namespace, subject.c.name)
        .limit(_MOST_FINDINGS)
    )
    return tuple(DecidedFinding(*row) for row in connection.execute(query))
