"""Verdicts on the known vulnerabilities that documents of images and SBOMs list. Never matches a package itself.

A vulnerability fails for each resource that lists it, with one piece of evidence for each affected package. A resource
passes as a whole only if all of its packages were compared with advisories.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep.model.control import Control
from kubekeep.model.exception import AppliedException, ExceptionSource, ExceptionStatus, ExceptionUse
from kubekeep.model.finding import PASSED, Cause, Evidence, Reason, Status, Verdict
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.known_vulnerability import VULNERABILITIES, KnownVulnerability
from kubekeep.model.location import parse_path
from kubekeep.model.priority import UNKNOWN_PRIORITY, Priority
from kubekeep.model.resource import Resource
from kubekeep.model.severity import Severity
from kubekeep.model.text import json_text
from kubekeep.posture.select import Selection
from kubekeep.posture.third_party import ThirdPartyEvaluator

FIELD: Final = "vulnerabilities"
"""The field of documents that lists vulnerabilities."""
_GROUP: Final = "image.kubekeep.io"
_SUPPRESSING: Final = ("not_affected", "fixed")
"""Statuses of VEX statements that suppress a vulnerability."""
_STATES: Final = ("applied", "overruled", "unused", "other-product", "invalid")
"""States of VEX statements; the first of several resources counts."""
_LOWEST: Final = {
    Severity.UNKNOWN: 0.0,
    Severity.LOW: 1.0,
    Severity.MEDIUM: 4.0,
    Severity.HIGH: 7.0,
    Severity.CRITICAL: 9.0,
}
"""The lowest score of each severity, for ratings that are only a word."""


NO_VULNERABILITIES: Final = KnownVulnerability(
    slug="known-vulnerabilities",
    area=VULNERABILITIES,
    title="Packages have no known vulnerabilities",
    severity=9.0,
    asks="No advisory affects a package of the image or SBOM, and every package was compared with advisories.",
    why="Exploits of known vulnerabilities are public.",
    fix="Update the advisory database, and see the reasons of the packages that were not assessed.",
    urgency=UNKNOWN_PRIORITY,
)
"""The definition that a resource without vulnerabilities passes. It never fails: each vulnerability fails by itself."""


class _Rating(msgspec.Struct, frozen=True):
    level: Severity = Severity.UNKNOWN
    score: float = 0.0


class VulnerabilityEvaluator(ThirdPartyEvaluator):
    """Evaluator of the vulnerabilities in documents; its controls are complete after `evaluate`."""

    def __init__(self) -> None:
        self._controls: dict[str, KnownVulnerability] = {}

    @property
    def controls(self) -> tuple[Control, ...]:
        """The vulnerabilities of all documents so far."""
        return tuple(self._controls.values())

    def evaluate(self, resources: Sequence[Resource]) -> Iterator[tuple[int, str, Verdict]]:
        """Yield a verdict for each vulnerability of each resource."""
        for position, resource in enumerate(resources):
            if resource.group != _GROUP:
                continue
            document = resource.object
            if FIELD not in document:
                continue
            entries = sorted(
                (as_mapping(entry) for entry in as_list(document[FIELD])), key=lambda entry: str(entry["id"])
            )
            summary = _summarise(document, entries)
            if summary is not None:
                self._controls[NO_VULNERABILITIES.slug] = NO_VULNERABILITIES
                yield position, NO_VULNERABILITIES.slug, summary
            for name, group in itertools.groupby(entries, key=lambda entry: str(entry["id"])):
                affected = list(group)
                slug = self._add(name, affected)
                yield position, slug, _create_verdict(resource, affected)

    def _add(self, name: str, entries: Sequence[Mapping[str, Any]]) -> str:
        control = _define(name, entries)
        other = self._controls.get(control.slug)
        self._controls[control.slug] = control if other is None else _join(other, control)
        return control.slug


def add_known_vulnerabilities(selection: Selection) -> Selection:
    """Return the selection with the vulnerabilities that its evaluators met, which are known only after evaluation."""
    known = set(selection.controls)
    added = tuple(control for control in selection.third_party_controls if control not in known)
    return msgspec.structs.replace(selection, controls=(*selection.controls, *added)) if added else selection


def list_statements(resources: Iterable[Resource]) -> tuple[ExceptionUse, ...]:
    """Return the use of each statement of VEX documents, once for all resources that it was applied to."""
    uses: dict[tuple[str, str, str], Mapping[str, Any]] = {}
    for resource in resources:
        if resource.group == _GROUP:
            for use in map(as_mapping, as_list(as_mapping(resource.object.get("assessment")).get("statements"))):
                key = (use["statement"].get("origin", ""), use.get("place", ""), use["vulnerability"])
                other = uses.get(key)
                if other is None or _STATES.index(use["state"]) < _STATES.index(other["state"]):
                    uses[key] = use
    return tuple(map(_describe_use, uses.values()))


def _describe_use(use: Mapping[str, Any]) -> ExceptionUse:
    statement = as_mapping(use["statement"])
    status = {"applied": ExceptionStatus.MATCHED, "invalid": ExceptionStatus.INVALID}.get(
        use["state"], ExceptionStatus.UNUSED
    )
    name = f"{statement.get('origin', 'VEX')}: {use['vulnerability']}"
    exception = AppliedException(name=name, source=ExceptionSource.STATEMENT, reason=statement.get("status", ""))
    text = use.get("text", "")
    is_applied = status is ExceptionStatus.MATCHED
    return ExceptionUse(
        exception=exception,
        status=status,
        text="" if is_applied else text,
        controls=(use["vulnerability"],),
        scope_warnings=(text,) if is_applied and text else (),
    )


def _summarise(document: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> Verdict | None:
    """Return the verdict on the packages as a whole; None if a vulnerability fails."""
    gaps = [as_mapping(gap) for gap in as_list(as_mapping(document.get("assessment")).get("notAssessed"))]
    gaps = [gap for gap in gaps if gap.get("incomplete", True)]
    if gaps:
        texts = (f"{len(as_list(gap['packages']))} {gap['ecosystem']}".rstrip() + f": {gap['reason']}" for gap in gaps)
        text = "; ".join(texts)
        return Verdict(Status.NOT_EVALUATED, reason=Reason(Cause.DECLINED, f"packages not assessed: {text}"))
    is_open = any(as_mapping(entry.get("vex")).get("status") not in _SUPPRESSING for entry in entries)
    return None if is_open else PASSED


def _define(name: str, entries: Sequence[Mapping[str, Any]]) -> KnownVulnerability:
    """Return the definition of a vulnerability from its entries for the packages of one resource."""
    first = max(entries, key=lambda entry: _read_rating(entry).score)
    priority = max((as_mapping(entry.get("priority")) for entry in entries), key=lambda entry: entry.get("score", 0.0))
    names = tuple(dict.fromkeys((name, *(alias for entry in entries for alias in as_list(entry.get("aliases"))))))
    return KnownVulnerability(
        slug=name.lower(),
        area=VULNERABILITIES,
        title=first.get("title") or f"Vulnerability in {first['package']}",
        severity=_read_rating(first).score,
        asks="",
        why=first.get("description", ""),
        fix=_advise(entries),
        references=tuple(dict.fromkeys(link for entry in entries for link in as_list(entry.get("references")))),
        ids=names,
        urgency=Priority(
            Severity.parse(priority.get("level", "unknown")) if priority.get("level") else Severity.UNKNOWN,
            priority.get("score", 0.0),
            reasons=tuple(as_list(priority.get("reasons"))),
        ),
        known_exploited=first.get("knownExploited", ""),
        epss=first.get("epss"),
    )


def _join(first: KnownVulnerability, second: KnownVulnerability) -> KnownVulnerability:
    """Return one definition of the same vulnerability in two resources: the higher rating, all names and advice."""
    higher = first if first.severity >= second.severity else second
    return msgspec.structs.replace(
        higher,
        ids=tuple(dict.fromkeys((*first.ids, *second.ids))),
        fix=first.fix if second.fix in first.fix else f"{first.fix} {second.fix}",
        urgency=max(first.urgency, second.urgency, key=lambda priority: priority.score),
    )


def _advise(entries: Sequence[Mapping[str, Any]]) -> str:
    fixes = {entry["package"]: entry["fixedVersion"] for entry in entries if entry.get("fixedVersion")}
    if not fixes:
        return "No fixed version is known."
    return f"Upgrade {', '.join(f'{package} to {version}' for package, version in fixes.items())}."


def _read_rating(entry: Mapping[str, Any]) -> _Rating:
    level = Severity.parse(entry["severity"]) if entry.get("severity", "Unknown") != "Unknown" else Severity.UNKNOWN
    score = entry.get("score")
    # The bands of vulnerabilities and controls differ below 1.
    if score is None or Severity.from_score(score) is not level:
        score = _LOWEST[level]
    return _Rating(level, score)


def _create_verdict(resource: Resource, entries: Sequence[Mapping[str, Any]]) -> Verdict:
    evidence = tuple([_create_evidence(resource, entry) for entry in entries])
    open_failure = any(entry.exception is None for entry in evidence)
    return Verdict(Status.FAILED if open_failure else Status.PASSED, evidence)


def _create_evidence(resource: Resource, entry: Mapping[str, Any]) -> Evidence:
    fixed = entry.get("fixedVersion", "")
    element = f"packages[{entry['packageNumber']}]"
    path = f"{element}.version"
    outcome = f"fixed in {fixed}" if fixed else _FIX_STATES.get(entry.get("fixState", ""), "no fixed version known")
    message = "; ".join((f"{entry['package']} {entry['version']}: {outcome}", *as_list(entry.get("notes"))))
    return Evidence(
        path,
        exists=True,
        location=resource.locate(parse_path(path)),
        fix=json_text(fixed) if fixed else None,
        message=message,
        exception=_read_statement(as_mapping(entry.get("vex"))),
    )


_FIX_STATES: Final = {"not-fixed": "not fixed yet", "will-not-fix": "will not be fixed"}


def _read_statement(vex: Mapping[str, Any]) -> AppliedException | None:
    """Return the exception of a VEX statement that suppresses the vulnerability; None for another statement."""
    if vex.get("status") not in _SUPPRESSING:
        return None
    reason = ": ".join(
        filter(None, (vex["status"].replace("_", " "), vex.get("justification", ""), vex.get("text", "")))
    )
    return AppliedException(name=vex.get("origin", "VEX"), source=ExceptionSource.STATEMENT, reason=reason)
