"""Turn what a rule said of a resource into a verdict with places. Never evaluates; what no rule said is no pass."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final

import msgspec

from kubekeep.assess.rulebook import APPLIES, DECLINED, VIOLATION, Sheet
from kubekeep.engine.port import Outcome, RuleFailure
from kubekeep.model.control import Control
from kubekeep.model.finding import PASSED, Cause, Evidence, Reason, Status, Verdict
from kubekeep.model.location import Path, format_path, has_path, parse_path
from kubekeep.model.resource import Resource

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


class Around(msgspec.Struct, frozen=True):
    """What the verdicts on all resources depend on.

    `unset` are those of controls that cannot be answered, whatever the resource; `conditional` the slugs of the
    controls whose rule says what it applies to, `elsewhere` of those that are about other platforms.
    """

    unset: Mapping[str, Verdict]
    conditional: AbstractSet[str]
    elsewhere: AbstractSet[str]


def unset_by(reasons: Mapping[str, Reason]) -> dict[str, Verdict]:
    """The verdicts on controls that cannot be answered for these reasons, by slug."""
    return {slug: Verdict(Status.NOT_EVALUATED, reason=reason) for slug, reason in reasons.items()}


def verdicts_of(
    resource: Resource, sheet: Sheet, outcome: Outcome, around: Around, problem: str = ""
) -> dict[str, Verdict]:
    """The verdicts on a resource by slug; `problem` says why no rule could look at it."""
    controls = [control for control in sheet.controls if control.slug not in around.elsewhere]
    if problem:
        whole = malformed(problem)
        return {control.slug: whole for control in controls}
    seen = resource.unpacked()
    said = (
        (
            item.slug,
            around.unset.get(item.slug) or verdict(item, outcome, seen, conditional=item.slug in around.conditional),
        )
        for item in controls
    )
    return {slug: found for slug, found in said if found is not None}


def verdict(control: Control, outcome: Outcome, resource: Resource, *, conditional: bool) -> Verdict | None:
    """The verdict of `control` on `resource`; None when the rule says that it does not apply to it.

    `conditional`: the rule defines `applies`.
    """
    found = _said(control, outcome, resource, conditional=conditional)
    return found if found is None else as_far_as_known(found, resource)


def as_far_as_known(found: Verdict, resource: Resource) -> Verdict:
    """`found` without what depends on values that nobody knows yet: then nothing has passed."""
    if not (resource.unknown or resource.related):
        return found
    unknown = _unknown(resource)
    return _in_doubt(found, unknown) if unknown else found


def _said(control: Control, outcome: Outcome, resource: Resource, *, conditional: bool) -> Verdict | None:
    said = outcome.get(control.judged_by) or {}
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


def _failed(control: Control, said: Any, resource: Resource) -> Verdict:
    try:
        violations = msgspec.convert(said, list[Violation])
        evidence = [(_parse(item.path), item) for item in violations]
    except ValueError as error:
        return Verdict(Status.NOT_EVALUATED, reason=Reason(Cause.RULE_ERROR, f"{control.slug}: {error}"))
    evidence.sort(key=lambda pair: _order(pair[0]))
    found = tuple(_evidence(path, item, resource) for path, item in evidence)
    return Verdict(Status.FAILED, found) if resource.source is not None else _failure(found)


def _evidence(path: Path, item: Violation, resource: Resource) -> Evidence:
    """Texts are kept once: many resources miss the same field for the same reason."""
    exists = bool(path) and not item.inside and has_path(resource.object, path)
    fix = None if item.fix is msgspec.UNSET else sys.intern(_fix_text(item.fix).decode())
    location = resource.locate(_parse(item.inside) if item.inside else path)
    found = _unplaced(sys.intern(item.path), exists, fix, item.delete, sys.intern(item.message))
    return found if location is None else msgspec.structs.replace(found, location=location)


@functools.lru_cache(maxsize=4096)
def _unplaced(path: str, exists: bool, fix: str | None, delete: bool, message: str) -> Evidence:  # noqa: FBT001 - as above
    return Evidence(path=path, exists=exists, fix=fix, delete=delete, message=message)


@functools.lru_cache(maxsize=4096)
def _failure(evidence: tuple[Evidence, ...]) -> Verdict:
    return Verdict(Status.FAILED, evidence)


def _order(path: Path) -> tuple[tuple[int, int | str], ...]:
    """Paths in the order of the document's lists: indexes as numbers, keys as text."""
    return tuple((0, step) if isinstance(step, int) else (1, step) for step in path)
