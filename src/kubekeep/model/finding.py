"""Findings: one problem on one subject.

`Finding` is the platform's model of problems of every kind: misconfigurations, vulnerabilities, secrets, signatures,
drift and runtime detections. Without timestamps: history belongs to the store. No I/O.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable, Iterator

import msgspec

from kubekeep.model.comparison import FindingChange
from kubekeep.model.control import Control
from kubekeep.model.exception import AppliedException
from kubekeep.model.fingerprint import VERSION, Identity, fingerprint
from kubekeep.model.known_vulnerability import is_vulnerability
from kubekeep.model.location import Location
from kubekeep.model.priority import UNKNOWN_PRIORITY, Priority
from kubekeep.model.resource import Resource
from kubekeep.model.severity import Severity
from kubekeep.model.subject import AffectedPackage, Host, Image, Process, Subject
from kubekeep.model.text import encode_json
from kubekeep.model.verdict import Evidence


class FindingKind(enum.StrEnum):
    """Kind of problem that a finding reports."""

    MISCONFIGURATION = "misconfiguration"
    VULNERABILITY = "vulnerability"
    SECRET = "secret"  # noqa: S105 - a kind of finding, not a password
    SIGNATURE = "signature"
    """A missing or invalid signature or attestation."""
    DRIFT = "drift"
    """A difference between the declared and the running state."""
    RUNTIME = "runtime"
    """A detection in a running process, file system, network connection or memory."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One problem on one subject.

    `id` is the number or slug of a control, the id of an advisory (`CVE-2024-3094`) or of a detection. `score` is the
    severity score from 0 to 10, `priority` the urgency in the context of the subject. `definition` is the failed control
    of a misconfiguration. `suppression` is the exception that covers the finding; an open finding has none.
    """

    kind: FindingKind
    subject: Subject
    id: str
    title: str
    severity: Severity
    score: float
    evidence: tuple[Evidence, ...]
    remediation: str = ""
    references: tuple[str, ...] = ()
    definition: Control | None = None
    priority: Priority = UNKNOWN_PRIORITY

    @classmethod
    def from_failure(
        cls,
        control: Control,
        resource: Resource,
        evidence: tuple[Evidence, ...],
        priority: Priority = UNKNOWN_PRIORITY,
    ) -> Finding:
        """Return the misconfiguration or vulnerability of `resource` that makes `control` fail."""
        return cls(
            kind=FindingKind.VULNERABILITY if is_vulnerability(control) else FindingKind.MISCONFIGURATION,
            subject=resource,
            id=control.id,
            title=control.title,
            severity=control.level,
            score=control.severity,
            evidence=evidence,
            remediation=control.fix,
            references=control.references,
            definition=control,
            priority=priority,
        )

    @property
    def resource(self) -> Resource:
        """The subject of a misconfiguration. Raises TypeError for a subject that is not a resource."""
        if not isinstance(self.subject, Resource):
            raise TypeError(f"the subject of {self.id} is not a resource")
        return self.subject

    @property
    def control(self) -> Control:
        """The failed control of a misconfiguration. Raises TypeError for a finding of another kind."""
        if self.definition is None:
            raise TypeError(f"{self.id} is not a finding of a control")
        return self.definition

    @property
    def has_new(self) -> bool:
        """True if some evidence is not in the baseline."""
        return any(evidence.change is FindingChange.NEW for evidence in self.evidence)

    @property
    def suppression(self) -> AppliedException | None:
        """The exception that covers the finding; None for an open finding."""
        return self.evidence[0].exception if self.evidence else None

    @property
    def suppressions(self) -> tuple[AppliedException, ...]:
        """All exceptions that cover evidence of the finding."""
        exceptions = (evidence.exception for evidence in self.evidence)
        return tuple(dict.fromkeys(exception for exception in exceptions if exception is not None))

    @property
    def location(self) -> Location | None:
        """The first location to show; None if the subject is not in a file."""
        return first_location(self.subject, self.evidence)

    @property
    def has_fix(self) -> bool:
        """True if some evidence comes with a change that fixes it."""
        return any(evidence.delete or evidence.fix is not None for evidence in self.evidence)

    @property
    def fingerprint(self) -> str:
        """64 hexadecimal digits that identify the finding across scans; see `model.fingerprint`."""
        if isinstance(self.subject, Resource):
            return fingerprint(self.id, Identity.from_resource(self.subject))
        identity = encode_json([VERSION, self.kind, self.id, *_identify(self.subject)])
        return hashlib.sha256(identity.encode()).hexdigest()


def first_location(subject: Subject, evidence: Iterable[Evidence]) -> Location | None:
    """Return the first location of the evidence, else that of the subject; None if neither is in a file."""
    location = next((entry.location for entry in evidence if entry.location is not None), None)
    return location or (subject.locate(()) if isinstance(subject, Resource) else None)


def _identify(subject: Image | Host | Process) -> Iterator[str]:
    """Yield the stable parts of a subject: no tag of an image with a digest, no process id."""
    match subject:
        case Image():
            package = subject.package or AffectedPackage("")
            yield from ("image", subject.digest or subject.reference, subject.platform, package.purl, package.file)
        case Host():
            yield from ("host", subject.cluster, subject.name)
        case Process():
            container = subject.container
            parts = ("", "", "") if container is None else (container.namespace, container.workload, container.name)
            # A container may be rescheduled to another host.
            host = subject.host.name if container is None else ""
            yield from ("process", subject.host.cluster, host, *parts, subject.executable)
