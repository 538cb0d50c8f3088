"""Reports of Kubescape and its operator: their unchanged clients send results to this server.

The access key of a client is a token. The account that it names has no meaning, because there is one organisation. A long
report comes in parts; it is stored when all of them have arrived.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse

from kubekeep.model.scanned_source import ScannedSource, SourceCluster
from kubekeep.model.submission import Submission
from kubekeep_server.api.access import get_identity, get_now
from kubekeep_server.api.body import grow_share, read_body
from kubekeep_server.api.body_budget import BodyShare
from kubekeep_server.api.documents import ApiModel
from kubekeep_server.api.problems import DOCUMENTED, RETRY_SECONDS, ProblemError
from kubekeep_server.api.server_state import get_address, get_state
from kubekeep_server.api.submissions import ENCODING, JSON, convert, finish_at, refuse_invalid, store_results
from kubekeep_server.auth.permissions import Permission, list_grants, may_submit
from kubekeep_server.foreign import kubescape_container, kubescape_failure, kubescape_report
from kubekeep_server.foreign.decoding import shorten
from kubekeep_server.foreign.parts import PageMarks, PartHeader, is_complete, read_header
from kubekeep_server.store.failed_scans import FailedScan, store_scan_results
from kubekeep_server.store.report_parts import (
    MOST_PARTS,
    PartPosition,
    ReportKey,
    TooManyPartsError,
    add_part,
    delete_parts,
    load_parts,
)
from kubekeep_server.store.sources import list_clusters
from kubekeep_server.store.state import load_entry

router: Final = APIRouter(prefix="/k8s/v2", tags=["kubescape"], responses=DOCUMENTED)
_CLUSTER: Final = "cluster/"
_BODY: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {JSON: {"schema": {"type": "object"}}}},
    "parameters": [ENCODING],
}
_FAILURE_LIMIT: Final = 1 << 20
_Build = Callable[[Any, dt.datetime], Submission]
_Finish = Callable[[Any], None]


class ReportAnswer(ApiModel):
    """The answer to a report. Kubescape prints the message that it gets for the last part."""

    message: str


@router.post("/postureReport", operation_id="submitPostureReport", openapi_extra=_BODY)
async def submit_report(request: Request) -> ReportAnswer:
    """Store a report of Kubescape, or a part of one.

    It is about the cluster or the repository that it names. If the token is for one cluster, it is about this cluster.
    """
    return await _receive(request, "posture", _convert_report)


@router.post("/containerScan", operation_id="submitContainerScan", openapi_extra=_BODY)
async def submit_container_scan(request: Request) -> ReportAnswer:
    """Store an image scan of Kubescape's operator, or a part of one.

    It is about the cluster of the token; if that is for several, the one whose last report has the name in the scan.
    """
    return await _receive(request, "container", _convert_scan)


@router.post("/scanFailure", operation_id="reportScanFailure", response_class=PlainTextResponse, openapi_extra=_BODY)
async def report_failure(request: Request) -> str:
    """Store the failure of an image scan, with which the last results of the image stay.

    It is about the cluster of the token; if that is for several, the one whose last report has the name in the failure.
    """
    with get_state(request).budget.open_share() as share:
        document = await read_body(request, share, _FAILURE_LIMIT)
        failure = await convert(request, kubescape_failure.read_failure, document)
        source = _find_own_cluster(request, failure.cluster) or await _find_cluster(request, failure.cluster)
        moment = get_now()
        submission = await convert(request, kubescape_failure.convert, document, failure, source, moment)
        scans = [FailedScan(*container, failure.name, failure.reason) for container in failure.list_containers()]

        def finish(connection: Any) -> None:
            store_scan_results(connection, source, scans, moment)

        await store_results(request, source, finish_at(submission), finish)
    return "ok"


class _Report(msgspec.Struct, frozen=True):
    """All documents of a report. cluster: its name in the header. key: of its stored parts; None for a whole one."""

    documents: Sequence[bytes]
    cluster: str
    key: ReportKey | None = None


_Convert = Callable[[Request, _Report], Awaitable[tuple[ScannedSource, _Build, _Finish]]]


async def _receive(request: Request, kind: str, convert_report: _Convert) -> ReportAnswer:
    """Store a part, or the report if it is complete."""
    state = get_state(request)
    with state.budget.open_share() as share:
        document = await read_body(request, share, state.settings.submission_limit)
        header = await convert(request, read_header, document)
        if header.marks is None or is_complete([header]):
            report = _Report([document], header.cluster)
        else:
            key = await _keep_part(request, kind, header, document)
            if key is None:
                return ReportAnswer(message="The part is stored until the others have arrived.")
            report = await _join(request, share, key, header.cluster)
        source, build, finish_report = await convert_report(request, report)

        def finish(connection: Any) -> None:
            finish_report(connection)
            if report.key is not None:
                delete_parts(connection, report.key)

        receipt = await store_results(request, source, build, finish)
    changes = f"{receipt.opened} opened, {receipt.closed} closed"
    return ReportAnswer(message=f"Submitted to {get_address(request)}: {changes}")


async def _keep_part(request: Request, kind: str, header: PartHeader, document: bytes) -> ReportKey | None:
    """Store a part; return the key of its report if all parts have arrived."""
    assert header.marks is not None  # noqa: S101 - for the types
    if not header.report:
        raise ProblemError(422, "The part names no report: it requires reportGUID or containersScanID.")
    if not 0 <= header.marks.number < MOST_PARTS:
        raise ProblemError(422, f"The number of a part is from 0 to {MOST_PARTS - 1}.")
    state = get_state(request)
    key = ReportKey(get_identity(request).key, f"{kind}/{shorten(header.report)}")
    position = PartPosition(header.marks.number, header.marks.is_last)
    try:
        with refuse_invalid("The part"):
            limit = state.settings.submission_limit
            positions = await state.writing.run(add_part, key, position, document, get_now(), limit)
    except TooManyPartsError as error:
        raise ProblemError(429, f"At most {error}.", retry_after=RETRY_SECONDS) from error
    marks = (PageMarks(stored.number, stored.is_last) for stored in positions)
    return key if is_complete([PartHeader(header.report, marks=mark) for mark in marks]) else None


async def _join(request: Request, share: BodyShare, key: ReportKey, cluster: str) -> _Report:
    documents = await get_state(request).reading.run(load_parts, key)
    grow_share(share, sum(map(len, documents)))
    return _Report(documents, cluster, key)


async def _convert_report(request: Request, report: _Report) -> tuple[ScannedSource, _Build, _Finish]:
    own = _find_own_cluster(request, report.cluster)
    submission = await convert(request, kubescape_report.convert, report.documents, own, get_now())
    return submission.source, finish_at(submission), lambda _: None


async def _convert_scan(request: Request, report: _Report) -> tuple[ScannedSource, _Build, _Finish]:
    origin = await convert(request, kubescape_container.read_origin, report.documents)
    source = _find_own_cluster(request, origin.cluster) or await _find_cluster(request, origin.cluster)

    def build(connection: Any, moment: dt.datetime) -> Submission:
        workload = load_entry(connection, source, origin.workload) if origin.workload else None
        return kubescape_container.convert(report.documents, source, moment, workload)

    def finish(connection: Any) -> None:
        if origin.workload:
            scan = FailedScan(origin.workload, origin.container, origin.image, origin.failure)
            store_scan_results(connection, source, [scan], get_now())

    return source, build, finish


def _find_own_cluster(request: Request, name: str) -> SourceCluster | None:
    """Return the cluster of a token that is for one cluster only; None for another token."""
    scopes = {grant.scope for grant in list_grants(get_identity(request), Permission.SUBMIT)}
    if len(scopes) != 1 or not (scope := scopes.pop()).startswith(_CLUSTER) or scope.endswith("*"):
        return None
    return SourceCluster(scope.removeprefix(_CLUSTER), shorten(name))


async def _find_cluster(request: Request, name: str) -> SourceCluster:
    """Return the known cluster with a name for which the sender may submit. Raises ProblemError for none or several."""
    identity = get_identity(request)
    clusters = await get_state(request).reading.run(list_clusters, shorten(name)) if name else []
    own = [cluster for cluster in clusters if may_submit(identity, cluster.key)]
    if len(own) != 1:
        count = "several clusters" if own else "no known cluster"
        advice = "Use a token whose scope is cluster/UID, with the UID of the Namespace kube-system."
        raise ProblemError(422, f"The scan belongs to {count} with the name {name!r}. {advice}")
    return own[0]
