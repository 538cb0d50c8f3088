"""`kubekeep watch`: keep the assessment of a cluster current, and print which verdicts change.

Parses and shows; what a verdict is, is decided elsewhere.
"""

from __future__ import annotations

import contextlib
import io
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import click

from kubekeep.cli.arguments import loopback
from kubekeep.cli.request_options import reached, request_options
from kubekeep.cli.waiver_options import Accepting
from kubekeep.usecases.scan import ScanRequest

if TYPE_CHECKING:
    from kubekeep.model.watch import Happening
    from kubekeep.sinks.serving import Page
    from kubekeep.usecases.watch import Watch

_FRESH: Final = 5.0
"""Seconds for which metrics of the assessment are kept: making them for a large cluster takes some."""
_ENDINGS: Final = (signal.SIGINT, signal.SIGTERM)


@click.command(short_help="Watch a cluster.")
@click.option(
    "-f",
    "--format",
    "layout",
    type=click.Choice(("pretty", "json")),
    default="pretty",
    show_default=True,
    help="How changes are printed: for people, or an object of JSON a line.",
)
@click.option(
    "--metrics",
    "address",
    metavar="[ADDRESS:]PORT",
    callback=loopback,
    help="Serve /metrics, /healthz and /readyz there; without an address, for this machine only.",
)
@request_options("watch")
def command(
    request: ScanRequest,
    accepting: Accepting,  # noqa: ARG001 - click hands it on
    layout: str,
    address: tuple[str, int] | None,
) -> None:
    """Watch the cluster of the kubeconfig: print which verdicts change, as soon as they do.

    Ends on an interrupt. What the cluster does not show, or not any more, is said, and is never taken for absent.

    \b
    kubekeep watch
    kubekeep watch framework nsa,pss-restricted --exclude-namespaces kube-system
    kubekeep watch --format json --metrics 9090
    """  # noqa: D301 - click takes the character itself
    from kubekeep.reports.shared.watched import document, line  # noqa: PLC0415 - not for `--help`
    from kubekeep.usecases.watch import Watch, WatchRequest  # noqa: PLC0415

    if request.cluster is None:
        raise click.UsageError("watch is for a cluster: name no path")
    if request.workload:
        raise click.UsageError(
            "watch takes no single workload: choose with --include-namespaces, --include-kinds or -l"
        )
    written = document if layout == "json" else line

    def tell(happening: Happening) -> None:
        click.echo(written(happening))
        sys.stdout.flush()

    try:
        watch = Watch(WatchRequest(scan=request), tell)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    with _ended() as stopped, _served(watch, request, address):
        reached(lambda: watch.run(stopped))


@contextlib.contextmanager
def _ended() -> Iterator[threading.Event]:
    """What is set when somebody wants an end."""
    stopped = threading.Event()
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in _ENDINGS}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _served(watch: Watch, request: ScanRequest, address: tuple[str, int] | None) -> Iterator[None]:
    """What others may ask while it runs."""
    if address is None:
        yield
        return
    from kubekeep.sinks.serving import Serving  # noqa: PLC0415 - only who serves pays for it

    try:
        serving = Serving(*address, _pages(watch, request))
    except OSError as error:
        raise click.UsageError(f"--metrics: cannot listen at {address[0]}:{address[1]}: {error.strerror}") from error
    with serving:
        click.echo(
            f"metrics: http://{f'[{address[0]}]' if ':' in address[0] else address[0]}:{serving.port}/metrics", err=True
        )
        yield


def _pages(watch: Watch, request: ScanRequest) -> dict[str, Callable[[], Page]]:
    from kubekeep.sinks.serving import Page  # noqa: PLC0415

    metrics = _Metrics(watch, request)

    def ready() -> Page:
        if watch.current is None:
            return Page(HTTPStatus.SERVICE_UNAVAILABLE, "not everything has been seen yet\n")
        if not watch.figures.is_current:
            return Page(HTTPStatus.SERVICE_UNAVAILABLE, "the cluster cannot be followed at this moment\n")
        return Page(HTTPStatus.OK, "ok\n")

    return {
        "/metrics": lambda: Page(HTTPStatus.OK, metrics.text(), "text/plain; version=0.0.4; charset=utf-8"),
        "/healthz": lambda: Page(HTTPStatus.OK, "ok\n"),
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
        from kubekeep.reports.format import Options  # noqa: PLC0415 - only who asks pays for it
        from kubekeep.reports.prometheus import FORMAT  # noqa: PLC0415
        from kubekeep.reports.shared.watched import write_figures  # noqa: PLC0415

        with self._lock:
            current = self._watch.current
            if current is not None and time.monotonic() - self._made > _FRESH:
                stream = io.StringIO()
                FORMAT.render(current.assessment(self._request), stream, Options())
                self._text, self._made = stream.getvalue(), time.monotonic()
            figures = io.StringIO()
            write_figures(self._watch.figures, figures)
            return figures.getvalue() + self._text
