"""Verdicts on the known vulnerabilities that the documents of images and SBOMs list. Never matches a package itself.

A vulnerability fails for each subject that lists it, with one piece of evidence for each affected package. A subject
passes as a whole only if all of its packages were compared with advisories. No I/O.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from kubekeep.model.definition import Definition
from kubekeep.model.exception import AppliedException, ExceptionSource, ExceptionStatus, ExceptionUse
from kubekeep.model.known_vulnerability import VULNERABILITIES, KnownVulnerability
from kubekeep.model.location import parse_path
from kubekeep.model.package_document import ListedPackages, VulnerabilityEntry, read_assessment, read_listed_packages
from kubekeep.model.priority import UNKNOWN_PRIORITY
from kubekeep.model.subject import Subject
from kubekeep.model.text import json_text
from kubekeep.model.verdict import PASSED, Cause, Evidence, Reason, Status, Verdict
from kubekeep.model.vulnerability import VexUse, VexUseState

_STATES: Final = tuple(VexUseState)
"""States of VEX statements; the first of several subjects counts."""
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


def list_problems(subject: Subject) -> Iterator[tuple[Definition, Verdict]]:
    """Yield the verdict on each vulnerability that the document of a subject lists, and on its packages as a whole."""
    try:
        facts = read_listed_packages(subject.object)
    except msgspec.ValidationError as error:
        reason = Reason(Cause.MALFORMED, f"the list of vulnerabilities is not valid: {error}")
        yield NO_VULNERABILITIES, Verdict(Status.NOT_EVALUATED, reason=reason)
        return
    summary = _summarise(facts)
    if summary is not None:
        yield NO_VULNERABILITIES, summary
    entries = sorted(facts.vulnerabilities, key=lambda entry: entry.id)
    for _, group in itertools.groupby(entries, key=lambda entry: entry.id):
        affected = list(group)
        yield define_vulnerability(affected), _create_verdict(subject, affected)


def list_statements(subjects: Iterable[Subject]) -> tuple[ExceptionUse, ...]:
    """Return the use of each statement of VEX documents, once for all subjects that it was applied to."""
    uses: dict[tuple[str, str, str], VexUse] = {}
    for subject in subjects:
        for use in _list_uses(subject):
            key = (use.statement.origin, use.position, use.vulnerability)
            other = uses.get(key)
            if other is None or _STATES.index(use.state) < _STATES.index(other.state):
                uses[key] = use
    return tuple(map(_describe_use, uses.values()))


def _list_uses(subject: Subject) -> tuple[VexUse, ...]:
    try:
        return read_assessment(subject.object).statements
    except msgspec.ValidationError:
        return ()


def _describe_use(use: VexUse) -> ExceptionUse:
    statuses = {VexUseState.APPLIED: ExceptionStatus.MATCHED, VexUseState.INVALID: ExceptionStatus.INVALID}
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


def _summarise(facts: ListedPackages) -> Verdict | None:
    """Return the verdict on the packages as a whole; None if a vulnerability fails."""
    gaps = facts.assessment.not_assessed
    unassessed = {package for gap in gaps for package in gap.packages}
    # Nothing is known about an image or SBOM of which no package was compared, although no other data would help.
    is_unknown = not facts.vulnerabilities and len(unassessed) >= len(facts.packages)
    gaps = gaps if is_unknown else tuple(gap for gap in gaps if gap.incomplete)
    if gaps:
        texts = (f"{len(gap.packages)} {gap.ecosystem}".rstrip() + f": {gap.reason}" for gap in gaps)
        return _build_not_evaluated(f"packages not assessed: {'; '.join(texts)}")
    if is_unknown:
        return _build_not_evaluated("it lists no packages, so nothing was compared with advisories")
    return PASSED if all(entry.is_suppressed for entry in facts.vulnerabilities) else None


def _build_not_evaluated(text: str) -> Verdict:
    return Verdict(Status.NOT_EVALUATED, reason=Reason(Cause.MISSING_DATA, text))


def define_vulnerability(entries: Sequence[VulnerabilityEntry]) -> KnownVulnerability:
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
        urgency=priority,
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


def _advise(entries: Sequence[VulnerabilityEntry]) -> str:
    fixes = {entry.package: entry for entry in entries if entry.fixed_version}
    if not fixes:
        return "No fixed version is known."
    texts = [
        f"source package {entry.fixed_source} to {entry.fixed_version} (for {package})"
        if entry.fixed_source
        else f"{package} to {entry.fixed_version}"
        for package, entry in fixes.items()
    ]
    return f"Upgrade {', '.join(texts)}."


def _create_verdict(subject: Subject, entries: Sequence[VulnerabilityEntry]) -> Verdict:
    evidence = tuple([_create_evidence(subject, entry) for entry in entries])
    is_open = any(entry.exception is None for entry in evidence)
    return Verdict(Status.FAILED if is_open else Status.PASSED, evidence)


def _create_evidence(subject: Subject, entry: VulnerabilityEntry) -> Evidence:
    fixed = entry.fixed_version
    path = f"packages[{entry.package_number}].version"
    of = f" of the source package {entry.fixed_source}" if entry.fixed_source else ""
    outcome = f"fixed in {fixed}{of}" if fixed else _FIX_STATES.get(entry.fix_state, "no fixed version known")
    return Evidence(
        path,
        exists=True,
        location=subject.locate(parse_path(path)),
        fix=json_text(fixed) if fixed else None,
        message="; ".join((f"{entry.package} {entry.version}: {outcome}", *entry.notes)),
        exception=_get_exception(entry),
        package=entry.affected_package,
    )


def _get_exception(entry: VulnerabilityEntry) -> AppliedException | None:
    """Return the exception of a VEX statement that suppresses the vulnerability; None without one."""
    vex = entry.vex
    if vex is None or not entry.is_suppressed:
        return None
    return AppliedException(name=vex.origin or "VEX", source=ExceptionSource.STATEMENT, reason=vex.summary)
