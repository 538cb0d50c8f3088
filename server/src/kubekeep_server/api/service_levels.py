"""Service levels: the days in which findings are to be fixed, and the numbers of those that are due."""

from __future__ import annotations

import collections
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, Field

from kubekeep_server.api.access import get_identity, get_now
from kubekeep_server.api.answers import SourceNumbers, Values, answer
from kubekeep_server.api.documents import ApiModel, Name
from kubekeep_server.api.problems import DOCUMENTED, ProblemError
from kubekeep_server.api.server_state import get_state
from kubekeep_server.api.structs import describe_answer, respond
from kubekeep_server.auth.permissions import Permission, has_whole_scope
from kubekeep_server.store.queries.due_findings import DueCounts, count_due
from kubekeep_server.store.queries.finding_filter import FindingFilter
from kubekeep_server.store.service_levels import (
    ServiceLevel,
    ServiceLevels,
    SourceEnvironment,
    StoredServiceLevels,
    describe_service_levels,
    set_service_levels,
)

router: Final = APIRouter(prefix="/api/v1", tags=["service levels"], responses=DOCUMENTED)
_MOST_LEVELS: Final = 50
_MOST_ENVIRONMENTS: Final = 20
_MOST_PATTERNS: Final = 100


def _check_pattern(text: str) -> str:
    if "\0" in text:
        raise ValueError("A pattern has no NUL character")
    return text


class EnvironmentDocument(ApiModel):
    """An environment, such as production. sources: names of sources, or patterns of them with `*`, `?` and `[...]`, such as `prod-*`."""

    name: Name
    sources: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_check_pattern)]],
        Field(min_length=1, max_length=_MOST_PATTERNS),
    ]


class ServiceLevelDocument(ApiModel):
    """The days in which findings of a level of priority are to be fixed, counted from their opening.

    exposed: true for those of subjects that can be reached from outside only. environment: empty for all.
    """

    level: Annotated[str, Field(pattern="^(low|medium|high|critical)$")]
    days: Annotated[int, Field(ge=1, le=3_650)]
    exposed: bool = False
    environment: Annotated[str, Field(max_length=200)] = ""


class ServiceLevelsDocument(ApiModel):
    """Service levels; the first one that fits a finding counts. environments: the first one that has a source counts."""

    levels: list[ServiceLevelDocument] = Field(default=[], max_length=_MOST_LEVELS)
    environments: list[EnvironmentDocument] = Field(default=[], max_length=_MOST_ENVIRONMENTS)

    def to_levels(self) -> ServiceLevels:
        """Return the service levels. Raises ProblemError for an environment that is not defined, or that is defined twice."""
        names = [one.name for one in self.environments]
        if repeated := [name for name, count in collections.Counter(names).items() if count > 1]:
            raise ProblemError(422, f"The environment {repeated[0]} is defined twice.")
        if missing := sorted({one.environment for one in self.levels} - {"", *names}):
            raise ProblemError(422, f"The environment {missing[0]} is not defined: add it to `environments`.")
        return ServiceLevels(
            levels=tuple(ServiceLevel(**one.model_dump()) for one in self.levels),
            environments=tuple(SourceEnvironment(one.name, tuple(one.sources)) for one in self.environments),
        )


@router.get(
    "/service-levels",
    operation_id="getServiceLevels",
    response_class=Response,
    responses=describe_answer(StoredServiceLevels),
)
async def read_service_levels(request: Request) -> Response:
    """Return the service levels, with the time and the author of their last change.

    Environments name sources: they are left out for a reader of some sources only.
    """
    stored = await get_state(request).reading.run(describe_service_levels)
    if not has_whole_scope(get_identity(request), Permission.READ):
        stored = msgspec.structs.replace(stored, environments=())
    return respond(request, stored)


@router.put("/service-levels", operation_id="setServiceLevels", status_code=204)
async def change_service_levels(request: Request, document: ServiceLevelsDocument) -> None:
    """Replace the service levels: all due dates follow."""
    identity, levels = get_identity(request), document.to_levels()
    if not has_whole_scope(identity, Permission.MANAGE_SERVICE_LEVELS):
        raise ProblemError(
            403, "Service levels are those of all sources: an administrator of all sources changes them."
        )
    await get_state(request).writing.run(set_service_levels, levels, identity.name, get_now())


@router.post(
    "/service-levels/preview",
    operation_id="previewServiceLevels",
    response_class=Response,
    responses=describe_answer(DueCounts),
)
async def preview_service_levels(request: Request, document: ServiceLevelsDocument) -> Response:
    """Return the numbers of findings that are due with other service levels, which are not stored."""
    return await answer(request, count_due, FindingFilter(), get_now(), document.to_levels())


@router.get(
    "/findings/due", operation_id="countDueFindings", response_class=Response, responses=describe_answer(DueCounts)
)
async def read_due(
    request: Request,
    source: SourceNumbers = [],  # noqa: B006 - FastAPI copies it
    owner: Values = [],  # noqa: B006
) -> Response:
    """Return the numbers of findings that are overdue, and that are due within a week."""
    return await answer(request, count_due, FindingFilter(sources=tuple(source), owners=tuple(owner)), get_now())
