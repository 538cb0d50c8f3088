"""Tools of the server: they check arguments, start tasks and page answers. They read no input themselves."""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult
from msgspec.structs import replace
from pydantic import Field

from kubekeep.exceptions.load import ExceptionsError
from kubekeep.mcp.answers import (
    CompareAnswer,
    ExceptionAnswer,
    ExplainAnswer,
    FixAnswer,
    PathsAnswer,
    ScanAnswer,
    SeverityName,
)
from kubekeep.mcp.catalog import explain
from kubekeep.mcp.pages import Pages, make_result
from kubekeep.mcp.roots import PathRefusedError, Roots
from kubekeep.mcp.settings import ServerSettings
from kubekeep.mcp.tasks.compare import run_compare
from kubekeep.mcp.tasks.fix import FixTask, run_fix
from kubekeep.mcp.tasks.paths import run_paths
from kubekeep.mcp.tasks.scan import ScanTask, run_scan
from kubekeep.mcp.tasks.task_input import INLINE_NAME, TaskInput, add_image
from kubekeep.mcp.text import clean, clean_lines
from kubekeep.mcp.workers import Workers
from kubekeep.model.attack import AttackQuery
from kubekeep.sources.images.address import REGISTRY
from kubekeep.usecases.exceptions import build_entry, check_entry, format_entry
from kubekeep.usecases.request import RuleOptions
from kubekeep.usecases.rule_selection import IMAGE_FRAMEWORK

MAX_TEXT: Final = 512_000
"""Maximum characters of inline text."""
_HTTP: Final = re.compile(r"https?://", re.IGNORECASE)
_SHOWN: Final = 300
_LOCAL_IMAGES: Final = ("oci:", "oci-archive:", "docker-archive:")

_Name = Annotated[str, Field(min_length=1, max_length=200)]
PathArgument = Annotated[
    str, Field(max_length=1_000, description="File or folder in a root of the server, for example `deploy/app.yaml`.")
]
TextArgument = Annotated[
    str, Field(max_length=MAX_TEXT, description="Manifests as YAML or JSON, in place of a path; not stored.")
]
ClusterArgument = Annotated[
    bool, Field(description="Read the cluster that the server was started for, in place of a path.")
]
ImageArgument = Annotated[
    str,
    Field(
        max_length=1_000,
        description="Image in place of a path, or beside it for the vulnerabilities of its workloads: `nginx:1.29` with "
        "--allow-network, `oci:FOLDER` or `docker-archive:FILE` in a root.",
    ),
]
FrameworksArgument = Annotated[
    tuple[_Name, ...], Field(max_length=20, description="Frameworks, for example `nsa`; default: the recommended one.")
]
ControlsArgument = Annotated[
    tuple[_Name, ...], Field(max_length=100, description="Controls by number, slug or title, for example `C-0057`.")
]
SeverityArgument = Annotated[SeverityName, Field(description="Lowest severity of the entries.")]
ValuesArgument = Annotated[
    dict[_Name, str | int | float | bool] | None,
    Field(max_length=20, description='Values for findings without a fix: `{"limits.memory": "256Mi"}`.'),
]
CursorArgument = Annotated[str, Field(max_length=100, description="`next_cursor` of the page before.")]
PatternArgument = Annotated[
    str, Field(max_length=300, description="Regular expression that must match the whole value; default: any value.")
]


class ToolSet:
    """The tools, with the settings and the kept answers of one server."""

    def __init__(self, settings: ServerSettings) -> None:
        self.roots = Roots(settings.roots)
        self._settings = settings
        self._workers = Workers(settings.timeout)
        self._pages = Pages()

    async def scan(
        self,
        path: PathArgument = "",
        text: TextArgument = "",
        frameworks: FrameworksArgument = (),
        controls: ControlsArgument = (),
        min_severity: SeverityArgument = "low",
        image: ImageArgument = "",
        cursor: CursorArgument = "",
        *,
        cluster: ClusterArgument = False,
    ) -> Annotated[CallToolResult, ScanAnswer]:
        """Evaluate security controls on manifests, charts, overlays, Dockerfiles, inline text, a cluster or an image.

        Returns totals, then one entry per piece of evidence with file, line, field and remediation, highest priority
        first. Controls that could not be evaluated are counted apart: they did not pass.
        """
        if cursor:
            return self._pages.next(cursor, ScanAnswer)
        make_input = self._select(path, text, image, cluster=cluster)
        is_alone = image and not (path or text)
        frameworks = frameworks or ((IMAGE_FRAMEWORK,) if is_alone and not controls else ())
        task = ScanTask(frameworks=frameworks, controls=controls, min_severity=min_severity)
        answer = await self._workers.run(lambda scratch: functools.partial(run_scan, make_input(scratch), task))
        return self._pages.first(answer)

    async def explain(
        self, name: Annotated[str, Field(max_length=200)] = "", cursor: CursorArgument = ""
    ) -> Annotated[CallToolResult, ExplainAnswer]:
        """Explain a control (number, slug or title) or list the requirements of a framework.

        For an unknown name, returns close matches: words such as `privileged` or `network policy` find controls.
        """
        if cursor:
            return self._pages.next(cursor, ExplainAnswer)
        if not name.strip():
            raise ToolError("the argument `name` is empty; use a control such as C-0057 or a framework such as nsa")
        return self._pages.first(explain(name))

    async def propose_fix(
        self,
        path: PathArgument = "",
        text: TextArgument = "",
        frameworks: FrameworksArgument = (),
        controls: ControlsArgument = (),
        min_severity: SeverityArgument = "low",
        values: ValuesArgument = None,
        cursor: CursorArgument = "",
        *,
        apply: Annotated[bool, Field(description="Write the changes; needs a server with --allow-writes.")] = False,
    ) -> Annotated[CallToolResult, FixAnswer]:
        """Propose the smallest changes of the files that fix findings, as a unified diff that a second scan confirmed.

        Writes nothing unless `apply` is true. Changes that can stop a program are made only for controls in `controls`.
        """
        if cursor:
            return self._pages.next(cursor, FixAnswer)
        if apply and not self._settings.allow_writes:
            raise ToolError(
                "writing is not allowed; call again without `apply` for a diff, or ask the user to start the server "
                "with --allow-writes"
            )
        if apply and text:
            raise ToolError("`apply` needs a path, not text; call again without `apply` for a diff")
        if _HTTP.match(path):
            raise ToolError(f"{clean(path, _SHOWN)}: only files in a root can be fixed")
        make_input = self._select_input(path, text)
        task = FixTask(
            frameworks=frameworks, controls=controls, min_severity=min_severity, apply=apply, values=values or {}
        )
        answer = await self._workers.run(lambda scratch: functools.partial(run_fix, make_input(scratch), task))
        return self._pages.first(answer)

    async def compare(  # noqa: PLR0913, PLR0917 - one argument per option
        self,
        before: PathArgument = "",
        before_text: TextArgument = "",
        baseline: Annotated[
            str, Field(max_length=1_000, description="Baseline or JSON report of Kubekeep, in place of `before`.")
        ] = "",
        after: PathArgument = "",
        after_text: TextArgument = "",
        frameworks: FrameworksArgument = (),
        controls: ControlsArgument = (),
        min_severity: SeverityArgument = "low",
        cursor: CursorArgument = "",
    ) -> Annotated[CallToolResult, CompareAnswer]:
        """Compare the findings of two paths or texts, or of one with a baseline: new, resolved and unchanged.

        A finding is resolved only if its control was evaluated on the resource in `after`; otherwise it is incomparable.
        """
        if cursor:
            return self._pages.next(cursor, CompareAnswer)
        if sum(map(bool, (before, before_text, baseline))) != 1 or bool(after) == bool(after_text):
            raise ToolError("name one of `before`, `before_text` and `baseline`, and one of `after` and `after_text`")
        make_before = self._select_input(before or baseline, before_text)
        make_after = self._select_input(after, after_text)
        rules = RuleOptions(frameworks=frameworks, controls=controls)
        answer = await self._workers.run(
            lambda scratch: functools.partial(
                run_compare,
                make_before(_subfolder(scratch, "before")),
                make_after(_subfolder(scratch, "after")),
                rules,
                min_severity,
                is_baseline=bool(baseline),
            )
        )
        return self._pages.first(answer)

    async def attack_paths(
        self,
        path: PathArgument = "",
        text: TextArgument = "",
        sources: Annotated[
            tuple[_Name, ...],
            Field(max_length=20, description="Entry points, for example `internet`, `deployment/web`."),
        ] = (),
        targets: Annotated[
            tuple[_Name, ...], Field(max_length=20, description="Targets, for example `cluster-admin`, `secret/db`.")
        ] = (),
        max_paths: Annotated[int, Field(ge=1, le=1_000)] = 20,
        image: ImageArgument = "",
        cursor: CursorArgument = "",
        *,
        cluster: ClusterArgument = False,
    ) -> Annotated[CallToolResult, PathsAnswer]:
        """Find attack paths from entry points to targets, and the steps that break most of them.

        A path is a possibility, not evidence of an attack. `untrusted_notes` lists input that is missing. With `image`, paths
        from the internet lead through its vulnerabilities.
        """
        if cursor:
            return self._pages.next(cursor, PathsAnswer)
        make_input = self._select(path, text, image, cluster=cluster)
        query = AttackQuery(sources, targets, max_paths, images=bool(image))
        answer = await self._workers.run(lambda scratch: functools.partial(run_paths, make_input(scratch), query))
        return self._pages.first(answer)

    async def propose_exception(
        self,
        controls: Annotated[tuple[_Name, ...], Field(min_length=1, max_length=50)],
        reason: Annotated[str, Field(min_length=1, max_length=1_000, description="Why the deviation is acceptable.")],
        expires: Annotated[str, Field(max_length=40, description="Last valid day, for example 2027-01-31.")],
        kind: PatternArgument = "",
        namespace: PatternArgument = "",
        name: PatternArgument = "",
        container: PatternArgument = "",
    ) -> Annotated[CallToolResult, ExceptionAnswer]:
        """Return the YAML of an exception: an approved deviation with scope, reason and expiry. Writes nothing.

        A person must approve the reason; suggest a fix first.
        """
        try:
            # An exception without an end would be forgotten.
            dt.datetime.fromisoformat(expires)
        except ValueError:
            raise ToolError("`expires` is not a date; use the last valid day, for example 2027-01-31") from None
        patterns = {"kind": kind, "namespace": namespace, "name": name, "containerName": container}
        entry = build_entry(controls, (), patterns, clean(reason, 1_000), expires)
        try:
            use = check_entry(entry, "exception")
        except ExceptionsError as error:
            raise ToolError(clean(str(error), _SHOWN)) from error
        return make_result(
            ExceptionAnswer(
                yaml=clean_lines(format_entry(entry, is_json=False), 6_000),
                warnings=[clean(warning, _SHOWN) for warning in use.scope_warnings[:5]],
                next_step="Show this to the user. To use it, append it to a file and scan with --exceptions FILE.",
            )
        )

    def _select(self, path: str, text: str, image: str, *, cluster: bool) -> Callable[[str], TaskInput]:
        """Return the same for the arguments of a tool: an image alone, or beside manifests. Raises ToolError."""
        if not image:
            return self._select_input(path, text, cluster=cluster)
        if cluster:
            raise ToolError("name only one of `image` and `cluster`")
        make_image = self._select_image(image)
        if not path and not text:
            return make_image
        make_input = self._select_input(path, text)
        return lambda scratch: add_image(make_input(scratch), make_image(scratch))

    def _select_input(self, path: str, text: str, *, cluster: bool = False) -> Callable[[str], TaskInput]:
        """Return a function that makes the input of a task for its scratch folder. Raises ToolError."""
        if sum((bool(path), bool(text), cluster)) > 1:
            raise ToolError("name only one of `path`, `text` and `cluster`")
        if cluster:
            return self._select_cluster()
        if text:
            return functools.partial(_write_text, text)
        if self._settings.allow_network and _HTTP.match(path):
            return lambda scratch: TaskInput(scratch=scratch, folder=scratch, path=path)
        if _HTTP.match(path):
            raise ToolError(
                f"{clean(path, _SHOWN)}: network sources are not allowed; name a path in a root, or ask the user to "
                "start the server with --allow-network"
            )
        try:
            root_path = self.roots.resolve(path)
        except PathRefusedError as error:
            raise ToolError(clean(str(error), 2 * _SHOWN)) from error
        allowed = tuple(self.roots.folders.values())
        return lambda scratch: TaskInput(scratch=scratch, folder=root_path.folder, path=root_path.name, allowed=allowed)

    def _select_image(self, image: str) -> Callable[[str], TaskInput]:
        """Return the same for an image in a registry, or for a layout or an archive in a root."""
        scheme, colon, path = image.partition(":")
        if f"{scheme}{colon}" in _LOCAL_IMAGES and not path.startswith("//"):
            make_input = self._select_input(path, "")
            return lambda scratch: replace(make_input(scratch), scheme=f"{scheme}:", database=self._settings.database)
        if not self._settings.allow_network:
            raise ToolError(
                f"{clean(image, _SHOWN)}: registries are not allowed; name `oci:FOLDER` or an archive in a root, or ask the "
                "user to start the server with --allow-network"
            )
        name = image.removeprefix(REGISTRY)
        return lambda scratch: TaskInput(
            scratch=scratch, folder=scratch, path=f"{REGISTRY}{name}", database=self._settings.database
        )

    def _select_cluster(self) -> Callable[[str], TaskInput]:
        settings = self._settings
        if not settings.allow_cluster:
            raise ToolError(
                "clusters are not allowed; name a path, or ask the user to start the server with --allow-cluster"
            )
        return lambda scratch: TaskInput(
            scratch=scratch, cluster=True, kubeconfig=settings.kubeconfig, context=settings.context
        )


def _write_text(text: str, scratch: str) -> TaskInput:
    """Write inline text to a file in a folder of its own below the scratch folder."""
    folder = _subfolder(scratch, "text")
    # A lone surrogate, which JSON can contain, is not text in UTF-8.
    Path(folder, INLINE_NAME).write_bytes(text.encode("utf-8", "replace"))
    return TaskInput(scratch=scratch, folder=folder, path=INLINE_NAME, allowed=(str(Path(folder).resolve()),))


def _subfolder(scratch: str, name: str) -> str:
    folder = Path(scratch, name)
    folder.mkdir()
    return str(folder)
