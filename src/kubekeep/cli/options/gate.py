"""Options of `kubekeep scan` for limits and the baseline. Parses only."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from kubekeep.cli.console import arguments
from kubekeep.cli.console.aliased_option import AliasedOption
from kubekeep.cli.console.limits import COUNTS, PERCENTAGES, map_limits
from kubekeep.model.comparison import ScanRecord
from kubekeep.model.fingerprint import Granularity
from kubekeep.posture.gate import Gates


class BaselineOptions(msgspec.Struct, frozen=True):
    """The baseline file, and the granularity of the comparison; None for the default of the two scans."""

    path: Path
    granularity: Granularity | None = None


def gate_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options; they are passed on as two arguments: `gates` and `baseline`."""

    @functools.wraps(function)
    def wrapper(**values: Any) -> None:
        baseline = _parse_baseline(values)
        function(baseline=baseline, gates=_gates(values), **values)

    for option in (*_baseline(), *_limits()):
        wrapper = option(wrapper)
    return wrapper


def read_baseline(path: Path) -> ScanRecord:
    """Return the findings of the baseline at `path`. Raises a usage error for an unreadable file."""
    from kubekeep.baseline.file import read_baseline_or_report  # noqa: PLC0415 - loaded only with a baseline
    from kubekeep.reports.kubescape_v2.read import ReportError  # noqa: PLC0415

    try:
        record = read_baseline_or_report(path)
    except ReportError as error:
        raise click.BadParameter(str(error), param_hint="--baseline") from error
    if record.pseudonyms:
        text = f"{record.name}: names are pseudonymised; use `kubekeep diff` to compare it with a report of scan --hide"
        raise click.BadParameter(text, param_hint="--baseline")
    return record


def _baseline() -> tuple[Callable[..., Any], ...]:
    return (
        click.option(
            "--baseline-granularity",
            type=click.Choice([Granularity.EVIDENCE.value, Granularity.CONTROL.value]),
            help="Compare by evidence, or by control and resource.",
        ),
        click.option(
            "--baseline-severity-threshold",
            type=arguments.SEVERITIES,
            callback=arguments.parse_severity,
            help="Count only new findings of this severity or above; requires --fail-on-new.",
        ),
        click.option(
            "--fail-on-new",
            "--baseline-fail-on-new",
            "fail_on_new",
            is_flag=True,
            help="Exit with 1 on new findings; requires --baseline.",
        ),
        click.option(
            "--baseline",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Show findings that are new since this baseline or JSON report, of Kubekeep or of Kubescape.",
        ),
    )


def _limits() -> tuple[Callable[..., Any], ...]:
    return (
        click.option(
            "--only-fixable",
            cls=AliasedOption,
            aliases=("--only-fixed",),
            is_flag=True,
            help="Count only findings with a fix in --fail-on, --severity-threshold and --max-failures.",
        ),
        click.option(
            "--max-failures",
            type=COUNTS,
            metavar="SEVERITY=N,...",
            help="Exit with 1 above this number of failures, by severity or in total: `critical=0,high=5,total=50`.",
        ),
        click.option(
            "--fail-coverage-below",
            "coverage",
            type=PERCENTAGES,
            metavar="PERCENT",
            help="Exit with 1 below this coverage in percent; by framework: `nsa=90,overall=80`.",
        ),
        click.option(
            "--compliance-threshold",
            "compliance",
            type=PERCENTAGES,
            metavar="PERCENT",
            help="Exit with 1 below this compliance score in percent; by framework: `nsa=80,overall=70`.",
        ),
        click.option(
            "--strict",
            is_flag=True,
            help="Exit with 1 if a part of the input was not read or has fields or API versions that Kubernetes does not have.",
        ),
        click.option(
            "--fail-on",
            "priority",
            type=arguments.SEVERITIES,
            callback=arguments.parse_severity,
            help="Exit with 1 on a finding of this priority or above.",
        ),
        click.option(
            "--severity-threshold",
            "severity",
            type=arguments.SEVERITIES,
            callback=arguments.parse_severity,
            help="Exit with 1 if a control of this severity or above fails.",
        ),
    )


def _parse_baseline(values: dict[str, Any]) -> BaselineOptions | None:
    """Remove the baseline file and granularity from `values`; `_gates` removes the limits for new findings."""
    path, granularity = values.pop("baseline"), values.pop("baseline_granularity")
    if path is None:
        for name, value in (
            ("--fail-on-new", values["fail_on_new"]),
            ("--baseline-severity-threshold", values["baseline_severity_threshold"]),
            ("--baseline-granularity", granularity),
        ):
            if value:
                raise click.UsageError(f"{name} requires --baseline")
        return None
    if values["baseline_severity_threshold"] and not values["fail_on_new"]:
        raise click.UsageError("--baseline-severity-threshold has no effect without --fail-on-new")
    return BaselineOptions(path, Granularity(granularity) if granularity else None)


def _gates(values: dict[str, Any]) -> Gates:
    """Remove the options from `values` and return the gates."""
    take = values.pop
    failures, severity, fixable = take("max_failures"), take("severity"), take("only_fixable")
    priority = take("priority")
    if fixable and failures is None and severity is None and priority is None:
        raise click.UsageError("--only-fixable has no effect without --fail-on, --severity-threshold or --max-failures")
    return Gates(
        priority=priority,
        strict=take("strict"),
        severity=severity,
        compliance=map_limits(take("compliance")),
        coverage=map_limits(take("coverage")),
        failures={name: int(limit) for name, limit in map_limits(failures).items()},
        only_fixable=fixable,
        new=take("fail_on_new"),
        new_severity=take("baseline_severity_threshold"),
    )
