"""`kubekeep registry rematch`: the effect of new advisories on images that were scanned. Parses and prints."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click
import msgspec

from kubekeep.cli.console.arguments import without_options
from kubekeep.cli.console.atomic_files import write_text
from kubekeep.cli.console.configured import ConfiguredCommand
from kubekeep.cli.console.option_group import Use, list_names
from kubekeep.cli.console.standard_output import INCOMPLETE
from kubekeep.cli.db.shared import convert_errors
from kubekeep.cli.options.gate import BaselineFileOptions
from kubekeep.cli.options.privacy import PrivacyOptions
from kubekeep.cli.options.rematch import RematchOptions, rematch_options
from kubekeep.cli.options.request import request_options, run_scan
from kubekeep.cli.options.vulnerability import vulnerability_options
from kubekeep.cli.presentation import PlannedReports, Presentation, presentation_options
from kubekeep.cli.registry import scan as registry_scan
from kubekeep.images.registries.state_file import StateError
from kubekeep.model.assessment import Assessment
from kubekeep.model.text import json_text, visible
from kubekeep.reports.registries.rematch import count_new, list_changes, list_gaps
from kubekeep.usecases.package_request import PackageRequest
from kubekeep.usecases.package_scan import request_stored_images
from kubekeep.usecases.rematch import open_rematch
from kubekeep.usecases.request import ScanRequest
from kubekeep.vulnerabilities.database.vex_repositories.reader import has_repositories
from kubekeep.vulnerabilities.options import VulnerabilityOptions
from kubekeep.vulnerabilities.rematching import RematchReport

_GATE_FAILED: Final = 1
_MOST_UNREAD: Final = 20
_STDOUT: Final = "-"
_NO_OPTIONS: Final = (
    *list_names(PrivacyOptions, BaselineFileOptions),
    *("advisories", "with_db", "grype_db"),
)
"""Options of image scans that have no effect here.

Only a database records its changes, the last match is the baseline, and changes always have the names of images.
"""


@click.command(
    short_help="Show what new advisories change in scanned images.",
    cls=ConfiguredCommand,
    target=lambda _: ".",
    like=registry_scan.command,
)
@without_options(*_NO_OPTIONS)
@request_options("registry rematch", "[framework NAMES | control IDS] DIR", Use.IMAGES)
@presentation_options
@vulnerability_options
@rematch_options
def command(
    request: ScanRequest,
    presentation: Presentation,
    packages: PackageRequest,
    options: RematchOptions,
) -> None:
    """Match the images in the state DIR of `kubekeep registry scan` with the advisory database again.

    Prints new, changed and resolved vulnerabilities of each image since the last run. Only packages whose advisories
    changed are matched; no image is read, and the network is not used. With --format or --output, the reports of a scan
    of these images are written as well. Exceptions, VEX documents and limits are those of a scan; changed VEX repositories
    of the database count too.

    \b
    kubekeep db update && kubekeep registry rematch state
    kubekeep registry rematch state --fail-on-new --changes changes.json
    kubekeep registry rematch state --vex vendor.json --format html,sarif --output report
    """  # noqa: D301 - click takes the character itself
    if len(request.input.paths) != 1:
        raise click.UsageError("name one DIR: the folder of `kubekeep registry scan --state`")
    if not packages.vulnerabilities or not packages.vulnerabilities.database:
        raise click.UsageError("there is no home folder for the database: use --database or KUBEKEEP_DATABASE")
    output_options = presentation.output_options
    outcome = _Options(
        options,
        packages.vulnerabilities,
        has_gates=presentation.outcome_request.has_gates,
        is_quiet=output_options.quiet,
    )
    is_reported = bool(output_options.formats or output_options.output)
    plan = presentation.plan(output_options.plan_outputs() if is_reported else [], is_repeatable=False)
    if options.changes == Path(_STDOUT) and any(output.path is None for output in plan.outputs):
        raise click.UsageError(
            "--changes - and a report on standard output exclude each other: name a file with --output"
        )
    is_scanned = is_reported or outcome.needs_scan(request)
    with convert_errors():
        try:
            code = _run(outcome, plan if is_scanned else None, request)
        except StateError as error:
            click.echo(f"failed: {error}", err=True)
            code = INCOMPLETE
    sys.exit(code)


class _Options(msgspec.Struct, frozen=True):
    """Options for the changes."""

    changes: RematchOptions
    vulnerabilities: VulnerabilityOptions
    has_gates: bool
    is_quiet: bool

    def needs_scan(self, request: ScanRequest) -> bool:
        """Return True if more than the advisories decides which vulnerabilities count, or a gate counts all of them."""
        exceptions, extra = request.evaluation.exceptions, request.rules.extra
        return bool(
            self.has_gates
            or self.vulnerabilities.vex
            or has_repositories(Path(self.vulnerabilities.database))
            or exceptions.files
            or exceptions.sets
            or (extra and extra.exceptions)
        )

    def show(self, report: RematchReport, *, is_stdout_used: bool) -> None:
        """Print the changes, and write them to a file; the text goes to standard error if a report is printed."""
        file = self.changes.changes
        if not self.is_quiet:
            for line in list_changes(report):
                click.echo(visible(line), err=is_stdout_used or file == Path(_STDOUT))
        if file is not None:
            text = f"{msgspec.json.format(json_text(report), indent=2)}\n"
            write_text(text, None if file == Path(_STDOUT) else file)

    def check_new(self, report: RematchReport) -> bool:
        """Print the result of the gate on new vulnerabilities; return True if it passed or is not set."""
        if not self.changes.fails_on_new:
            return True
        limit = self.changes.new_severity
        count = count_new(report, limit)
        above = f" of {limit.label} or above" if limit else ""
        result = "FAILED" if count else "passed"
        first = "; the first match has nothing to compare with" if report.is_first else ""
        click.echo(f"gate {result}: new vulnerabilities: {count:,}{above}, limit 0{first}", err=True)
        return not count


def _run(options: _Options, plan: PlannedReports | None, request: ScanRequest) -> int:
    """Match, show the changes and write the reports; return the exit code. Raises StateError and DatabaseError."""
    (state,) = request.input.paths
    vulnerabilities = options.vulnerabilities
    with open_rematch(Path(state), Path(vulnerabilities.database)) as rematch:
        assessment = None
        if plan is not None:
            request = request_stored_images(plan.add_needs(request), state, rematch.packages, vulnerabilities)
            assessment = run_scan(request)
        report = rematch.compare(assessment, vulnerabilities.maximum_age)
        is_stdout_used = plan is not None and any(output.path is None for output in plan.outputs)
        options.show(report, is_stdout_used=is_stdout_used)
        if plan is not None and assessment is not None:
            if not plan.outputs:
                _echo_unread(assessment)
            code = plan.present(assessment, request)
        else:
            for line in list_gaps(report):
                click.echo(line, err=True)
            code = INCOMPLETE if report.is_incomplete else 0
        has_passed = options.check_new(report)
        # Last: changes that could not be written are shown again by the next run.
        rematch.record()
    return code if has_passed else _GATE_FAILED


def _echo_unread(assessment: Assessment) -> None:
    """Print the first parts of the input that were not read, which no report lists."""
    for unread in assessment.unread[:_MOST_UNREAD]:
        click.echo(f"not read: {visible(str(unread.location))}: {visible(unread.message)}", err=True)
    if len(assessment.unread) > _MOST_UNREAD:
        click.echo(f"not read: {len(assessment.unread) - _MOST_UNREAD:,} more, see a report: --format json", err=True)
