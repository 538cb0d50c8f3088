"""The options of `kubekeep scan` that set limits, and the baseline that some of them go by. Parses only."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from kubekeep.cli import arguments
from kubekeep.cli.limits import COUNTS, PERCENTAGES, numbers
from kubekeep.model.comparison import ScanRecord
from kubekeep.model.fingerprint import Granularity
from kubekeep.posture.gate import Gates


class Since(msgspec.Struct, frozen=True):
    """The file that says what is known, and what counts as one finding; None for what fits the two scans."""

    path: Path
    granularity: Granularity | None = None


def gate_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options as click takes them, handed on as two arguments: `gates`, and `since` for the baseline."""

    @functools.wraps(function)
    def gathered(**given: Any) -> None:
        since = _since(given)
        function(since=since, gates=_gates(given), **given)

    for option in (*_baseline(), *_limits()):
        gathered = option(gathered)
    return gathered


def known(path: Path) -> ScanRecord:
    """What the baseline at `path` knows; click's error for one that cannot be used, which is never an empty one."""
    from kubekeep.baseline.file import read_baseline_or_report  # noqa: PLC0415 - only a scan with a baseline pays for it
    from kubekeep.reports.kubescape_v2.read import ReportError  # noqa: PLC0415

    try:
        found = read_baseline_or_report(path)
    except ReportError as error:
        raise click.BadParameter(str(error), param_hint="--baseline") from error
    if found.pseudonyms:
        text = f"{found.name}: names are hidden: compare it with the report of a scan with --hide, by `kubekeep diff`"
        raise click.BadParameter(text, param_hint="--baseline")
    return found


def _baseline() -> tuple[Callable[..., Any], ...]:
    return (
        click.option(
            "--baseline-granularity",
            type=click.Choice([Granularity.EVIDENCE.value, Granularity.CONTROL.value]),
            help="What counts as one finding: each place, or each control on a resource.",
        ),
        click.option(
            "--baseline-severity-threshold",
            type=arguments.SEVERITIES,
            callback=arguments.severity,
            help="With --fail-on-new: only new findings of this severity or above.",
        ),
        click.option(
            "--fail-on-new", "--baseline-fail-on-new", "fail_on_new", is_flag=True, help="Exit 1 on new findings."
        ),
        click.option(
            "--baseline",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Tell what is new since this baseline or JSON report, of ours or of Kubescape's.",
        ),
    )


def _limits() -> tuple[Callable[..., Any], ...]:
    return (
        click.option(
            "--only-fixable", is_flag=True, help="Let --severity-threshold and --max-failures count what has a fix."
        ),
        click.option(
            "--max-failures",
            type=COUNTS,
            metavar="SEVERITY=N,...",
            help="Exit 1 above so many failures of a severity or in total: `critical=0,high=5,total=50`.",
        ),
        click.option(
            "--fail-coverage-below",
            "coverage",
            type=PERCENTAGES,
            metavar="PERCENT",
            help="Exit 1 below this coverage, in percent; by framework: `nsa=90,overall=80`.",
        ),
        click.option(
            "--compliance-threshold",
            "compliance",
            type=PERCENTAGES,
            metavar="PERCENT",
            help="Exit 1 below this compliance score; by framework: `nsa=80,overall=70`.",
        ),
        click.option(
            "--severity-threshold",
            "severity",
            type=arguments.SEVERITIES,
            callback=arguments.severity,
            help="Exit 1 when a control of this severity or above fails.",
        ),
    )


def _since(given: dict[str, Any]) -> Since | None:
    """Takes the baseline out of `given`; what only makes sense with one stays until `_gates`."""
    path, granularity = given.pop("baseline"), given.pop("baseline_granularity")
    if path is None:
        for name, said in (
            ("--fail-on-new", given["fail_on_new"]),
            ("--baseline-severity-threshold", given["baseline_severity_threshold"]),
            ("--baseline-granularity", granularity),
        ):
            if said:
                raise click.UsageError(f"{name} needs --baseline: without one nobody knows what is new")
        return None
    if given["baseline_severity_threshold"] and not given["fail_on_new"]:
        raise click.UsageError("--baseline-severity-threshold needs --fail-on-new: alone it stops nothing")
    return Since(path, Granularity(granularity) if granularity else None)


def _gates(given: dict[str, Any]) -> Gates:
    """Takes its arguments out of `given`."""
    take = given.pop
    failures, severity, fixable = take("max_failures"), take("severity"), take("only_fixable")
    if fixable and failures is None and severity is None:
        raise click.UsageError("--only-fixable needs --severity-threshold or --max-failures: alone it stops nothing")
    return Gates(
        severity=severity,
        compliance=numbers(take("compliance")),
        coverage=numbers(take("coverage")),
        failures={name: int(limit) for name, limit in numbers(failures).items()},
        only_fixable=fixable,
        new=take("fail_on_new"),
        new_severity=take("baseline_severity_threshold"),
    )
