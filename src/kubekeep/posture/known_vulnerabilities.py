"""Verdicts on the known vulnerabilities that documents of images and SBOMs list. Never matches a package itself.

A vulnerability fails for each resource that lists it, with one piece of evidence for each affected package. A resource
passes as a whole only if all of its packages were compared with advisories.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec

from kubekeep.model.control import Control
from kubekeep.model.exception import AppliedException, ExceptionSource, ExceptionStatus, ExceptionUse
from kubekeep.model.known_vulnerability import SUPPRESSING, VULNERABILITIES, KnownVulnerability
from kubekeep.model.location import parse_path
from kubekeep.model.priority import UNKNOWN_PRIORITY, Priority
from kubekeep.model.resource import Resource
from kubekeep.model.severity import Severity
from kubekeep.model.text import json_text
from kubekeep.model.verdict import PASSED, Cause, Evidence, Reason, Status, Verdict
from kubekeep.posture.select import Selection
from kubekeep.posture.third_party import ThirdPartyEvaluator

_FIELD: Final = "vulnerabilities"
"""The field of documents that lists vulnerabilities."""
_GROUP: Final = "image.kubekeep.io"
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
_LEVELS: Final = {level.label: level for level in Severity}
_FIX_STATES: Final = {"not-fixed": "not fixed yet", "will-not-fix": "will not be fixed"}
NO_VULNERABILITIES: Final = KnownVulnerability(
    slug="known-vulnerabilities",
    area=VULNERABILITIES,
    title="Packages have no known vulnerabilities",
    severity=9.0,
    asks="No advisory affects a package of the image or SBOM, and all that advisories can cover were compared with them.",
    why="Exploits of known vulnerabilities are public.",
    fix="Update the advisory database, and see the reasons of the packages that were not assessed.",
    urgency=UNKNOWN_PRIORITY,
)
"""The definition that a resource without vulnerabilities passes. It never fails: each vulnerability fails by itself."""


class _PriorityText(msgspec.Struct, frozen=True):
    level: str = ""
    score: float = 0.0
    reasons: tuple[str, ...] = ()


class _Statement(msgspec.Struct, frozen=True):
    status: str = ""
    justification: str = ""
    text: str = ""
    origin: str = ""


class _StatementUse(msgspec.Struct, frozen=True):
    statement: _Statement
    vulnerability: str
    state: str
    place: str = ""
    text: str = ""


class _AffectedPackage(msgspec.Struct, frozen=True, rename="camel"):
    """An entry of `vulnerabilities`: one vulnerability of one package, as `sources.images.assessed_packages` writes it."""

    id: str
    package: str
    package_number: int
    version: str = ""
    aliases: tuple[str, ...] = ()
    title: str = ""
    description: str = ""
    severity: str = ""
    score: float | None = None
    fixed_version: str = ""
    fix_state: str = ""
    references: tuple[str, ...] = ()
    known_exploited: str = ""
    epss: float | None = None
    notes: tuple[str, ...] = ()
    priority: _PriorityText = _PriorityText()
    vex: _Statement | None = None

    @property
    def rating(self) -> float:
        """The severity score of a control: that of the rating, if its band is that of the severity."""
        level = _LEVELS.get(self.severity, Severity.UNKNOWN)
        if self.score is None or Severity.from_score(self.score) is not level:
            return _LOWEST[level]
        return self.score

    @property
    def is_suppressed(self) -> bool:
        """True if a VEX statement says that the package is not affected."""
        return self.vex is not None and self.vex.status in SUPPRESSING


class _Gap(msgspec.Struct, frozen=True):
    ecosystem: str = ""
    reason: str = ""
    packages: tuple[str, ...] = ()
    incomplete: bool = True


class _Assessment(msgspec.Struct, frozen=True, rename="camel"):
    not_assessed: tuple[_Gap, ...] = ()
    statements: tuple[_StatementUse, ...] = ()


class _AssessedDocument(msgspec.Struct, frozen=True):
    packages: tuple[Any, ...] = ()
    vulnerabilities: tuple[_AffectedPackage, ...] = ()
    assessment: _Assessment = _Assessment()


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
            if resource.group != _GROUP or _FIELD not in resource.object:
                continue
            try:
                document = _read(resource)
            except msgspec.ValidationError as error:
                reason = Reason(Cause.MALFORMED, f"the list of vulnerabilities is not valid: {error}")
                yield position, self._add(NO_VULNERABILITIES), Verdict(Status.NOT_EVALUATED, reason=reason)
                continue
            summary = _summarise(document)
            if summary is not None:
                yield position, self._add(NO_VULNERABILITIES), summary
            entries = sorted(document.vulnerabilities, key=lambda entry: entry.id)
            for _, group in itertools.groupby(entries, key=lambda entry: entry.id):
                affected = list(group)
                yield position, self._add(_define(affected)), _create_verdict(resource, affected)

    def _add(self, control: KnownVulnerability) -> str:
        other = self._controls.get(control.slug)
        if other is not None and other is not control:
            control = _join(other, control)
        self._controls[control.slug] = control
        return control.slug


def add_known_vulnerabilities(selection: Selection) -> Selection:
    """Return the selection with the vulnerabilities that its evaluators met, which are known only after evaluation."""
    known = set(selection.controls)
    added = tuple(control for control in selection.third_party_controls if control not in known)
    return msgspec.structs.replace(selection, controls=(*selection.controls, *added)) if added else selection


def list_statements(resources: Iterable[Resource]) -> tuple[ExceptionUse, ...]:
    """Return the use of each statement of VEX documents, once for all resources that it was applied to."""
    uses: dict[tuple[str, str, str], _StatementUse] = {}
    for resource in resources:
        for use in _list_uses(resource):
            key = (use.statement.origin, use.place, use.vulnerability)
            other = uses.get(key)
            if other is None or _STATES.index(use.state) < _STATES.index(other.state):
                uses[key] = use
    return tuple(map(_describe_use, uses.values()))


def _list_uses(resource: Resource) -> Iterator[_StatementUse]:
    if resource.group == _GROUP:
        try:
            uses = msgspec.convert(resource.object.get("assessment", {}), _Assessment).statements
        except msgspec.ValidationError:
            return
        yield from (use for use in uses if use.state in _STATES)


def _read(resource: Resource) -> _AssessedDocument:
    return msgspec.convert(resource.object, _AssessedDocument)


def _describe_use(use: _StatementUse) -> ExceptionUse:
    statuses = {"applied": ExceptionStatus.MATCHED, "invalid": ExceptionStatus.INVALID}
    status = statuses.get(use.state, ExceptionStatus.UNUSED)
    is_applied = status is ExceptionStatus.MATCHED
    name = f"{use.statement.origin or 'VEX'}: {use.vulnerability}"
    return ExceptionUse(
        exception=AppliedException(name=name, source=ExceptionSource.STATEMENT, reason=use.statement.status),
        status=status,
        text="" if is_applied else use.text,
        controls=(use.vulnerability,),
        scope_warnings=(use.text,) if is_applied and use.text else (),
    )


def _summarise(document: _AssessedDocument) -> Verdict | None:
    """Return the verdict on the packages as a whole; None if a vulnerability fails."""
    gaps = document.assessment.not_assessed
    unassessed = {package for gap in gaps for package in gap.packages}
    # Nothing is known about an image or SBOM of which no package was compared, although no other data would help.
    is_unknown = not document.vulnerabilities and len(unassessed) >= len(document.packages)
    gaps = gaps if is_unknown else tuple(gap for gap in gaps if gap.incomplete)
    if gaps:
        texts = (f"{len(gap.packages)} {gap.ecosystem}".rstrip() + f": {gap.reason}" for gap in gaps)
        return _decline(f"packages not assessed: {'; '.join(texts)}")
    if is_unknown:
        return _decline("it lists no packages, so nothing was compared with advisories")
    return PASSED if all(entry.is_suppressed for entry in document.vulnerabilities) else None


def _decline(text: str) -> Verdict:
    return Verdict(Status.NOT_EVALUATED, reason=Reason(Cause.MISSING_DATA, text))


def _define(entries: Sequence[_AffectedPackage]) -> KnownVulnerability:
    """Return the definition of a vulnerability from its entries for the packages of one resource."""
    first = max(entries, key=lambda entry: entry.rating)
    priority = max((entry.priority for entry in entries), key=lambda priority: priority.score)
    aliases = (alias for entry in entries for alias in entry.aliases)
    return KnownVulnerability(
        slug=first.id.lower(),
        area=VULNERABILITIES,
        page=_get_page(first.id),
        title=first.title or f"Vulnerability in {first.package}",
        severity=first.rating,
        asks="",
        why=first.description,
        fix=_advise(entries),
        references=tuple(dict.fromkeys(link for entry in entries for link in entry.references)),
        ids=tuple(dict.fromkeys((first.id, *aliases))),
        urgency=Priority(_LEVELS.get(priority.level, Severity.UNKNOWN), priority.score, reasons=priority.reasons),
        known_exploited=first.known_exploited,
        epss=first.epss,
    )


def _get_page(name: str) -> str:
    """Return the page about a vulnerability: of the NVD for a CVE, of OSV for other records."""
    return (
        f"https://nvd.nist.gov/vuln/detail/{quote(name, safe=':', errors='replace')}"
        if name.startswith("CVE-")
        else f"https://osv.dev/vulnerability/{quote(name, safe=':', errors='replace')}"
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


def _advise(entries: Sequence[_AffectedPackage]) -> str:
    fixes = {entry.package: entry.fixed_version for entry in entries if entry.fixed_version}
    if not fixes:
        return "No fixed version is known."
    return f"Upgrade {', '.join(f'{package} to {version}' for package, version in fixes.items())}."


def _create_verdict(resource: Resource, entries: Sequence[_AffectedPackage]) -> Verdict:
    evidence = tuple([_create_evidence(resource, entry) for entry in entries])
    is_open = any(entry.exception is None for entry in evidence)
    return Verdict(Status.FAILED if is_open else Status.PASSED, evidence)


def _create_evidence(resource: Resource, entry: _AffectedPackage) -> Evidence:
    fixed = entry.fixed_version
    path = f"packages[{entry.package_number}].version"
    outcome = f"fixed in {fixed}" if fixed else _FIX_STATES.get(entry.fix_state, "no fixed version known")
    return Evidence(
        path,
        exists=True,
        location=resource.locate(parse_path(path)),
        fix=json_text(fixed) if fixed else None,
        message="; ".join((f"{entry.package} {entry.version}: {outcome}", *entry.notes)),
        exception=_get_exception(entry),
    )


def _get_exception(entry: _AffectedPackage) -> AppliedException | None:
    """Return the exception of a VEX statement that suppresses the vulnerability; None without one."""
    vex = entry.vex
    if vex is None or not entry.is_suppressed:
        return None
    reason = ": ".join(filter(None, (vex.status.replace("_", " "), vex.justification, vex.text)))
    return AppliedException(name=vex.origin or "VEX", source=ExceptionSource.STATEMENT, reason=reason)
