"""Problems that subjects list themselves, such as the vulnerabilities of an image, beside those that rules find.

Never evaluates a rule.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from kubekeep.model.assessment import SubjectResult
from kubekeep.model.definition import Definition
from kubekeep.posture.select import Selection


def add_listed_problems(
    results: Iterable[SubjectResult], selection: Selection
) -> tuple[list[SubjectResult], Selection]:
    """Return the results with the verdicts on listed problems, and the selection with their definitions.

    Subjects without any verdict are dropped. A result has the priorities of its own problems: other subjects with the same
    vulnerability may have another fix.
    """
    definitions: dict[str, Definition] = {}
    complete: list[SubjectResult] = []
    for result in results:
        if result.subject.has_problems:
            verdicts, priorities = dict(result.verdicts), dict(result.priorities)
            for definition, verdict in result.subject.list_problems():
                known = definitions.get(definition.slug)
                definitions[definition.slug] = definition if known is None else known.join(definition)
                verdicts[definition.slug] = verdict
                if definition.urgency is not None:
                    priorities[definition.slug] = definition.urgency
            result = msgspec.structs.replace(result, verdicts=verdicts, priorities=priorities)  # noqa: PLW2901 - the same result
        if result.verdicts:
            complete.append(result)
    if not definitions:
        return complete, selection
    return complete, msgspec.structs.replace(selection, listed=tuple(definitions.values()))
