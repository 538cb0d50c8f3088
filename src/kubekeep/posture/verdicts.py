"""Turn what a rule said of a resource into a verdict with places. Never evaluates; what no rule said is no pass."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final

import msgspec

from kubekeep.engine.policy_set import Outcome, RuleFailure
from kubekeep.model.control import Control
from kubekeep.model.finding import PASSED, Cause, Evidence, Reason, Status, Verdict
from kubekeep.model.location import Path, format_path, has_path, parse_path
from kubekeep.model.resource import Resource
from kubekeep.posture.rulebook import APPLIES, DECLINED, VIOLATION, RulePlan

_parse = functools.lru_cache(maxsize=4096)(parse_path)
_fix_text: Final = msgspec.json.Encoder().encode


class Violation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One element of a rule's `violation` set; an empty `path` means the resource as a whole.

    With `inside`, `path` leads into the document that the resource carries as text there, as host data carries
    the files of a node.
    """

    path: str = ""
    inside: str = ""
    fix: Any = msgspec.UNSET
    delete: bool = False
    message: str = ""


class EvaluationContext(msgspec.Struct, frozen=True):
    """What the verdicts on all resources depend on.

    `unset` are those of controls that cannot be answered, whatever the resource; `partly` those of controls that cannot
    be for objects of some targets; `conditional` the slugs of the controls whose rule says what it applies to,
    `elsewhere` of those that are about other platforms.
    """

    unset: Mapping[str, Verdict]
    conditional: AbstractSet[str]
    elsewhere: AbstractSet[str]
    partly: Mapping[str, Mapping[str, Verdict]] = {}

    def unanswered(self, slug: str, resource: Resource) -> Verdict | None:
        """The verdict on `resource` of a control that cannot be answered for it; None for one that can be."""
        found = self.unset.get(slug)
        if found is not None or slug not in self.partly:
            return found
        targets = self.partly[slug]
        return next((targets[name] for name in resource.kind_names if name in targets), None)


def unset_by(reasons: Mapping[str, Reason]) -> dict[str, Verdict]:
    """The verdicts on controls that cannot be answered for these reasons, by slug."""
    return {slug: Verdict(Status.NOT_EVALUATED, reason=reason) for slug, reason in reasons.items()}


def verdicts_of(
    resource: Resource, rule_plan: RulePlan, outcome: Outcome, around: EvaluationContext, problem: str = ""
) -> dict[str, Verdict]:
    """The verdicts on a resource by slug; `problem` says why no rule could look at it."""
    controls = [control for control in rule_plan.controls if control.slug not in around.elsewhere]
    if problem:
        whole = malformed(problem)
        return {control.slug: whole for control in controls}
    seen = resource.unpacked()
    in_part = bool(resource.unknown or resource.related)
    verdicts: dict[str, Verdict] = {}
    for control in controls:
        slug = control.slug
        found = around.unanswered(slug, seen)
        if found is None:
            found = _said(control, outcome, seen, conditional=slug in around.conditional)
            if found is None:
                continue
            if in_part:
                found = as_far_as_known(found, resource)
        verdicts[slug] = found
    return verdicts


def as_far_as_known(found: Verdict, resource: Resource) -> Verdict:
    """`found` without what depends on values that nobody knows yet: then nothing has passed."""
    if not (resource.unknown or resource.related):
        return found
    unknown = _unknown(resource)
    return _in_doubt(found, unknown) if unknown else found


def _said(control: Control, outcome: Outcome, resource: Resource, *, conditional: bool) -> Verdict | None:
    """The verdict of `control`; None when its rule, which says so if it is `conditional`, does not apply."""
    said = outcome.get(control.rule_name)
    if not said:
        return None if conditional else PASSED
    if isinstance(said, RuleFailure):
        return Verdict(Status.NOT_EVALUATED, reason=Reason(Cause.RULE_ERROR, said.message))
    if conditional and not said.get(APPLIES):
        return None
    if violations := said.get(VIOLATION):
        return _failed(control, violations, resource)
    if declined := said.get(DECLINED):
        return Verdict(Status.NOT_EVALUATED, reason=Reason(Cause.DECLINED, "; ".join(map(str, declined))))
    return PASSED


def _unknown(resource: Resource) -> tuple[Path, ...]:
    """The paths nobody knows the value of, those of the objects a joined resource is made of too."""
    related = (
        ("relatedObjects", number, *path) for number, item in enumerate(resource.related) for path in item.unknown
    )
    return (*resource.unknown, *related)


def _in_doubt(found: Verdict, unknown: tuple[Path, ...]) -> Verdict:
    """The verdict on a resource that lacks the values at `unknown`: no pass, and no failure for what may be there."""
    if found.status is Status.NOT_EVALUATED:
        return found
    sure = tuple(item for item in found.evidence if not _inside(_parse(item.path), unknown))
    if sure:
        return Verdict(Status.FAILED, sure)
    fields = ", ".join(map(format_path, unknown[:3])) + (", ..." if len(unknown) > 3 else "")
    return Verdict(Status.NOT_EVALUATED, reason=Reason(Cause.DECLINED, f"not known before it is applied: {fields}"))


def _inside(path: Path, unknown: tuple[Path, ...]) -> bool:
    return any(path[: len(one)] == one for one in unknown)


def malformed(message: str) -> Verdict:
    """The verdict on a workload whose shape no rule can read."""
    return Verdict(Status.NOT_EVALUATED, reason=Reason(Cause.MALFORMED, message))


class _Reading:
    """What a rule said, in the order of its places, and the verdicts that come of it for objects without files."""

    __slots__ = ("said", "verdicts", "violations")

    def __init__(self, said: Any) -> None:
        """Raises ValueError for what no rule may say."""
        self.said = said
        self.violations = sorted(
            ((_parse(item.path), item) for item in msgspec.convert(said, list[Violation])),
            key=lambda pair: _order(pair[0]),
        )
        self.verdicts: dict[tuple[bool, ...], Verdict] = {}
        """By which of the places there are."""


_MOST_READINGS: Final = 1 << 14
_readings: Final[dict[int, _Reading]] = {}
"""By the identity of what was said: engines say the same of many objects, with one value."""


def _reading(said: Any) -> _Reading:
    known = _readings.get(id(said))
    # What has an identity keeps it as long as somebody holds it.
    if known is None:
        if len(_readings) >= _MOST_READINGS:
            _readings.clear()
        known = _readings[id(said)] = _Reading(said)
    return known


def _failed(control: Control, said: Any, resource: Resource) -> Verdict:
    try:
        reading = _reading(said)
    except ValueError as error:
        return Verdict(Status.NOT_EVALUATED, reason=Reason(Cause.RULE_ERROR, f"{control.slug}: {error}"))
    content = resource.object
    exist = tuple(bool(path) and not item.inside and has_path(content, path) for path, item in reading.violations)
    if resource.source is None and not resource.related:
        verdict = reading.verdicts.get(exist)
        if verdict is None:
            verdict = reading.verdicts[exist] = _failure(_evidence(reading, exist, resource))
        return verdict
    return Verdict(Status.FAILED, _evidence(reading, exist, resource))


def _evidence(reading: _Reading, exist: tuple[bool, ...], resource: Resource) -> tuple[Evidence, ...]:
    """Texts are kept once: many resources miss the same field for the same reason."""
    return tuple(
        Evidence(
            path=sys.intern(item.path),
            exists=exists,
            location=resource.locate(_parse(item.inside) if item.inside else path),
            fix=None if item.fix is msgspec.UNSET else sys.intern(_fix_text(item.fix).decode()),
            delete=item.delete,
            message=sys.intern(item.message),
        )
        for (path, item), exists in zip(reading.violations, exist, strict=True)
    )


@functools.lru_cache(maxsize=4096)
def _failure(evidence: tuple[Evidence, ...]) -> Verdict:
    """One verdict for what several rules say."""
    return Verdict(Status.FAILED, evidence)


def _order(path: Path) -> tuple[tuple[int, int | str], ...]:
    """Paths in the order of the document's lists: indexes as numbers, keys as text."""
    return tuple((0, step) if isinstance(step, int) else (1, step) for step in path)
