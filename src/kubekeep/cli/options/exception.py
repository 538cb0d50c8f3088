"""Options for the exceptions of a scan, passed on as one argument. Reads no file."""

from collections import Counter
from typing import Annotated, Final

import click
import msgspec

from kubekeep.cli.console.option_group import HelpSection, Key, Option, OptionGroup, Use, add_groups
from kubekeep.exceptions.load import ExceptionOptions
from kubekeep.exceptions.sets import list_sets
from kubekeep.model.assessment import Assessment
from kubekeep.model.exception import ExceptionSource, ExceptionStatus

_PROBLEMS: Final = {
    ExceptionStatus.EXPIRED: "{} expired",
    ExceptionStatus.INVALID_CONTROL: "{} with unknown controls",
    ExceptionStatus.TOO_BROAD: "{} too broad",
    ExceptionStatus.INVALID: "{} invalid",
    ExceptionStatus.UNUSED: "{} unused",
}


class ExceptionSettings(msgspec.Struct, frozen=True):
    """The exceptions of a scan; `audit` reports each of them."""

    exceptions: ExceptionOptions
    audit: bool

    def report(self, assessment: Assessment) -> None:
        """Print a line about the use of exceptions, if there are any."""
        if text := _summarize(assessment, audit=self.audit):
            click.echo(text, err=True)


class ExceptionFileOptions(OptionGroup, frozen=True):
    """Options for exceptions, as given."""

    section = HelpSection.EXCEPTIONS

    exceptions: Annotated[
        tuple[str, ...],
        Option(
            "--exceptions",
            "Apply the exceptions in this file, in Kubescape's format or as SecurityException objects; repeatable.",
            Key.DISCOVERED,
            is_common=True,
            type=click.Path(),
            api=("scan", "scan_cluster"),
        ),
    ] = ()
    exception_sets: Annotated[
        tuple[str, ...],
        Option(
            "--exception-set",
            "Apply this ready-made set of exceptions for the system components of a platform; repeatable.",
            Key.DISCOVERED,
            type=click.Choice(list_sets()),
        ),
    ] = ()
    honor_inline_exceptions: Annotated[
        bool | None,
        Option(
            "--honor-inline-exceptions/--no-honor-inline-exceptions",
            "Apply exceptions in annotations and suppression comments. Default: only for files without --snapshot.",
            Key.DISCOVERED,
            uses=Use.SCAN | Use.WATCH,
        ),
    ] = None
    audit: Annotated[
        bool,
        Option(
            "--audit-exceptions",
            "List each exception with the findings that it covers, or the reason if it covers none.",
            Key.DISCOVERED,
            uses=Use.SCAN | Use.IMAGES,
        ),
    ] = False


def create_settings(options: ExceptionFileOptions) -> ExceptionSettings:
    """Return the exceptions of a scan with these options."""
    exceptions = ExceptionOptions(
        files=options.exceptions, sets=options.exception_sets, inline=options.honor_inline_exceptions
    )
    return ExceptionSettings(exceptions, options.audit)


exception_options: Final = add_groups(
    lambda options: {"exception_settings": create_settings(options)}, ExceptionFileOptions
)
"""Decorator that adds the options; they are passed on as one argument, `exception_settings`."""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _summarize(assessment: Assessment, *, audit: bool) -> str:
    """Return one line about the use of exceptions; empty without exceptions."""
    if not assessment.exceptions:
        return ""
    # Exceptions of ready-made sets have no location; most of them are expected to be unused.
    reported_uses = [
        use for use in assessment.exceptions if use.exception.location or use.status is not ExceptionStatus.UNUSED
    ]
    counts = Counter(use.status for use in reported_uses)
    statements = sum(use.exception.source is ExceptionSource.STATEMENT for use in assessment.exceptions)
    totals = {"exception": len(assessment.exceptions) - statements, "VEX statement": statements}
    kinds = " and ".join(_count(number, noun) for noun, number in totals.items() if number)
    parts = [f"{kinds}: {_count(len(assessment.excepted_findings), 'finding')} covered"]
    parts += [text.format(counts[status]) for status, text in _PROBLEMS.items() if counts[status]]
    if doubtful_count := sum(1 for use in reported_uses if use.scope_warnings):
        parts.append(f"{doubtful_count} with warnings")
    hint = "" if audit or len(parts) == 1 else "; use --audit-exceptions to list them"
    return ", ".join(parts) + hint
