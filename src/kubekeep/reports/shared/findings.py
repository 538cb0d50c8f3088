"""Findings one by one for machines that keep them: each with an identity that stays from scan to scan.

A finding is one control on one resource with its evidence. Never formats for people, never opens a file.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from kubekeep.model.assessment import Assessment, ControlSummary
from kubekeep.model.control import Control
from kubekeep.model.exception import AppliedException
from kubekeep.model.finding import Cause, Evidence, Reason, Status, Verdict
from kubekeep.model.fingerprint import Identity, fingerprint
from kubekeep.model.framework import Framework
from kubekeep.model.location import Location
from kubekeep.model.resource import Resource
from kubekeep.model.text import json_text, visible
from kubekeep.reports.shared.wording import change

MOST: Final = 50
"""How many places a text names; the rest of a longer list is told by its number."""


class Distinct:
    """Tells doubles apart: the first of equal fingerprints stays as it is, each further one gets one of its own."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def __call__(self, text: str) -> str:
        """`text` if it is the first of its kind, else 64 hexadecimal digits from it and its number."""
        self._seen[text] += 1
        number = self._seen[text]
        return text if number == 1 else hashlib.sha256(f"{text} {number}".encode()).hexdigest()


class Requirement(msgspec.Struct, frozen=True):
    """What a framework asks in its own words: `name` is that of the framework if it is part of the scan, else its slug."""

    framework: str
    name: str
    id: str
    url: str = ""


class Finding(msgspec.Struct, frozen=True):
    """One control on one resource with the evidence that stands, or with that which is waived.

    `uid` is 64 hexadecimal digits, each once in a report: the fingerprint of `model.fingerprint`, unless two
    resources of the input have one identity.
    """

    summary: ControlSummary
    resource: Resource
    evidence: tuple[Evidence, ...]
    uid: str

    @property
    def control(self) -> Control:
        """What it failed."""
        return self.summary.control

    @property
    def place(self) -> Location | None:
        """The place to show first, if it has any."""
        located = (item.location for item in self.evidence if item.location is not None)
        return next(located, None) or self.resource.locate(())

    @property
    def exceptions(self) -> tuple[AppliedException, ...]:
        """The decisions to accept it; none for a finding that stands."""
        return tuple(dict.fromkeys(item.exception for item in self.evidence if item.exception is not None))

    @property
    def lines(self) -> Iterator[str]:
        """What to change where, a line each for at most `MOST` places: `deploy/web.yaml:21: set hostPID to false`."""
        for evidence in self.evidence[:MOST]:
            location = evidence.location or self.resource.locate(())
            yield visible(f"{location}: {change(evidence)}" if location else change(evidence))
        if len(self.evidence) > MOST:
            yield f"and {len(self.evidence) - MOST} more"


def standing(assessment: Assessment, distinct: Distinct) -> Iterator[Finding]:
    """What failed and nobody waived, the worst control first, each in the order read."""
    return _findings(assessment.controls, assessment.failures(), distinct)


def excepted(assessment: Assessment, distinct: Distinct) -> Iterator[Finding]:
    """What is waived, in the same order.

    With the `distinct` of `standing`, read before: a finding waived in part stands first, and one waived as a whole
    keeps the uid that it had.
    """
    return _findings(assessment.controls, assessment.excepted(), distinct)


def _findings(
    controls: Iterable[ControlSummary], found: Mapping[str, list[tuple[Resource, Verdict]]], distinct: Distinct
) -> Iterator[Finding]:
    for summary in controls:
        for resource, verdict in found.get(summary.control.slug, ()):
            uid = distinct(fingerprint(summary.control.id, Identity.of(resource)))
            yield Finding(summary, resource, verdict.evidence, uid)


def undecided(assessment: Assessment) -> Iterator[tuple[ControlSummary, Resource, Reason | None]]:
    """Resources that a control could not judge, though it could judge others."""
    by_slug = {summary.control.slug: summary for summary in assessment.controls}
    for result in assessment.results:
        for slug, verdict in result.verdicts.items():
            if verdict.status is Status.NOT_EVALUATED and not by_slug[slug].is_gap:
                yield by_slug[slug], result.resource, verdict.reason


def gaps(assessment: Assessment) -> dict[str, list[ControlSummary]]:
    """Why controls were not evaluated, and which, in the order of the assessment.

    Those that only a person can answer are one group, though each has a page of its own.
    """
    found: dict[str, list[ControlSummary]] = {}
    for summary in assessment.controls:
        if summary.is_gap:
            manual = summary.reason is not None and summary.reason.cause is Cause.MANUAL
            text = "a person has to check it" if manual else reason_text(summary.reason)
            found.setdefault(text, []).append(summary)
    return found


def is_broken(reason: Reason | None) -> bool:
    """Whether something went wrong, and not only that the input does not tell."""
    return reason is not None and reason.cause in (Cause.RULE_ERROR, Cause.MALFORMED)


def reason_text(reason: Reason | None) -> str:
    """The sentence of `reason`."""
    return reason.text if reason and reason.text else "no reason is known"


def frameworks(assessment: Assessment) -> dict[str, list[Framework]]:
    """The frameworks of the scan that each control serves, by its slug; not those that are all controls."""
    found: dict[str, list[Framework]] = {}
    for summary in assessment.frameworks:
        if summary.framework.all_controls:
            continue
        for slug in summary.controls:
            found.setdefault(slug, []).append(summary.framework)
    return found


def requirements(control: Control, serves: Iterable[Framework]) -> Iterator[Requirement]:
    """What `control` answers in all frameworks that number what they ask, those of the scan first."""
    asked = {framework.slug: framework for framework in serves}
    for slug in (*asked, *(other for other in control.satisfies if other not in asked)):
        framework = asked.get(slug)
        for text in control.satisfies.get(slug, ()):
            if framework is None:
                yield Requirement(slug, slug, text)
            else:
                yield Requirement(slug, framework.name, text, framework.url)


def listed(names: Iterable[str], most: int = MOST) -> str:
    """`a, b and 3 more`, naming no more than `most`."""
    found = list(names)
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more


def named(resource: Resource) -> str:
    """`Deployment shop/web`, as people say it."""
    return visible(resource.label)


def digest(*parts: str) -> str:
    """64 hexadecimal digits for what is told beside the findings, equal from scan to scan as long as it is."""
    return hashlib.sha256(json_text(parts).encode()).hexdigest()


def unix_time(moment: dt.datetime) -> float:
    """Seconds since 1970; a moment without a zone is UTC already."""
    return (moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment).timestamp()


def exception_text(exception: AppliedException) -> str:
    """`accepted by the waiver web until 2027-01-31: behind a gateway`."""
    until = f" until {exception.expires:%Y-%m-%d}" if exception.expires else ""
    return visible(
        f"accepted by the waiver {exception.name}{until}" + (f": {exception.reason}" if exception.reason else "")
    )
