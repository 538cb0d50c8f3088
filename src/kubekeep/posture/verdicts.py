"""Verdicts from the outcomes of rules, with evidence and locations. Never runs a rule."""

from __future__ import annotations

import functools
import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

import msgspec

from kubekeep.engine.policy_set import Outcome, RuleFailure
from kubekeep.model.control import Control
from kubekeep.model.framework import Implication
from kubekeep.model.location import Location, Path, format_path, parse_path
from kubekeep.model.resource import Resource
from kubekeep.model.secret_text import mask_text
from kubekeep.model.subject import Subject
from kubekeep.model.verdict import PASSED, Cause, Evidence, Reason, Status, Verdict
from kubekeep.posture.coverage_gaps import build_access_reason
from kubekeep.posture.rule_scope import is_scope_verified
from kubekeep.posture.rulebook import APPLIES, NOT_EVALUATED, VIOLATION, RulePlan

_parse = functools.lru_cache(maxsize=4096)(parse_path)
_encode_fix: Final = msgspec.json.Encoder().encode


class Violation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One element of a rule's `violation` set; an empty `path` means the resource as a whole.

    With `inside`, `path` refers to the document that the resource holds as text at `inside`, for example the files of
    a node in host data. `line` is the line of that text, from 1, with the problem; 0 for the text as a whole.
    `severity_change` is added to the severity of the control. An object of a kind in `exempt_by` could remove the
    violation.
    """

    path: str = ""
    inside: str = ""
    line: int = 0
    fix: Any = msgspec.UNSET
    delete: bool = False
    message: str = ""
    severity_change: float = 0.0
    exempt_by: tuple[str, ...] = ()


class EvaluationContext(msgspec.Struct, frozen=True):
    """Conditions that apply to the verdicts on all resources.

    `not_evaluable` holds the verdicts of controls that cannot be evaluated on any resource, by slug; `not_evaluable_for`
    those of controls that cannot be evaluated on some targets, by slug and target. `conditional` are the slugs of
    controls with a rule that decides if it applies, `other_platforms` those of controls about other platforms.
    `implications` are the failures that another one implies on the same subject. `exempting` has the
    verdict to use instead of violations that an unlisted object could remove, by slug.
    """

    not_evaluable: Mapping[str, Verdict]
    conditional: AbstractSet[str]
    other_platforms: AbstractSet[str]
    not_evaluable_for: Mapping[str, Mapping[str, Verdict]] = {}
    implications: Sequence[Implication] = ()
    exempting: Mapping[str, Verdict] = {}

    def select_controls(self, plan: RulePlan) -> list[Control]:
        """Return the controls of a plan without those about other platforms."""
        return [control for control in plan.controls if control.slug not in self.other_platforms]

    def find_fixed_verdict(self, slug: str, resource: Resource) -> Verdict | None:
        """Return the "not evaluated" verdict of a control that cannot be evaluated on `resource`, else None."""
        verdict = self.not_evaluable.get(slug)
        if verdict is not None or slug not in self.not_evaluable_for:
            return verdict
        targets = self.not_evaluable_for[slug]
        return next((targets[name] for name in resource.kind_names if name in targets), None)


def build_not_evaluated_verdicts(reasons: Mapping[str, Reason]) -> dict[str, Verdict]:
    """Return the "not evaluated" verdict for each reason, by the same key."""
    return {key: Verdict(Status.NOT_EVALUATED, reason=reason) for key, reason in reasons.items()}


def build_verdicts(
    resource: Resource, plan: RulePlan, outcome: Outcome, context: EvaluationContext, problem: str = ""
) -> dict[str, Verdict]:
    """Build the verdicts on a resource, by slug. `problem` is the reason if rules cannot read it, else empty."""
    controls = context.select_controls(plan)
    if problem:
        return dict.fromkeys([control.slug for control in controls], build_malformed_verdict(problem))
    unpacked = resource.unpack()
    may_depend_on_unknown = _may_depend_on_unknown(resource)
    missing_role = _explain_missing_role(resource)
    verdicts: dict[str, Verdict] = {}
    failures: list[tuple[Control, _Violations]] = []
    fixed, fixed_for, conditional = context.not_evaluable, context.not_evaluable_for, context.conditional
    for control in controls:
        slug = control.slug
        # Most verdicts need neither function, and each call counts here.
        verdict = context.find_fixed_verdict(slug, unpacked) if slug in fixed or slug in fixed_for else None
        if verdict is None:
            if values := outcome.get(control.rule or slug):
                unlisted = context.exempting.get(slug)
                verdict = _build_verdict(control, values, failures, conditional=slug in conditional, unlisted=unlisted)
            elif slug not in conditional:
                verdict = PASSED
            if verdict is not None and may_depend_on_unknown:
                verdict = _withhold_unknown(control, verdict, resource, missing_role)
        if verdict is not None:
            verdicts[slug] = verdict
    verdicts |= {
        control.slug: _withhold_unknown(control, verdict, resource, missing_role)
        for control, verdict in _locate_failures(failures, unpacked)
    }
    _drop_implied(verdicts, context.implications)
    return verdicts


def _drop_implied(verdicts: dict[str, Verdict], implications: Sequence[Implication]) -> None:
    """Remove the failures that the failure of another control implies, so that each problem counts once."""
    for implication in implications:
        cause = verdicts.get(implication.control)
        if cause is not None and cause.status is Status.FAILED:
            for slug in implication.implies:
                other = verdicts.get(slug)
                if (
                    other is not None
                    and other.status is Status.FAILED
                    and not (implication.same_entries and _list_role_resources(other) - _list_role_resources(cause))
                ):
                    del verdicts[slug]


def _list_role_resources(verdict: Verdict) -> set[str]:
    """Return the paths of the evidence in `resources` of role rules."""
    return {evidence.path for evidence in verdict.evidence if ".resources[" in evidence.path}


def _may_depend_on_unknown(resource: Subject) -> bool:
    """Return True if a verdict may rest on values that are unknown before apply, also those of a related role."""
    return bool(resource.unknown or resource.related)


def _withhold_unknown(control: Control, verdict: Verdict, resource: Resource, missing_role: Reason | None) -> Verdict:
    """Return `verdict`, or "not evaluated" if it rests on unknown values or on a role whose rules are unknown."""
    verdict = withhold_unknown_values(verdict, resource)
    if missing_role is not None and _depends_on_role(control, verdict):
        return Verdict(Status.NOT_EVALUATED, reason=missing_role)
    return verdict


def withhold_unknown_values(verdict: Verdict, resource: Subject) -> Verdict:
    """Return `verdict` without evidence at values that are unknown before apply; a pass becomes "not evaluated"."""
    if not _may_depend_on_unknown(resource):
        return verdict
    related = (
        ("relatedObjects", number, *path)
        for number, related_resource in enumerate(resource.related)
        for path in related_resource.unknown
    )
    unknown = (*resource.unknown, *related)
    return _drop_unknown_evidence(verdict, unknown) if unknown else verdict


def _explain_missing_role(resource: Resource) -> Reason | None:
    """Return the reason why the role of a joined subject has unknown rules; None if they are known."""
    for role in resource.related:
        if role.missing is not None:
            text = (
                f"the rules of {role.label} are not in the input" if role.name else "the binding does not name a role"
            )
            return build_access_reason(role.missing) if role.missing else Reason(Cause.MISSING_DATA, text)
    return None


def _depends_on_role(control: Control, verdict: Verdict) -> bool:
    """Return True if the verdict on a subject could be another with the rules of its role.

    Tests verify that controls of the library are not evaluated without them. Other rules may take them for empty.
    """
    if verdict.reason is not None:
        return verdict.reason.cause is Cause.MISSING_DATA
    return verdict.status is Status.PASSED and not is_scope_verified(control)


def _build_verdict(
    control: Control,
    values: Any,
    failures: list[tuple[Control, _Violations]],
    *,
    conditional: bool,
    unlisted: Verdict | None,
) -> Verdict | None:
    """Return the verdict of `control` for values of its rule; None if it is `conditional` and does not apply.

    A failure is added to `failures`, because its evidence is still to be located. unlisted: the verdict if all violations
    have `exempt_by`, because such objects could not be listed.
    """
    if not isinstance(values, dict) or not isinstance(values.get(NOT_EVALUATED, []), list):
        message = values.message if isinstance(values, RuleFailure) else f"{control.slug}: {NOT_EVALUATED} is not a set"
        return Verdict(Status.NOT_EVALUATED, reason=Reason(Cause.RULE_ERROR, mask_text(message)))
    if conditional and not values.get(APPLIES):
        return None
    if violations := values.get(VIOLATION):
        return _add_failure(control, violations, failures, unlisted)
    if sentences := values.get(NOT_EVALUATED):
        return _build_missing_data_verdict("; ".join(map(str, sentences)))
    return PASSED


def _add_failure(
    control: Control, value: Any, failures: list[tuple[Control, _Violations]], unlisted: Verdict | None
) -> Verdict:
    """Add the violations of a failed control. Return a verdict that keeps their place, or the final one for none."""
    if unlisted is not None:
        value = [each for each in value if not (isinstance(each, dict) and each.get("exempt_by"))]
        if not value:
            return unlisted
    try:
        failures.append((control, _parse_violations(value)))
    except ValueError as error:
        return Verdict(Status.NOT_EVALUATED, reason=Reason(Cause.RULE_ERROR, f"{control.slug}: {error}"))
    return _UNLOCATED


@functools.lru_cache(maxsize=4096)
def _build_missing_data_verdict(text: str) -> Verdict:
    """Return one shared verdict for equal texts."""
    return Verdict(Status.NOT_EVALUATED, reason=Reason(Cause.MISSING_DATA, mask_text(text)))


def _drop_unknown_evidence(verdict: Verdict, unknown: tuple[Path, ...]) -> Verdict:
    """Return `verdict` without evidence at the paths `unknown`; "not evaluated" if no evidence is left."""
    if verdict.status is Status.NOT_EVALUATED:
        return verdict
    known_evidence = tuple(evidence for evidence in verdict.evidence if not _is_below(_parse(evidence.path), unknown))
    if known_evidence:
        return Verdict(Status.FAILED, known_evidence)
    fields = ", ".join(map(format_path, unknown[:3])) + (", ..." if len(unknown) > 3 else "")
    return Verdict(Status.NOT_EVALUATED, reason=Reason(Cause.MISSING_DATA, f"known only after it is applied: {fields}"))


def _is_below(path: Path, parents: tuple[Path, ...]) -> bool:
    return any(path[: len(parent)] == parent for parent in parents)


def build_malformed_verdict(message: str) -> Verdict:
    """Build the verdict on a workload that does not match the schema of the API."""
    return Verdict(Status.NOT_EVALUATED, reason=Reason(Cause.MALFORMED, message))


_UNLOCATED: Final = Verdict(Status.FAILED)
"""Keeps the order of a verdict until its evidence is located."""


class _Violations:
    """The violations of one rule outcome in the order of their paths, and the shared verdicts for live resources."""

    __slots__ = ("is_nested", "paths", "value", "verdicts", "violations")

    def __init__(self, value: Any) -> None:
        """Raises ValueError for a value that no rule may return."""
        self.value = value
        self.violations = _parse_elements(value)
        if len(self.violations) > 1:
            self.violations.sort(key=lambda violation: _sort_key(violation.path))
        self.paths = [violation.path for violation in self.violations]
        self.is_nested = any(violation.outer_path is not None for violation in self.violations)
        self.verdicts: dict[tuple[bool, ...], Verdict] = {}
        """Verdicts by the existence of each path in the resource."""


class _ParsedViolation:
    """A violation with interned texts: many resources miss the same field for the same reason."""

    __slots__ = ("delete", "fix", "line", "message", "outer_path", "path", "severity_change", "text")

    def __init__(self, violation: Violation) -> None:
        self.path = _parse(violation.path)
        self.outer_path = _parse(violation.inside) if violation.inside else None
        """Path of the text that holds the document with `path`; None for a path in the resource."""
        self.line = violation.line
        self.text = sys.intern(violation.path)
        self.fix = None if violation.fix is msgspec.UNSET else sys.intern(_encode_fix(violation.fix).decode())
        self.delete = violation.delete
        self.message = sys.intern(mask_text(violation.message))
        self.severity_change = violation.severity_change


_CACHE_LIMIT: Final = 1 << 12
_cache: Final[dict[int, _Violations]] = {}
"""Violations by `id` of the value: engines return one value for many objects. The entry keeps the value alive, so that
its id is not reused."""
_ELEMENT_LIMIT: Final = 1 << 13
_elements: Final[dict[int, tuple[Any, _ParsedViolation]]] = {}
"""Single violations by `id` of their value, which many values share, and which the entry keeps alive."""


def _parse_elements(value: Any) -> list[_ParsedViolation]:
    """Return the parsed elements of a value, without parsing if all of them were parsed before.

    Raises ValueError for a value that no rule may return.
    """
    if isinstance(value, list):
        entries = [_elements.get(id(element)) for element in value]
        if None not in entries:
            return [entry[1] for entry in entries if entry is not None]
    parsed = [_ParsedViolation(violation) for violation in msgspec.convert(value, list[Violation])]
    if len(_elements) + len(parsed) > _ELEMENT_LIMIT:
        _elements.clear()
    _elements.update({id(element): (element, entry) for element, entry in zip(value, parsed, strict=True)})
    return parsed


def _parse_violations(value: Any) -> _Violations:
    violations = _cache.get(id(value))
    if violations is None:
        if len(_cache) >= _CACHE_LIMIT:
            _cache.clear()
        violations = _cache[id(value)] = _Violations(value)
    return violations


def _locate_failures(
    failures: Sequence[tuple[Control, _Violations]], resource: Resource
) -> Iterator[tuple[Control, Verdict]]:
    """Yield the verdict of each failed control. All fields are located by one call, which takes as long as for a few."""
    plain = [path for _, violations in failures if not violations.is_nested for path in violations.paths]
    located = iter(resource.locate_fields(plain) if plain else ())
    for control, violations in failures:
        if violations.is_nested:
            fields = [_locate(violation, resource) for violation in violations.violations]
        else:
            fields = list(itertools.islice(located, len(violations.paths)))
        if resource.source is None and not resource.related:
            exists_by_path = tuple([exists for _, exists in fields])
            verdict = violations.verdicts.get(exists_by_path)
            if verdict is None:
                verdict = violations.verdicts[exists_by_path] = _share_failure(_build_evidence(violations, fields))
        else:
            verdict = Verdict(Status.FAILED, _build_evidence(violations, fields))
        yield control, verdict


def _locate(violation: _ParsedViolation, resource: Resource) -> tuple[Location | None, bool]:
    """Return the location of a violation, and true if its path is a field of the resource."""
    if violation.outer_path is not None and violation.line:
        return resource.locate_line(violation.outer_path, violation.line), False
    if violation.outer_path is not None:
        return resource.locate(violation.outer_path), False
    return resource.locate_fields([violation.path])[0]


def _build_evidence(violations: _Violations, fields: Sequence[tuple[Location | None, bool]]) -> tuple[Evidence, ...]:
    # Positional arguments take half the time of named ones.
    return tuple(
        [
            Evidence(
                violation.text,
                exists and bool(violation.path),
                location,
                violation.fix,
                violation.delete,
                violation.message,
                severity_change=violation.severity_change,
            )
            for violation, (location, exists) in zip(violations.violations, fields, strict=True)
        ]
    )


@functools.lru_cache(maxsize=4096)
def _share_failure(evidence: tuple[Evidence, ...]) -> Verdict:
    """Return one shared verdict for equal evidence."""
    return Verdict(Status.FAILED, evidence)


@functools.lru_cache(maxsize=1024)
def _sort_key(path: Path) -> tuple[tuple[int, int | str], ...]:
    """Return the document order of paths: indexes as numbers, keys as text."""
    return tuple((0, step) if isinstance(step, int) else (1, step) for step in path)
