"""Findings: one problem on one subject.

`Finding` is the platform's model of problems of every kind: misconfigurations, vulnerabilities, secrets, signatures,
drift and runtime detections. Without timestamps: history belongs to the store. No I/O.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from kubekeep.model.comparison import FindingChange
from kubekeep.model.definition import Definition
from kubekeep.model.exception import AppliedException
from kubekeep.model.fingerprint import Identity, fingerprint
from kubekeep.model.location import Location
from kubekeep.model.priority import UNKNOWN_PRIORITY, Priority
from kubekeep.model.severity import Severity
from kubekeep.model.subject import Subject
from kubekeep.model.verdict import Evidence, rate_severity
from kubekeep.model.workload_container import WorkloadContainer


class Finding(msgspec.Struct, frozen=True):
    """One problem on one subject: the definition of the problem, and the evidence for it.

    priority: the urgency in the context of the subject. is_exposed and containers: as in `SubjectResult`.
    """

    definition: Definition
    subject: Subject
    evidence: tuple[Evidence, ...]
    priority: Priority = UNKNOWN_PRIORITY
    is_exposed: bool = False
    containers: tuple[WorkloadContainer, ...] = ()

    def __repr__(self) -> str:
        """Return one line: the problem, the subject and its location."""
        end = f" at {self.location}" if self.location else ""
        return f"<Finding {self.id} {self.priority.level.label} on {self.subject.label!r}{end}>"

    @property
    def kind(self) -> str:
        """The kind of problem, as a rule one of `FindingKind`."""
        return self.definition.kind

    @property
    def id(self) -> str:
        """The number or slug of a control, the id of an advisory (`CVE-2024-3094`) or of another definition."""
        return self.definition.id

    @property
    def title(self) -> str:
        """The title of the problem."""
        return self.definition.title

    @property
    def severity(self) -> Severity:
        """The severity band: that of the definition, unless the evidence changes the score."""
        score = self.score
        return self.definition.level if score == self.definition.severity else Severity.from_score(score)

    @property
    def score(self) -> float:
        """The severity score from 0 to 10."""
        return rate_severity(self.definition.severity, self.evidence)

    @property
    def remediation(self) -> str:
        """The text of the remediation."""
        return self.definition.fix

    @property
    def references(self) -> tuple[str, ...]:
        """Pages about the problem."""
        return self.definition.references

    @property
    def has_new(self) -> bool:
        """True if some evidence is not in the baseline."""
        return FindingChange.NEW in [evidence.change for evidence in self.evidence]

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
        """64 hexadecimal digits that identify the finding across scans; see `model.fingerprint`.

        The finding of an image is identified by its digest, so that it is the same under all names of the image.
        """
        return fingerprint(self.definition.key, Identity.stable(self.subject))

    @property
    def name_fingerprint(self) -> str:
        """The fingerprint with the name of the subject, which is the same for each build of an image with one tag."""
        return fingerprint(self.definition.key, Identity.from_subject(self.subject))


def first_location(subject: Subject, evidence: Iterable[Evidence]) -> Location | None:
    """Return the first location of the evidence, else that of the subject; None if neither is in a file."""
    location = next((entry.location for entry in evidence if entry.location is not None), None)
    return location or subject.locate(())
