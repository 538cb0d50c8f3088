"""Verdicts: the result of one control on one resource, with its evidence or the reason why it was not evaluated. No I/O."""

from __future__ import annotations

import enum
from collections.abc import Sequence

import msgspec

from kubekeep.model.comparison import FindingChange
from kubekeep.model.exception import AppliedException
from kubekeep.model.git import Commit
from kubekeep.model.location import Location, Region
from kubekeep.model.package import AffectedPackage


class Status(enum.StrEnum):
    """Result of a control on a resource: passed, failed, or not evaluated for a reason."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_EVALUATED = "notEvaluated"


class Cause(enum.StrEnum):
    """Cause of a "not evaluated" verdict."""

    IRRELEVANT = "irrelevant"
    """The input has no resource of the control's target kinds: nothing was left out."""
    NEEDS_CLUSTER = "needs-cluster"
    NEEDS_ACCESS = "needs-access"
    """Some resources that the control targets or compares with could not be listed."""
    NEEDS_HOST_DATA = "needs-host-data"
    NEEDS_CLOUD_DATA = "needs-cloud-data"
    NEEDS_IMAGE_DATA = "needs-image-data"
    NEEDS_NETWORK = "needs-network"
    """The rule would need a registry or an API server; rules have no network access."""
    MANUAL = "manual"
    """The control needs a manual review."""
    CONFIGURATION = "configuration"
    MALFORMED = "malformed"
    RULE_ERROR = "rule-error"
    UNKNOWN_FIELD = "unknown-field"
    """The resource has a field that its kind does not have, beside the fields that the control reads."""
    MISSING_DATA = "missing-data"
    """Data that the rule requires is missing from the resource."""


class Reason(msgspec.Struct, frozen=True, gc=False):
    """Cause of a "not evaluated" verdict, and a sentence with the missing input and the next step."""

    cause: Cause
    text: str


class Excerpt(msgspec.Struct, frozen=True, gc=False):
    """Lines around a location, without secrets; `first` is the 1-based number of the first line."""

    first: int
    lines: tuple[str, ...]


class Edit(msgspec.Struct, frozen=True, gc=False):
    """One exact replacement in a file: the text of `region` becomes `text`; an empty region inserts.

    risk: how the change can stop a program, or empty.
    """

    file: str
    region: Region
    text: str
    risk: str = ""


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """A field or file that proves a problem, and the change that fixes it.

    `path` is the path of a field in a resource, or of a file in an image or on a host; empty for the subject as a
    whole. `exists` is False if the field is missing. `fix` is the value to set there, as JSON text; with `delete`,
    removing the field is the fix. `exception` covers this evidence, `change` is its change since the baseline. On
    request: `commit` is the last change of the line at `location`, `excerpt` the text there, and `edits` are changes of
    files: the edits of all evidence of a verdict together fix it; an edit that several pieces share is listed once.
    `severity_change` is added to the severity score of the definition. `package` is the affected package of a
    vulnerability.
    """

    path: str
    exists: bool
    location: Location | None = None
    fix: str | None = None
    delete: bool = False
    message: str = ""
    commit: Commit | None = None
    exception: AppliedException | None = None
    excerpt: Excerpt | None = None
    edits: tuple[Edit, ...] = ()
    change: FindingChange | None = None
    package: AffectedPackage | None = None
    severity_change: float = 0.0

    @property
    def note(self) -> str:
        """The message, and the values file that set the value, in one line."""
        setting = self.location.setting if self.location else None
        return "; ".join(filter(None, (self.message, f"from {setting}" if setting else "")))


def rate_severity(score: float, evidence: Sequence[Evidence]) -> float:
    """Return the severity score of a failure: `score` of its definition, changed as its most severe evidence states."""
    change = max((entry.severity_change for entry in evidence), default=0.0)
    return min(max(score + change, 1.0), 10.0) if change else score


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """Result of one control on one resource: evidence if failed, a reason if not evaluated.

    If exceptions cover all evidence of a failure, the status is "passed" and the evidence is kept.
    """

    status: Status
    evidence: tuple[Evidence, ...] = ()
    reason: Reason | None = None

    @property
    def is_excepted(self) -> bool:
        """True if the verdict is "passed" only because of exceptions."""
        return self.status is Status.PASSED and bool(self.evidence)

    @property
    def changes_severity(self) -> bool:
        """True if some evidence has another severity than the definition."""
        # A generator takes three times as long, and reports ask for each verdict.
        for entry in self.evidence:  # noqa: SIM110
            if entry.severity_change:
                return True
        return False

    @property
    def unexcepted(self) -> Verdict:
        """The verdict with the evidence that no exception covers."""
        return self._replace_evidence(self.open_evidence)

    @property
    def excepted(self) -> Verdict:
        """The verdict with the evidence that exceptions cover."""
        return self._replace_evidence(self.excepted_evidence)

    @property
    def open_evidence(self) -> tuple[Evidence, ...]:
        """The evidence that no exception covers."""
        return tuple([evidence for evidence in self.evidence if evidence.exception is None])

    @property
    def excepted_evidence(self) -> tuple[Evidence, ...]:
        """The evidence that exceptions cover."""
        return tuple([evidence for evidence in self.evidence if evidence.exception is not None])

    def _replace_evidence(self, evidence: tuple[Evidence, ...]) -> Verdict:
        return self if len(evidence) == len(self.evidence) else msgspec.structs.replace(self, evidence=evidence)


PASSED = Verdict(Status.PASSED)
