"""Verdicts on resources with misspelt, mistyped or missing fields, which are not read as intended.

A control that reads a sibling of an unknown field did not see what the author meant: a pass becomes "not evaluated".
Failures stay, because Kubernetes ignores unknown fields as the rules do. It rejects an object with a field of another
type, or without a part that it requires, so no control passes on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from kubekeep.model.assessment import SubjectResult
from kubekeep.model.control import Control
from kubekeep.model.location import format_path
from kubekeep.model.unknown_field import FieldProblems, UnknownField
from kubekeep.model.verdict import Cause, Reason, Status, Verdict

_COMMON: Final = frozenset({"apiVersion", "kind", "metadata", "name", "namespace"})
"""Fields that rules read to name an object, not to check it."""


def distrust_passes(
    results: Iterable[SubjectResult],
    problems: Mapping[int, FieldProblems],
    controls: Mapping[str, Control],
    list_names: Callable[[Control], AbstractSet[str]],
) -> list[SubjectResult]:
    """Return the results without passes on resources that the API server rejects, or beside an unknown field.

    problems: by id() of the resource. controls: by slug. list_names: returns the names of fields that a rule reads.
    """
    return [
        _distrust_result(
            result,
            [problems[id(part)] for part in (result.subject, *result.subject.related) if id(part) in problems],
            controls,
            list_names,
        )
        for result in results
    ]


def _distrust_result(
    result: SubjectResult,
    problems: Sequence[FieldProblems],
    controls: Mapping[str, Control],
    list_names: Callable[[Control], AbstractSet[str]],
) -> SubjectResult:
    mistyped = next((field for part in problems for field in part.mistyped), None)
    fields = [field for part in problems for field in part.unknown]
    verdicts = result.verdicts
    if mistyped is not None:
        verdicts = _replace_passes(verdicts, Reason(Cause.MALFORMED, mistyped.message))
    elif fields:
        verdicts = {
            slug: _distrust(verdict, fields, controls.get(slug), list_names) for slug, verdict in verdicts.items()
        }
    rejection = next((part.rejection for part in problems if part.rejection), None)
    if rejection is not None:
        verdicts = _replace_passes(verdicts, Reason(Cause.MISSING_DATA, rejection))
    return result if verdicts is result.verdicts else msgspec.structs.replace(result, verdicts=verdicts)


def _replace_passes(verdicts: Mapping[str, Verdict], reason: Reason) -> dict[str, Verdict]:
    verdict = Verdict(Status.NOT_EVALUATED, reason=reason)
    return {slug: verdict if old.status is Status.PASSED else old for slug, old in verdicts.items()}


def _distrust(
    verdict: Verdict,
    fields: Sequence[UnknownField],
    control: Control | None,
    list_names: Callable[[Control], AbstractSet[str]],
) -> Verdict:
    if verdict.status is not Status.PASSED or control is None:
        return verdict
    names = list_names(control)
    field = next((field for field in fields if not names.isdisjoint(field.siblings - _COMMON)), None)
    if field is None:
        return verdict
    text = f"unknown field {format_path(field.path)}"
    return Verdict(Status.NOT_EVALUATED, reason=Reason(Cause.UNKNOWN_FIELD, text))
