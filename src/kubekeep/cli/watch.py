"""`kubekeep watch`: continuous assessment of a cluster, with output for changed verdicts.

Parses and prints; never evaluates itself.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Final

import click
import msgspec

from kubekeep.cli.console.arguments import parse_listen_address
from kubekeep.cli.console.help_sections import SectionedCommand
from kubekeep.cli.console.option_group import Use
from kubekeep.cli.console.shutdown import ShutdownHandler, handle_interrupts
from kubekeep.cli.options.exception import ExceptionSettings
from kubekeep.cli.options.report import kubescape_metrics_option
from kubekeep.cli.options.request import convert_cluster_errors, request_options
from kubekeep.cli.options.submit import SubmissionSettings, submit_options
from kubekeep.cli.preflight import print_permissions
from kubekeep.cli.settings import get_width
from kubekeep.model.submission import Submission
from kubekeep.model.text import encode_json
from kubekeep.model.watch import WatchEvent
from kubekeep.reports.format import Extra, ReportOptions
from kubekeep.usecases.request import ReportNeeds, ScanRequest

_SUBMISSION: Final = "submission"


@click.command(short_help="Watch a cluster and print changed verdicts.", cls=SectionedCommand)
@click.option(
    "-f",
    "--format",
    "layout",
    type=click.Choice(("pretty", "json", "submission")),
    default="pretty",
    show_default=True,
    help="Print changes as text, as one JSON object per line, or as submissions for a server: the first whole, then deltas.",
)
@click.option(
    "--metrics",
    "address",
    metavar="[ADDRESS:]PORT",
    callback=parse_listen_address,
    help="Serve /metrics, /healthz and /readyz on this port. Default address: 127.0.0.1.",
)
@kubescape_metrics_option
@click.option("--no-host-scan", "host_scan", flag_value=False, default=None, help="Read no data about nodes.")
@click.option(
    "--dry-run", is_flag=True, help="Print the roles that a watch requires and the missing permissions. Does not watch."
)
@request_options("watch", "[framework NAMES | control IDS]", Use.WATCH)
@submit_options
def command(
    request: ScanRequest,
    exception_settings: ExceptionSettings,  # noqa: ARG001 - click passes it
    layout: str,
    address: tuple[str, int] | None,
    submission: SubmissionSettings,
    *,
    dry_run: bool,
    kubescape_metrics: bool,
) -> None:
    """Watch the cluster of the kubeconfig, and print each verdict when it changes.

    Stops on an interrupt. Resources that cannot be listed are reported, and never treated as absent.

    \b
    kubekeep watch
    kubekeep watch framework nsa,pss-restricted --exclude-namespaces kube-system
    kubekeep watch --format json --metrics 9090
    kubekeep watch --format submission > changes.jsonl
    kubekeep watch --submit
    """  # noqa: D301 - click takes the character itself
    if request.input.cluster is None:
        raise click.UsageError("watch requires a live cluster and cannot be combined with a path")
    if request.evaluation.workload:
        raise click.UsageError(
            "watch does not accept a single workload: use --include-namespaces, --include-kinds or --label-selector"
        )
    if layout == _SUBMISSION or submission.options.submit:
        request = msgspec.structs.replace(request, needs=ReportNeeds(extras=frozenset({Extra.SOURCE})))
    if dry_run:
        sys.exit(print_permissions(request, watching=True))
    with handle_interrupts() as shutdown_handler, _send_states(request, submission, shutdown_handler) as subscribers:
        options = ReportOptions(kubescape_metrics=kubescape_metrics)
        _watch(request, layout, address, shutdown_handler, options, subscribers)


def _watch(
    request: ScanRequest,
    layout: str,
    address: tuple[str, int] | None,
    shutdown_handler: ShutdownHandler,
    options: ReportOptions,
    subscribers: Sequence[Any],
) -> None:
    """Watch until an interrupt. subscribers: further ones, beside printing and metrics."""
    from kubekeep.reports.shared.watch_output import event_lines, json_lines  # noqa: PLC0415 - not for `--help`
    from kubekeep.usecases.submission_source import SourceError  # noqa: PLC0415
    from kubekeep.usecases.watch import Watch  # noqa: PLC0415
    from kubekeep.usecases.watching.request import WatchRequest  # noqa: PLC0415
    from kubekeep.usecases.watching.submissions import SubmissionSubscriber  # noqa: PLC0415
    from kubekeep.usecases.watching.subscribers import EventSubscriber, MetricsSubscriber  # noqa: PLC0415

    is_terminal, printing, metrics = sys.stdout.isatty(), threading.Lock(), MetricsSubscriber()

    def write(text: str) -> None:
        with printing:
            click.echo(text)
            sys.stdout.flush()

    def notify(events: Sequence[WatchEvent]) -> None:
        width = get_width(sys.stdout) if is_terminal else None
        write("\n".join(json_lines(events) if layout == "json" else event_lines(events, width)))

    def submit(submission: Submission) -> None:
        write(encode_json(submission))

    printer = SubmissionSubscriber(request, submit) if layout == _SUBMISSION else EventSubscriber(notify)
    try:
        watch = Watch(WatchRequest(scan=request), (printer, metrics, *subscribers))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    with _serve(address, watch, metrics.metrics, request, options):
        try:
            convert_cluster_errors(lambda: shutdown_handler.run(watch.run, printing))
        except SourceError as error:
            raise click.UsageError(str(error)) from error


@contextlib.contextmanager
def _send_states(
    request: ScanRequest, submission: SubmissionSettings, shutdown_handler: ShutdownHandler
) -> Iterator[Sequence[Any]]:
    """Yield the subscribers that send the states to a server on request; send the last one in the end."""
    if not submission.options.submit:
        yield ()
        return
    # Loaded only with --submit.
    from kubekeep.cli.server_access import convert_server_errors  # noqa: PLC0415
    from kubekeep.cli.submitter import StateNotes, select_server  # noqa: PLC0415
    from kubekeep.usecases.watching.sender import SubmissionSender  # noqa: PLC0415

    server = select_server(submission)
    notes = StateNotes(server.access.address)
    with convert_server_errors():
        sender = SubmissionSender(request, server, notes.show)
    sender.start()
    yield (sender,)
    shutdown_handler.run(lambda _: notes.end(sender.end), notes.printing)


@contextlib.contextmanager
def _serve(address: tuple[str, int] | None, *watched: Any) -> Iterator[None]:
    """Serve metrics and health in the block."""
    if address is None:
        yield
        return
    # Loaded only with --metrics.
    from kubekeep.cli.watch_pages import create_pages  # noqa: PLC0415
    from kubekeep.sinks.serving import MonitoringServer  # noqa: PLC0415

    host, port = address
    try:
        serving = MonitoringServer(host, port, create_pages(*watched))
    except OSError as error:
        raise click.UsageError(f"--metrics: cannot listen at {host}:{port}: {error.strerror}") from error
    with serving:
        display_host = f"[{host}]" if ":" in host else host
        click.echo(f"metrics: http://{display_host}:{serving.port}/metrics", err=True)
        yield
