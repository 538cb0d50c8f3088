"""Results in the store: totals, sources, findings, vulnerabilities and packages, in the scope of the identity."""

from __future__ import annotations

import datetime as dt
import enum
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from kubekeep.model.submission import DefinitionEntry
from kubekeep_server.api.access import get_identity, get_now
from kubekeep_server.api.answers import (
    LONGEST_TEXT,
    MOST_VALUES,
    Cursor,
    Limit,
    SourceNumber,
    SourceNumbers,
    SubjectKey,
    Text,
    Values,
    answer,
)
from kubekeep_server.api.decisions import see_decisions
from kubekeep_server.api.problems import DOCUMENTED
from kubekeep_server.api.structs import describe_answer
from kubekeep_server.store.numbers import to_key
from kubekeep_server.store.queries import (
    affected,
    finding_groups,
    fixes,
    owners,
    packages,
    search,
    sources,
    subjects,
    vulnerabilities,
)
from kubekeep_server.store.queries.definitions import DefinitionFilter
from kubekeep_server.store.queries.due_findings import WEEK
from kubekeep_server.store.queries.finding_filter import FindingFilter, FindingState
from kubekeep_server.store.queries.finding_subjects import MAX_SUBJECTS, SubjectGroup, list_finding_subjects
from kubekeep_server.store.queries.findings import FindingOrder, FindingRow, list_findings
from kubekeep_server.store.queries.pages import DEFAULT_LIMIT, Page

router: Final = APIRouter(prefix="/api/v1", tags=["results"], responses=DOCUMENTED)
_EPOCH: Final = dt.date(1970, 1, 1)

Levels = Annotated[
    list[Annotated[str, Query(pattern="^(unknown|low|medium|high|critical)$")]], Query(max_length=MOST_VALUES)
]
Identifier = Annotated[str, Path(max_length=LONGEST_TEXT)]


@router.get("/totals", operation_id="getTotals", response_class=Response, responses=describe_answer(sources.Totals))
async def get_totals(
    request: Request,
    source: SourceNumbers = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    """Return the numbers of sources, images, and open findings and vulnerabilities by priority, of some sources or of all."""
    return await answer(request, sources.count_findings, tuple(source))


@router.get(
    "/changes",
    operation_id="listChanges",
    response_class=Response,
    responses=describe_answer(tuple[sources.DayRow, ...]),
)
async def list_changes(
    request: Request,
    days: Annotated[int, Query(ge=1, le=3_660)] = 30,
    source: SourceNumbers = [],  # noqa: B006
) -> Response:
    """Return how many findings were opened and closed on each of the last days, in some sources or in all."""
    first = (get_now().date() - _EPOCH).days - days + 1
    return await answer(request, sources.list_days, first, tuple(source))


@router.get(
    "/sources",
    operation_id="listSources",
    response_class=Response,
    responses=describe_answer(Page[sources.SourceRow]),
)
async def read_sources(
    request: Request,
    order: sources.SourceOrder = sources.SourceOrder.NAME,
    kind: Annotated[str, Query(pattern="^(cluster|repository|registry)?$")] = "",
    text: Text = "",
    cursor: Cursor = "",
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Return a page of clusters, repositories and registries with the numbers of their findings. text: a part of the name."""
    selection = sources.SourceFilter(kind=kind, text=text)
    return await answer(request, sources.list_sources, order, selection, cursor, limit)


@router.get(
    "/sources/{source}",
    operation_id="getSource",
    response_class=Response,
    responses=describe_answer(sources.SourceRow),
)
async def read_source(request: Request, source: SourceNumber) -> Response:
    """Return a source."""
    return await answer(request, sources.get_source, source)


@router.get(
    "/sources/{source}/subjects/{subject}",
    operation_id="getSubject",
    response_class=Response,
    responses=describe_answer(subjects.SubjectPage),
)
async def read_subject(request: Request, source: SourceNumber, subject: SubjectKey) -> Response:
    """Return a workload or another subject with its findings, their history, and the images that it runs."""
    return await answer(request, subjects.get_subject, source, to_key(subject))


class DueFilter(enum.StrEnum):
    """Findings by their due dates: those of which it has passed, and those of which it is in the next seven days."""

    OVERDUE = "overdue"
    WEEK = "week"


def read_filter(  # noqa: PLR0913, PLR0917 - each filter is a parameter
    source: SourceNumbers = [],  # noqa: B006 - FastAPI copies it
    namespace: Values = [],  # noqa: B006
    kind: Values = [],  # noqa: B006
    name: Values = [],  # noqa: B006
    owner: Values = [],  # noqa: B006
    label: Values = [],  # noqa: B006
    definition: Values = [],  # noqa: B006
    definition_kind: Annotated[Values, Query(alias="definitionKind")] = [],  # noqa: B006
    priority: Levels = [],  # noqa: B006
    severity: Levels = [],  # noqa: B006
    text: Text = "",
    opened_since: Annotated[dt.datetime | None, Query(alias="openedSince")] = None,
    opened_before: Annotated[dt.datetime | None, Query(alias="openedBefore")] = None,
    state: FindingState = FindingState.OPEN,
    due: DueFilter | None = None,
    exposed: bool | None = None,  # noqa: FBT001
) -> FindingFilter:
    """Return the filters of findings.

    owner: `-` for subjects without one. label: `key=value`, or `key` for any value; those with different keys must all match.
    """
    now = get_now()
    return FindingFilter(
        sources=tuple(source),
        namespaces=tuple(namespace),
        kinds=tuple(kind),
        names=tuple(name),
        owners=tuple(owner),
        labels=tuple(label),
        definitions=tuple(definition),
        definition_kinds=tuple(definition_kind),
        text=text,
        opened_since=opened_since,
        opened_before=opened_before,
        priorities=tuple(priority),
        severities=tuple(severity),
        state=state,
        due_since=now if due is DueFilter.WEEK else None,
        due_before=None if due is None else now if due is DueFilter.OVERDUE else now + WEEK,
        is_exposed=exposed,
    )


Selection = Annotated[FindingFilter, Depends(read_filter)]


@router.get(
    "/findings", operation_id="listFindings", response_class=Response, responses=describe_answer(Page[FindingRow])
)
async def read_findings(
    request: Request,
    selection: Selection,
    order: FindingOrder = FindingOrder.PRIORITY,
    cursor: Cursor = "",
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Return a page of the findings of workloads and other subjects, but for images."""
    return await answer(request, list_findings, selection, order, cursor, limit)


@router.get(
    "/findings/groups",
    operation_id="listFindingGroups",
    response_class=Response,
    responses=describe_answer(Page[finding_groups.FindingGroup]),
)
async def read_finding_groups(  # noqa: PLR0913, PLR0917
    request: Request,
    by: finding_groups.Grouping = finding_groups.Grouping.CONTROL,
    source: SourceNumbers = [],  # noqa: B006
    definition: Values = [],  # noqa: B006
    definition_kind: Annotated[Values, Query(alias="definitionKind")] = [],  # noqa: B006
    priority: Levels = [],  # noqa: B006
    severity: Levels = [],  # noqa: B006
    text: Text = "",
    exposed: bool | None = None,  # noqa: FBT001
    cursor: Cursor = "",
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Return a page of the controls, or of the changes that remove findings, with the numbers of open findings.

    Findings that an exception covers are not counted. text: a part of the control's identifier, title or alias.
    """
    selection = DefinitionFilter(
        sources=tuple(source),
        definitions=tuple(definition),
        definition_kinds=tuple(definition_kind),
        priorities=tuple(priority),
        severities=tuple(severity),
        text=text,
        is_exposed=exposed,
    )
    return await answer(request, finding_groups.list_finding_groups, selection, by, cursor, limit)


@router.get(
    "/findings/subjects",
    operation_id="listFindingSubjects",
    response_class=Response,
    responses=describe_answer(Page[SubjectGroup]),
)
async def read_finding_subjects(
    request: Request,
    selection: Selection,
    cursor: Cursor = "",
    limit: Annotated[int, Query(ge=1, le=MAX_SUBJECTS)] = DEFAULT_LIMIT,
) -> Response:
    """Return a page of the workloads and other subjects with findings, the most urgent first.

    A page may have fewer rows than the limit, and none, before the last one.
    """
    return await answer(request, list_finding_subjects, selection, cursor, limit)


@router.get(
    "/owners", operation_id="listOwners", response_class=Response, responses=describe_answer(Page[owners.OwnerRow])
)
async def read_owners(request: Request, cursor: Cursor = "", limit: Limit = DEFAULT_LIMIT) -> Response:
    """Return a page of the owners of workloads and other subjects by name."""
    return await answer(request, owners.list_owners, cursor, limit)


@router.get(
    "/fixes",
    operation_id="listFixes",
    response_class=Response,
    responses=describe_answer(fixes.FixPage),
)
async def read_fixes(
    request: Request,
    source: SourceNumbers = [],  # noqa: B006
    owner: Values = [],  # noqa: B006
    cursor: Cursor = "",
    limit: Annotated[int, Query(ge=1, le=100)] = fixes.DEFAULT_FIXES,
) -> Response:
    """Return a page of the upgrades and remediations that remove most problems of high or critical priority.

    owner: of the workloads and other subjects, and of those that run the images.
    """
    is_visible = see_decisions(get_identity(request))
    return await answer(request, fixes.list_fixes, is_visible, cursor, limit, tuple(source), tuple(owner))


@router.get(
    "/vulnerabilities",
    operation_id="listVulnerabilities",
    response_class=Response,
    responses=describe_answer(Page[vulnerabilities.VulnerabilityRow]),
)
async def read_vulnerabilities(  # noqa: PLR0913, PLR0917 - each filter is a parameter
    request: Request,
    order: vulnerabilities.VulnerabilityOrder = vulnerabilities.VulnerabilityOrder.PRIORITY,
    source: SourceNumbers = [],  # noqa: B006
    priority: Levels = [],  # noqa: B006
    severity: Levels = [],  # noqa: B006
    text: Text = "",
    exploited: bool | None = None,  # noqa: FBT001
    exposed: bool | None = None,  # noqa: FBT001
    fixable: bool | None = None,  # noqa: FBT001
    cursor: Cursor = "",
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Return a page of the vulnerabilities of images, each once."""
    selection = vulnerabilities.VulnerabilityFilter(
        sources=tuple(source),
        priorities=tuple(priority),
        severities=tuple(severity),
        text=text,
        is_exploited=exploited,
        is_exposed=exposed,
        is_fixable=fixable,
    )
    return await answer(request, vulnerabilities.list_vulnerabilities, selection, order, cursor, limit)


@router.get(
    "/vulnerabilities/{identifier}",
    operation_id="getVulnerability",
    response_class=Response,
    responses=describe_answer(DefinitionEntry),
)
async def read_vulnerability(request: Request, identifier: Identifier) -> Response:
    """Return a vulnerability that an image in the scope has."""
    return await answer(request, affected.get_vulnerability, identifier)


@router.get(
    "/vulnerabilities/{identifier}/images",
    operation_id="listAffectedImages",
    response_class=Response,
    responses=describe_answer(Page[affected.AffectedImage]),
)
async def read_affected_images(
    request: Request, identifier: Identifier, cursor: Cursor = "", limit: Limit = DEFAULT_LIMIT
) -> Response:
    """Return a page of the images with a vulnerability, those that can be reached first."""
    return await answer(request, affected.list_affected_images, identifier, cursor, limit)


@router.get(
    "/vulnerabilities/{identifier}/workloads",
    operation_id="listAffectedWorkloads",
    response_class=Response,
    responses=describe_answer(Page[affected.RunningWorkload]),
)
async def read_affected_workloads(
    request: Request, identifier: Identifier, cursor: Cursor = "", limit: Limit = DEFAULT_LIMIT
) -> Response:
    """Return a page of the containers that run an image with a vulnerability, those that can be reached first."""
    images = affected.is_affected(identifier)
    return await answer(request, affected.list_workloads, images, cursor, limit)


@router.get("/search", operation_id="search", response_class=Response, responses=describe_answer(search.SearchResult))
async def search_everything(
    request: Request, text: Annotated[str, Query(min_length=2, max_length=LONGEST_TEXT)]
) -> Response:
    """Return the first sources, workloads, vulnerabilities, controls and packages with a text in their names."""
    return await answer(request, search.search, text)


@router.get(
    "/packages",
    operation_id="listPackages",
    response_class=Response,
    responses=describe_answer(Page[packages.PackageRow]),
)
async def read_packages(
    request: Request, text: Text = "", cursor: Cursor = "", limit: Limit = DEFAULT_LIMIT
) -> Response:
    """Return a page of the packages of images whose name contains a text."""
    return await answer(request, packages.search_packages, text, cursor, limit)


@router.get(
    "/packages/versions",
    operation_id="listPackageVersions",
    response_class=Response,
    responses=describe_answer(tuple[packages.VersionRow, ...]),
)
async def read_package_versions(
    request: Request,
    package_type: Annotated[str, Query(alias="type", max_length=LONGEST_TEXT)],
    name: Text,
    below: Text = "",
) -> Response:
    """Return the versions of a package in use, each compared with the version `below`."""
    return await answer(request, packages.list_versions, package_type, name, below)


@router.get(
    "/packages/workloads",
    operation_id="listPackageWorkloads",
    response_class=Response,
    responses=describe_answer(Page[affected.RunningWorkload]),
)
async def read_package_workloads(
    request: Request,
    purl: Annotated[Values, Query(min_length=1)],
    cursor: Cursor = "",
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Return a page of the containers that run an image with one of some packages, by their package URLs."""
    return await answer(request, affected.list_workloads, packages.has_package(purl), cursor, limit)
