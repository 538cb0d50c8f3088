"""Coverage, namespaces and branches of a source."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from kubekeep_server.api.answers import Cursor, Limit, SourceNumber, answer
from kubekeep_server.api.problems import DOCUMENTED
from kubekeep_server.api.structs import describe_answer
from kubekeep_server.store.queries import source_details
from kubekeep_server.store.queries.pages import DEFAULT_LIMIT, Page

router: Final = APIRouter(prefix="/api/v1", tags=["sources"], responses=DOCUMENTED)


@router.get(
    "/sources/{source}/coverage",
    operation_id="getSourceCoverage",
    response_class=Response,
    responses=describe_answer(source_details.SourceCoverage | None),
)
async def read_coverage(request: Request, source: SourceNumber) -> Response:
    """Return what the last scan of a source evaluated, and what it could not. Requires a scope with all of its namespaces."""
    return await answer(request, source_details.get_source_coverage, source)


@router.get(
    "/sources/{source}/namespaces",
    operation_id="listNamespaces",
    response_class=Response,
    responses=describe_answer(Page[source_details.NamespaceRow]),
)
async def read_namespaces(
    request: Request, source: SourceNumber, cursor: Cursor = "", limit: Limit = DEFAULT_LIMIT
) -> Response:
    """Return a page of the namespaces of a source in the scope, with the numbers of their findings."""
    return await answer(request, source_details.list_namespaces, source, cursor, limit)


@router.get(
    "/sources/{source}/branches",
    operation_id="listBranches",
    response_class=Response,
    responses=describe_answer(Page[source_details.BranchRow]),
)
async def read_branches(
    request: Request,
    source: SourceNumber,
    cursor: Cursor = "",
    limit: Annotated[int, Query(ge=1, le=source_details.MOST_BRANCHES)] = source_details.MOST_BRANCHES,
) -> Response:
    """Return a page of the branches of the repository of a source, each compared with the default one."""
    return await answer(request, source_details.list_branches, source, cursor, limit)
