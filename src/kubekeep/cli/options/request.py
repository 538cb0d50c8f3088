"""Options of a scan for its input, rules and conditions. Parses, and runs the scan.

`kubekeep scan` has them, and every command that uses a scan.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar, get_args

import click
import msgspec

from kubekeep.api import scan_request
from kubekeep.cli.console import arguments, progress
from kubekeep.cli.console.aliased_option import AliasedOption
from kubekeep.cli.console.arguments import Names
from kubekeep.cli.console.completed_names import complete_controls, complete_words
from kubekeep.cli.console.configured import is_from_file
from kubekeep.cli.options.cluster import cluster_options
from kubekeep.cli.options.exception import exception_options
from kubekeep.cli.options.source import source_options
from kubekeep.cli.settings import cache_folder
from kubekeep.images.options import OnBytes
from kubekeep.images.registries.options import OnImages
from kubekeep.kube.errors import KubeError
from kubekeep.library.extra import ExtraRules, load_rules
from kubekeep.library.load import LibraryError
from kubekeep.library.params import ParamsError, read_params
from kubekeep.model.assessment import Assessment
from kubekeep.model.control import Provider
from kubekeep.model.resource_selection import ResourceSelection
from kubekeep.posture.resource_filter import parse_labels
from kubekeep.posture.select import UnknownNameError
from kubekeep.sources.registries.address import is_registry_address
from kubekeep.usecases.request import (
    NEWEST_KUBERNETES,
    EvaluationOptions,
    RuleOptions,
    ScanInput,
    ScanRequest,
    kubernetes_minor,
)

Paths: TypeAlias = tuple[Path, ...]
T = TypeVar("T")


_WORDS: Final = "[framework NAMES | control IDS | workload KIND/NAME] [PATH...]"


def request_options(task: str, words: str = _WORDS) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the options of a scan; they are passed on as two arguments: `request`, and `exception_settings`.

    `task` is the command's name, `words` the description of its arguments.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def wrapper(**values: Any) -> None:
            request = _request(task, values)
            function(request=request, **values)

        command: Callable[..., None] = resource_selection_options(
            _rules_options(source_options(exception_options(cluster_options(wrapper))))
        )
        for option in reversed(_evaluation_options()):
            command = option(command)
        return click.argument("words", nargs=-1, metavar=words, shell_complete=complete_words)(command)

    return decorate


def _request(task: str, values: dict[str, Any]) -> ScanRequest:
    """Remove the options from `values` and return the request."""
    take = values.pop
    target = arguments.parse_words(task, take("words"), take("frameworks"), or_cluster=True)
    rules, cluster = take("rules"), take("cluster")
    if target.paths and values["cluster_policies"] and not values["snapshot"]:
        raise click.UsageError("--cluster-policies requires a live cluster, or files with --snapshot")
    if target.paths:
        cluster.check_unused(task)
    return ScanRequest(
        ScanInput(
            paths=target.paths or cluster.host_data,
            cluster=None if target.paths else cluster.request(),
            cloud=cluster.cloud,
            snapshot=take("snapshot"),
            read=take("read"),
        ),
        rules=RuleOptions(
            frameworks=target.frameworks,
            controls=target.controls,
            params=_params(take("controls_config"), rules),
            provider=take("cloud_provider"),
            policies=take("policies"),
            cluster_policies=take("cluster_policies"),
            extra=rules,
            excluded=take("excluded"),
        ),
        evaluation=EvaluationOptions(
            kubernetes_version=take("kubernetes_version"),
            workload=target.workload,
            resource_selection=take("resource_selection"),
            exceptions=values["exception_settings"].exceptions,
            outcome_cache=_resolve_cache_file(incremental=take("incremental")),
        ),
    )


def _resolve_cache_file(*, incremental: bool) -> str:
    """Return the file for cached outcomes; empty without --incremental."""
    if not incremental:
        return ""
    folder = cache_folder()
    if folder is None:
        raise click.UsageError("--incremental requires a cache folder: set XDG_CACHE_HOME")
    return str(folder / "outcomes")


def convert_cluster_errors(call: Callable[[], T]) -> T:
    """Return the result of `call`. Raises a click error with exit code 3 for an unreachable cluster."""
    try:
        return call()
    except KubeError as error:
        raise _UnreachableError(str(error)) from error


class _UnreachableError(click.ClickException):
    """The cluster cannot be reached."""

    exit_code = 3


def run_scan(request: ScanRequest) -> Assessment:
    """Return the assessment of `request`. Raises click errors for an invalid request or an unreachable cluster."""

    def assess() -> Assessment:
        if any(map(is_registry_address, request.input.paths)):
            with progress.images() as on_images:
                return scan_request(_show_images(request, on_images), stdin=sys.stdin.buffer)
        with progress.counter() as on_progress, progress.download() as on_bytes:
            return scan_request(_show_downloads(request, on_bytes), stdin=sys.stdin.buffer, on_progress=on_progress)

    try:
        return convert_cluster_errors(assess)
    except UnknownNameError as error:
        ctx = click.get_current_context()
        if any(repr(name) in str(error) for name in request.rules.excluded):
            raise click.BadParameter(str(error), param_hint="--exclude-controls") from error
        if is_from_file(ctx, "frameworks") and request.rules.frameworks == ctx.params["frameworks"]:
            raise click.BadParameter(str(error), param_hint="--framework") from error
        raise click.UsageError(str(error)) from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _show_downloads(request: ScanRequest, on_bytes: OnBytes) -> ScanRequest:
    read = request.input.read
    images = msgspec.structs.replace(read.images, on_bytes=on_bytes)
    source = msgspec.structs.replace(request.input, read=msgspec.structs.replace(read, images=images))
    return msgspec.structs.replace(request, input=source)


def _show_images(request: ScanRequest, on_images: OnImages) -> ScanRequest:
    read = request.input.read
    registries = msgspec.structs.replace(read.registries, on_images=on_images)
    source = msgspec.structs.replace(request.input, read=msgspec.structs.replace(read, registries=registries))
    return msgspec.structs.replace(request, input=source)


def _version(ctx: click.Context, param: click.Parameter, value: str) -> str:  # noqa: ARG001
    try:
        kubernetes_minor(value or "latest")
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return value


def _evaluation_options() -> tuple[Callable[..., Any], ...]:
    return (
        arguments.framework_option,
        click.option(
            "--controls-config",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Read parameters of controls from this file: {name: [values]}, or a ControlInput object.",
        ),
        click.option(
            "--kubernetes-version",
            cls=AliasedOption,
            aliases=("--kube-version",),
            default="",
            show_default=f"the cluster's, or 1.{NEWEST_KUBERNETES}",
            callback=_version,
            help="Evaluate for this Kubernetes version, and render charts for it.",
        ),
        click.option(
            "--snapshot",
            is_flag=True,
            help="Treat the files as a whole cluster (`kubectl get -o yaml`), and evaluate the controls that require one.",
        ),
        click.option(
            "--cloud-provider",
            type=click.Choice(get_args(Provider), case_sensitive=False),
            help="Set the managed platform, if Nodes and cloud documents in the input do not identify it.",
        ),
        click.option(
            "--incremental",
            is_flag=True,
            help="Cache the outcomes of rules, and evaluate only changed resources again.",
        ),
        click.option(
            "--policies",
            multiple=True,
            type=click.Path(),
            help="Also evaluate the ValidatingAdmissionPolicies in this file or folder; repeatable.",
        ),
        click.option(
            "--cluster-policies",
            is_flag=True,
            help="Also evaluate the ValidatingAdmissionPolicies in force in the cluster or in the files of --snapshot.",
        ),
    )


def _rules_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options for third-party and custom rules; they are passed on as one argument, `rules`."""

    @functools.wraps(function)
    def wrapper(*, custom_rules: Paths, use_from: Paths, artifacts: Paths, **others: Any) -> None:
        function(rules=_rules(custom_rules, (*use_from, *artifacts)), **others)

    path = click.Path(path_type=Path)
    for option in (
        click.option(
            "--use-artifacts-from",
            "artifacts",
            multiple=True,
            type=click.Path(path_type=Path, file_okay=False),
            help="Replace the library by the frameworks and `controls-inputs.json` in this folder, in Kubescape's format.",
        ),
        click.option(
            "--use-from",
            multiple=True,
            type=path,
            help="Replace the library by this framework or control in Kubescape's JSON, or by a folder of them; repeatable.",
        ),
        click.option(
            "--custom-rules",
            multiple=True,
            type=path,
            help="Add rules: a Rego file, or a folder of Rego files or of controls; repeatable.",
        ),
    ):
        wrapper = option(wrapper)
    return wrapper


def _rules(custom: Paths, bundles: Paths) -> ExtraRules:
    try:
        rules = load_rules(custom, bundles)
    except LibraryError as error:
        raise click.UsageError(str(error)) from error
    for note in rules.notes:
        click.echo(note, err=True)
    return rules


def _params(file: Path | None, rules: ExtraRules) -> dict[str, Names]:
    try:
        return {} if file is None else read_params(file, rules.all_controls)
    except ParamsError as error:
        raise click.BadParameter(str(error), param_hint="--controls-config") from error


def _labels(ctx: click.Context, param: click.Parameter, value: str) -> str:  # noqa: ARG001 - click's signature
    try:
        return str(value and parse_labels(value) and value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def resource_selection_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options; they are passed on as two arguments: `resource_selection`, and `excluded` for controls."""

    @functools.wraps(function)
    def wrapper(**values: Any) -> None:
        excluded = values.pop("exclude_controls")
        resource_selection = ResourceSelection(
            include_namespaces=values.pop("include_namespaces"),
            exclude_namespaces=values.pop("exclude_namespaces"),
            include_kinds=values.pop("include_kinds"),
            exclude_kinds=values.pop("exclude_kinds"),
            labels=values.pop("label_selector"),
        )
        function(resource_selection=resource_selection, excluded=excluded, **values)

    for option in _list_resource_selection_options():
        wrapper = option(wrapper)
    return wrapper


def _list_resource_selection_options() -> tuple[Callable[..., Any], ...]:
    return (
        click.option(
            "--label-selector",
            default="",
            metavar="SELECTOR",
            callback=_labels,
            help="Evaluate only resources with these labels, in the syntax of `kubectl -l`: `app=web,env in (a,b)`.",
        ),
        _create_names_option("--exclude-kinds", "Skip resources of these kinds; `*Role` is a pattern."),
        _create_names_option("--include-kinds", "Evaluate only resources of these kinds; `*Role` is a pattern."),
        _create_names_option(
            "--exclude-namespaces", "Skip resources in these namespaces; `team-*` is a pattern.", "-e"
        ),
        _create_names_option(
            "--include-namespaces", "Evaluate only resources in these namespaces; `team-*` is a pattern.", "-n"
        ),
        _create_names_option(
            "--exclude-controls", "Exclude these controls from the scan and its scores.", complete=complete_controls
        ),
    )


def _create_names_option(
    flag: str, text: str, short: str = "", complete: Callable[..., Any] | None = None
) -> Callable[..., Any]:
    names = (short, flag) if short else (flag,)
    return click.option(*names, multiple=True, callback=arguments.parse_names, shell_complete=complete, help=text)
