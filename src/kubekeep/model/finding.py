"""A verdict of one control on one resource, with its evidence. A verdict has no default: it was found or it was not."""

from __future__ import annotations

import enum

import msgspec

from kubekeep.model.comparison import FindingChange
from kubekeep.model.exception import AppliedException
from kubekeep.model.git import Commit
from kubekeep.model.location import Location, Region


class Status(enum.StrEnum):
    """Passed, failed, or not evaluated with a reason; nothing else exists."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_EVALUATED = "notEvaluated"


class Cause(enum.StrEnum):
    """Why something was not evaluated."""

    IRRELEVANT = "irrelevant"
    """No resource of the kinds the control looks at is in the input: nothing was left out."""
    NEEDS_CLUSTER = "needs-cluster"
    NEEDS_ACCESS = "needs-access"
    """The cluster did not show everything that the control looks at or compares with."""
    NEEDS_HOST_DATA = "needs-host-data"
    NEEDS_CLOUD_DATA = "needs-cloud-data"
    NEEDS_IMAGE_DATA = "needs-image-data"
    NEEDS_NETWORK = "needs-network"
    """The rule itself would ask a registry or an API server, which no rule may."""
    MANUAL = "manual"
    """Only a person can answer it."""
    CONFIGURATION = "configuration"
    MALFORMED = "malformed"
    RULE_ERROR = "rule-error"
    DECLINED = "declined"
    """The rule itself says that the resource does not tell enough."""


class Reason(msgspec.Struct, frozen=True, gc=False):
    """A cause with a sentence for people: what was missing and what to do."""

    cause: Cause
    text: str


class Excerpt(msgspec.Struct, frozen=True, gc=False):
    """The lines around a place, without secrets; `first` is the number of the first one, from 1."""

    first: int
    lines: tuple[str, ...]


class Edit(msgspec.Struct, frozen=True, gc=False):
    """One exact replacement in a file: what stands in `region` becomes `text`; an empty region inserts."""

    file: str
    region: Region
    text: str


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """One place that made a control fail, and the change that would mend it.

    `path` is the text of a path into the resource, empty for the resource as a whole. `exists` tells whether
    the resource has it. `fix` is the value to set there, as JSON text; `delete` says that removing it is the fix.
    `waiver` is the decision to accept it, `change` what became of it since the baseline, if there is one. Only for who
    asks: `commit` is the last change of the line at `location`, `excerpt` the text there, and `fixes.edits` are changes to
    files: those of all evidence of a verdict together mend it, and two pieces of evidence that need the same change
    have it once.
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

    @property
    def note(self) -> str:
        """What else there is to say in a line: the message, and the value that a template took over."""
        setting = self.location.setting if self.location else None
        return "; ".join(filter(None, (self.message, f"from {setting}" if setting else "")))


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """The outcome of one control on one resource: evidence if failed, a reason if not evaluated.

    A failure all of whose evidence is waived has passed, and keeps that evidence.
    """

    status: Status
    evidence: tuple[Evidence, ...] = ()
    reason: Reason | None = None

    @property
    def is_excepted(self) -> bool:
        """Whether it passed by waivers alone."""
        return self.status is Status.PASSED and bool(self.evidence)

    @property
    def standing(self) -> Verdict:
        """The verdict with the evidence that nobody waived."""
        return self._having(tuple(item for item in self.evidence if item.exception is None))

    @property
    def has_new(self) -> bool:
        """Whether some of its evidence is not in the baseline."""
        return any(item.change is FindingChange.NEW for item in self.evidence)

    @property
    def excepted(self) -> Verdict:
        """The verdict with the evidence that is waived."""
        return self._having(tuple(item for item in self.evidence if item.exception is not None))

    def _having(self, evidence: tuple[Evidence, ...]) -> Verdict:
        return self if len(evidence) == len(self.evidence) else msgspec.structs.replace(self, evidence=evidence)


PASSED = Verdict(Status.PASSED)
