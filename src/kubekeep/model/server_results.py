"""Results of a server as its API returns them: rows of lists. Values only.

The rows of the server are of the same types, but for sources, whose identity it does not decode. A later server may send more fields,
which are ignored. A test compares the fields with the OpenAPI document.
"""

from __future__ import annotations

import datetime as dt
from typing import Generic, TypeVar

import msgspec

from kubekeep.model.scanned_source import ScannedSource

Row = TypeVar("Row")


class Result(msgspec.Struct, frozen=True, rename="camel"):
    """Base of the results: times are in UTC."""


class ResultPage(Result, Generic[Row], frozen=True):
    """Rows of a list. cursor: of the next page; empty on the last one."""

    rows: tuple[Row, ...]
    cursor: str = ""


class SourceResult(Result, frozen=True):
    """A cluster, a branch of a repository, or a registry. document: its identity. finished: end of the last scan.

    findings, vulnerabilities: numbers of open ones by level of priority; None for a user who sees some namespaces only. unknown: findings
    that the last scan could not see.
    """

    id: int
    name: str
    key: str
    branch: str
    document: ScannedSource
    finished: dt.datetime | None
    scans: int
    images: int
    findings: dict[str, int] | None
    vulnerabilities: dict[str, int] | None
    unknown: int


class ListedSubject(Result, frozen=True):
    """A workload or another subject. source: number. subject: 16 hexadecimal digits. owner: empty without one."""

    source: int
    source_name: str
    source_key: str
    branch: str
    subject: str
    kind: str
    namespace: str
    name: str
    owner: str


class FindingResult(ListedSubject, frozen=True):
    """A finding of a workload or another subject, but for images.

    definition: key of the control. priority: level. severity: of the control. exposure, urgency: ranks, the higher the more urgent. unknown_since: the first scan that
    could not see it. is_suppressed: exceptions cover it. decision: number of an active one on it. due: by the service levels; None without one, and for what an exception
    or a decision covers.
    """

    definition: str
    title: str
    remediation: str
    priority: str
    severity: str
    exposure: int
    urgency: int
    fingerprint: str
    opened: dt.datetime
    unknown_since: dt.datetime | None
    is_suppressed: bool
    decision: int | None = None
    due: dt.datetime | None = None


class VulnerabilityResult(Result, frozen=True):
    """A vulnerability of images. priority: level in the image where it is most urgent. images: their number. exposure: the highest of them. is_exploited: known to be exploited.

    packages, fixed_versions: in the first images with it. opened: the time at which the first image had it.
    """

    id: str
    title: str
    priority: str
    severity: str
    epss: float | None
    is_exploited: bool
    urgency: int
    exposure: int
    images: int
    packages: tuple[str, ...]
    fixed_versions: tuple[str, ...]
    opened: dt.datetime


class PackageResult(Result, frozen=True):
    """A package without its version. type: of its package URL. versions, images: numbers."""

    type: str
    name: str
    versions: int
    images: int


class WorkloadResult(ListedSubject, frozen=True):
    """A container of a workload that runs an image. digest: of the image."""

    container: str
    digest: str
    exposure: int


class SubmissionReceipt(Result, frozen=True, kw_only=True):
    """The acknowledgement of a submission: the server has stored it.

    opened, closed: numbers of findings. is_known: True if it was received before. is_applied: False if the server has
    a later state of the source.
    """

    scan: str
    manifest: str = ""
    opened: int = 0
    closed: int = 0
    is_known: bool = False
    is_applied: bool = True
