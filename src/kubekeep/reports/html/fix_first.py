"""The first problems of resources and upgrades of packages as one list, the most urgent first. Builds no markup."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from kubekeep.model.assessment import Assessment
from kubekeep.model.definition import Definition
from kubekeep.model.severity import Severity
from kubekeep.reports.shared.fleet import FleetPackage, build_fleet, group_packages
from kubekeep.reports.shared.problems import (
    EverywhereProblem,
    SharedProblem,
    describe_cause,
    describe_context,
    select_problems,
)
from kubekeep.reports.shared.urgency import priority_level
from kubekeep.reports.shared.vulnerabilities import VulnerableSubject
from kubekeep.reports.shared.vulnerability_text import describe_containers
from kubekeep.reports.shared.wording import count_noun

_ROWS: Final = 10
_PER_KIND: Final = 6
"""Rows of problems and of upgrades, so that neither hides the other."""
_STEPS: Final = 4
_IDS: Final = 3


class FixStep(msgspec.Struct, frozen=True):
    """A problem with its control, or an upgrade with the identifiers that it fixes."""

    text: str
    control: Definition | None = None
    ids: str = ""


class FixRow(msgspec.Struct, frozen=True):
    """A resource, a control that fails everywhere, an image that workloads run, or a package.

    location: in a file, or the images that have the package. context: facts that raise the priority.
    """

    order: tuple[bool, float]
    level: Severity
    name: str
    location: str
    context: str
    steps: tuple[FixStep, ...]


def list_first(assessment: Assessment, subjects: Iterable[VulnerableSubject]) -> list[FixRow]:
    """Return the rows, at most ten. subjects: the images and SBOMs of the assessment."""
    findings = [finding for finding in assessment.findings if not finding.definition.concerns_packages]
    groups, everywhere = select_problems(assessment, findings)
    problems = [*map(_describe_everywhere, everywhere), *map(_describe_resource, groups)]
    packages = list(map(_describe_packages, group_packages(build_fleet(subjects).packages)))
    if problems and packages:
        problems, packages = problems[:_PER_KIND], packages[:_PER_KIND]
    return sorted((*problems, *packages), key=lambda row: row.order)[:_ROWS]


def _describe_everywhere(problem: EverywhereProblem) -> FixRow:
    first = problem.first
    resources = len({id(finding.subject) for finding in problem.findings})
    return FixRow(
        order=(not first.has_new, -first.priority.score),
        level=priority_level(first),
        name=f"All {count_noun(resources, 'resource')}",
        location=f"such as {first.subject.label}",
        context="",
        steps=(FixStep(describe_cause(problem.example), first.definition),),
    )


def _describe_resource(group: Sequence[SharedProblem]) -> FixRow:
    first, location = group[0].first, group[0].problem.location
    resources = max(problem.resources for problem in group)
    others = f" and {count_noun(resources - 1, 'more resource')}" if resources > 1 else ""
    return FixRow(
        order=(not first.has_new, -first.priority.score),
        level=priority_level(first),
        name=f"{first.subject.label}{others}",
        location=str(location) if location is not None else "",
        context=describe_context(group),
        steps=tuple(FixStep(describe_cause(problem.problem), problem.first.definition) for problem in group),
    )


def _describe_packages(group: Sequence[FleetPackage]) -> FixRow:
    """Return the row of one package, or of the packages of an image that workloads run."""
    first = group[0]
    names = [subject.name or subject.label for subject in first.subjects]
    images = f"{names[0]} and {count_noun(len(names) - 1, 'more image')}" if len(names) > 1 else names[0]
    row: dict[str, Any] = {
        "order": (not first.is_new, -first.score),
        "level": first.level,
        "context": describe_containers(first.containers) if first.containers else "",
        "steps": tuple(_list_steps(group)),
    }
    if first.containers:
        return FixRow(name=images, location="", **row)
    return FixRow(name=f"{first.package} {first.version}", location=f"in {images}", **row)


def _list_steps(group: Sequence[FleetPackage]) -> Iterator[FixStep]:
    for package in group[:_STEPS]:
        step = f"upgrade {package.package} {package.version} to {package.fixed_version}"
        text = step if package.fixed_version else f"{package.package} {package.version} has no fix"
        more = f" and {len(package.ids) - _IDS} more" if len(package.ids) > _IDS else ""
        yield FixStep(text, ids=f"{', '.join(package.ids[:_IDS])}{more}")
    if len(group) > _STEPS:
        yield FixStep(f"and {count_noun(len(group) - _STEPS, 'more package')}")
