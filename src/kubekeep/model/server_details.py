"""Details of a server as its API returns them: one subject with its findings, decisions, and versions of packages. Values only.

They have the fields that clients use. A later server may send more, which are ignored. A test compares the fields with the OpenAPI
document.
"""

from __future__ import annotations

import datetime as dt

from kubekeep.model.decision import DecisionKind, DecisionScope, DecisionState
from kubekeep.model.server_results import Result
from kubekeep.model.submission import DefinitionEntry, SubjectEntry, SubmittedFinding


class SubjectFinding(Result, frozen=True):
    """An interval of a finding of a subject. detail: None for a closed one. is_decided: its decision covers it."""

    definition: DefinitionEntry
    priority: str
    opened: dt.datetime
    closed: dt.datetime | None
    unknown_since: dt.datetime | None
    is_suppressed: bool
    decision: int | None
    is_decided: bool
    detail: SubmittedFinding | None
    due: dt.datetime | None = None


class SubjectDetails(Result, frozen=True):
    """A workload or another subject of a source, with its open and closed findings."""

    source: int
    source_name: str
    source_key: str
    branch: str
    entry: SubjectEntry
    findings: tuple[SubjectFinding, ...]


class FindingGroup(Result, frozen=True):
    """The number of open findings of one control."""

    definitions: tuple[str, ...]
    findings: int


class DecisionResult(Result, frozen=True, kw_only=True):
    """A decision. titles: of the definitions in its scope. approver: empty before somebody has approved or rejected it."""

    id: int
    kind: DecisionKind
    state: DecisionState
    scope: DecisionScope
    titles: tuple[str, ...]
    reason: str
    owner: str
    author: str
    approver: str
    created: dt.datetime
    due: dt.datetime | None
    expires: dt.datetime


class DecisionDetails(DecisionResult, frozen=True, kw_only=True):
    """A decision with the numbers of the open findings and the problems of images that it covers now."""

    findings: int
    problems: int


class CreatedDecision(Result, frozen=True):
    """The number and the state of a new decision."""

    id: int
    state: DecisionState


class DecisionDraft(Result, frozen=True, kw_only=True, omit_defaults=True):
    """A decision to make. expires: the server chooses it if it is None."""

    kind: DecisionKind
    scope: DecisionScope
    reason: str
    owner: str | None = None
    due: dt.datetime | None = None
    expires: dt.datetime | None = None


class PackageVersion(Result, frozen=True):
    """A version of a package in use. is_below: lower than the requested one; None if the two cannot be compared."""

    version: str
    purls: tuple[str, ...]
    images: int
    is_below: bool | None = None
