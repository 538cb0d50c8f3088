"""State of one connection: open documents, and their evaluations in the background, newest versions only.

Evaluations run one at a time on a thread of their own. A change waits for a pause in typing; a version that a newer one
has replaced is not evaluated, and results that depend on it are never used. Knows no protocol messages beyond the values it passes on.
"""

# Paths are real paths as text, as documents of an editor name them:
# ruff: noqa: PTH118

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Final, TypeVar

from lsprotocol import types

from kubekeep.confinement import confine
from kubekeep.lsp.client_settings import ClientSettings
from kubekeep.lsp.configuration_file import FileProblem
from kubekeep.lsp.evaluation import EvaluatedDocument, EvaluationStep, FolderEvaluation, OpenDocument
from kubekeep.lsp.launch import Launch
from kubekeep.model.struct_types import prepare_types
from kubekeep.sources.git.root import find_repository_root

T = TypeVar("T")
_PACKAGE: Final = Path(__file__).parents[1]
_INTERNAL_ERROR: Final = "not evaluated: internal error of kubekeep; see the log of the language server"
_STOP_SECONDS: Final = 5.0


class Session:
    """Open documents with their results.

    accept: called with each new result of a document that is still at that version. report: called with the text of an
    error, once for each.
    """

    def __init__(
        self, launch: Launch, accept: Callable[[EvaluatedDocument], None], report: Callable[[str], None]
    ) -> None:
        self.settings = ClientSettings()
        self.documents: dict[str, OpenDocument] = {}
        self.generation = 0
        """Grows with every change of a document, a file or the settings."""
        self.has_changed = asyncio.Event()
        """Set with every change; cleared by the one who waits for it."""
        self._launch = launch
        self._accept = accept
        self._report = report
        prepare_types()
        self._pool = ThreadPoolExecutor(1, "evaluation")
        self._futures: set[Future[Any]] = set()
        self._roots: list[str] = []
        self._folders: dict[str, FolderEvaluation] = {}
        self._states: dict[str, EvaluatedDocument] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._superseded: set[str] = set()
        self._reported: set[str] = set()

    @property
    def roots(self) -> list[str]:
        """Real paths of the workspace folders."""
        return self._roots

    def set_roots(self, roots: Iterable[str]) -> None:
        """Set the workspace folders."""
        self._roots = sorted((os.path.realpath(root) for root in roots), key=len, reverse=True)
        self.reset()

    def configure(self, settings: ClientSettings) -> None:
        """Replace the settings of the client and evaluate all documents again."""
        if settings != self.settings:
            self.settings = settings
            self.reset()

    def reset(self) -> None:
        """Drop all evaluations and start them again."""
        self._folders.clear()
        self._states.clear()
        self._note_change()
        self._schedule_all()

    def put(self, document: OpenDocument, *, is_new: bool) -> None:
        """Add or replace an open document."""
        self.documents[document.path] = document
        folder = self.find_folder(document.path)
        if is_new and folder in self._folders:
            self._folders[folder].refresh()
        self._note_change()
        self._schedule(folder)

    def close(self, path: str) -> None:
        """Remove a closed document; the others may be related to its file."""
        self.documents.pop(path, None)
        self._states.pop(path, None)
        self._note_change()
        self._schedule(self.find_folder(path))

    def refresh(self) -> None:
        """Read the files of all workspace folders again."""
        for evaluation in self._folders.values():
            evaluation.refresh()
        self._note_change()
        self._schedule_all()

    def find_folder(self, path: str) -> str:
        """Return the innermost workspace folder of a file; empty if it is in none."""
        return next((root for root in self._roots if path.startswith(os.path.join(root, ""))), "")

    async def evaluate(self, path: str) -> EvaluatedDocument | None:
        """Return the result of the present version of a document; None if it is not open.

        Waits for the pause in typing as well: editors send requests after every change.
        """
        loop = asyncio.get_running_loop()
        while True:
            document, state = self.documents.get(path), self._states.get(path)
            if document is None or (state is not None and state.document is document):
                return state
            folder = self.find_folder(path)
            timer = self._timers.get(folder)
            if timer is not None:
                await asyncio.sleep(max(timer.when() - loop.time(), 0))
                continue
            if folder not in self._tasks or self._tasks[folder].done():
                self._start(folder)
            await asyncio.shield(self._tasks[folder])

    async def run(self, function: Callable[[], T], folder: str) -> T | None:
        """Run a function on the thread that evaluates; report an error and return None.

        folder: a workspace folder, or empty. Meanwhile, files are opened only in it and in the working tree of git around it.
        """
        future = self._pool.submit(_run_confined, function, folder, threading.get_ident())
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)
        try:
            return await asyncio.wrap_future(future)
        except Exception as error:  # noqa: BLE001 - an error in one evaluation must not end the server
            self._report_once(error)
            return None

    def open_folder(self, folder: str) -> FolderEvaluation:
        """Return the evaluation of a workspace folder."""
        if folder not in self._folders:
            self._folders[folder] = FolderEvaluation(folder, self._launch, self.settings)
        return self._folders[folder]

    def list_documents(self, folder: str) -> dict[str, OpenDocument]:
        """Return the open documents of a workspace folder by path."""
        return {path: document for path, document in self.documents.items() if self.find_folder(path) == folder}

    def stop(self) -> bool:
        """Stop the evaluations; return False if one is still running after some seconds."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        return not wait(list(self._futures), _STOP_SECONDS).not_done

    def _note_change(self) -> None:
        self.generation += 1
        self.has_changed.set()

    def _schedule_all(self) -> None:
        for folder in {self.find_folder(path) for path in self.documents}:
            self._schedule(folder)

    def _schedule(self, folder: str) -> None:
        """Start an evaluation after a pause without changes."""
        if folder in self._timers:
            self._timers[folder].cancel()
        loop = asyncio.get_running_loop()
        self._timers[folder] = loop.call_later(self.settings.delay, self._start, folder)

    def _start(self, folder: str) -> None:
        """Start an evaluation now; a running one is repeated after its present step."""
        timer = self._timers.pop(folder, None)
        if timer is not None:
            timer.cancel()
        task = self._tasks.get(folder)
        if task is None or task.done():
            self._tasks[folder] = asyncio.get_running_loop().create_task(self._evaluate(folder))
        else:
            self._superseded.add(folder)

    async def _evaluate(self, folder: str) -> None:
        while True:
            self._superseded.discard(folder)
            evaluation, documents = self.open_folder(folder), self.list_documents(folder)
            plan = await self.run(lambda: evaluation.plan(documents), folder)  # noqa: B023 - awaited at once
            finished, steps = plan or (self._fail(documents.values()), [])
            self._store(finished)
            for step in steps:
                if folder in self._superseded:
                    break
                await self._evaluate_step(evaluation, step, folder)
            for message in evaluation.messages:
                self._report_text(message)
            evaluation.messages.clear()
            if folder not in self._superseded:
                return

    async def _evaluate_step(self, evaluation: FolderEvaluation, step: EvaluationStep, folder: str) -> None:
        results = await self.run(lambda: evaluation.evaluate(step), folder)
        # A document with a result of its present version may depend on another one that has changed meanwhile.
        if all(self.documents.get(document.path) is document for document in (*step.documents, *step.others)):
            self._store(self._fail(step.documents) if results is None else results)

    def _fail(self, documents: Iterable[OpenDocument]) -> list[EvaluatedDocument]:
        problem = FileProblem(_INTERNAL_ERROR, types.DiagnosticSeverity.Error)
        return [EvaluatedDocument(document, problems=(problem,)) for document in documents]

    def _store(self, results: Iterable[EvaluatedDocument]) -> None:
        for result in results:
            path = result.document.path
            # The document may have changed meanwhile.
            if self.documents.get(path) is result.document and self._states.get(path) is not result:
                self._states[path] = result
                self._accept(result)

    def _report_once(self, error: Exception) -> None:
        """Report an error with its type and position; its text may contain values of the input."""
        frames = [
            frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(str(_PACKAGE))
        ]
        position = f" at {Path(frames[-1].filename).relative_to(_PACKAGE)}:{frames[-1].lineno}" if frames else ""
        self._report_text(
            f"internal error in an evaluation: {type(error).__name__}{position}; this is a defect of kubekeep"
        )

    def _report_text(self, text: str) -> None:
        if text not in self._reported:
            self._reported.add(text)
            self._report(text)


def _run_confined(function: Callable[[], T], folder: str, main_thread: int) -> T:
    if not folder:
        return function()
    # The server has a temporary folder of its own, for copies of files with changes.
    with confine((find_repository_root(folder) or folder, tempfile.gettempdir()), exempt_thread=main_thread):
        return function()
