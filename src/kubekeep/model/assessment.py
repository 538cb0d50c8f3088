"""The outcome of a scan: verdicts by resource, sums by control and framework, and what was not looked at.

Values only; how scores are computed is in `posture.score`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import msgspec

from kubekeep.model.attack import Attacks
from kubekeep.model.cluster import ClusterFacts
from kubekeep.model.comparison import Comparison
from kubekeep.model.control import Control
from kubekeep.model.enforcement import Enforcement
from kubekeep.model.exception import ExceptionUse
from kubekeep.model.finding import Cause, Finding, Reason, Status, Verdict
from kubekeep.model.framework import Framework
from kubekeep.model.git import GitRepository
from kubekeep.model.location import Location
from kubekeep.model.pseudonyms import Encryption
from kubekeep.model.resource import Resource
from kubekeep.model.resource_selection import ResourceSelection


class Unread(msgspec.Struct, frozen=True):
    """Something in the input that could not be read, or was read only in part."""

    location: Location
    message: str


class ResourceResult(msgspec.Struct, frozen=True):
    """One resource with the verdict of each control that applies to it, by slug."""

    resource: Resource
    verdicts: dict[str, Verdict]


class Counts(msgspec.Struct, frozen=True):
    """How many resources passed, failed or were not evaluated; `waived` of those that passed did by waivers alone."""

    passed: int = 0
    failed: int = 0
    not_evaluated: int = 0
    excepted: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.passed + self.failed + self.not_evaluated


class ControlSummary(msgspec.Struct, frozen=True):
    """One control over all resources.

    `score` is the risk (0 best, 100 worst); `compliance` the share of resources that pass (100 best), None
    when the control was not evaluated. `enforcement` are the admission policies of the cluster that ask the same, the
    one that does most first.
    """

    control: Control
    status: Status
    counts: Counts
    score: float
    compliance: float | None
    reason: Reason | None = None
    enforcement: tuple[Enforcement, ...] = ()

    @property
    def is_gap(self) -> bool:
        """Whether something kept it from being evaluated; having nothing to look at is no gap."""
        return self.status is Status.NOT_EVALUATED and (
            self.reason is None or self.reason.cause is not Cause.IRRELEVANT
        )


class FrameworkSummary(msgspec.Struct, frozen=True):
    """One framework over all resources; `controls` are slugs in the library's order.

    `coverage` is the share, in percent, of its relevant controls that were evaluated.
    """

    framework: Framework
    controls: tuple[str, ...]
    status: Status
    counts: Counts
    score: float
    compliance: float | None
    coverage: float


class Target(msgspec.Struct, frozen=True):
    """What was scanned: paths as given and the folder that shown paths are relative to, or a cluster."""

    paths: tuple[str, ...]
    base: str
    cluster: ClusterFacts | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """What people call it: the paths, or `cluster NAME`."""
        return self.paths if self.cluster is None else (f"cluster {self.cluster.name}",)


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a report needs. `controls` is in the order of severity and name; `results` in the order read.

    `notes` are what a person should know of the input though nothing is wrong with it. `waivers` are all that
    were given, those that cover nothing too. `attacks` is there only for who asks. `choice` says which resources were
    judged, `baseline` what is new since an earlier scan.
    """

    target: Target
    started: dt.datetime
    finished: dt.datetime
    version: str
    kubernetes_version: str
    results: tuple[ResourceResult, ...]
    controls: tuple[ControlSummary, ...]
    frameworks: tuple[FrameworkSummary, ...]
    unread: tuple[Unread, ...]
    files: int
    notes: tuple[str, ...] = ()
    exceptions: tuple[ExceptionUse, ...] = ()
    attacks: Attacks | None = None
    repository: GitRepository | None = None
    """The repository that the input is in, if a report wants to know."""
    encryption: Encryption | None = None
    """How the names are encrypted, if they are."""
    pseudonyms: str = ""
    """What tells the key of pseudonyms from others without giving it away; empty where names are names."""
    choice: ResourceSelection = ResourceSelection()
    chosen: bool = True
    """Whether `choice` takes anything that was read, whether or not that has changed."""
    baseline: Comparison | None = None
    params: dict[str, tuple[str, ...]]
    status: Status
    counts: Counts
    score: float
    compliance: float | None
    coverage: float

    @property
    def set_params(self) -> dict[str, tuple[str, ...]]:
        """The parameters of controls that differ from their defaults."""
        defaults = {
            name: parameter.default for summary in self.controls for name, parameter in summary.control.params.items()
        }
        return {name: values for name, values in self.params.items() if values != defaults.get(name, ())}

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Findings without an exception, by control (highest severity first), then by resource; computed each time."""
        return self._findings(lambda verdict: verdict.unexcepted if verdict.status is Status.FAILED else None)

    @property
    def excepted_findings(self) -> tuple[Finding, ...]:
        """Findings that exceptions cover, in the order of `findings`; a partly covered one is in both."""
        return self._findings(lambda verdict: verdict.excepted if verdict.evidence else None)

    def _findings(self, select: Callable[[Verdict], Verdict | None]) -> tuple[Finding, ...]:
        by_control: dict[str, list[Finding]] = {summary.control.slug: [] for summary in self.controls}
        controls = {summary.control.slug: summary.control for summary in self.controls}
        for result in self.results:
            for slug, verdict in result.verdicts.items():
                selected = select(verdict)
                if selected is not None and (selected.evidence or selected.status is Status.FAILED):
                    by_control[slug].append(Finding.of(controls[slug], result.resource, selected.evidence))
        return tuple([finding for findings in by_control.values() for finding in findings])

    def failures(self) -> dict[str, list[tuple[Resource, Verdict]]]:
        """What failed, by slug of the control, each in the order read; controls without a failure are absent.

        Without the evidence that is waived.
        """
        found: dict[str, list[tuple[Resource, Verdict]]] = {}
        for result in self.results:
            for slug, verdict in result.verdicts.items():
                if verdict.status is Status.FAILED:
                    found.setdefault(slug, []).append((result.resource, verdict.unexcepted))
        return found

    def excepted(self) -> dict[str, list[tuple[Resource, Verdict]]]:
        """What is waived, in the shape of `failures`: evidence of failures and of what passed by waivers."""
        found: dict[str, list[tuple[Resource, Verdict]]] = {}
        for result in self.results:
            for slug, verdict in result.verdicts.items():
                if verdict.evidence and (excepted := verdict.excepted).evidence:
                    found.setdefault(slug, []).append((result.resource, excepted))
        return found
