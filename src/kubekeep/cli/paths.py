"""`kubekeep paths`: attack paths and the changes that break them.

Parses and prints; never searches itself.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final, TextIO

import click
import msgspec

from kubekeep.cli.console import arguments, outputs, progress
from kubekeep.cli.console.arguments import without_options
from kubekeep.cli.console.help_sections import SectionedCommand
from kubekeep.cli.console.option_group import AliasedOption, create_option
from kubekeep.cli.console.standard_output import INCOMPLETE
from kubekeep.cli.options.cluster import ClusterOptions, cluster_options
from kubekeep.cli.options.exception import ExceptionSettings, exception_options
from kubekeep.cli.options.image import WorkloadImageOptions, image_options
from kubekeep.cli.options.request import convert_cluster_errors
from kubekeep.cli.options.source import source_options
from kubekeep.cli.options.vulnerability import vulnerability_options
from kubekeep.model.assessment import Assessment
from kubekeep.model.attack import AttackQuery, Attacks
from kubekeep.model.text import json_text, visible
from kubekeep.reports.format import ReportFormat, ReportOptions
from kubekeep.reports.shared.wording import count_noun
from kubekeep.usecases.package_request import PackageRequest
from kubekeep.usecases.request import NEWEST_KUBERNETES, ScanInput

_PATH_FOUND: Final = 1
_DEFAULT_MAX_PATHS: Final = 20


@click.command(short_help="Show attack paths.", cls=SectionedCommand)
@click.argument("words", nargs=-1, metavar="[PATH...]")
@click.option(
    "--from",
    "sources",
    multiple=True,
    callback=arguments.parse_names,
    metavar="NAMES",
    show_default="internet,anonymous,authenticated",
    help="Start at these entry points, comma separated: the defaults, or names such as deployment/web, serviceaccount/ci or group/support.",
)
@click.option(
    "--to",
    "targets",
    multiple=True,
    callback=arguments.parse_names,
    metavar="NAMES",
    show_default="cluster-admin,node,secrets",
    help="End at these targets, comma separated: the defaults, or names such as secret/db or shop/deployment/web.",
)
@click.option(
    "--max-paths",
    default=_DEFAULT_MAX_PATHS,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="List at most this number of paths.",
)
@click.option(
    "--fail-on-path",
    is_flag=True,
    help="Exit with 1 on a path from outside to cluster-admin; with --from or --to, on any path. Paths with an "
    "assumption do not count.",
)
@click.option(
    "-f",
    "--format",
    "layout",
    type=click.Choice(["pretty", "json", "dot", "svg"]),
    default="pretty",
    show_default=True,
    help="Write text, JSON, or a graph as DOT or SVG.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the paths to this file.")
@click.option("--snapshot", is_flag=True, help="Treat the files as a whole cluster (`kubectl get -o yaml`).")
@click.option(
    "--kubernetes-version",
    cls=AliasedOption,
    aliases=("--kube-version",),
    default="",
    show_default=f"the cluster's, or 1.{NEWEST_KUBERNETES}",
    help="Evaluate for this Kubernetes version, and render charts for it.",
)
@create_option(WorkloadImageOptions, "images")
@image_options
@vulnerability_options
@source_options
@without_options("audit")
@exception_options
@without_options("cloud", "cloud_cluster", "host_scan", "host_data")
@cluster_options
def command(  # noqa: PLR0913 - one argument an option
    words: tuple[str, ...],
    sources: tuple[str, ...],
    targets: tuple[str, ...],
    max_paths: int,
    layout: str,
    output: Path | None,
    kubernetes_version: str,
    *,
    scan_input: ScanInput,
    exception_settings: ExceptionSettings,
    cluster: ClusterOptions,
    snapshot: bool,
    fail_on_path: bool,
    images: bool,
    packages: PackageRequest,
) -> None:
    """Show the attack paths through the resources at each PATH, the most severe first.

    Without a PATH, show those through the cluster of the kubeconfig.

    A path starts outside the cluster and continues through exposed workloads, containers with access to their node,
    tokens and roles. The output names the data that is missing from the input. With --images, it leads through
    vulnerabilities of high or critical priority in the images of the exposed workloads.

    \b
    kubekeep paths
    kubekeep paths deploy/
    kubekeep paths cluster.yaml --snapshot --to cluster-admin
    kubekeep paths deploy/ --from deployment/web --to secret/db
    kubekeep paths deploy/ --images
    kubekeep paths deploy/ -f svg -o paths.svg

    \b
    Exit codes:
      0  completed, with or without paths
      1  with --fail-on-path: there is such a path
      2  the command line is invalid
      3  something could not be read
    """  # noqa: D301 - click takes the character itself
    from kubekeep.usecases.paths import PathsRequest, scan_attack_paths  # noqa: PLC0415 - not for `--help`

    if words:
        cluster.check_unused("paths")
    scan_input = msgspec.structs.replace(cluster.select_input(scan_input, words), snapshot=snapshot)
    request = PathsRequest(
        input=scan_input,
        query=AttackQuery(sources, targets, max_paths, images),
        kubernetes_version=kubernetes_version,
        exceptions=exception_settings.exceptions,
        packages=packages,
    )
    try:
        with progress.counter() as on_progress:
            assessment = convert_cluster_errors(
                lambda: scan_attack_paths(request, stdin=sys.stdin.buffer, on_progress=on_progress)
            )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    for text in assessment.notes:
        click.echo(visible(text), err=True)
    if assessment.unread and not assessment.results:
        # No answer about paths of nothing.
        sys.exit(_exit_code(assessment, request.query, fail_on_path=False))
    outputs.write(assessment, [outputs.Output(_FORMATS[layout], output)], ReportOptions())
    sys.exit(_exit_code(assessment, request.query, fail_on_path=fail_on_path))


def _pretty(assessment: Assessment, stream: TextIO, options: ReportOptions) -> None:
    from kubekeep.reports.pretty.attacks import write_attacks  # noqa: PLC0415 - only for this format

    write_attacks(assessment, _attacks(assessment), stream, options)


def _json(assessment: Assessment, stream: TextIO, options: ReportOptions) -> None:  # noqa: ARG001 - for people only
    from kubekeep.reports.shared.attack_documents import attack_document  # noqa: PLC0415

    stream.write(json_text(attack_document(assessment, _attacks(assessment))) + "\n")


def _dot(assessment: Assessment, stream: TextIO, options: ReportOptions) -> None:  # noqa: ARG001
    from kubekeep.reports.shared.attack_documents import attack_dot  # noqa: PLC0415

    stream.write(attack_dot(_attacks(assessment)))


def _svg(assessment: Assessment, stream: TextIO, options: ReportOptions) -> None:  # noqa: ARG001
    from kubekeep.reports.shared.attack_svg import attack_svg  # noqa: PLC0415

    stream.write(attack_svg(_attacks(assessment)))


def _attacks(assessment: Assessment) -> Attacks:
    return assessment.attacks or Attacks()


_FORMATS: Final = {
    name: ReportFormat(name=name, extension=extension, media_type=media_type, description="attack paths", render=render)
    for name, extension, media_type, render in (
        ("pretty", ".txt", "text/plain", _pretty),
        ("json", ".json", "application/json", _json),
        ("dot", ".dot", "text/vnd.graphviz", _dot),
        ("svg", ".svg", "image/svg+xml", _svg),
    )
}
"""Formats of attack paths. They are not formats of scans, which contain verdicts."""


def _exit_code(assessment: Assessment, query: AttackQuery, *, fail_on_path: bool) -> int:
    if fail_on_path:
        from kubekeep.usecases.paths import has_open_path  # noqa: PLC0415

        failed = has_open_path(assessment, query)
        result = "FAILED: there is an attack path" if failed else "passed: no attack path"
        click.echo(f"gate {result} without assumptions", err=True)
        if failed:
            return _PATH_FOUND
    for part in assessment.unassessed:
        click.echo(visible(f"not assessed: {part.location}: {part.message}"), err=True)
    for unread in assessment.unread:
        click.echo(visible(f"{unread.location}: {unread.message}"), err=True)
    if assessment.unread:
        click.echo(f"incomplete: {count_noun(len(assessment.unread), 'part')} of the input not read", err=True)
        return INCOMPLETE
    return 0
