"""The result of a scan: verdicts by resource, sums by control and framework, and the parts that were not read.

Values only; the formulas of scores are in `posture.score`.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from kubekeep.model.attack import Attacks
from kubekeep.model.cluster import ClusterFacts
from kubekeep.model.comparison import Comparison
from kubekeep.model.definition import Definition
from kubekeep.model.enforcement import Enforcement
from kubekeep.model.exception import ExceptionUse
from kubekeep.model.finding import Finding
from kubekeep.model.framework import Framework
from kubekeep.model.git import GitRepository
from kubekeep.model.location import Location
from kubekeep.model.permissions import ClusterPermissions
from kubekeep.model.priority import NO_CONTEXT, UNKNOWN_PRIORITY, Priority, ResourceContext
from kubekeep.model.pseudonyms import Encryption
from kubekeep.model.resource_selection import ResourceSelection
from kubekeep.model.scanned_source import ScannedSource
from kubekeep.model.subject import Subject
from kubekeep.model.verdict import Cause, Evidence, Reason, Status, Verdict
from kubekeep.model.workload_container import WorkloadContainer

_LONGEST_TARGET: Final = 100
"""Maximum characters of the target in `repr`."""


class UnreadInput(msgspec.Struct, frozen=True):
    """A part of the input that could not be read, or not completely."""

    location: Location
    message: str


class FieldProblem(UnreadInput, frozen=True):
    """A problem of an object that was read completely, such as a key that occurs twice."""


class UnassessedInput(UnreadInput, frozen=True):
    """A part that the input names without being readable by a scan of it: it is elsewhere, or in a form without controls.

    The input itself was read completely, so such a part is no error.
    """


class SubjectResult(msgspec.Struct, frozen=True):
    """One subject with the verdict of each definition that applies to it, by slug.

    `priorities` are those of failures that differ from `DefinitionSummary.priority` because of the context. `containers`:
    those that run an image; empty for other subjects, and for an image that was scanned without workloads.
    """

    subject: Subject
    verdicts: dict[str, Verdict]
    priorities: Mapping[str, Priority] = {}
    context: ResourceContext = NO_CONTEXT
    containers: tuple[WorkloadContainer, ...] = ()

    @property
    def is_exposed(self) -> bool:
        """True if the subject can be reached from outside the cluster, for an image in a container that runs it."""
        return bool(self.context.exposure) or any(container.exposure for container in self.containers)

    def get_priority(self, summary: DefinitionSummary) -> Priority:
        """Return the priority of a failure of the definition on this subject."""
        return self.priorities.get(summary.definition.slug, summary.priority)


class Counts(msgspec.Struct, frozen=True):
    """Numbers of resources by verdict; `excepted` of the passed ones passed only because of exceptions."""

    passed: int = 0
    failed: int = 0
    not_evaluated: int = 0
    excepted: int = 0

    @property
    def total(self) -> int:
        """The number of all resources."""
        return self.passed + self.failed + self.not_evaluated


class DefinitionSummary(msgspec.Struct, frozen=True):
    """The result of one control, or of another definition, over all subjects.

    `score` is the risk (0 best, 100 worst); `compliance` the percentage of subjects that pass, None if the definition was
    not evaluated. `enforcement` lists the admission policies of the cluster that enforce the control, strictest first.
    `priority` is the priority of a failure on a subject without context.
    """

    definition: Definition
    status: Status
    counts: Counts
    score: float
    compliance: float | None
    reason: Reason | None = None
    enforcement: tuple[Enforcement, ...] = ()
    priority: Priority = UNKNOWN_PRIORITY

    @property
    def is_gap(self) -> bool:
        """True if the control could not be evaluated; a control without target resources is no gap."""
        return self.status is Status.NOT_EVALUATED and (
            self.reason is None or self.reason.cause is not Cause.IRRELEVANT
        )


class FrameworkSummary(msgspec.Struct, frozen=True):
    """The result of one framework over all resources; `controls` are slugs in the library's order.

    `coverage` is the percentage of its relevant controls that were evaluated.
    """

    framework: Framework
    controls: tuple[str, ...]
    status: Status
    counts: Counts
    score: float
    compliance: float | None
    coverage: float


class Target(msgspec.Struct, frozen=True):
    """The scanned input: paths as the user gave them, with the folder that displayed paths start from, or a cluster."""

    paths: tuple[str, ...]
    base: str
    cluster: ClusterFacts | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Display names: the paths, or `cluster NAME`."""
        return self.paths if self.cluster is None else (f"cluster {self.cluster.name}",)


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a scan, with all data that a report needs.

    `summaries` are those of all definitions, ordered by severity and name, `results` as they were read. `notes` are remarks on an input without
    errors. `exceptions` lists the use of every exception, also of unused ones. `attacks` is set on request. `baseline` is
    the comparison with an earlier scan.
    """

    target: Target
    started: dt.datetime
    finished: dt.datetime
    version: str
    kubernetes_version: str
    results: tuple[SubjectResult, ...]
    summaries: tuple[DefinitionSummary, ...]
    frameworks: tuple[FrameworkSummary, ...]
    unread: tuple[UnreadInput, ...]
    files: int
    unknown_fields: tuple[UnreadInput, ...] = ()
    """Fields of files that their kind does not have in this version of Kubernetes, which ignores them, kinds that it does
    not have in their API version, and keys that occur twice."""
    unassessed: tuple[UnassessedInput, ...] = ()
    """Parts that the input names and that were not read, such as remote modules; they are no errors."""
    notes: tuple[str, ...] = ()
    exceptions: tuple[ExceptionUse, ...] = ()
    attacks: Attacks | None = None
    repository: GitRepository | None = None
    """The Git repository of the input, on request."""
    source: ScannedSource | None = None
    """The scanned cluster, repository or registry, on request."""
    permissions: ClusterPermissions | None = None
    """The roles and bindings of the input, with `source`; None if they were not collected."""
    encryption: Encryption | None = None
    """Parameters of the encryption; None if names are not encrypted."""
    pseudonyms: str = ""
    """Identifier of the key for pseudonyms, which does not reveal it; empty if names are not replaced."""
    resource_selection: ResourceSelection = ResourceSelection()
    has_matches: bool = True
    """True if `resource_selection` matches a resource of the input, changed or not."""
    baseline: Comparison | None = None
    params: dict[str, tuple[str, ...]]
    status: Status
    counts: Counts
    score: float
    compliance: float | None
    coverage: float

    def __repr__(self) -> str:
        """Return one line: the target and its numbers, because the fields have thousands of values."""
        findings = sum(map(len, self.group_findings().values()))
        compliance = "unknown" if self.compliance is None else f"{self.compliance:.2f}"
        return (
            f"<Assessment of {', '.join(self.target.names)[:_LONGEST_TARGET]!r}: resources={self.counts.total} "
            f"findings={findings} compliance={compliance} coverage={self.coverage:.2f} unread={len(self.unread)}>"
        )

    @property
    def controls(self) -> tuple[DefinitionSummary, ...]:
        """The summaries of controls and all other definitions but those that are reported by package and upgrade."""
        return tuple(summary for summary in self.summaries if not summary.definition.concerns_packages)

    @property
    def set_params(self) -> dict[str, tuple[str, ...]]:
        """Parameters of controls with values other than their defaults."""
        defaults = {
            name: parameter.default
            for summary in self.summaries
            for name, parameter in summary.definition.params.items()
        }
        return {name: values for name, values in self.params.items() if values != defaults.get(name, ())}

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Findings without an exception, by definition (highest severity first), then by subject; computed each time."""
        return tuple(itertools.chain.from_iterable(self.group_findings().values()))

    @property
    def excepted_findings(self) -> tuple[Finding, ...]:
        """Findings that exceptions cover, in the order of `findings`; a partly covered one is in both."""
        return tuple(itertools.chain.from_iterable(self.group_excepted_findings().values()))

    def group_findings(self) -> dict[str, list[Finding]]:
        """Group the findings by slug of the definition; definitions without findings are absent."""
        return self._group(lambda verdict: verdict.open_evidence if verdict.status is Status.FAILED else None)

    def group_excepted_findings(self) -> dict[str, list[Finding]]:
        """Group the excepted findings by slug of the definition."""
        return self._group(lambda verdict: (verdict.evidence and verdict.excepted_evidence) or None)

    def _group(self, select: Callable[[Verdict], tuple[Evidence, ...] | None]) -> dict[str, list[Finding]]:
        summaries = {summary.definition.slug: summary for summary in self.summaries}
        by_slug: dict[str, list[Finding]] = {slug: [] for slug in summaries}
        for result in self.results:
            for slug, verdict in result.verdicts.items():
                evidence = select(verdict)
                # A partial assessment keeps verdicts of controls that it no longer lists.
                if evidence is not None and slug in summaries:
                    summary = summaries[slug]
                    finding = Finding(
                        summary.definition,
                        result.subject,
                        evidence,
                        result.get_priority(summary),
                        result.is_exposed,
                        result.containers,
                    )
                    by_slug[slug].append(finding)
        return {slug: findings for slug, findings in by_slug.items() if findings}
