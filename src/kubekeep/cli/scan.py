"""`kubekeep scan`: assess manifests, show or write reports, and exit by the gates.

Parses and shows; what a verdict is, is decided elsewhere.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias, get_args

import click

from kubekeep import reports
from kubekeep.assess.gate import Gates, incomplete, judge
from kubekeep.assess.select import UnknownNameError
from kubekeep.cli import arguments, outputs, progress
from kubekeep.cli.configured import Configured, is_from_file
from kubekeep.cli.source_options import source_options
from kubekeep.library.extra import ExtraRules, gather
from kubekeep.library.load import LibraryError
from kubekeep.library.params import ParamsError, read_params
from kubekeep.model.assessment import Assessment
from kubekeep.model.control import Provider
from kubekeep.model.severity import Severity
from kubekeep.model.text import visible
from kubekeep.sources.options import ReadOptions
from kubekeep.usecases.scan import NEWEST_KUBERNETES, ScanRequest, kubernetes_minor, scan

Names: TypeAlias = tuple[str, ...]
Paths: TypeAlias = tuple[Path, ...]

_GATE_FAILED: Final = 1
_INCOMPLETE: Final = 3


def _version(ctx: click.Context, param: click.Parameter, value: str) -> str:  # noqa: ARG001
    try:
        kubernetes_minor(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return value


def _gate_options(function: Callable[..., None]) -> Callable[..., None]:
    percent = click.FloatRange(0, 100)
    for option in (
        click.option("--fail-coverage-below", "coverage", type=percent, help="Exit 1 below this coverage, in percent."),
        click.option("--compliance-threshold", "compliance", type=percent, help="Exit 1 below this compliance score."),
        click.option(
            "--severity-threshold",
            "severity",
            type=arguments.SEVERITIES,
            callback=arguments.severity,
            help="Exit 1 when a control of this severity or above fails.",
        ),
    ):
        function = option(function)
    return function


def _output_options(function: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("-v", "--verbose", is_flag=True, help="Show every failed resource and every passed control."),
        click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the report to this file."),
        click.option(
            "-f",
            "--format",
            "formats",
            multiple=True,
            callback=arguments.names,
            show_default="pretty",
            help=f"Formats of the report, comma separated: {', '.join(reports.names())}.",
        ),
    ):
        function = option(function)
    return function


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


@click.command(short_help="Assess manifests.", cls=Configured, target=arguments.first_path)
@click.argument("words", nargs=-1, metavar="[framework NAMES | control IDS | workload KIND/NAME] PATH...")
@click.option(
    "--framework",
    "frameworks",
    multiple=True,
    callback=arguments.names,
    show_default="allcontrols",
    help="Frameworks to assess against, comma separated; `kubekeep list frameworks` shows them.",
)
@click.option(
    "--controls-config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File with values for parameters of controls: {name: [values]}, or a ControlInput object.",
)
@click.option(
    "--kubernetes-version",
    default=f"1.{NEWEST_KUBERNETES}",
    show_default=True,
    callback=_version,
    help="The version that the manifests are for.",
)
@click.option(
    "--snapshot",
    is_flag=True,
    help="The files are a whole cluster (`kubectl get -o yaml`): evaluate what only a cluster can answer.",
)
@click.option(
    "--cloud-provider",
    type=click.Choice(get_args(Provider), case_sensitive=False),
    help="The managed platform of the cluster, where Nodes or cloud documents in the input do not tell it.",
)
@click.option(
    "--policies",
    multiple=True,
    type=click.Path(),
    help="Evaluate the ValidatingAdmissionPolicies in this file or folder too; may be given several times.",
)
@_rules_options
@source_options
@_gate_options
@_output_options
def command(  # noqa: PLR0913, PLR0917 - one argument an option
    words: tuple[str, ...],
    frameworks: tuple[str, ...],
    controls_config: Path | None,
    kubernetes_version: str,
    cloud_provider: Provider | None,
    policies: tuple[str, ...],
    severity: Severity | None,
    compliance: float | None,
    coverage: float | None,
    formats: tuple[str, ...],
    output: Path | None,
    *,
    rules: ExtraRules,
    read: ReadOptions,
    snapshot: bool,
    verbose: bool,
) -> None:
    """Assess what is at each PATH, or standard input for -.

    A PATH is a file or folder of manifests, charts, kustomizations or Terraform modules, an archive, a quoted pattern,
    or the address of a repository, a manifest or a chart.

    \b
    kubekeep scan deploy/
    kubekeep scan framework nsa,pss-restricted deploy/
    kubekeep scan control C-0057 pod.yaml
    kubekeep scan chart/ --values production.yaml
    kubekeep scan workload shop/deployment/web deploy/
    kubectl get deployment -o yaml | kubekeep scan -
    """  # noqa: D301 - click takes the character itself
    asked = arguments.asked("scan", words, frameworks)
    request = ScanRequest(
        paths=asked.paths,
        frameworks=asked.frameworks,
        controls=asked.controls,
        kubernetes_version=kubernetes_version,
        params=_params(controls_config, rules),
        snapshot=snapshot,
        cloud_provider=cloud_provider,
        policies=policies,
        rules=rules,
        read=read,
        workload=asked.workload,
    )
    wanted = outputs.plan(formats, output)
    try:
        with progress.counter() as note:
            assessment = scan(request, stdin=sys.stdin.buffer, note=note)
    except UnknownNameError as error:
        ctx = click.get_current_context()
        if is_from_file(ctx, "frameworks") and asked.frameworks == ctx.params["frameworks"]:
            raise click.BadParameter(str(error), param_hint="--framework") from error
        raise click.UsageError(str(error)) from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    for text in assessment.notes:
        click.echo(visible(text), err=True)
    outputs.write(assessment, wanted, verbose=verbose)
    listener = click.get_current_context().obj
    if listener is not None:
        listener(assessment)
    if read.changed_since and not assessment.results and not assessment.unread:
        click.echo(f"nothing that a control applies to has changed since {visible(read.changed_since)}", err=True)
        sys.exit(0)
    sys.exit(_exit_code(assessment, Gates(severity=severity, compliance=compliance, coverage=coverage)))


def _params(file: Path | None, rules: ExtraRules) -> dict[str, Names]:
    try:
        return {} if file is None else read_params(file, rules.known)
    except ParamsError as error:
        raise click.BadParameter(str(error), param_hint="--controls-config") from error


def _exit_code(assessment: Assessment, gates: Gates) -> int:
    outcomes = judge(assessment, gates)
    for outcome in outcomes:
        click.echo(f"gate {'passed' if outcome.passed else 'FAILED'}: {outcome.text}", err=True)
    if not all(outcome.passed for outcome in outcomes):
        return _GATE_FAILED
    if not assessment.results:
        count = len(assessment.unread)
        why = f"{count} unread, see the report" if count else "no Kubernetes object that a control applies to was found"
        click.echo(f"nothing was assessed: {why}", err=True)
        return _INCOMPLETE
    if incomplete(assessment):
        count = len(assessment.unread)
        click.echo(f"incomplete: {count} unread, see the report" if count else "incomplete: see the report", err=True)
        return _INCOMPLETE
    return 0
