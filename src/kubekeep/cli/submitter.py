"""Results of a scan for a server: checks before the scan, sending after it, and messages. Decides no verdict."""

from __future__ import annotations

import threading
from collections.abc import Callable

import click
import msgspec

from kubekeep.cli.console.standard_output import INCOMPLETE
from kubekeep.cli.options.privacy import PrivacyOptions
from kubekeep.cli.options.submit import SubmissionSettings
from kubekeep.cli.server_access import convert_server_errors, create_server_options
from kubekeep.cli.settings import cache_folder
from kubekeep.model.assessment import Assessment
from kubekeep.model.decision import LoadedDecisions
from kubekeep.model.errors import KubekeepError
from kubekeep.model.scanned_source import ScannedSource
from kubekeep.model.server_results import SubmissionReceipt
from kubekeep.model.text import visible
from kubekeep.reports.submission import FORMAT
from kubekeep.uplink.client import SubmissionResult
from kubekeep.uplink.decisions import ServerDecisions
from kubekeep.uplink.selection import SelectedServer
from kubekeep.usecases.request import ScanRequest
from kubekeep.usecases.submission import SubmissionOutcome, find_server, submit
from kubekeep.usecases.submission_source import SourceError, check_source


def select_server(settings: SubmissionSettings) -> SelectedServer:
    """Return the server of the options. Raises click errors without a server or a usable token."""
    with convert_server_errors():
        return find_server(create_server_options(settings.address, settings.options.token_file))


def add_needs(request: ScanRequest) -> ScanRequest:
    """Return the request with all that identifies its source and its findings on a server."""
    needs = msgspec.structs.replace(request.needs, extras=request.needs.extras | FORMAT.extras)
    return msgspec.structs.replace(request, needs=needs)


class ScanDecisions:
    """The decisions of a server for one scan.

    must_go_on: a scan whose results are submitted goes on without them, which covers nothing and fails rather than passes a gate.
    """

    def __init__(self, server: SelectedServer, *, must_go_on: bool) -> None:
        folder = cache_folder()
        self._decisions = ServerDecisions(server, None if folder is None else folder / "decisions")
        self._must_go_on = must_go_on

    def load(self, source: ScannedSource) -> LoadedDecisions:
        """Return the decisions on a source. Raises KubekeepError if they are not known, but with `must_go_on`."""
        try:
            return self._decisions.load(source)
        except KubekeepError as error:
            if not self._must_go_on:
                raise
            return LoadedDecisions(note=f"no decision of the server is applied: {error}")


def add_decisions(request: ScanRequest, decisions: ScanDecisions) -> ScanRequest:
    """Return the request with the decisions of a server. Raises click.UsageError for an input without identity."""
    try:
        check_source(request.input)
    except SourceError as error:
        raise click.UsageError(f"--server and --submit: {visible(str(error))}") from error
    evaluation = msgspec.structs.replace(request.evaluation, decisions=decisions)
    return msgspec.structs.replace(request, evaluation=evaluation)


def check_privacy(privacy: PrivacyOptions) -> None:
    """Raise click.UsageError for pseudonyms in results that are submitted."""
    if privacy.hide or privacy.encrypt:
        option = "--hide" if privacy.hide else "--encrypt"
        raise click.UsageError(f"{option} and --submit cannot be combined: a server identifies findings by their names")


class Submitter:
    """Sends the results of one scan."""

    def __init__(self, server: SelectedServer) -> None:
        self._server = server

    def submit(self, assessment: Assessment) -> int:
        """Send the results, print one line, and return the exit code: 0 if the server has them or will get them later."""
        if not assessment.results:
            # An error of its own, except if no file has changed since a revision.
            click.echo("not submitted: nothing was assessed", err=True)
            return 0
        try:
            with convert_server_errors():
                outcome = submit(assessment, self._server)
        except OSError as error:
            click.echo(f"not submitted: the results cannot be stored: {error.strerror}", err=True)
            return INCOMPLETE
        for note in outcome.notes:
            click.echo(visible(note), err=True)
        click.echo(visible(describe_outcome(outcome)), err=True)
        return 0 if isinstance(outcome.result, SubmissionReceipt) or outcome.is_postponed else INCOMPLETE


def describe_outcome(outcome: SubmissionOutcome) -> str:
    """Return the result of a submission in one line."""
    result = outcome.result
    if isinstance(result, SubmissionReceipt):
        return describe_receipt(outcome.server, result)
    text = f"not submitted: {result.reason}"
    return f"{text}; the next --submit to this server sends the results" if outcome.is_kept else text


def describe_receipt(server: str, receipt: SubmissionReceipt) -> str:
    """Return an acknowledgement in one line."""
    later = "" if receipt.is_applied else "; the server has a later state, which stays"
    return f"Submitted to {server}: {receipt.opened} opened, {receipt.closed} closed{later}"


class StateNotes:
    """Prints lines about the submission of a watch."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._is_ending = False
        self.printing = threading.Lock()
        """Locked while a line is printed."""

    def show(self, result: SubmissionResult, dropped: int) -> None:
        """Print a result, and the number of states that were replaced by later ones before they could be sent."""
        if isinstance(result, SubmissionReceipt):
            text = describe_receipt(self._server, result)
        else:
            later = (
                "; the last state is not on the server"
                if self._is_ending
                else "; the watch sends its latest state later"
            )
            text = f"not submitted: {result.reason}{later}"
        earlier = f"; dropped unsent earlier states: {dropped}" if dropped else ""
        self._print(text + earlier)

    def end(self, send: Callable[[], bool]) -> None:
        """Send the last state. send: returns False if that takes too long."""
        self._is_ending = True
        if not send():
            self._print(f"not submitted: {self._server} did not acknowledge the last state in time")

    def _print(self, text: str) -> None:
        with self.printing:
            click.echo(visible(text), err=True)
