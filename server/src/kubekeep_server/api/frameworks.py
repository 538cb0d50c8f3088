"""Frameworks: states of requirements now and in a period, and the export of the evidence."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from kubekeep.model.text import encode_json
from kubekeep_server.api.access import get_identity, get_now
from kubekeep_server.api.answers import Cursor, SourceNumbers, answer, read_in_scope
from kubekeep_server.api.csv_text import write_rows
from kubekeep_server.api.decisions import see_decisions
from kubekeep_server.api.problems import DOCUMENTED, ProblemError
from kubekeep_server.api.server_state import get_state
from kubekeep_server.api.structs import PRIVATE, describe_answer
from kubekeep_server.store.organisation_log import append_entry
from kubekeep_server.store.queries import framework_evidence, frameworks
from kubekeep_server.store.queries.frameworks import MOST_SOURCES, Period
from kubekeep_server.store.queries.pages import Page

router: Final = APIRouter(prefix="/api/v1/compliance", tags=["frameworks"], responses=DOCUMENTED)
_DEFAULT_TIME: Final = dt.timedelta(days=90)
_LONGEST_TIME: Final = dt.timedelta(days=3_660)
_EARLIEST: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
Name = Annotated[str, Path(max_length=200)]


class EvidenceFormat(enum.StrEnum):
    """Formats of evidence: CSV for spreadsheets, and a line of JSON for each row."""

    CSV = "csv"
    JSON = "json"


def read_period(since: dt.datetime | None = None, until: dt.datetime | None = None) -> Period:
    """Return the period: the last 90 days without times. Raises ProblemError."""
    now = get_now()
    end = max(min(_add_zone(until) if until else now, now), _EARLIEST)
    start = _add_zone(since) if since else end - _DEFAULT_TIME
    if not dt.timedelta() < end - start <= _LONGEST_TIME:
        raise ProblemError(422, "`since` must be before `until` and before now, by ten years at most.")
    return Period(start, end)


def _add_zone(moment: dt.datetime) -> dt.datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


ReadPeriod = Annotated[Period, Depends(read_period)]


@router.get(
    "/frameworks",
    operation_id="listFrameworks",
    response_class=Response,
    responses=describe_answer(frameworks.FrameworkList),
)
async def read_frameworks(
    request: Request,
    period: ReadPeriod,
    source: SourceNumbers = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    """Return the frameworks with the numbers of their requirements and controls by state."""
    return await answer(request, frameworks.list_frameworks, period, tuple(source))


@router.get(
    "/frameworks/{key}",
    operation_id="getFramework",
    response_class=Response,
    responses=describe_answer(frameworks.FrameworkPage),
)
async def read_framework(
    request: Request,
    key: Name,
    period: ReadPeriod,
    source: SourceNumbers = [],  # noqa: B006
) -> Response:
    """Return a framework with its requirements at the end of a period, and its trend."""
    return await answer(request, frameworks.get_framework, key, period, tuple(source))


@router.get(
    "/frameworks/{key}/sources",
    operation_id="listFrameworkSources",
    response_class=Response,
    responses=describe_answer(Page[frameworks.SourcePeriod]),
)
async def read_framework_sources(
    request: Request,
    key: Name,
    period: ReadPeriod,
    source: SourceNumbers = [],  # noqa: B006
    cursor: Cursor = "",
    limit: Annotated[int, Query(ge=1, le=MOST_SOURCES)] = MOST_SOURCES,
) -> Response:
    """Return a page of sources with the states of all requirements over a whole period."""
    return await answer(request, frameworks.list_framework_sources, key, period, tuple(source), cursor, limit)


@router.get(
    "/frameworks/{key}/requirements/{requirement}",
    operation_id="getRequirement",
    response_class=Response,
    responses=describe_answer(frameworks.RequirementPage),
)
async def read_requirement(
    request: Request,
    key: Name,
    requirement: Name,
    period: ReadPeriod,
    source: SourceNumbers = [],  # noqa: B006
    cursor: Cursor = "",
) -> Response:
    """Return a requirement: its controls, its states in sources over a period, decisions on it and gaps of the last scans."""
    is_visible = see_decisions(get_identity(request))
    return await answer(
        request, frameworks.get_requirement, key, requirement, period, is_visible, tuple(source), cursor
    )


@router.get(
    "/frameworks/{key}/evidence",
    operation_id="exportFramework",
    response_class=Response,
    responses={200: {"description": "The evidence", "content": {"text/csv": {}, "application/x-ndjson": {}}}},
)
async def export_framework(
    request: Request,
    key: Name,
    period: ReadPeriod,
    format: EvidenceFormat = EvidenceFormat.CSV,
    source: SourceNumbers = [],  # noqa: B006
) -> Response:
    """Return the states of all requirements in all sources over a period, and the decisions on their controls. The log has an entry of it."""
    selected = tuple(source)
    first = await read_in_scope(request, framework_evidence.list_rows, key, period, selected, "")
    actor = get_identity(request).name
    times = {"since": period.since.isoformat(), "until": period.until.isoformat()}

    def log(connection: Any) -> None:
        append_entry(connection, get_now(), actor, "exported framework", framework=key, format=format.value, **times)

    await get_state(request).writing.run(log)
    is_csv = format is EvidenceFormat.CSV
    name = f"{key}-{period.since:%Y-%m-%d}-{period.until:%Y-%m-%d}.{'csv' if is_csv else 'ndjson'}"
    return StreamingResponse(
        _write(_read_evidence(request, key, period, selected, first), is_csv=is_csv),
        media_type="text/csv" if is_csv else "application/x-ndjson",
        headers={"Content-Disposition": f'attachment; filename="{name}"', **PRIVATE},
    )


async def _read_evidence(
    request: Request, key: str, period: Period, selected: tuple[int, ...], first: tuple[framework_evidence.Rows, str]
) -> AsyncIterator[framework_evidence.Rows]:
    """Yield the rows of pages of sources, each read in a transaction of its own, then those of decisions. first: the first page."""
    rows, cursor = first
    yield rows
    while cursor:
        rows, cursor = await read_in_scope(request, framework_evidence.list_rows, key, period, selected, cursor)
        yield rows
    is_visible = see_decisions(get_identity(request))
    rows, before = await read_in_scope(request, framework_evidence.list_decisions, key, period, is_visible)
    yield rows
    while before is not None:
        rows, before = await read_in_scope(request, framework_evidence.list_decisions, key, period, is_visible, before)
        yield rows


async def _write(pages: AsyncIterator[framework_evidence.Rows], *, is_csv: bool) -> AsyncIterator[bytes]:
    names = framework_evidence.EvidenceRow.__struct_fields__
    if is_csv:
        yield write_rows([names])
    async for rows in pages:
        if is_csv:
            yield write_rows([getattr(row, name) for name in names] for row in rows)
        else:
            yield "".join(f"{encode_json(row)}\n" for row in rows).encode()
