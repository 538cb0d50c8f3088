"""Apply exceptions to the verdicts of a scan and report the use of each exception. No I/O.

Only failed verdicts can be excepted; "not evaluated" stays. An exception that covers nothing is reported with the
reason. Runs before the summary, so that scores include exceptions.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from kubekeep.exceptions.cover import cover_finding, cover_verdict, record_excepted
from kubekeep.exceptions.inline.annotations import find_annotated_exceptions
from kubekeep.exceptions.lint import covers_everything, find_likely_mistakes
from kubekeep.exceptions.match import ControlMatcher, ControlScope, Part, ResourceMatcher
from kubekeep.exceptions.policy_exception import PolicyException
from kubekeep.model.assessment import SubjectResult
from kubekeep.model.exception import AppliedException, ExceptionStatus, ExceptionUse
from kubekeep.model.finding import Finding
from kubekeep.model.label_selector import get_labels
from kubekeep.model.subject import Subject
from kubekeep.model.verdict import Evidence, Status, Verdict
from kubekeep.posture.select import Selection

_NAMED: Final = 3
"""Maximum number of controls named in a text; the others are counted."""
_TOO_BROAD: Final = "it would cover everything: name controls or resources"
_NOT_NARROWED: Final = "; its selectors match every known resource"
_FEW: Final = 5
"""Maximum number of results that one exception may cover completely without a warning."""
_ALL_HERE: Final = "it covers every control on every resource of this scan"


def apply_exceptions(
    results: Sequence[SubjectResult],
    policy_exceptions: Sequence[PolicyException],
    selection: Selection,
    now: dt.datetime,
    *,
    namespaces: Mapping[str, Mapping[str, str]],
    folder: str,
    inline: bool,
) -> tuple[list[SubjectResult], tuple[ExceptionUse, ...]]:
    """Return the results with exceptions set in the evidence they cover, and the use of every exception.

    A failed verdict with all evidence covered becomes passed. Evidence names the first exception that covers it; every
    exception that covers it counts the finding. inline: annotations of resources are exceptions too. namespaces: labels
    by namespace name, as far as known. folder: absolute path that relative file paths start from.
    """
    if not (policy_exceptions or inline):
        return list(results), ()
    scanned = _ScannedLabels(
        results if any(exception.objects or exception.namespaces for exception in policy_exceptions) else (), namespaces
    )
    applier = _ExceptionApplier(policy_exceptions, selection, now, scanned, folder)
    applier.doubt_broad_exceptions(results)
    excepted_results = [applier.apply_to(result, inline=inline) for result in results]
    return excepted_results, applier.report_uses()


class _ScannedLabels:
    """Labels of the scanned resources and namespaces, as input for label selectors."""

    def __init__(self, results: Sequence[SubjectResult], namespaces: Mapping[str, Mapping[str, str]]) -> None:
        self.namespaces = namespaces
        self.objects = [
            get_labels(candidate.object) for result in results for candidate in _list_objects(result.subject)
        ]
        """Labels of the evaluated resources."""
        self.namespaces_by_name: dict[str, Mapping[str, str]] = {
            candidate.namespace: {}
            for result in results
            for candidate in _list_objects(result.subject)
            if candidate.namespace
        } | dict(namespaces)
        """Labels of all known namespaces."""


def _list_objects(resource: Subject) -> tuple[Subject, ...]:
    """Return the resource and its related resources: an exception may match any of them."""
    return (*resource.related, resource)


class _TrackedException:
    """An exception with the controls it applies to and the findings it covers so far."""

    __slots__ = ("doubts", "findings", "policy_exception", "scope", "status", "text")

    def __init__(
        self, policy_exception: PolicyException, scope: ControlScope, now: dt.datetime, *, everything: bool
    ) -> None:
        """everything: the exception matches every control and every resource."""
        self.policy_exception = policy_exception
        self.scope = scope
        self.doubts = (*policy_exception.doubts, *find_likely_mistakes(policy_exception))
        self.findings: list[Finding] = []
        self.status, self.text = ExceptionStatus.UNUSED, ""
        expires = policy_exception.exception.expires
        if policy_exception.flaw:
            self.status, self.text = ExceptionStatus.INVALID, policy_exception.flaw
        elif expires is not None and expires <= now:
            self.status = ExceptionStatus.EXPIRED
        elif everything:
            narrowed = policy_exception.objects or policy_exception.namespaces
            self.status, self.text = ExceptionStatus.TOO_BROAD, _TOO_BROAD + (_NOT_NARROWED if narrowed else "")

    @property
    def is_active(self) -> bool:
        """Return True if the exception can cover findings."""
        return self.status is ExceptionStatus.UNUSED

    def report_use(self) -> ExceptionUse:
        """Return the use of the exception in this scan."""
        status, text, scope = self.status, self.text, self.scope
        doubts = self.doubts if self.is_active else ()
        if self.is_active:
            if scope.unknown:
                status, text = ExceptionStatus.INVALID_CONTROL, f"unknown: {', '.join(scope.unknown)}{scope.hint}"
            elif self.findings:
                status, text = ExceptionStatus.MATCHED, _format_shared(scope.shared)
            elif scope.shared:
                text = _format_shared(scope.shared)
            elif not scope.slugs:
                text = "its controls are not in this scan"
        return ExceptionUse(
            exception=self.policy_exception.exception,
            status=status,
            text="; ".join(filter(None, (text, *doubts))),
            controls=_list_names(self.policy_exception),
            unknown_controls=scope.unknown,
            findings=tuple(map(record_excepted, self.findings)),
            scope_warnings=doubts,
        )


def _format_shared(controls: Sequence[str]) -> str:
    """Name controls that are not covered because another framework of the scan requires the same verdict."""
    if not controls:
        return ""
    more = f" and {len(controls) - _NAMED} more" if len(controls) > _NAMED else ""
    return f"not for {', '.join(controls[:_NAMED])}{more}: another framework of the scan also requires it"


def _list_names(policy_exception: PolicyException) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for policy in policy_exception.policies for name in policy.names))


class _ExceptionApplier:
    """All exceptions of a scan, matched against its results."""

    def __init__(
        self,
        policy_exceptions: Sequence[PolicyException],
        selection: Selection,
        now: dt.datetime,
        scanned: _ScannedLabels,
        folder: str,
    ) -> None:
        self._now = now
        self._selected = {control.slug: control for control in selection.definitions}
        self._controls = ControlMatcher(selection)
        self._tracked = [self._track(exception, scanned) for exception in policy_exceptions]
        active = {
            number: exception.policy_exception for number, exception in enumerate(self._tracked) if exception.is_active
        }
        self._resources = ResourceMatcher(active, scanned.namespaces, folder)
        self._inline: dict[tuple[str, str], list[_TrackedException]] = {}

    def _track(self, exception: PolicyException, scanned: _ScannedLabels) -> _TrackedException:
        scope = self._controls.resolve_scope(exception.policies)
        everything = scope.everything and covers_everything(exception, scanned.objects, scanned.namespaces_by_name)
        return _TrackedException(exception, scope, self._now, everything=everything)

    def doubt_broad_exceptions(self, results: Sequence[SubjectResult]) -> None:
        """Add a doubt to each exception that covers every control on all of results, if there are more than a few."""
        if len(results) <= _FEW:
            return
        numbers = {
            number for number, tracked in enumerate(self._tracked) if tracked.is_active and tracked.scope.everything
        }
        for result in results:
            if not numbers:
                return
            covering = self._resources.find_matching(result.subject)
            numbers &= {number for number, part in covering.items() if part is None}
        for number in numbers:
            self._tracked[number].doubts += (_ALL_HERE,)

    def report_uses(self) -> tuple[ExceptionUse, ...]:
        """Return the use of each exception: configured ones first, then annotations in the order of the results."""
        inline = [exception for exceptions in self._inline.values() for exception in exceptions]
        return tuple(exception.report_use() for exception in (*self._tracked, *inline))

    def apply_to(self, result: SubjectResult, *, inline: bool) -> SubjectResult:
        """Return result with exceptions set in its evidence."""
        resource = result.subject
        covering = [
            (exception, part)
            for exception, part in self._list_covering(resource, inline=inline)
            if _matches_exposure(exception.policy_exception.exposed, result)
        ]
        if not covering:
            return result
        # A finding that is excepted already also counts for other exceptions that cover it.
        failed = {
            slug: verdict
            for slug, verdict in result.verdicts.items()
            if verdict.status is Status.FAILED or verdict.is_excepted
        }
        changed: dict[str, Verdict] = {}
        for slug, verdict in failed.items():
            applicable = [(exception, part) for exception, part in covering if slug in exception.scope.slugs]
            if applicable:
                finding = Finding(self._selected[slug], resource, verdict.evidence)
                changed[slug] = cover_verdict(verdict, _cover(finding, applicable))
        return msgspec.structs.replace(result, verdicts={**result.verdicts, **changed}) if changed else result

    def _list_covering(self, resource: Subject, *, inline: bool) -> list[tuple[_TrackedException, Part]]:
        """Return the exceptions that cover a resource, and the part of it: configured ones first."""
        annotated = list(self._track_annotations(resource)) if inline else []
        matching = self._resources.find_matching(resource) if self._tracked else {}
        covering = [(self._tracked[number], part) for number, part in sorted(matching.items())]
        return covering + [(exception, None) for exception in annotated if exception.is_active]

    def _track_annotations(self, resource: Subject) -> Iterator[_TrackedException]:
        """Return the exceptions in the annotations of the resource and of its related resources."""
        for candidate in _list_objects(resource):
            annotations = list(find_annotated_exceptions(candidate))
            if not annotations:
                continue
            # A role appears on its own and with every subject it is bound to.
            key = (candidate.id, str(candidate.locate(())))
            if key not in self._inline:
                self._inline[key] = [
                    _TrackedException(
                        exception, self._controls.resolve_scope(exception.policies), self._now, everything=False
                    )
                    for exception in annotations
                ]
            yield from self._inline[key]


def _matches_exposure(exposed: bool | None, result: SubjectResult) -> bool:  # noqa: FBT001 - the value of a field
    """Return True if an exception for exposed or for other subjects applies.

    The exposure of an image is not known without workloads that run it, so that an exception for unexposed ones does not apply.
    """
    if exposed is None or exposed:
        return exposed is None or result.is_exposed
    return not result.is_exposed and not (result.subject.runs_in_containers and not result.containers)


def _cover(finding: Finding, applicable: Sequence[tuple[_TrackedException, Part]]) -> Finding:
    """Return the finding with exceptions set in its evidence, and count it for each exception that covers a part."""

    def find_exception(evidence: Evidence) -> AppliedException | None:
        exceptions = [exception for exception, part in applicable if _is_part(evidence, part)]
        for exception in exceptions:
            if not (exception.findings and exception.findings[-1] is finding):
                exception.findings.append(finding)
        return exceptions[0].policy_exception.exception if exceptions else None

    return cover_finding(finding, find_exception)


def _is_part(evidence: Evidence, part: Part) -> bool:
    """Return True if the evidence lies in the matched part of the resource."""
    return part is None or any(
        evidence.path == path or evidence.path.startswith((f"{path}.", f"{path}[")) for path in part
    )
