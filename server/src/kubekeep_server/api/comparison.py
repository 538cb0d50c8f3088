"""Comparison of the findings of two scans, branches or sources."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from kubekeep_server.api.answers import LONGEST_TEXT, Cursor, Limit, Text, answer
from kubekeep_server.api.problems import DOCUMENTED
from kubekeep_server.api.structs import describe_answer
from kubekeep_server.store.queries import comparison
from kubekeep_server.store.queries.pages import DEFAULT_LIMIT, Page

router: Final = APIRouter(prefix="/api/v1", tags=["comparison"], responses=DOCUMENTED)
_SIDE: Final = r"^[1-9][0-9]{0,8}(:[^:]+)?$"
_HELP: Final = "The number of a source; with the name of one of its scans after a colon, the findings at that time"
Before = Annotated[str, Query(alias="from", pattern=_SIDE, max_length=LONGEST_TEXT, description=_HELP)]
After = Annotated[str, Query(alias="to", pattern=_SIDE, max_length=LONGEST_TEXT, description=_HELP)]


@router.get(
    "/comparison",
    operation_id="getComparison",
    response_class=Response,
    responses=describe_answer(comparison.Comparison),
)
async def read_comparison(request: Request, before: Before, after: After) -> Response:
    """Return the numbers of findings that are new, gone, in both, and not comparable, also by control."""
    return await answer(request, comparison.compare, _read_side(before), _read_side(after))


@router.get(
    "/comparison/findings",
    operation_id="listComparedFindings",
    response_class=Response,
    responses=describe_answer(Page[comparison.ComparedFinding]),
)
async def read_compared_findings(
    request: Request,
    before: Before,
    after: After,
    change: Annotated[list[comparison.Change], Query(max_length=len(comparison.Change))] = [],  # noqa: B006 - FastAPI copies it
    definition: Text = "",
    text: Text = "",
    cursor: Cursor = "",
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Return a page of the findings of a comparison, the most urgent first. text: a part of the name of the subject."""
    selection = comparison.ComparisonFilter(changes=tuple(change), definition=definition, text=text)
    sides = (_read_side(before), _read_side(after))
    return await answer(request, comparison.list_compared_findings, *sides, selection, cursor, limit)


def _read_side(text: str) -> comparison.SideName:
    number, _, scan = text.partition(":")
    return comparison.SideName(int(number), scan)
