"""Evaluation of combined rules on one image: all that cover it must hold.

What cannot be evaluated is never passed: it decides only if the other requirements do not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec

from kubekeep.imagepolicy.globs import WrittenReference
from kubekeep.imagepolicy.requirements import (
    CombinedAttestation,
    CombinedRule,
    ImageExpression,
    ImageRequirement,
    SigstoreRego,
)
from kubekeep.model.errors import KubekeepError
from kubekeep.model.text import visible
from kubekeep.model.verdict import Status
from kubekeep.registry.errors import RejectedArtifactError
from kubekeep.signatures.errors import SignatureError
from kubekeep.signatures.verification import SignatureReport, VerifiedSignature

BUNDLE: Final = "sigstore-bundle"
_MOST_REASONS: Final = 4
_ONLY_DIGEST: Final = (
    "it is not known if the glob applies: the policy-controller compares registry, repository and digest"
)

Verify = Callable[[str], SignatureReport]


class PolicyLanguages(Protocol):
    """The languages of conditions. Each method raises KubekeepError if there is no result."""

    def holds(self, rego: SigstoreRego, signature: VerifiedSignature) -> bool:
        """Return True if a module holds on the statement of an attestation."""

    def explain_failure(self, expression: ImageExpression, image: str, verify: Verify) -> str:
        """Return the reason why an expression about an image does not hold, or ""."""

    def matches(self, expression: str, image: str) -> bool:
        """Return True if a condition on references holds."""


class Outcome(msgspec.Struct, frozen=True):
    """The result of a requirement, and the reason."""

    status: Status
    reason: str


class CoveringRule(msgspec.Struct, frozen=True):
    """A rule that covers an image. condition: the reason why it may not apply, or ""; skipped: the glob that skips it."""

    rule: CombinedRule
    condition: str
    skipped: str = ""


def find_rules(
    rules: Sequence[CombinedRule], reference: WrittenReference, languages: PolicyLanguages
) -> list[CoveringRule]:
    """Return the rules that cover an image."""
    covering = []
    for rule in rules:
        matches: list[bool | None] = [reference.matches(rule.syntax, glob) for glob in rule.images]
        reason = rule.condition
        for expression in rule.expressions:
            try:
                matches.append(languages.matches(expression, reference.text))
            except KubekeepError as error:
                matches.append(None)
                reason = reason or str(error)
        if True in matches:
            skipped = next((glob for glob in rule.skipped if reference.matches(rule.syntax, glob)), "")
            covering.append(CoveringRule(rule, rule.condition, skipped))
        elif None in matches:
            covering.append(CoveringRule(rule, reason or _ONLY_DIGEST))
    return covering


def evaluate_rule(
    covering: CoveringRule, reference: WrittenReference, verify: Verify, languages: PolicyLanguages
) -> Outcome:
    """Return the result of a rule on an image that it covers."""
    rule = covering.rule
    if covering.skipped:
        # Digests are required of skipped images too.
        pinned = [each for each in rule.require.of if each.pinned]
        skipped = Outcome(Status.PASSED, f"skipped by {covering.skipped}")
        outcome = _evaluate_pinned(reference) if pinned else skipped
        outcome = skipped if outcome.status is Status.PASSED else outcome
    else:
        outcome = _RuleEvaluation(reference, verify, languages).evaluate(rule.require)
    if outcome.status is not Status.FAILED:
        return outcome
    if covering.condition:
        return Outcome(Status.NOT_EVALUATED, f"{covering.condition}; if it applies: {outcome.reason}")
    if rule.mode == "warn":
        return Outcome(Status.PASSED, f"warning, the policy allows images that fail: {outcome.reason}")
    return outcome


class _RuleEvaluation:
    def __init__(self, reference: WrittenReference, verify: Verify, languages: PolicyLanguages) -> None:
        self._reference = reference
        self._verify = verify
        self._languages = languages

    def evaluate(self, requirement: ImageRequirement) -> Outcome:
        """Return the result of a requirement and of those below it."""
        if requirement.of:
            return self._combine(requirement)
        fixed = {
            Status.PASSED: requirement.allow,
            Status.FAILED: requirement.deny,
            Status.NOT_EVALUATED: requirement.not_evaluated,
        }
        outcome = next((Outcome(status, reason) for status, reason in fixed.items() if reason), None)
        if requirement.pinned:
            outcome = _evaluate_pinned(self._reference)
        try:
            return outcome or self._verify_requirement(requirement)
        except (KubekeepError, RejectedArtifactError, SignatureError) as error:
            return Outcome(Status.NOT_EVALUATED, visible(str(error)))

    def _verify_requirement(self, requirement: ImageRequirement) -> Outcome:
        if requirement.attestation is not None:
            return self._check_attestation(requirement.attestation)
        if requirement.expression is not None:
            return self._check_expression(requirement.expression)
        return self._check_signature(requirement)

    def _combine(self, requirement: ImageRequirement) -> Outcome:
        """Count the requirements that hold. Stops when enough do, so that no signature is fetched in vain."""
        needed = requirement.at_least or len(requirement.of)
        outcomes: list[Outcome] = []
        passed: list[str] = []
        for each in requirement.of:
            outcome = self.evaluate(each)
            outcomes.append(outcome)
            if outcome.status is Status.PASSED:
                passed.append(outcome.reason)
                if len(passed) == needed:
                    return Outcome(Status.PASSED, "; ".join(dict.fromkeys(passed)))
        unknown = [outcome.reason for outcome in outcomes if outcome.status is Status.NOT_EVALUATED]
        failed = [outcome.reason for outcome in outcomes if outcome.status is Status.FAILED]
        count = f"{len(passed)} of {needed} required: " if needed > 1 and len(requirement.of) > needed else ""
        if len(passed) + len(unknown) < needed:
            return Outcome(Status.FAILED, count + _join(failed))
        return Outcome(Status.NOT_EVALUATED, count + _join(unknown))

    def _check_signature(self, requirement: ImageRequirement) -> Outcome:
        report = self._verify(requirement.signed_by)
        for signature in report.verified:
            if not signature.predicate_type or (requirement.counts_attestations and signature.format == BUNDLE):
                return Outcome(Status.PASSED, f"signed by {requirement.signed_by}")
        return Outcome(Status.FAILED, _explain(f"no signature by {requirement.signed_by}", report))

    def _check_attestation(self, required: CombinedAttestation) -> Outcome:
        report = self._verify(required.signed_by)
        attestations = [each for each in report.verified if each.predicate_type == required.type]
        if not attestations:
            return Outcome(
                Status.FAILED, _explain(f"no attestation of type {required.type} by {required.signed_by}", report)
            )
        if required.among:
            others = [each for each in self._verify(required.among).verified if each.predicate_type == required.type]
            if len(others) > len(attestations):
                reason = f"{len(others) - len(attestations)} attestations of type {required.type} are by other signers"
                return Outcome(Status.FAILED, reason)
        failures: list[str] = []
        for attestation in attestations:
            if required.rego is None:
                break
            try:
                if self._languages.holds(required.rego, attestation):
                    break
            except KubekeepError as error:
                failures.append(str(error))
        else:
            if failures:
                return Outcome(Status.NOT_EVALUATED, _join(failures))
            return Outcome(Status.FAILED, f"the rego policy does not hold on an attestation of type {required.type}")
        return Outcome(Status.PASSED, f"attestation of type {required.type} by {required.signed_by}")

    def _check_expression(self, expression: ImageExpression) -> Outcome:
        flaw = self._languages.explain_failure(expression, self._reference.text, self._verify)
        return Outcome(Status.FAILED, flaw) if flaw else Outcome(Status.PASSED, "the expression is true")


def _evaluate_pinned(reference: WrittenReference) -> Outcome:
    if reference.name.digest:
        return Outcome(Status.PASSED, "the reference has a digest")
    return Outcome(Status.FAILED, "the reference has no digest")


def _explain(missing: str, report: SignatureReport) -> str:
    return _join([missing, *(problem.reason for problem in report.problems)])


def _join(reasons: Sequence[str]) -> str:
    unique = list(dict.fromkeys(reasons))
    more = [f"{len(unique) - _MOST_REASONS} more"] if len(unique) > _MOST_REASONS else []
    return "; ".join((*unique[:_MOST_REASONS], *more))
