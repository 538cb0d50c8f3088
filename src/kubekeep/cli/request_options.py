"""What a scan is asked for: the options that say what is read, judged and against what. Parses, and runs the scan.

`kubekeep scan` has them, and every command that makes something of a scan.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar, get_args

import click

from kubekeep.api import scan_request
from kubekeep.cli import arguments, progress
from kubekeep.cli.choice_options import choice_options
from kubekeep.cli.cluster_options import cluster_options
from kubekeep.cli.configured import is_from_file
from kubekeep.cli.exception_options import exception_options
from kubekeep.cli.settings import cache_folder
from kubekeep.cli.source_options import source_options
from kubekeep.kube.errors import KubeError
from kubekeep.library.extra import ExtraRules, gather
from kubekeep.library.load import LibraryError
from kubekeep.library.params import ParamsError, read_params
from kubekeep.model.assessment import Assessment
from kubekeep.model.control import Provider
from kubekeep.posture.select import UnknownNameError
from kubekeep.usecases.request import (
    NEWEST_KUBERNETES,
    EvaluationOptions,
    RuleOptions,
    ScanInput,
    ScanRequest,
    kubernetes_minor,
)

Names: TypeAlias = tuple[str, ...]
Paths: TypeAlias = tuple[Path, ...]
T = TypeVar("T")


_WORDS: Final = "[framework NAMES | control IDS | workload KIND/NAME] [PATH...]"


def request_options(task: str, words: str = _WORDS) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the options of a scan; they are passed on as two arguments: `request`, and `accepting` for exceptions.

    `task` is the command's name, `words` the description of its arguments.
    """

    def decorated(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def gathered(**given: Any) -> None:
            request = _request(task, given)
            function(request=request, **given)

        found: Callable[..., None] = choice_options(
            _rules_options(source_options(exception_options(cluster_options(gathered))))
        )
        for option in reversed(_against()):
            found = option(found)
        return click.argument("words", nargs=-1, metavar=words)(found)

    return decorated


def _request(task: str, given: dict[str, Any]) -> ScanRequest:
    """Takes its arguments out of `given`."""
    take = given.pop
    asked = arguments.asked(task, take("words"), take("frameworks"), or_cluster=True)
    rules, said = take("rules"), take("cluster")
    if asked.paths and given["cluster_policies"] and not given["snapshot"]:
        raise click.UsageError("--cluster-policies is for a cluster, or for files that are all of one: --snapshot")
    if asked.paths:
        said.check_unused(task)
    return ScanRequest(
        ScanInput(
            paths=asked.paths or said.host_data,
            cluster=None if asked.paths else said.request(task),
            cloud=said.cloud,
            snapshot=take("snapshot"),
            read=take("read"),
        ),
        rules=RuleOptions(
            frameworks=asked.frameworks,
            controls=asked.controls,
            params=_params(take("controls_config"), rules),
            provider=take("cloud_provider"),
            policies=take("policies"),
            cluster_policies=take("cluster_policies"),
            extra=rules,
            excluded=take("excluded"),
        ),
        evaluation=EvaluationOptions(
            kubernetes_version=take("kubernetes_version"),
            workload=asked.workload,
            choice=take("choice"),
            exceptions=given["accepting"].exceptions,
            outcome_cache=_remembered(incremental=take("incremental")),
        ),
    )


def _remembered(*, incremental: bool) -> str:
    """The file of remembered outcomes."""
    if not incremental:
        return ""
    folder = cache_folder()
    if folder is None:
        raise click.UsageError("--incremental needs a cache folder: set XDG_CACHE_HOME")
    return str(folder / "outcomes")


def reached(ask: Callable[[], T]) -> T:
    """What `ask` gives; click's error where it does not reach a cluster."""
    try:
        return ask()
    except KubeError as error:
        raise _UnreachableError(str(error)) from error


class _UnreachableError(click.ClickException):
    """A cluster that cannot be asked anything."""

    exit_code = 3


def assessed(request: ScanRequest) -> Assessment:
    """The assessment that `request` asks for; click's errors for what it cannot ask for, and an unreachable cluster."""

    def assess() -> Assessment:
        with progress.counter() as note:
            return scan_request(request, stdin=sys.stdin.buffer, on_progress=note)

    try:
        return reached(assess)
    except UnknownNameError as error:
        ctx = click.get_current_context()
        if any(repr(name) in str(error) for name in request.rules.excluded):
            raise click.BadParameter(str(error), param_hint="--exclude-controls") from error
        if is_from_file(ctx, "frameworks") and request.rules.frameworks == ctx.params["frameworks"]:
            raise click.BadParameter(str(error), param_hint="--framework") from error
        raise click.UsageError(str(error)) from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _version(ctx: click.Context, param: click.Parameter, value: str) -> str:  # noqa: ARG001
    try:
        kubernetes_minor(value or "latest")
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return value


def _against() -> tuple[Callable[..., Any], ...]:
    return (
        click.option(
            "--framework",
            "frameworks",
            multiple=True,
            callback=arguments.names,
            show_default="allcontrols",
            help="Frameworks to assess against, comma separated; `kubekeep list frameworks` shows them.",
        ),
        click.option(
            "--controls-config",
            type=click.Path(path_type=Path, dir_okay=False),
            help="File with values for parameters of controls: {name: [values]}, or a ControlInput object.",
        ),
        click.option(
            "--kubernetes-version",
            default="",
            show_default=f"the cluster's, or 1.{NEWEST_KUBERNETES}",
            callback=_version,
            help="The version that the manifests are for.",
        ),
        click.option(
            "--snapshot",
            is_flag=True,
            help="The files are a whole cluster (`kubectl get -o yaml`): evaluate what only a cluster can answer.",
        ),
        click.option(
            "--cloud-provider",
            type=click.Choice(get_args(Provider), case_sensitive=False),
            help="The managed platform of the cluster, where Nodes or cloud documents in the input do not tell it.",
        ),
        click.option(
            "--incremental",
            is_flag=True,
            help="Remember what rules say in the cache folder, and do not ask again about what is the same.",
        ),
        click.option(
            "--policies",
            multiple=True,
            type=click.Path(),
            help="Evaluate the ValidatingAdmissionPolicies in this file or folder too; may be given several times.",
        ),
        click.option(
            "--cluster-policies",
            is_flag=True,
            help="Evaluate the ValidatingAdmissionPolicies too that the cluster, or the one of --snapshot, has in force.",
        ),
    )


def _rules_options(function: Callable[..., None]) -> Callable[..., None]:
    """Options that bring rules along, handed on as one argument, `rules`."""

    @functools.wraps(function)
    def gathered(*, custom_rules: Paths, use_from: Paths, artifacts: Paths, **others: Any) -> None:
        function(rules=_rules(custom_rules, (*use_from, *artifacts)), **others)

    path = click.Path(path_type=Path)
    for option in (
        click.option(
            "--use-artifacts-from",
            "artifacts",
            multiple=True,
            type=click.Path(path_type=Path, file_okay=False),
            help="Folder with frameworks and `controls-inputs.json` in Kubescape's form; it stands in for the library.",
        ),
        click.option(
            "--use-from",
            multiple=True,
            type=path,
            help="Framework or control in Kubescape's JSON, or a folder of them; it stands in for the library.",
        ),
        click.option(
            "--custom-rules",
            multiple=True,
            type=path,
            help="Rules to add: a Rego file, or a folder of Rego files or of controls in our own form.",
        ),
    ):
        gathered = option(gathered)
    return gathered


def _rules(custom: Paths, bundles: Paths) -> ExtraRules:
    try:
        rules = gather(custom, bundles)
    except LibraryError as error:
        raise click.UsageError(str(error)) from error
    for note in rules.notes:
        click.echo(note, err=True)
    return rules


def _params(file: Path | None, rules: ExtraRules) -> dict[str, Names]:
    try:
        return {} if file is None else read_params(file, rules.known)
    except ParamsError as error:
        raise click.BadParameter(str(error), param_hint="--controls-config") from error
