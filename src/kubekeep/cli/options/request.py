"""Options of a scan for its input, rules and conditions. Parses, and runs the scan.

`kubekeep scan` has them, and every command that uses a scan.
"""

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias, TypeVar, get_args

import click
import msgspec

from kubekeep.api import scan_request
from kubekeep.cli.console import arguments
from kubekeep.cli.console.arguments import Names, leave_out_options
from kubekeep.cli.console.completed_names import complete_controls, complete_words
from kubekeep.cli.console.configured import is_from_file
from kubekeep.cli.console.option_group import Command, Decorator, HelpSection, Key, Option, OptionGroup, Use, add_groups
from kubekeep.cli.options.cluster import ClusterOptions, cluster_options
from kubekeep.cli.options.exception import ExceptionSettings, exception_options
from kubekeep.cli.options.framework import FrameworkOptions
from kubekeep.cli.options.source import source_options
from kubekeep.cli.settings import cache_folder
from kubekeep.kube.errors import KubeError
from kubekeep.model.assessment import Assessment
from kubekeep.model.control import Provider
from kubekeep.model.errors import KubekeepError
from kubekeep.model.resource_selection import ResourceSelection
from kubekeep.posture.resource_filter import parse_labels
from kubekeep.usecases.package_scan import names_registry, observe_downloads, observe_images
from kubekeep.usecases.request import (
    NEWEST_KUBERNETES,
    EvaluationOptions,
    RuleOptions,
    ScanInput,
    ScanRequest,
    kubernetes_minor,
)
from kubekeep.usecases.rule_selection import RuleFiles, RuleSetting, create_rule_options, find_invalid_setting

Paths: TypeAlias = tuple[Path, ...]
T = TypeVar("T")


_WORDS: Final = "[framework NAMES | control IDS | workload KIND/NAME] [PATH...]"


def _version(ctx: click.Context, param: click.Parameter, value: str) -> str:  # noqa: ARG001
    try:
        kubernetes_minor(value or "latest")
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return value


def _labels(ctx: click.Context, param: click.Parameter, value: str) -> str:  # noqa: ARG001 - click's signature
    try:
        return str(value and parse_labels(value) and value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


class ConditionOptions(OptionGroup, frozen=True):
    """Options for conditions of a scan and for policies, as given."""

    section = HelpSection.RULES

    controls_config: Annotated[
        Path | None,
        Option(
            "--controls-config",
            "Read parameters of controls from this file: {name: [values]}, or a ControlInput object.",
            Key.DISCOVERED,
            type=click.Path(path_type=Path, dir_okay=False),
            rank=3,
        ),
    ] = None
    kubernetes_version: Annotated[
        str,
        Option(
            "--kubernetes-version",
            "Evaluate for this Kubernetes version, and render charts for it.",
            Key.DISCOVERED,
            callback=_version,
            show_default=f"the cluster's, or 1.{NEWEST_KUBERNETES}",
            aliases=("--kube-version",),
            uses=Use.SCAN | Use.WATCH,
            rank=3,
            api=("scan",),
        ),
    ] = ""
    snapshot: Annotated[
        bool,
        Option(
            "--snapshot",
            "Treat the files as a whole cluster (`kubectl get -o yaml`), and evaluate the controls that require one.",
            Key.DISCOVERED,
            uses=Use.SCAN,
            rank=4,
            api=("scan",),
        ),
    ] = False
    cloud_provider: Annotated[
        Provider | None,
        Option(
            "--cloud-provider",
            "Set the managed platform, if Nodes and cloud documents in the input do not identify it.",
            Key.DISCOVERED,
            type=click.Choice(get_args(Provider), case_sensitive=False),
            uses=Use.SCAN | Use.WATCH,
            rank=3,
            api=("scan",),
            api_name="provider",
        ),
    ] = None
    incremental: Annotated[
        bool,
        Option(
            "--incremental",
            "Cache the outcomes of rules, and evaluate only changed resources again.",
            Key.DISCOVERED,
            section=HelpSection.OTHER,
            uses=Use.SCAN,
        ),
    ] = False
    policies: Annotated[
        tuple[str, ...],
        Option(
            "--policies",
            "Also evaluate the ValidatingAdmissionPolicies in this file or folder; repeatable.",
            Key.DISCOVERED,
            type=click.Path(),
            uses=Use.SCAN,
            rank=20,
        ),
    ] = ()
    cluster_policies: Annotated[
        bool,
        Option(
            "--cluster-policies",
            "Also evaluate the ValidatingAdmissionPolicies in force in the cluster or in the files of --snapshot.",
            Key.DISCOVERED,
            uses=Use.SCAN,
            rank=20,
        ),
    ] = False


class ControlOptions(OptionGroup, frozen=True):
    """The controls to leave out."""

    section = HelpSection.RULES

    exclude_controls: Annotated[
        Names,
        Option(
            "--exclude-controls",
            "Exclude these controls from the scan and its scores.",
            Key.DISCOVERED,
            callback=arguments.parse_names,
            complete=complete_controls,
            rank=2,
            api=("scan", "scan_cluster"),
        ),
    ] = ()


class SelectionOptions(OptionGroup, frozen=True):
    """Options that select resources, as given."""

    section = HelpSection.RESOURCES
    uses = Use.SCAN | Use.WATCH

    include_namespaces: Annotated[
        Names,
        Option(
            "-n --include-namespaces",
            "Evaluate only resources in these namespaces; `team-*` is a pattern.",
            Key.DISCOVERED,
            is_common=True,
            callback=arguments.parse_names,
            api=("scan_cluster",),
            api_name="namespaces",
        ),
    ] = ()
    exclude_namespaces: Annotated[
        Names,
        Option(
            "-e --exclude-namespaces",
            "Skip resources in these namespaces; `team-*` is a pattern.",
            Key.DISCOVERED,
            callback=arguments.parse_names,
        ),
    ] = ()
    include_kinds: Annotated[
        Names,
        Option(
            "--include-kinds",
            "Evaluate only resources of these kinds; `*Role` is a pattern.",
            Key.DISCOVERED,
            callback=arguments.parse_names,
        ),
    ] = ()
    exclude_kinds: Annotated[
        Names,
        Option(
            "--exclude-kinds",
            "Skip resources of these kinds; `*Role` is a pattern.",
            Key.DISCOVERED,
            callback=arguments.parse_names,
        ),
    ] = ()
    label_selector: Annotated[
        str,
        Option(
            "--label-selector",
            "Evaluate only resources with these labels, in the syntax of `kubectl -l`: `app=web,env in (a,b)`.",
            Key.DISCOVERED,
            metavar="SELECTOR",
            callback=_labels,
        ),
    ] = ""


class CustomRuleOptions(OptionGroup, frozen=True):
    """Options for third-party and custom rules, as given."""

    section = HelpSection.RULES

    custom_rules: Annotated[
        Paths,
        Option(
            "--custom-rules",
            "Add rules: a Rego file, or a folder of Rego files or of controls; repeatable.",
            Key.EXPLICIT,
            type=click.Path(path_type=Path),
            api=("scan", "scan_cluster"),
        ),
    ] = ()
    use_from: Annotated[
        Paths,
        Option(
            "--use-from",
            "Replace the library by this framework or control in Kubescape's JSON, or by a folder of them; repeatable.",
            Key.EXPLICIT,
            type=click.Path(path_type=Path),
            uses=Use.SCAN | Use.IMAGES,
        ),
    ] = ()
    artifacts: Annotated[
        Paths,
        Option(
            "--use-artifacts-from",
            "Replace the library by the frameworks and `controls-inputs.json` in this folder, in Kubescape's format.",
            Key.EXPLICIT,
            type=click.Path(path_type=Path, file_okay=False),
            uses=Use.SCAN | Use.IMAGES,
        ),
    ] = ()


def request_options(task: str, words: str = _WORDS, use: Use = Use.SCAN) -> Decorator:
    """Add the options of a scan; they are passed on as two arguments: `request`, and `exception_settings`.

    `task` is the command's name, `words` the description of its arguments. Options for other uses get their defaults.
    """
    add_options = add_groups(
        lambda *groups: {"options": _ScanOptions(*groups)},
        FrameworkOptions,
        ConditionOptions,
        ControlOptions,
        SelectionOptions,
        CustomRuleOptions,
    )

    def decorate(function: Command) -> Command:
        @functools.wraps(function)
        def wrapper(
            words: Names,
            options: _ScanOptions,
            cluster: ClusterOptions,
            scan_input: ScanInput,
            exception_settings: ExceptionSettings,
            **values: Any,
        ) -> None:
            request = _create_request(task, words, options, cluster, scan_input, exception_settings)
            function(request=request, exception_settings=exception_settings, **values)

        command = add_options(source_options(exception_options(cluster_options(wrapper))))
        command = leave_out_options(use)(command)
        return click.argument("words", nargs=-1, metavar=words, shell_complete=complete_words)(command)

    return decorate


class _ScanOptions(msgspec.Struct, frozen=True):
    """Groups of options of a scan."""

    frameworks: FrameworkOptions
    conditions: ConditionOptions
    controls: ControlOptions
    selection: SelectionOptions
    rules: CustomRuleOptions


def _create_request(
    task: str,
    words: Names,
    options: _ScanOptions,
    cluster: ClusterOptions,
    scan_input: ScanInput,
    exception_settings: ExceptionSettings,
) -> ScanRequest:
    target = arguments.parse_words(task, words, options.frameworks.frameworks, or_cluster=True)
    conditions, selection = options.conditions, options.selection
    rules = _create_rules(target, options)
    if target.paths and conditions.cluster_policies and not conditions.snapshot:
        raise click.UsageError("--cluster-policies requires a live cluster, or files with --snapshot")
    if target.paths:
        cluster.check_unused(task)
    return ScanRequest(
        msgspec.structs.replace(cluster.select_input(scan_input, target.paths), snapshot=conditions.snapshot),
        rules=rules,
        evaluation=EvaluationOptions(
            kubernetes_version=conditions.kubernetes_version,
            workload=target.workload,
            resource_selection=ResourceSelection(
                include_namespaces=selection.include_namespaces,
                exclude_namespaces=selection.exclude_namespaces,
                include_kinds=selection.include_kinds,
                exclude_kinds=selection.exclude_kinds,
                labels=selection.label_selector,
            ),
            exceptions=exception_settings.exceptions,
            outcome_cache=_resolve_cache_file(incremental=conditions.incremental),
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
    from kubekeep.cli.console import progress  # noqa: PLC0415 - not for `--help`

    def assess() -> Assessment:
        if names_registry(request.input.paths):
            with progress.images() as on_images:
                return scan_request(observe_images(request, on_images), stdin=sys.stdin.buffer)
        with progress.counter() as on_progress, progress.download() as on_bytes:
            return scan_request(observe_downloads(request, on_bytes), stdin=sys.stdin.buffer, on_progress=on_progress)

    try:
        return convert_cluster_errors(assess)
    except ValueError as error:
        ctx = click.get_current_context()
        setting = find_invalid_setting(error, request.rules.excluded)
        if setting is RuleSetting.EXCLUDED:
            raise click.BadParameter(str(error), param_hint="--exclude-controls") from error
        is_in_file = is_from_file(ctx, "frameworks") and request.rules.frameworks == ctx.params["frameworks"]
        if setting is RuleSetting.NAMES and is_in_file:
            raise click.BadParameter(str(error), param_hint="--framework") from error
        raise click.UsageError(str(error)) from error


def _create_rules(target: arguments.ParsedWords, options: _ScanOptions) -> RuleOptions:
    rules, conditions = options.rules, options.conditions
    files = RuleFiles(
        custom=rules.custom_rules, bundles=(*rules.use_from, *rules.artifacts), params=conditions.controls_config
    )
    try:
        rule_options = create_rule_options(
            files,
            frameworks=target.frameworks,
            controls=target.controls,
            excluded=options.controls.exclude_controls,
            provider=conditions.cloud_provider,
            policies=conditions.policies,
            cluster_policies=conditions.cluster_policies,
        )
    except KubekeepError as error:
        if find_invalid_setting(error, ()) is RuleSetting.PARAMS:
            raise click.BadParameter(str(error), param_hint="--controls-config") from error
        raise click.UsageError(str(error)) from error
    for note in rule_options.extra.notes if rule_options.extra else ():
        click.echo(note, err=True)
    return rule_options
