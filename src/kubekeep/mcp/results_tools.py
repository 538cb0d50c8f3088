"""Tools that read the results of a Kubekeep server in the scope of the user. They check arguments and start tasks."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable
from typing import Annotated, Literal, TypeVar

from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult
from pydantic import Field

from kubekeep.mcp.answers import PagedAnswer, SeverityName
from kubekeep.mcp.pages import Pages
from kubekeep.mcp.results_answers import (
    DecisionsAnswer,
    FindingAnswer,
    FindingsAnswer,
    PackagesAnswer,
    VulnerabilitiesAnswer,
    WorkloadsAnswer,
)
from kubekeep.mcp.tasks.results import (
    FindingQuery,
    WorkloadQuery,
    run_get_finding,
    run_list_decisions,
    run_list_findings,
    run_list_packages,
    run_list_vulnerabilities,
    run_list_workloads,
)
from kubekeep.mcp.workers import Workers
from kubekeep.uplink.selection import ServerOptions
from kubekeep.usecases.server_results import FindingSelection

_Name = Annotated[str, Field(min_length=1, max_length=200)]
_Names = Annotated[tuple[_Name, ...], Field(max_length=20)]
_Text = Annotated[str, Field(max_length=200)]
CursorArgument = Annotated[str, Field(max_length=100, description="`next_cursor` of the page before.")]
SourcesArgument = Annotated[
    tuple[_Name, ...], Field(max_length=20, description="Clusters, repositories or registries by name; default: all.")
]
PrioritiesArgument = Annotated[tuple[SeverityName, ...], Field(max_length=4, description="Priorities; default: all.")]
ExposedArgument = Annotated[
    bool | None,
    Field(description="True for workloads that can be reached from outside their cluster, false for others."),
]
BelowArgument = Annotated[str, Field(max_length=200, description="Compare with this version, for example `2.17.0`.")]
Answer = TypeVar("Answer", bound=PagedAnswer)


class ResultsToolSet:
    """The tools of one Kubekeep server."""

    def __init__(self, server: ServerOptions, timeout: float) -> None:
        self._server = server
        self._workers = Workers(timeout)
        self._pages = Pages()

    async def list_findings(  # noqa: PLR0913, PLR0917 - one argument per filter
        self,
        sources: SourcesArgument = (),
        namespaces: _Names = (),
        kinds: _Names = (),
        names: _Names = (),
        owners: Annotated[_Names, Field(description="Teams or persons; `-` for workloads without one.")] = (),
        labels: Annotated[_Names, Field(description="`key=value`, or `key` for any value.")] = (),
        controls: Annotated[_Names, Field(description="Controls or advisories, for example `C-0057`.")] = (),
        priorities: PrioritiesArgument = (),
        text: Annotated[_Text, Field(description="A part of the control, its title or the name of the workload.")] = "",
        opened_since: Annotated[_Text, Field(description="Day in ISO 8601, for example 2026-11-30.")] = "",
        state: Literal["open", "decided", "suppressed", "unknown"] = "open",
        due: Annotated[
            Literal["overdue", "week"] | None,
            Field(description="By the service levels: overdue, or due within a week."),
        ] = None,
        exposed: ExposedArgument = None,
        cursor: CursorArgument = "",
    ) -> Annotated[CallToolResult, FindingsAnswer]:
        """List findings of workloads that the Kubekeep server has stored, the most urgent first.

        Findings that a decision or an exception covers have other states. Vulnerabilities of images: `list_vulnerabilities`.
        """
        selection = FindingSelection(
            namespace=namespaces,
            kind=kinds,
            name=names,
            owner=owners,
            label=labels,
            definition=controls,
            priority=priorities,
            text=text,
            opened_since=_parse_day(opened_since),
            state=state,
            due=due,
            exposed=exposed,
        )
        query = FindingQuery(sources=sources, selection=selection)
        return await self._run(cursor, FindingsAnswer, functools.partial(run_list_findings, self._server, query))

    async def get_finding(
        self,
        key: Annotated[_Text, Field(description="`key` of an entry of `list_findings`.")] = "",
        cursor: CursorArgument = "",
    ) -> Annotated[CallToolResult, FindingAnswer]:
        """Explain a finding on the Kubekeep server: its evidence, fix, reasons, decision and earlier times."""
        return await self._run(cursor, FindingAnswer, functools.partial(run_get_finding, self._server, key))

    async def list_workloads(
        self,
        package: Annotated[_Text, Field(description="A part of the name of a package, for example `log4j`.")] = "",
        below: BelowArgument = "",
        vulnerability: Annotated[_Text, Field(description="In place of a package, for example CVE-2021-44228.")] = "",
        exposed: ExposedArgument = None,
        cursor: CursorArgument = "",
    ) -> Annotated[CallToolResult, WorkloadsAnswer]:
        """List the workloads that run an image with a package, in a version below another one, or with a vulnerability.

        Reads what the Kubekeep server has stored. Entries without `compared` may be below the version or not.
        """
        if not cursor and bool(package.strip()) == bool(vulnerability.strip()):
            raise ToolError("name one of `package` and `vulnerability`")
        if below and vulnerability:
            raise ToolError("`below` needs `package`")
        query = WorkloadQuery(
            package=package.strip(), below=below, vulnerability=vulnerability.strip(), exposed=exposed
        )
        return await self._run(cursor, WorkloadsAnswer, functools.partial(run_list_workloads, self._server, query))

    async def list_packages(
        self,
        package: Annotated[_Text, Field(description="A part of the name, for example `openssl`.")] = "",
        below: BelowArgument = "",
        cursor: CursorArgument = "",
    ) -> Annotated[CallToolResult, PackagesAnswer]:
        """List the versions of packages in the images of the Kubekeep server, with the numbers of images."""
        if not cursor and not package.strip():
            raise ToolError("the argument `package` is empty; use a part of a name")
        task = functools.partial(run_list_packages, self._server, package.strip(), below)
        return await self._run(cursor, PackagesAnswer, task)

    async def list_vulnerabilities(
        self,
        sources: SourcesArgument = (),
        priorities: PrioritiesArgument = (),
        text: Annotated[_Text, Field(description="A part of the identifier, an alias or the title.")] = "",
        exploited: Annotated[bool | None, Field(description="True for those known to be exploited.")] = None,
        exposed: ExposedArgument = None,
        fixable: Annotated[bool | None, Field(description="True for those with a fixed version.")] = None,
        cursor: CursorArgument = "",
    ) -> Annotated[CallToolResult, VulnerabilitiesAnswer]:
        """List vulnerabilities of the images on the Kubekeep server, each once, the most urgent first."""
        filters = {"priority": priorities, "text": text, "exploited": exploited, "exposed": exposed, "fixable": fixable}
        task = functools.partial(run_list_vulnerabilities, self._server, sources, filters)
        return await self._run(cursor, VulnerabilitiesAnswer, task)

    async def list_decisions(
        self,
        states: Annotated[
            tuple[Literal["proposed", "active", "rejected", "ended", "expired"], ...],
            Field(max_length=5, description="Default: all."),
        ] = (),
        cursor: CursorArgument = "",
    ) -> Annotated[CallToolResult, DecisionsAnswer]:
        """List decisions of people on findings: accepted risks, false positives, what is or will not be fixed."""
        return await self._run(cursor, DecisionsAnswer, functools.partial(run_list_decisions, self._server, states))

    async def _run(self, cursor: str, kind: type[Answer], task: Callable[[], Answer]) -> CallToolResult:
        """Return the page of a cursor, or the first page of the answer of a task."""
        if cursor:
            return self._pages.next(cursor, kind)
        return self._pages.first(await self._workers.run(lambda _: task))


def _parse_day(text: str) -> dt.datetime | None:
    """Return the beginning of a day; None for an empty text. Raises ToolError."""
    if not text:
        return None
    try:
        return dt.datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise ToolError("`opened_since` is not a day; use for example 2026-11-30") from None
