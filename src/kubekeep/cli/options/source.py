"""Options of `kubekeep scan` for reading sources: charts, kustomizations, repositories, paths.

Parses only; the sources interpret the options.
"""

from typing import Annotated, Final

import click
from click.core import ParameterSource

from kubekeep.cli.console.configured import get_configuration
from kubekeep.cli.console.option_group import HelpSection, Key, Option, OptionGroup, Use, add_groups
from kubekeep.cli.settings import access
from kubekeep.sources.options import DEFAULT_RELEASE, ChartValues, HelmOptions, ReadOptions
from kubekeep.usecases.request import ScanInput

_FILE = click.Path(exists=True, dir_okay=False)


class ChartOptions(OptionGroup, frozen=True):
    """Options for rendering charts and kustomizations, as given."""

    section = HelpSection.CHARTS
    uses = Use.SCAN

    values: Annotated[
        tuple[str, ...],
        Option(
            "--values",
            "Use this values file for charts; repeatable, the last one wins.",
            Key.DISCOVERED,
            is_common=True,
            type=_FILE,
        ),
    ] = ()
    set_: Annotated[
        tuple[str, ...],
        Option(
            "--set",
            "Set a value of charts, in the syntax of Helm; repeatable.",
            Key.DISCOVERED,
            is_common=True,
            metavar="KEY=VALUE",
        ),
    ] = ()
    set_string: Annotated[
        tuple[str, ...],
        Option(
            "--set-string", "Set a value of charts, always as text; repeatable.", Key.DISCOVERED, metavar="KEY=TEXT"
        ),
    ] = ()
    set_json: Annotated[
        tuple[str, ...],
        Option("--set-json", "Set a value of charts to JSON; repeatable.", Key.DISCOVERED, metavar="KEY=JSON"),
    ] = ()
    set_file: Annotated[
        tuple[str, ...],
        Option(
            "--set-file", "Set a value of charts to the text of a file; repeatable.", Key.DISCOVERED, metavar="KEY=FILE"
        ),
    ] = ()
    release_name: Annotated[
        str, Option("--release-name", "Render charts with this release name.", Key.DISCOVERED, show_default=True)
    ] = DEFAULT_RELEASE
    release_namespace: Annotated[
        str,
        Option(
            "--release-namespace",
            "Render charts for this namespace. Default: `default` in templates, and an undecided namespace in verdicts.",
            Key.DISCOVERED,
        ),
    ] = ""
    api_versions: Annotated[
        tuple[str, ...],
        Option(
            "--api-versions",
            "Declare this API version for charts, in addition to those of Kubernetes; repeatable.",
            Key.DISCOVERED,
            metavar="GROUP/VERSION",
        ),
    ] = ()
    enable_helm: Annotated[
        bool, Option("--enable-helm", "Render charts that kustomizations inflate from their own folder.", Key.EXPLICIT)
    ] = False


class PathOptions(OptionGroup, frozen=True):
    """Options for repositories and for paths to read, as given."""

    section = HelpSection.RESOURCES
    uses = Use.SCAN

    namespace: Annotated[
        str,
        Option(
            "--namespace",
            "Set the namespace of charts and of objects in files that state none. To select: --include-namespaces.",
            Key.DISCOVERED,
            rank=20,
        ),
    ] = ""
    blame: Annotated[
        bool, Option("--blame", "Show the commit that last changed each failing line.", Key.DISCOVERED, rank=21)
    ] = False
    changed_since: Annotated[
        str,
        Option(
            "--changed-since",
            "Report only resources changed since this Git revision. Other resources are still read for relations.",
            Key.DISCOVERED,
            is_common=True,
            metavar="REVISION",
            rank=20,
        ),
    ] = ""
    branch: Annotated[
        str,
        Option("--branch", "Scan this branch or tag of repositories that are given by URL.", Key.DISCOVERED, rank=20),
    ] = ""
    exclude_path: Annotated[
        tuple[str, ...],
        Option(
            "--exclude-path",
            "Exclude paths that match this pattern, in the syntax of .gitignore; repeatable.",
            Key.DISCOVERED,
            metavar="PATTERN",
        ),
    ] = ()
    no_ignore_file: Annotated[
        bool, Option("--no-ignore-file", "Do not read .kubekeepignore and .kubescapeignore files.", Key.DISCOVERED)
    ] = False


def _create_options(charts: ChartOptions, paths: PathOptions) -> dict[str, ScanInput]:
    configuration = get_configuration(click.get_current_context())
    values = ChartValues(
        files=charts.values,
        set_json=charts.set_json,
        set=charts.set_,
        set_string=charts.set_string,
        set_file=charts.set_file,
    )
    helm = HelmOptions(
        values=values,
        per_chart=configuration.charts if configuration else {},
        release=charts.release_name,
        namespace=charts.release_namespace,
        kube_version=_get_explicit_version(),
        api_versions=charts.api_versions,
    )
    read = ReadOptions(
        helm=helm,
        namespace=paths.namespace,
        exclude=paths.exclude_path,
        ignore_files=not paths.no_ignore_file,
        kustomize_helm=charts.enable_helm,
        branch=paths.branch,
        changed_since=paths.changed_since,
        blame=paths.blame,
        access=access(),
    )
    return {"scan_input": ScanInput(read=read)}


def _get_explicit_version() -> str:
    """Return the explicit version of the manifests; empty for the default."""
    context = click.get_current_context()
    version: str = context.params.get("kubernetes_version", "")
    source = context.get_parameter_source("kubernetes_version")
    return "" if source is ParameterSource.DEFAULT or version == "latest" else version


source_options: Final = add_groups(_create_options, ChartOptions, PathOptions)
"""Decorator that adds the options; they are passed on as one argument, `scan_input`."""
