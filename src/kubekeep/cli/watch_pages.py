"""What a watch serves: metrics, and whether it is well. Decides nothing; made when somebody asks."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from kubekeep.reports.format import ReportOptions
from kubekeep.reports.prometheus import FORMAT
from kubekeep.reports.shared.watch_output import write_metrics
from kubekeep.sinks.serving import HttpResponse
from kubekeep.usecases.request import ScanRequest
from kubekeep.usecases.watch import Watch

_FRESH: Final = 5.0
"""Seconds for which metrics of the assessment are kept: making them for a large cluster takes some."""


def pages(watch: Watch, request: ScanRequest) -> dict[str, Callable[[], HttpResponse]]:
    """What is served of `watch`, by path."""
    metrics = _Metrics(watch, request)

    def ready() -> HttpResponse:
        if watch.current is None:
            return HttpResponse(HTTPStatus.SERVICE_UNAVAILABLE, "not everything has been seen yet\n")
        if not watch.figures.is_current:
            return HttpResponse(HTTPStatus.SERVICE_UNAVAILABLE, "the cluster cannot be followed at this moment\n")
        return HttpResponse(HTTPStatus.OK, "ok\n")

    return {
        "/metrics": lambda: HttpResponse(HTTPStatus.OK, metrics.text(), "text/plain; version=0.0.4; charset=utf-8"),
        "/healthz": lambda: HttpResponse(HTTPStatus.OK, "ok\n"),
        "/readyz": ready,
    }


class _Metrics:
    """The metrics of an assessment that is kept current, made when somebody asks."""

    def __init__(self, watch: Watch, request: ScanRequest) -> None:
        self._watch = watch
        self._request = request
        self._lock = threading.Lock()
        self._text = ""
        self._made = 0.0

    def text(self) -> str:
        """Those of the watch, and those of the assessment as they were some seconds ago at most."""
        with self._lock:
            current = self._watch.current
            if current is not None and time.monotonic() - self._made > _FRESH:
                stream = io.StringIO()
                FORMAT.render(current.assessment(self._request), stream, ReportOptions())
                self._text, self._made = stream.getvalue(), time.monotonic()
            figures = io.StringIO()
            write_metrics(self._watch.figures, figures)
            return figures.getvalue() + self._text
