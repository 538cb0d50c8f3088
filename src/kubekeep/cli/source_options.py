"""Options of `kubekeep scan` for reading sources: charts, kustomizations, repositories, paths.

Parses only; the sources interpret the options.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click
from click.core import ParameterSource

from kubekeep.cli.configured import get_chart_values
from kubekeep.cli.settings import access
from kubekeep.sources.options import DEFAULT_RELEASE, ChartValues, HelmOptions, ReadOptions

_FILE = click.Path(exists=True, dir_okay=False)


def source_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options; they are passed on as one argument, `read`."""

    @functools.wraps(function)
    def wrapper(**arguments: Any) -> None:
        function(read=_read_options(arguments), **arguments)

    for option in (*_paths(), *_repositories(), *_charts()):
        wrapper = option(wrapper)
    return wrapper


def _charts() -> tuple[Callable[..., Any], ...]:
    return (
        click.option("--enable-helm", is_flag=True, help="Let kustomizations inflate the charts that lie beside them."),
        click.option(
            "--api-versions",
            multiple=True,
            metavar="GROUP/VERSION",
            help="API version that charts find in the cluster, beside those of Kubernetes; may be given several times.",
        ),
        click.option(
            "--kube-version",
            default="",
            metavar="VERSION",
            help="Kubernetes version that charts see; --kubernetes-version if that is given.",
        ),
        click.option(
            "--release-namespace",
            default="",
            help="Namespace that charts are rendered for. Without it they see `default`, and the choice stays open.",
        ),
        click.option(
            "--release-name", default=DEFAULT_RELEASE, show_default=True, help="Release that charts are rendered as."
        ),
        click.option("--set-file", multiple=True, metavar="KEY=FILE", help="Value for charts, the text of a file."),
        click.option("--set-json", multiple=True, metavar="KEY=JSON", help="Value for charts, as JSON."),
        click.option("--set-string", multiple=True, metavar="KEY=TEXT", help="Value for charts, always text."),
        click.option("--set", "set_", multiple=True, metavar="KEY=VALUE", help="Value for charts, as Helm takes it."),
        click.option(
            "--values", multiple=True, type=_FILE, help="Values file for charts; may be given several times, last wins."
        ),
    )


def _paths() -> tuple[Callable[..., Any], ...]:
    return (
        click.option(
            "--no-ignore-file", is_flag=True, help="Do not look for .kubekeepignore and .kubescapeignore files."
        ),
        click.option(
            "--exclude-path",
            multiple=True,
            metavar="PATTERN",
            help="Leave out what this pattern matches, in the syntax of .gitignore; may be given several times.",
        ),
    )


def _repositories() -> tuple[Callable[..., Any], ...]:
    return (
        click.option("--branch", default="", help="Branch or tag of the repositories whose URLs are scanned."),
        click.option(
            "--changed-since",
            default="",
            metavar="REVISION",
            help="Report only what changed since this Git revision; all else is still read for what relates to it.",
        ),
        click.option("--blame", is_flag=True, help="Tell the commit that last changed each failing line."),
    )


def _read_options(arguments: dict[str, Any]) -> ReadOptions:
    """Remove the options from `arguments` and return them parsed."""
    take = arguments.pop
    values = ChartValues(
        files=take("values"),
        set_json=take("set_json"),
        set=take("set_"),
        set_string=take("set_string"),
        set_file=take("set_file"),
    )
    helm = HelmOptions(
        values=values,
        per_chart=get_chart_values(),
        release=take("release_name"),
        namespace=take("release_namespace"),
        kube_version=take("kube_version") or _get_explicit_version(arguments["kubernetes_version"]),
        api_versions=take("api_versions"),
    )
    return ReadOptions(
        helm=helm,
        exclude=take("exclude_path"),
        ignore_files=not take("no_ignore_file"),
        kustomize_helm=take("enable_helm"),
        branch=take("branch"),
        changed_since=take("changed_since"),
        blame=take("blame"),
        access=access(),
    )


def _get_explicit_version(version: str) -> str:
    """Return the explicit version of the manifests; empty for the default."""
    source = click.get_current_context().get_parameter_source("kubernetes_version")
    return "" if source is ParameterSource.DEFAULT or version == "latest" else version
