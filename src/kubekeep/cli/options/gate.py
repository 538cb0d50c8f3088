"""Options of `kubekeep scan` for limits and the baseline. Parses only."""

from pathlib import Path
from typing import Annotated, Any, Final

import click
import msgspec

from kubekeep.cli.console import arguments
from kubekeep.cli.console.limits import COUNTS, PERCENTAGES, NamedLimits, map_limits
from kubekeep.cli.console.option_group import HelpSection, Key, Option, OptionGroup, add_groups
from kubekeep.model.comparison import ScanRecord
from kubekeep.model.fingerprint import Granularity
from kubekeep.model.severity import Severity
from kubekeep.posture.gate import Gates
from kubekeep.usecases.outcome import OutcomeRequest


class BaselineOptions(msgspec.Struct, frozen=True):
    """The baseline file, and the granularity of the comparison; None for the default of the two scans."""

    path: Path
    granularity: Granularity | None = None


class LimitOptions(OptionGroup, frozen=True):
    """Limits of a scan, as given."""

    section = HelpSection.LIMITS

    severity: Annotated[
        Severity | None,
        Option(
            "--severity-threshold",
            "Exit with 1 if a control of this severity or above fails.",
            Key.DISCOVERED,
            type=arguments.SEVERITIES,
            callback=arguments.parse_severity,
            rank=3,
        ),
    ] = None
    priority: Annotated[
        Severity | None,
        Option(
            "--fail-on",
            "Exit with 1 on a finding of this priority or above.",
            Key.DISCOVERED,
            is_common=True,
            type=arguments.SEVERITIES,
            callback=arguments.parse_severity,
            rank=1,
        ),
    ] = None
    strict: Annotated[
        bool,
        Option(
            "--strict",
            "Exit with 1 if a part of the input was not read or has fields or API versions that Kubernetes does not have.",
            Key.DISCOVERED,
            rank=2,
        ),
    ] = False
    compliance: Annotated[
        NamedLimits | None,
        Option(
            "--compliance-threshold",
            "Exit with 1 below this compliance score in percent; by framework: `nsa=80,overall=70`.",
            Key.DISCOVERED,
            type=PERCENTAGES,
            metavar="PERCENT",
        ),
    ] = None
    coverage: Annotated[
        NamedLimits | None,
        Option(
            "--fail-coverage-below",
            "Exit with 1 below this coverage in percent; by framework: `nsa=90,overall=80`.",
            Key.DISCOVERED,
            type=PERCENTAGES,
            metavar="PERCENT",
        ),
    ] = None
    max_failures: Annotated[
        NamedLimits | None,
        Option(
            "--max-failures",
            "Exit with 1 above this number of failures, by severity or in total: `critical=0,high=5,total=50`.",
            Key.DISCOVERED,
            type=COUNTS,
            metavar="SEVERITY=N,...",
            rank=4,
        ),
    ] = None
    only_fixable: Annotated[
        bool,
        Option(
            "--only-fixable",
            "Count only findings with a fix in --fail-on, --severity-threshold and --max-failures.",
            Key.DISCOVERED,
            aliases=("--only-fixed",),
        ),
    ] = False
    only_exposed: Annotated[
        bool,
        Option(
            "--only-exposed",
            "Count only findings of workloads that are reachable from the internet, and of the images they run, in the same "
            "limits.",
            Key.DISCOVERED,
        ),
    ] = False


class BaselineFileOptions(OptionGroup, frozen=True):
    """The baseline and the limits for new findings, as given."""

    section = HelpSection.LIMITS

    baseline: Annotated[
        Path | None,
        Option(
            "--baseline",
            "Show findings that are new since this baseline or JSON report, of Kubekeep or of Kubescape.",
            Key.DISCOVERED,
            is_common=True,
            type=click.Path(path_type=Path, dir_okay=False),
        ),
    ] = None
    fail_on_new: Annotated[
        bool,
        Option(
            "--fail-on-new --baseline-fail-on-new",
            "Exit with 1 on new findings; requires --baseline.",
            Key.DISCOVERED,
            is_common=True,
        ),
    ] = False
    baseline_severity_threshold: Annotated[
        Severity | None,
        Option(
            "--baseline-severity-threshold",
            "Count only new findings of this severity or above; requires --fail-on-new.",
            Key.DISCOVERED,
            type=arguments.SEVERITIES,
            callback=arguments.parse_severity,
        ),
    ] = None
    baseline_granularity: Annotated[
        str | None,
        Option(
            "--baseline-granularity",
            "Compare by evidence, or by control and resource.",
            Key.DISCOVERED,
            type=click.Choice([Granularity.EVIDENCE.value, Granularity.CONTROL.value]),
        ),
    ] = None


def read_baseline_file(path: Path) -> ScanRecord:
    """Return the findings of the baseline at `path`. Raises a usage error for an unreadable file."""
    from kubekeep.reports.kubescape_v2.read import ReportError  # noqa: PLC0415 - loaded only with a baseline
    from kubekeep.usecases.baseline import read_baseline  # noqa: PLC0415

    try:
        return read_baseline(path)
    except ReportError as error:
        raise click.BadParameter(str(error), param_hint="--baseline") from error


def _create_arguments(limits: LimitOptions, baseline: BaselineFileOptions) -> dict[str, Any]:
    return {"baseline": _create_baseline(baseline), "outcome_request": OutcomeRequest(_create_gates(limits, baseline))}


def _create_baseline(options: BaselineFileOptions) -> BaselineOptions | None:
    granularity = options.baseline_granularity
    if options.baseline is None:
        for name, value in (
            ("--fail-on-new", options.fail_on_new),
            ("--baseline-severity-threshold", options.baseline_severity_threshold),
            ("--baseline-granularity", granularity),
        ):
            if value:
                raise click.UsageError(f"{name} requires --baseline")
        return None
    if options.baseline_severity_threshold and not options.fail_on_new:
        raise click.UsageError("--baseline-severity-threshold has no effect without --fail-on-new")
    return BaselineOptions(options.baseline, Granularity(granularity) if granularity else None)


def _create_gates(limits: LimitOptions, baseline: BaselineFileOptions) -> Gates:
    if limits.max_failures is None and limits.severity is None and limits.priority is None:
        for name, is_set in (("--only-fixable", limits.only_fixable), ("--only-exposed", limits.only_exposed)):
            if is_set:
                raise click.UsageError(
                    f"{name} has no effect without --fail-on, --severity-threshold or --max-failures"
                )
    return Gates(
        priority=limits.priority,
        strict=limits.strict,
        severity=limits.severity,
        compliance=map_limits(limits.compliance),
        coverage=map_limits(limits.coverage),
        failures={name: int(limit) for name, limit in map_limits(limits.max_failures).items()},
        only_fixable=limits.only_fixable,
        only_exposed=limits.only_exposed,
        new=baseline.fail_on_new,
        new_severity=baseline.baseline_severity_threshold,
    )


gate_options: Final = add_groups(_create_arguments, LimitOptions, BaselineFileOptions)
"""Decorator that adds the options; they are passed on as two arguments: `outcome_request` and `baseline`."""
