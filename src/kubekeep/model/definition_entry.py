"""Definitions as submissions have them. Values only."""

from __future__ import annotations

from kubekeep.model.definition import Definition
from kubekeep.model.finding_document import build_priority
from kubekeep.model.known_vulnerability import KnownVulnerability
from kubekeep.model.priority import Priority
from kubekeep.model.submission import DefinitionEntry


def describe_definition(definition: Definition, priority: Priority) -> DefinitionEntry:
    """Return the entry of a definition. priority: of its findings without a context."""
    return DefinitionEntry(
        key=definition.key,
        kind=definition.kind,
        id=definition.id,
        title=definition.title,
        severity=definition.level.name.lower(),
        score=definition.severity,
        aliases=definition.ids[1:],
        remediation=definition.fix.strip(),
        references=definition.references,
        page=definition.page,
        priority=build_priority(priority),
        known_exploited=definition.known_exploited if isinstance(definition, KnownVulnerability) else "",
        epss=definition.epss if isinstance(definition, KnownVulnerability) else None,
    )
