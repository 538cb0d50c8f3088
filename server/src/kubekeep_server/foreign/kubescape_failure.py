"""Failures of image scans that Kubescape's operator posts to `/k8s/v2/scanFailure`, as submissions that close nothing. No I/O."""

from __future__ import annotations

import datetime as dt
from typing import Final

import msgspec

from kubekeep.model.fingerprint import create_short_fingerprint
from kubekeep.model.scanned_source import ScannedSource
from kubekeep.model.submission import EvaluatedScope, GapEntry, Submission
from kubekeep_server.foreign.assembly import ReceivedReport, build_submission
from kubekeep_server.foreign.decoding import MAX_TEXT, ForeignDocumentError, decode, shorten
from kubekeep_server.foreign.kubescape_container import find_workload
from kubekeep_server.foreign.kubescape_resources import identify

_DESCRIPTION: Final = "a failure of an image scan of Kubescape"
_CASES: Final = {
    1: "vulnerabilities could not be matched",
    2: "the packages could not be listed",
    3: "the scanner ran out of memory",
    4: "the results could not be sent",
}
"""Reasons by `failureCase`, for a failure without a reason in words."""
_MOST_WORKLOADS: Final = 1_000


class FailedWorkload(msgspec.Struct):
    """A container that runs the image."""

    cluster: str = msgspec.field(name="clusterName", default="")
    namespace: str = ""
    kind: str = msgspec.field(name="workloadKind", default="")
    name: str = msgspec.field(name="workloadName", default="")
    container: str = msgspec.field(name="containerName", default="")


class ScanFailure(msgspec.Struct):
    """A failure. error: of the scanner, for example with the limit that the image exceeds."""

    tag: str = msgspec.field(name="imageTag", default="")
    image: str = msgspec.field(name="imageHash", default="")
    case: int = msgspec.field(name="failureCase", default=0)
    summary: str = msgspec.field(name="failureReason", default="")
    error: str = ""
    workloads: list[FailedWorkload] | None = None

    @property
    def name(self) -> str:
        """The reference of the image, or its digest."""
        return shorten(self.tag or self.image)

    @property
    def reason(self) -> str:
        """The reason in words."""
        words = self.summary or _CASES.get(self.case, "the reason is not known")
        return shorten(f"{words}: {self.error}" if self.error else words, MAX_TEXT)

    @property
    def cluster(self) -> str:
        """The name of the cluster; empty for a scan of a registry."""
        return next((workload.cluster for workload in self.workloads or () if workload.cluster), "")

    def list_containers(self) -> list[tuple[str, str]]:
        """Return the keys of the workloads and the names of their containers."""
        containers = []
        for workload in (self.workloads or ())[:_MOST_WORKLOADS]:
            subject = find_workload(workload.kind, workload.namespace, workload.name)
            if subject is not None:
                containers.append((create_short_fingerprint("", identify(subject)), shorten(workload.container)))
        return containers


def read_failure(document: bytes) -> ScanFailure:
    """Return a failure. Raises ForeignDocumentError."""
    failure = decode(document, ScanFailure, _DESCRIPTION)
    if not failure.name:
        raise ForeignDocumentError(f"{_DESCRIPTION} has no imageTag and no imageHash")
    return failure


def convert(document: bytes, failure: ScanFailure, source: ScannedSource, received: dt.datetime) -> Submission:
    """Return the submission of a failure: a gap, and nothing that was evaluated."""
    gap = GapEntry(shorten(f"the image {failure.name} was not scanned: {failure.reason}", MAX_TEXT))
    report = ReceivedReport([document], received)
    return build_submission(source, report, (), (), scope=EvaluatedScope(is_partial=True), gaps=[gap])
