"""Verdicts and findings. A verdict is the result of one control on one resource; a finding is one problem on one subject.

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
from kubekeep.model.git import Commit
from kubekeep.model.known_vulnerability import is_vulnerability
from kubekeep.model.location import Location, Region
from kubekeep.model.priority import UNKNOWN_PRIORITY, Priority
from kubekeep.model.resource import Resource
from kubekeep.model.severity import Severity
from kubekeep.model.text import encode_json


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
    DECLINED = "declined"
    """The rule found that required data is missing from the resource."""


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
        """The message, and the values file that set the value, in one line."""
        setting = self.location.setting if self.location else None
        return "; ".join(filter(None, (self.message, f"from {setting}" if setting else "")))


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
    def unexcepted(self) -> Verdict:
        """The verdict with the evidence that no exception covers."""
        return self._replace_evidence(tuple([evidence for evidence in self.evidence if evidence.exception is None]))

    @property
    def excepted(self) -> Verdict:
        """The verdict with the evidence that exceptions cover."""
        return self._replace_evidence(tuple([evidence for evidence in self.evidence if evidence.exception is not None]))

    def _replace_evidence(self, evidence: tuple[Evidence, ...]) -> Verdict:
        return self if len(evidence) == len(self.evidence) else msgspec.structs.replace(self, evidence=evidence)


PASSED = Verdict(Status.PASSED)


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


class AffectedPackage(msgspec.Struct, frozen=True):
    """A software package: its package URL (purl specification) with name and version, and its file if known."""

    purl: str
    file: str = ""


class Image(msgspec.Struct, frozen=True):
    """A container image, or a part of it.

    `digest` is the manifest digest (OCI image specification); `layer` the digest of the layer with the problem, and
    `package` the affected package.
    """

    reference: str
    digest: str = ""
    platform: str = ""
    layer: str = ""
    package: AffectedPackage | None = None


class Host(msgspec.Struct, frozen=True):
    """A node of a cluster, or a machine outside of one (empty `cluster`)."""

    name: str
    cluster: str = ""


class Container(msgspec.Struct, frozen=True):
    """A running container: its workload with namespace, its name in the pod, and the digest of its image."""

    namespace: str
    workload: str
    name: str
    image: str = ""


class Process(msgspec.Struct, frozen=True):
    """A running process on a host, in a container or directly on the host. `executable` is its absolute path."""

    host: Host
    executable: str
    pid: int = 0
    container: Container | None = None


Subject = Resource | Image | Host | Process
"""The thing with the problem."""


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
