"""Results of other tools: receives their documents and stores them like scans of Kubekeep."""

from __future__ import annotations

import enum
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from kubekeep.model.repository_address import normalise_address
from kubekeep.model.scanned_source import ScannedSource, SourceCluster, SourceRegistry, SourceRepository
from kubekeep.model.submission import Submission
from kubekeep_server.api.access import get_now
from kubekeep_server.api.body import grow_share, read_body
from kubekeep_server.api.problems import DOCUMENTED, ProblemError
from kubekeep_server.api.server_state import get_state
from kubekeep_server.api.submissions import (
    ENCODING,
    JSON,
    RECEIPTS,
    check_source,
    convert,
    describe_receipt,
    finish_at,
    store_results,
)
from kubekeep_server.foreign import kubescape_report, sarif, sbom

router: Final = APIRouter(prefix="/api/v1", tags=["scans"], responses=DOCUMENTED)
_MOST_PATHS: Final = 100
_TEXT: Final = r"^[^\x00-\x1f\x7f]*$"
_OPENAPI: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {"schema": {}},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    },
    "parameters": [ENCODING],
}
Text = Annotated[str, Query(max_length=500, pattern=_TEXT)]
Uid = Annotated[str, Query(pattern="^[0-9A-Za-z-]{0,100}$", description="UID of the Namespace kube-system")]
Host = Annotated[str, Query(pattern=r"^([0-9a-z.-]{1,250}(:[0-9]{1,5})?)?$", description="Host and port of a registry")]
Paths = Annotated[
    list[Annotated[str, Query(max_length=500, pattern=_TEXT)]],
    Query(max_length=_MOST_PATHS, description="Scanned files and folders of the repository; without any, all of it"),
]


class ResultFormat(enum.StrEnum):
    """Formats of documents. SBOM: CycloneDX, SPDX or Syft's JSON, which the document tells."""

    KUBESCAPE = "kubescape"
    SARIF = "sarif"
    SBOM = "sbom"


def select_source(
    cluster: Uid = "",
    cluster_name: Annotated[Text, Query(alias="clusterName")] = "",
    repository: Annotated[Text, Query(description="Address of a repository, as for git clone")] = "",
    branch: Text = "",
    commit: Text = "",
    path: Paths = [],  # noqa: B006 - FastAPI copies it
    registry: Host = "",
) -> ScannedSource | None:
    """Return the source that a query names; None without one. Raises ProblemError for an incomplete or ambiguous one."""
    if sum(map(bool, (cluster, repository, registry))) > 1:
        raise ProblemError(422, "Name one of cluster, repository and registry.")
    if (branch or commit or path) and not repository:
        raise ProblemError(422, "The parameters branch, commit and path require repository.")
    if cluster:
        return SourceCluster(cluster, cluster_name)
    if registry:
        return SourceRegistry(registry)
    if not repository:
        return None
    if not (url := normalise_address(repository)):
        raise ProblemError(422, "The parameter repository is no address of a repository, such as https://HOST/PATH.")
    return SourceRepository(url, paths=tuple(sorted(set(path))), branch=branch, commit=commit)


@router.post(
    "/results/{format}",
    operation_id="submitResults",
    response_class=Response,
    responses=RECEIPTS,
    openapi_extra=_OPENAPI,
)
async def submit_results(
    request: Request,
    format: ResultFormat,
    source: Annotated[ScannedSource | None, Depends(select_source)],
    checkout: Annotated[Text, Query(description="Folder of the files when the tool ran, for SARIF")] = "",
) -> Response:
    """Store the results of another tool. Without a source in the query, the document must name it.

    A repeated document changes nothing.
    """
    if source is not None:
        check_source(request, source)
    state = get_state(request)
    with state.budget.open_share() as share:
        document = await read_body(request, share, state.settings.submission_limit)
        submission = await convert(request, _convert, format, document, source, checkout)
        # While it waits for the store, the submission takes the memory of another document.
        grow_share(share, len(document))
        return describe_receipt(await store_results(request, submission.source, finish_at(submission)))


def _convert(format_: ResultFormat, document: bytes, source: ScannedSource | None, checkout: str) -> Submission:
    if format_ is ResultFormat.KUBESCAPE:
        return kubescape_report.convert([document], source, get_now())
    if format_ is ResultFormat.SARIF:
        return sarif.convert(document, source, get_now(), checkout)
    return sbom.convert(document, source, get_now())
