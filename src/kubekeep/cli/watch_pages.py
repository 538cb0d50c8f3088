"""Metrics and health of a watch as HTTP responses, created on request. Never evaluates."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import msgspec

from kubekeep.model.watch import WatchMetrics
from kubekeep.reports.format import ReportOptions
from kubekeep.reports.prometheus import FORMAT
from kubekeep.reports.shared.watch_output import write_metrics
from kubekeep.sinks.serving import HttpResponse
from kubekeep.usecases.request import ScanRequest
from kubekeep.usecases.watch import Watch

_CACHE_SECONDS: Final = 5.0
"""Seconds for which metrics of the assessment are cached: for a large cluster, they take seconds to create."""


def create_pages(
    watch: Watch, counted: WatchMetrics, request: ScanRequest, options: ReportOptions
) -> dict[str, Callable[[], HttpResponse]]:
    """Return the handlers of `watch` by path; `counted` are its counters, `options` those of the metrics."""
    metrics = _MetricsPage(watch, counted, request, options)

    def check_readiness() -> HttpResponse:
        if watch.current is None:
            return HttpResponse(HTTPStatus.SERVICE_UNAVAILABLE, "the first evaluation is not complete yet\n")
        if not watch.is_current:
            return HttpResponse(HTTPStatus.SERVICE_UNAVAILABLE, "the connection to the cluster is lost\n")
        return HttpResponse(HTTPStatus.OK, "ok\n")

    def check_health() -> HttpResponse:
        if not watch.is_alive:
            return HttpResponse(HTTPStatus.SERVICE_UNAVAILABLE, "the watch has not checked for changes for a minute\n")
        return HttpResponse(HTTPStatus.OK, "ok\n")

    return {
        "/metrics": lambda: HttpResponse(HTTPStatus.OK, metrics.text(), "text/plain; version=0.0.4; charset=utf-8"),
        "/healthz": check_health,
        "/readyz": check_readiness,
    }


class _MetricsPage:
    """Metrics of a watch and of its current assessment."""

    def __init__(self, watch: Watch, counted: WatchMetrics, request: ScanRequest, options: ReportOptions) -> None:
        self._watch = watch
        self._counted = counted
        self._request = request
        self._options = options
        self._lock = threading.Lock()
        self._text = ""
        self._created_at = 0.0

    def text(self) -> str:
        """Return the metrics of the watch, and those of the assessment from the cache if recent."""
        with self._lock:
            current = self._watch.current
            if current is not None and time.monotonic() - self._created_at > _CACHE_SECONDS:
                stream = io.StringIO()
                FORMAT.render(current.assessment(self._request), stream, self._options)
                self._text, self._created_at = stream.getvalue(), time.monotonic()
            counted = msgspec.structs.replace(
                self._counted, objects=self._watch.objects, is_current=self._watch.is_current
            )
            metrics = io.StringIO()
            write_metrics(counted, metrics)
            return metrics.getvalue() + self._text
