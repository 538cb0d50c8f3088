"""The options that say which exceptions a scan goes by, handed on as one argument. Reads no file."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import click
import msgspec

from kubekeep.cli.arguments import Names
from kubekeep.exceptions.load import ExceptionOptions
from kubekeep.exceptions.sets import list_sets
from kubekeep.model.assessment import Assessment
from kubekeep.model.exception import ExceptionStatus

_PROBLEMS: Final = {
    ExceptionStatus.EXPIRED: "{} expired",
    ExceptionStatus.INVALID_CONTROL: "{} with unknown controls",
    ExceptionStatus.TOO_BROAD: "{} too broad",
    ExceptionStatus.INVALID: "{} not understood",
    ExceptionStatus.UNUSED: "{} unused",
}


class Accepting(msgspec.Struct, frozen=True):
    """Which exceptions a scan goes by, and whether each of them is to be told."""

    exceptions: ExceptionOptions
    audit: bool

    def tell(self, assessment: Assessment) -> None:
        """Say in a line what became of the exceptions, if there are any."""
        if told := _told(assessment, audit=self.audit):
            click.echo(told, err=True)


def exception_options(function: Callable[..., None]) -> Callable[..., None]:
    """Options on exceptions, handed on as one argument, `accepting`."""

    @functools.wraps(function)
    def gathered(
        *, exceptions: Names, exception_sets: Names, honor_inline_exceptions: bool | None, audit: bool, **others: Any
    ) -> None:
        chosen = ExceptionOptions(files=exceptions, sets=exception_sets, inline=honor_inline_exceptions)
        function(accepting=Accepting(chosen, audit), **others)

    for option in (
        click.option(
            "--audit-exceptions",
            "audit",
            is_flag=True,
            help="Tell of every exception what it covers, and why if that is nothing.",
        ),
        click.option(
            "--honor-inline-exceptions/--no-honor-inline-exceptions",
            default=None,
            help="Accept what annotations and comments beside a finding say: yes for files, no with --snapshot.",
        ),
        click.option(
            "--exception-set",
            "exception_sets",
            multiple=True,
            type=click.Choice(list_sets()),
            help="Accept what a platform's own components in its system namespaces need; may be given several times.",
        ),
        click.option(
            "--exceptions",
            multiple=True,
            type=click.Path(),
            help="File of exceptions, in Kubescape's form or as SecurityException objects; may be given several times.",
        ),
    ):
        gathered = option(gathered)
    return gathered


def _told(assessment: Assessment, *, audit: bool) -> str:
    """One line on what became of the exceptions; empty if there are none."""
    if not assessment.exceptions:
        return ""
    # That most of a ready-made set, which has no place in a file, covers nothing is as it should be.
    told = [use for use in assessment.exceptions if use.exception.location or use.status is not ExceptionStatus.UNUSED]
    counts = Counter(use.status for use in told)
    covered = sum(map(len, assessment.excepted().values()))
    total = len(assessment.exceptions)
    parts = [f"{total} exception{'' if total == 1 else 's'}: {covered} finding{'' if covered == 1 else 's'} accepted"]
    parts += [text.format(counts[status]) for status, text in _PROBLEMS.items() if counts[status]]
    if doubtful := sum(1 for use in told if use.doubts):
        parts.append(f"{doubtful} doubtful")
    hint = "" if audit or len(parts) == 1 else "; --audit-exceptions shows them"
    return ", ".join(parts) + hint
