"""Options of `kubekeep scan` for reading sources: charts, kustomizations, repositories, paths.

Parses only; the sources interpret the options.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click
from click.core import ParameterSource

from kubekeep.cli.console.configured import get_chart_values
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
        click.option(
            "--enable-helm", is_flag=True, help="Render charts that kustomizations inflate from their own folder."
        ),
        click.option(
            "--api-versions",
            multiple=True,
            metavar="GROUP/VERSION",
            help="Declare this API version for charts, in addition to those of Kubernetes; repeatable.",
        ),
        click.option(
            "--release-namespace",
            default="",
            help="Render charts for this namespace. Default: `default` in templates, and an undecided namespace in verdicts.",
        ),
        click.option(
            "--release-name", default=DEFAULT_RELEASE, show_default=True, help="Render charts with this release name."
        ),
        click.option(
            "--set-file",
            multiple=True,
            metavar="KEY=FILE",
            help="Set a value of charts to the text of a file; repeatable.",
        ),
        click.option(
            "--set-json", multiple=True, metavar="KEY=JSON", help="Set a value of charts to JSON; repeatable."
        ),
        click.option(
            "--set-string", multiple=True, metavar="KEY=TEXT", help="Set a value of charts, always as text; repeatable."
        ),
        click.option(
            "--set",
            "set_",
            multiple=True,
            metavar="KEY=VALUE",
            help="Set a value of charts, in the syntax of Helm; repeatable.",
        ),
        click.option(
            "--values",
            multiple=True,
            type=_FILE,
            help="Use this values file for charts; repeatable, the last one wins.",
        ),
    )


def _paths() -> tuple[Callable[..., Any], ...]:
    return (
        click.option("--no-ignore-file", is_flag=True, help="Do not read .kubekeepignore and .kubescapeignore files."),
        click.option(
            "--exclude-path",
            multiple=True,
            metavar="PATTERN",
            help="Exclude paths that match this pattern, in the syntax of .gitignore; repeatable.",
        ),
    )


def _repositories() -> tuple[Callable[..., Any], ...]:
    return (
        click.option("--branch", default="", help="Scan this branch or tag of repositories that are given by URL."),
        click.option(
            "--changed-since",
            default="",
            metavar="REVISION",
            help="Report only resources changed since this Git revision. Other resources are still read for relations.",
        ),
        click.option("--blame", is_flag=True, help="Show the commit that last changed each failing line."),
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
        kube_version=_get_explicit_version(arguments["kubernetes_version"]),
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
