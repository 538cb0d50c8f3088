"""Evaluation of an image policy on one image, requirement by requirement.

Signatures are verified by a function of the caller. What cannot be verified is "not evaluated", never passed.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from kubekeep.imagepolicy.combined import CoveringRule, PolicyLanguages, evaluate_rule, find_rules
from kubekeep.imagepolicy.globs import WrittenReference
from kubekeep.imagepolicy.patterns import Specificity, parse_pattern
from kubekeep.imagepolicy.policy import AttestationRequirement, ImagePolicy, ImageRule, PredicateCondition
from kubekeep.model.errors import KubekeepError
from kubekeep.model.json_values import as_mapping
from kubekeep.model.text import visible
from kubekeep.model.verdict import Status
from kubekeep.registry.errors import RejectedArtifactError
from kubekeep.registry.reference import ArtifactReference
from kubekeep.signatures.errors import SignatureError
from kubekeep.signatures.predicates import matches_type
from kubekeep.signatures.provenance import read_provenance
from kubekeep.signatures.verification import SignatureReport, VerifiedSignature


class RequirementResult(msgspec.Struct, frozen=True):
    """The result of one requirement, and the reason."""

    requirement: str
    status: Status
    reason: str


class ImagePolicyResult(msgspec.Struct, frozen=True):
    """The results of all requirements on an image.

    rule: the pattern that decided, or "". digest: of the manifest or index with the signatures; empty if none was needed.
    """

    image: str
    rule: str
    requirements: tuple[RequirementResult, ...]
    digest: str = ""

    @property
    def status(self) -> Status:
        """Failed if a requirement failed, not evaluated if one was not evaluated, else passed."""
        statuses = {result.status for result in self.requirements}
        for status in (Status.FAILED, Status.NOT_EVALUATED):
            if status in statuses:
                return status
        return Status.PASSED


Verify = Callable[[str], SignatureReport]
"""Returns the signatures and attestations of the image by the signer with a name in the policy.

Raises KubekeepError if they cannot be read, or if the signer cannot be used.
"""
FindCreated = Callable[[], str]
"""Returns the time of the build in RFC 3339, or "" if it is unknown. Raises KubekeepError if the image cannot be read."""
ExplainCondition = Callable[[PredicateCondition, VerifiedSignature], str]
"""Returns the reason why a condition does not hold on the predicate of an attestation, or "". Raises KubekeepError."""


class ImagePolicyEvaluator:
    """Evaluates one policy on images."""

    def __init__(
        self, policy: ImagePolicy, explain_condition: ExplainCondition, now: dt.datetime, languages: PolicyLanguages
    ) -> None:
        self._policy = policy
        self._explain_condition = explain_condition
        self._now = now
        self._languages = languages

    def find_rule(self, name: ArtifactReference) -> tuple[str, ImageRule] | None:
        """Return the pattern and rule that cover an image most specifically; the first in the file if two are equal."""
        best: tuple[str, ImageRule] | None = None
        highest: Specificity | None = None
        for rule in self._policy.rules:
            for text in rule.images:
                specificity = parse_pattern(text).measure(name)
                if specificity is not None and (highest is None or specificity > highest):
                    best, highest = (text, rule), specificity
        return best

    def evaluate(
        self, name: ArtifactReference, verify: Verify, find_created: FindCreated, text: str = ""
    ) -> ImagePolicyResult:
        """Return the result for an image; name: its reference, with registry and repository; text: as users wrote it."""
        shown = str(name).removeprefix("oci://")
        results = list(self._check_registry(name))
        match = self.find_rule(name)
        reference = WrittenReference(name, text or shown)
        combined = find_rules(self._policy.combined_rules, reference, self._languages)
        for covering in combined:
            outcome = evaluate_rule(covering, reference, verify, self._languages)
            results.append(RequirementResult(covering.rule.name, outcome.status, outcome.reason))
        if match is None and combined:
            results += self._check_conditional(combined)
            return ImagePolicyResult(shown, ", ".join(covering.rule.name for covering in combined), tuple(results))
        if match is None:
            is_allowed = self._policy.unmatched == "allow"
            reason = f"no rule covers the image; unmatched images are {'allowed' if is_allowed else 'denied'}"
            results.append(RequirementResult("rule", Status.PASSED if is_allowed else Status.FAILED, reason))
            return ImagePolicyResult(shown, "", tuple(results))
        pattern, rule = match
        if rule.action != "require":
            status = Status.PASSED if rule.action == "allow" else Status.FAILED
            decision = "allows" if rule.action == "allow" else "denies"
            results.append(RequirementResult("rule", status, f"the rule for {pattern} {decision} the image"))
        else:
            results += self._check_requirements(rule, name, verify, find_created)
        return ImagePolicyResult(shown, pattern, tuple(results))

    def _check_conditional(self, combined: list[CoveringRule]) -> Iterator[RequirementResult]:
        """Yield a result if it is not known that a rule applies, and images without one are denied."""
        if self._policy.unmatched == "deny" and all(covering.condition for covering in combined):
            reason = f"it is not known if a rule applies, and other images are denied: {combined[0].condition}"
            yield RequirementResult("rule", Status.NOT_EVALUATED, reason)

    def _check_registry(self, name: ArtifactReference) -> Iterator[RequirementResult]:
        allowed, forbidden = self._policy.allowed_registries, self._policy.forbidden_registries
        if allowed:
            is_allowed = any(parse_pattern(text).covers(name) for text in allowed)
            reason = f"{name.name} is {'' if is_allowed else 'not '}in an allowed registry"
            yield RequirementResult("registry", Status.PASSED if is_allowed else Status.FAILED, reason)
        match = next((text for text in forbidden if parse_pattern(text).covers(name)), None)
        if match is not None:
            yield RequirementResult("registry", Status.FAILED, f"{match} is forbidden")

    def _check_requirements(
        self, rule: ImageRule, name: ArtifactReference, verify: Verify, find_created: FindCreated
    ) -> Iterator[RequirementResult]:
        if rule.pinned:
            status = Status.PASSED if name.digest else Status.FAILED
            reason = "the reference has a digest" if name.digest else "the reference has no digest"
            yield RequirementResult("pinned", status, reason)
        if rule.maximum_age_days is not None:
            yield self._check_age(rule.maximum_age_days, find_created)
        if rule.signed_by:
            yield _check_signature(rule.signed_by, verify)
        for attestation in rule.attestations:
            yield self._check_attestation(attestation, verify)

    def _check_age(self, days: int, find_created: FindCreated) -> RequirementResult:
        try:
            age = self._compute_age(find_created())
        except KubekeepError as error:
            return RequirementResult("age", Status.NOT_EVALUATED, str(error))
        if age is None:
            return RequirementResult("age", Status.NOT_EVALUATED, "the time of the build is unknown")
        status = Status.PASSED if age.days < days else Status.FAILED
        return RequirementResult("age", status, f"built {age.days} days ago; the limit is {days} days")

    def _compute_age(self, text: str) -> dt.timedelta | None:
        """Return the age of a time in RFC 3339; None if it is unknown, before 2013 or in the future.

        Reproducible builds set a fixed date, as 1970; Docker was released in 2013.
        """
        try:
            time = dt.datetime.fromisoformat(text)
        except ValueError:
            return None
        time = time if time.tzinfo else time.replace(tzinfo=dt.UTC)
        age = self._now - time
        return None if time.year < 2013 or age < -dt.timedelta(days=1) else max(age, dt.timedelta())

    def _check_attestation(self, requirement: AttestationRequirement, verify: Verify) -> RequirementResult:
        """Check that one attestation meets all conditions; reasons of others are listed."""
        name = f"attestation {requirement.type}"
        reports, failures = _verify_all(requirement.signed_by, verify)
        reasons: list[str] = []
        undecided: list[str] = []
        for signature in _list_signatures(reports):
            if not signature.predicate_type or not matches_type(signature.predicate_type, requirement.type):
                continue
            try:
                flaw = self._find_flaw(requirement, signature)
            except (KubekeepError, SignatureError) as error:
                undecided.append(str(error))
                continue
            if not flaw:
                signer = signature.signer.identity or f"key {signature.signer.key[:16]}"
                return RequirementResult(name, Status.PASSED, f"by {visible(signer)}")
            reasons.append(flaw)
        if failures or undecided:
            return RequirementResult(name, Status.NOT_EVALUATED, "; ".join(dict.fromkeys([*failures, *undecided])))
        if not reasons:
            reasons = _explain_absence("attestation of this type", requirement.signed_by, reports)
        return RequirementResult(name, Status.FAILED, "; ".join(dict.fromkeys(reasons)))

    def _find_flaw(self, requirement: AttestationRequirement, signature: VerifiedSignature) -> str:
        """Return the first condition that an attestation does not meet, or "". Raises KubekeepError and SignatureError."""
        if requirement.builder or requirement.source:
            provenance = read_provenance(signature)
            if requirement.builder and not _matches(requirement.builder, provenance.builder):
                return f"the builder is {visible(provenance.builder) or 'missing'}, not {requirement.builder}"
            source = provenance.source.removesuffix(".git")
            if requirement.source and not _matches(requirement.source.removesuffix(".git"), source):
                return f"the source is {visible(source) or 'missing'}, not {requirement.source}"
        if requirement.maximum_age_days is not None:
            age = self._compute_age(_find_time(signature.predicate) or signature.signer.time)
            if age is None:
                return "its time is unknown"
            if age.days >= requirement.maximum_age_days:
                return f"it is {age.days} days old; the limit is {requirement.maximum_age_days} days"
        return self._explain_condition(requirement.condition, signature) if requirement.condition else ""


def _check_signature(signers: Sequence[str], verify: Verify) -> RequirementResult:
    """Check that one of the signers signed the image. Attestations of the image are no signatures of it."""
    reports, failures = _verify_all(signers, verify)
    for name, report in reports:
        if any(not signature.predicate_type for signature in report.verified):
            return RequirementResult("signature", Status.PASSED, f"by {name}")
    if failures:
        return RequirementResult("signature", Status.NOT_EVALUATED, "; ".join(failures))
    return RequirementResult("signature", Status.FAILED, "; ".join(_explain_absence("signature", signers, reports)))


def _verify_all(signers: Iterable[str], verify: Verify) -> tuple[list[tuple[str, SignatureReport]], list[str]]:
    """Return the report for each signer, and the reasons why some could not be verified."""
    reports: list[tuple[str, SignatureReport]] = []
    failures: list[str] = []
    for name in signers:
        try:
            reports.append((name, verify(name)))
        except (KubekeepError, RejectedArtifactError) as error:
            failures.append(str(error))
    return reports, list(dict.fromkeys(failures))


def _list_signatures(reports: Iterable[tuple[str, SignatureReport]]) -> Iterator[VerifiedSignature]:
    for _, report in reports:
        yield from report.verified


def _explain_absence(kind: str, signers: Sequence[str], reports: Sequence[tuple[str, SignatureReport]]) -> list[str]:
    """Return the reasons why none of the signers' signatures is valid."""
    problems = list(dict.fromkeys(problem.reason for _, report in reports for problem in report.problems))
    missing = f"no {kind} by {' or '.join(signers)}"
    more = f"{len(problems) - 3} more" if len(problems) > 3 else ""
    return [missing, *problems[:3], *filter(None, [more])]


def _matches(pattern: str, value: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", "[^/]*"), value) is not None


def _find_time(predicate: bytes) -> str:
    """Return the time of a build, scan or document in RFC 3339, or "". Raises SignatureError for invalid JSON."""
    try:
        content = msgspec.json.decode(predicate)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SignatureError("the predicate is not valid JSON") from error
    document = as_mapping(content)
    details = as_mapping(as_mapping(document.get("runDetails")).get("metadata"))
    metadata = as_mapping(document.get("metadata"))
    creation = as_mapping(document.get("creationInfo"))
    candidates: tuple[Any, ...] = (
        *(details.get("finishedOn"), details.get("startedOn")),
        *(metadata.get("buildFinishedOn"), metadata.get("buildStartedOn"), metadata.get("scanFinishedOn")),
        *(creation.get("created"), metadata.get("timestamp"), document.get("timestamp")),
    )
    return next((text for text in candidates if isinstance(text, str) and text), "")
