"""Context of a finding of a workload or another subject: the exposure of the subject, and the level of its own priority. Values only.

Both are one number, so that one column orders findings: five times the exposure, plus the level. The level is that of the
priority in the submission, 0 for a finding without one. Its level is then that of its definition, so that a new rating of the
definition changes no finding.
"""

from __future__ import annotations

from typing import Final

from kubekeep.model.finding_document import PriorityDocument
from kubekeep_server.store.urgency import EXPOSED, EXPOSURES, LEVELS, PAIRS, SEVERITIES, URGENCIES

OWN_LEVELS: Final = len(SEVERITIES)
CONTEXTS: Final = EXPOSURES * OWN_LEVELS
EXPOSED_CONTEXT: Final = EXPOSED * OWN_LEVELS
"""The lowest context of a subject that can be reached from outside its cluster."""
WITHOUT_LEVEL: Final = tuple(range(0, CONTEXTS, OWN_LEVELS))
"""The contexts of findings without a priority of their own."""


def build_context(exposure: int, priority: PriorityDocument | None) -> int:
    """Return the context of a finding. exposure: of its subject. priority: as submitted."""
    return exposure * OWN_LEVELS + (SEVERITIES[priority.level] if priority else 0)


def move_context(context: int, exposure: int) -> int:
    """Return the context with another exposure."""
    return exposure * OWN_LEVELS + context % OWN_LEVELS


def get_exposure(context: int) -> int:
    """Return the exposure of a context."""
    return context // OWN_LEVELS


def get_level(context: int, urgency: int) -> int:
    """Return the level of the priority of a finding. urgency: of its definition."""
    return context % OWN_LEVELS or LEVELS[0][urgency]


_PAIR_RANKS: Final = {pair: rank for rank, pair in enumerate(PAIRS)}
STEPS: Final = tuple(
    sorted(
        ((context, urgency) for context in range(CONTEXTS) for urgency in range(URGENCIES)),
        key=lambda step: (-get_level(*step), _PAIR_RANKS[get_exposure(step[0]), step[1]], -step[0]),
    )
)
"""All pairs of context and urgency, the most urgent first: by level, and of one level by exposure and urgency."""
RANKS: Final = {step: rank for rank, step in enumerate(STEPS)}
