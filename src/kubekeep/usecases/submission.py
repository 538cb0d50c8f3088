"""Sending of an assessment to a server, after the results that earlier scans could not send. Never prints.

An assessment is stored in the spool of this user before it is sent: a process that is killed loses nothing.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.model.assessment import Assessment
from kubekeep.model.errors import RequestError
from kubekeep.model.server_results import SubmissionReceipt
from kubekeep.reports import submission as document
from kubekeep.reports.format import ReportOptions
from kubekeep.uplink.client import SubmissionClient, SubmissionRefusal, SubmissionResult, Unavailability
from kubekeep.uplink.connection import ServerConnection
from kubekeep.uplink.patience import PATIENCE
from kubekeep.uplink.selection import SelectedServer, ServerOptions, select_server
from kubekeep.uplink.settings import find_login_folder, find_spool_folder, read_server_variables
from kubekeep.uplink.spool import Spool, SubmissionHead, UnsentSubmission, describe_source

_ATTEMPTS: Final = 5
"""Number of times that other processes may send and remove the results of this one."""


class SubmissionOutcome(msgspec.Struct, frozen=True):
    """The result of sending an assessment.

    is_kept: True if the next submission to this server sends it too. notes: sentences about other submissions.
    """

    server: str
    result: SubmissionResult
    is_kept: bool = False
    notes: tuple[str, ...] = ()

    @property
    def is_postponed(self) -> bool:
        """True if the server could not receive the results, and the next submission sends them."""
        return self.is_kept and isinstance(self.result, Unavailability)


def find_server(options: ServerOptions) -> SelectedServer:
    """Return the server of options, variables or logins. Raises the errors of `select_server`."""
    return select_server(options, read_server_variables(), find_login_folder())


def submit(assessment: Assessment, server: SelectedServer, patience: float = PATIENCE) -> SubmissionOutcome:
    """Send an assessment with a source to a server. patience: longest wait in seconds for a busy server.

    Raises RequestError for an assessment without a source, OSError if it cannot be stored, and RegistryError for unreadable
    certificates.
    """
    with _store(assessment, server) as stored, ServerConnection(server.access) as connection:
        client = SubmissionClient(connection, server.token, patience)
        notes = [f"dropped unsent results: {name}" for name in stored.spool.drop_excess(stored.unsent)]
        problem = _send_earlier(client, stored, notes)
        result = problem or _send_latest(client, stored)
        may_succeed = isinstance(result, Unavailability) or (
            isinstance(result, SubmissionRefusal) and (result.is_of_login or result.is_of_proxy)
        )
        if not may_succeed:
            stored.spool.remove(stored.unsent)
        elif stored.problem:
            notes.append(f"unsent results cannot be kept: {stored.problem}")
        is_kept = may_succeed and not stored.problem
        return SubmissionOutcome(server.access.address, result, is_kept=is_kept, notes=tuple(notes))


class _StoredAssessment(msgspec.Struct, frozen=True):
    """An assessment in a spool.

    add: stores it again. problem: the reason why the spool is removed in the end, or empty.
    """

    spool: Spool
    unsent: UnsentSubmission
    add: Callable[[], UnsentSubmission]
    problem: str = ""


@contextlib.contextmanager
def _store(assessment: Assessment, server: SelectedServer) -> Iterator[_StoredAssessment]:
    """Store an assessment in the spool of this user, or for the block only if that is not possible."""
    if assessment.source is None:
        raise RequestError("the assessment names no cluster, repository or registry: scan with a source")
    head = SubmissionHead(
        server=server.access.address,
        source=describe_source(assessment.source),
        state=f"{assessment.source.key} {assessment.source.branch_name}",
        started=assessment.started,
        id=document.create_id(assessment, assessment.source),
    )

    def add(folder: Path, problem: str = "") -> _StoredAssessment:
        spool = Spool(folder)

        def add_to_spool() -> UnsentSubmission:
            return spool.add(head, lambda stream: document.render(assessment, stream, ReportOptions()))

        return _StoredAssessment(spool, add_to_spool(), add_to_spool, problem)

    folder, stored, problem = find_spool_folder(), None, "HOME and XDG_STATE_HOME are not set"
    if folder is not None:
        try:
            stored = add(folder)
        except OSError as error:
            problem = f"{folder}: {error.strerror}"
    if stored is not None:
        yield stored
        return
    with tempfile.TemporaryDirectory(prefix="kubekeep-") as temporary:
        yield add(Path(temporary), problem)


def _send_latest(client: SubmissionClient, stored: _StoredAssessment) -> SubmissionResult:
    """Send the assessment. If another process has sent and removed it, the server acknowledges it again."""
    for _ in range(_ATTEMPTS):
        try:
            return client.send(stored.unsent.content)
        except FileNotFoundError:
            stored.add()
    return client.send(stored.unsent.content)


def _send_earlier(client: SubmissionClient, stored: _StoredAssessment, notes: list[str]) -> SubmissionResult | None:
    """Send the results of earlier scans, the oldest first. Return the reason if the server accepts none at present."""
    for earlier in stored.spool.list_unsent(stored.unsent.head.server):
        if earlier.head.started >= stored.unsent.head.started:
            # Another process sends its own results.
            continue
        try:
            result = client.send(earlier.content)
        except FileNotFoundError:
            # Another process has sent it.
            continue
        match result:
            case SubmissionReceipt():
                stored.spool.remove(earlier)
                notes.append(f"submitted results of an earlier scan: {earlier.head}")
            case Unavailability():
                return result
            case SubmissionRefusal(is_of_login=True):
                return result
            case SubmissionRefusal(is_of_content=True):
                stored.spool.remove(earlier)
                notes.append(f"dropped unsent results: {earlier.head}: {result.reason}")
            case _:
                # Another token may be permitted to submit for this source.
                pass
    return None
