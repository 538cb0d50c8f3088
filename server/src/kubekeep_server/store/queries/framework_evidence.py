"""Evidence of a framework: a row for each state of a requirement in a source over a period, and for each decision on its controls."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy import Connection

from kubekeep.model.decision import DecisionScope, DecisionState
from kubekeep.model.text import encode_json
from kubekeep_server.store.frameworks import FrameworkDocument, load_framework
from kubekeep_server.store.numbers import to_moment
from kubekeep_server.store.queries import frameworks
from kubekeep_server.store.queries.decisions import DecisionRow
from kubekeep_server.store.queries.frameworks import Period
from kubekeep_server.store.queries.pages import Document
from kubekeep_server.store.scopes import Scope


class EvidenceRow(Document, frozen=True):
    """A state of a requirement in a source, or a decision on some of its controls. Times are RFC 3339 in UTC.

    A decision has all requirements that it concerns, its kind as the title, and its scope as JSON. until: its end, or the time at which it expires.
    """

    record: str
    framework: str
    requirement: str
    title: str
    controls: str
    source: str
    state: str
    since: str
    until: str
    author: str = ""
    approver: str = ""
    reason: str = ""
    scope: str = ""


Rows = tuple[EvidenceRow, ...]


def list_rows(
    connection: Connection, scope: Scope, key: str, period: Period, selected: Iterable[int], cursor: str
) -> tuple[Rows, str]:
    """Return the rows of a page of sources, and the cursor of the next one. Raises LookupError and ValueError."""
    document = load_framework(connection, key)
    titles = frameworks.list_titles(connection, document)
    page = frameworks.list_period_intervals(connection, scope, document, period, selected, cursor)
    rows = tuple(
        EvidenceRow(
            "state",
            document.title,
            one.id,
            titles[one.id],
            " ".join(one.controls),
            name,
            interval.state.label,
            to_moment(interval.since).isoformat(),
            to_moment(interval.until).isoformat(),
        )
        for name, by_requirement in page.rows
        for one in document.requirements
        for interval in by_requirement[one.id]
    )
    return rows, page.cursor


def list_decisions(
    connection: Connection,
    scope: Scope,
    key: str,
    period: Period,
    is_visible: Callable[[DecisionScope], bool],
    before: int | None = None,
) -> tuple[Rows, int | None]:
    """Return the rows of a page of decisions on the controls of a framework, and `before` of the next one. Raises LookupError."""
    del scope
    document = load_framework(connection, key)
    decisions, following = frameworks.list_framework_decisions(connection, document, period, is_visible, before)
    return tuple(_describe_decision(document, one) for one in decisions), following


def _describe_decision(document: FrameworkDocument, row: DecisionRow) -> EvidenceRow:
    definitions = frozenset(row.scope.definitions)
    concerned = [one for one in document.requirements if not definitions.isdisjoint(one.controls)]
    controls = {name for one in concerned for name in one.controls} & definitions
    is_open = row.state in (DecisionState.PROPOSED, DecisionState.ACTIVE)
    return EvidenceRow(
        "decision",
        document.title,
        " ".join(one.id for one in concerned),
        row.kind.value,
        " ".join(sorted(controls)),
        " ".join(row.scope.sources),
        row.state.value,
        row.created.isoformat(),
        (row.expires if is_open else min(row.changed, row.expires)).isoformat(),
        row.author,
        row.approver,
        row.reason,
        encode_json(row.scope),
    )
