"""Handlers of the protocol, and the life of the server on standard input and output. Decides no verdict."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from typing import Any, Final, NoReturn

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

from kubekeep._native import VERSION
from kubekeep.lsp.actions import FIX_ALL, ActionBuilder, ActionData, join_risks
from kubekeep.lsp.client_settings import parse_settings, select_section
from kubekeep.lsp.configuration_file import ConfigurationChecker, find_key
from kubekeep.lsp.evaluation import EvaluatedDocument, OpenDocument
from kubekeep.lsp.findings import FileFinding, create_diagnostic, create_problem, list_findings, list_problems
from kubekeep.lsp.hover import create_hover, describe_findings, describe_value
from kubekeep.lsp.launch import Launch
from kubekeep.lsp.lenses import list_lenses
from kubekeep.lsp.positions import ClientText, contains, overlaps
from kubekeep.lsp.protocol import CheckedProtocol, create_converter
from kubekeep.lsp.session import Session
from kubekeep.lsp.texts import ClientTexts
from kubekeep.model.assessment import Assessment
from kubekeep.model.location import Location
from kubekeep.model.severity import Severity
from kubekeep.sources.signals import exit_on_signals
from kubekeep.usecases.editor import MAX_REPORTED

_CLIENT_POLL: Final = 2.0
"""Seconds between checks that the process of the client exists."""
_WATCHED: Final = (
    "**/*.{yaml,yml,json,tpl,tf,tofu,tfvars,dockerfile,Dockerfile}",
    "**/{Dockerfile,Containerfile}*",
    "**/{Kustomization,.helmignore,.kubekeepignore,.kubescapeignore,.dockerignore}",
)
_SETTINGS_SECTION: Final = "kubekeep"


class KubekeepLanguageServer(LanguageServer):
    """The server with the state of its connection."""

    protocol: CheckedProtocol

    def __init__(self, launch: Launch, folder: str) -> None:
        # Whole texts: a version is never the result of edits that client and server understand differently.
        super().__init__(
            "kubekeep",
            VERSION,
            types.TextDocumentSyncKind.Full,
            max_workers=1,
            protocol_cls=CheckedProtocol,
            converter_factory=create_converter,
        )
        self.checker = ConfigurationChecker(launch.schema)
        self.session = Session(launch, self.publish, self.log)
        self.folder = folder
        self.is_shut_down = False
        self.tasks: set[asyncio.Task[None]] = set()
        self.last_workspace_generation = -1
        self._published: dict[str, tuple[int, str]] = {}

    @property
    def encoding(self) -> types.PositionEncodingKind | str:
        """The negotiated unit of positions."""
        return self.workspace.position_encoding or types.PositionEncodingKind.Utf16

    @property
    def pulls(self) -> bool:
        """True if the client requests diagnostics itself, so that none are published."""
        document = self.client_capabilities.text_document
        return document is not None and document.diagnostic is not None

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Log an error in a handler without its text, which may contain values of the input."""
        if source is JsonRpcException and isinstance(error, ValueError | RecursionError):
            # Raised by the loop that reads messages.
            self.protocol.refuse(types.ErrorCodes.ParseError, "not JSON")
            return
        self.log(f"error in a message handler: {type(error).__name__}")

    def log(self, text: str) -> None:
        """Send a message to the log of the client."""
        self.window_log_message(types.LogMessageParams(types.MessageType.Error, text))

    def create_texts(self) -> ClientTexts:
        """Return the texts of files and open documents."""
        return ClientTexts(dict(self.session.documents), self.encoding)

    def publish(self, result: EvaluatedDocument) -> None:
        """Publish the diagnostics of a document, or tell a client that requests them itself that they have changed."""
        document = result.document
        diagnostics = self.list_diagnostics(result)
        identifier = create_result_id(diagnostics)
        version, previous = self._published.get(document.path, (None, ""))
        is_changed = previous != identifier
        self._published[document.path] = document.version, identifier
        if not self.pulls:
            if not is_changed and version == document.version:
                return
            parameters = types.PublishDiagnosticsParams(document.uri, diagnostics, document.version)
            self.text_document_publish_diagnostics(parameters)
        elif is_changed and self._can_refresh():
            self.workspace_diagnostic_refresh(None)

    def clear(self, document: OpenDocument) -> None:
        """Remove the published diagnostics of a closed document."""
        self._published.pop(document.path, None)
        if not self.pulls:
            self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(document.uri, []))

    def list_diagnostics(self, result: EvaluatedDocument) -> list[types.Diagnostic]:
        """Return the diagnostics of a document: problems of the input first."""
        texts = ClientTexts({**self.session.documents, result.document.path: result.document}, self.encoding)
        text = texts.open(result.document.path)
        diagnostics = []
        for problem in result.problems:
            diagnostic = create_problem(problem.message, text.convert_region(problem.region), problem.severity)
            if problem.location is not None:
                diagnostic.related_information = [_relate(problem.location, "here", texts)]
            diagnostics.append(diagnostic)
        return diagnostics + [pair[1] for pair in self.pair_findings(result, texts)]

    def pair_findings(
        self, result: EvaluatedDocument, texts: ClientTexts
    ) -> list[tuple[FileFinding, types.Diagnostic]]:
        """Return the findings of a document with their diagnostics."""
        text = texts.open(result.document.path)
        return [
            (
                entry,
                create_diagnostic(
                    entry, text, [_relate(location, message, texts) for location, message in entry.related]
                ),
            )
            for entry in result.findings
        ]

    def finish_actions(self, actions: Iterable[types.CodeAction], builder: ActionBuilder) -> list[types.CodeAction]:
        """Return the actions with their edits in the form that the client supports."""
        document = self.client_capabilities.text_document
        options = document.code_action if document else None
        finished = []
        for action in actions:
            if action.disabled is None:
                assert isinstance(action.data, ActionData)  # noqa: S101 - only disabled actions have none
                action.edit = builder.create_edit(action.data)
            elif not (options and options.disabled_support):
                continue
            action.data = None
            finished.append(action)
        return finished

    def _can_refresh(self) -> bool:
        workspace = self.client_capabilities.workspace
        return bool(workspace and workspace.diagnostics and workspace.diagnostics.refresh_support)


def _relate(location: Location, message: str, texts: ClientTexts) -> types.DiagnosticRelatedInformation:
    area = texts.open(location.file).convert_region(location.region)
    return types.DiagnosticRelatedInformation(types.Location(texts.find_uri(location.file), area), message)


def create_result_id(diagnostics: list[types.Diagnostic]) -> str:
    """Return an identifier that equal diagnostics share."""
    return hashlib.sha256(repr(diagnostics).encode("utf-8", "replace")).hexdigest()[:32]


def find_path(uri: str) -> str:
    """Return the real path of a document; empty for a document that is no file."""
    path = to_fs_path(uri) if uri.startswith("file:") else None
    return os.path.realpath(path) if path else ""


def serve(launch: Launch) -> int:
    """Serve one client until it ends the connection, and return the exit code: 0 after a shutdown request, else 1."""
    # Nothing but messages of the protocol may be written there.
    output, sys.stdout = sys.stdout, sys.stderr
    logging.getLogger("pygls").addHandler(logging.NullHandler())
    logging.getLogger("pygls").propagate = False
    # Copies of unsaved texts are removed even if an evaluation does not end.
    folder = tempfile.tempdir = tempfile.mkdtemp(prefix="kubekeep-")
    server = create_server(launch, folder)
    try:
        with exit_on_signals():
            try:
                server.start_io(sys.stdin.buffer, output.buffer)
            except (ValueError, OverflowError, MemoryError):
                # pygls reads the header without a limit of its number.
                sys.stderr.write("a message has an invalid length: the connection was closed\n")
        code = 0 if server.is_shut_down else 1
        if not server.session.stop():
            exit_now(code, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return code


def exit_now(code: int, folder: str) -> NoReturn:
    """Remove the folder of temporary files and end the process without waiting for evaluations."""
    shutil.rmtree(folder, ignore_errors=True)
    sys.stderr.flush()
    os._exit(code)


def create_server(launch: Launch, folder: str) -> KubekeepLanguageServer:
    """Return a server with all handlers. folder: for temporary files, removed at the end of the process."""
    server = KubekeepLanguageServer(launch, folder)
    _add_life_cycle(server)
    _add_documents(server)
    _add_files(server)
    _add_settings(server)
    _add_texts(server)
    _add_actions(server)
    _add_pull(server)
    return server


def _add_life_cycle(server: KubekeepLanguageServer) -> None:
    @server.feature(types.INITIALIZE)
    def initialize(params: types.InitializeParams) -> None:
        _configure(server, params.initialization_options)
        folders = [find_path(folder.uri) for folder in params.workspace_folders or ()]
        if not folders and params.root_uri:
            folders = [find_path(params.root_uri)]
        server.session.set_roots(filter(None, folders))
        if server.session.roots:
            # Paths in exceptions are relative to the folder of a scan.
            os.chdir(server.session.roots[-1])
        # On Windows, the check would end the process.
        if params.process_id is not None and os.name == "posix":
            task = asyncio.get_running_loop().create_task(_exit_with_client(params.process_id, server.folder))
            server.tasks.add(task)

    @server.feature(types.INITIALIZED)
    def initialized(params: types.InitializedParams) -> None:
        del params
        workspace = server.client_capabilities.workspace
        watching = workspace.did_change_watched_files if workspace else None
        if watching is not None and watching.dynamic_registration:
            watchers = [types.FileSystemWatcher(pattern) for pattern in _WATCHED]
            options = types.DidChangeWatchedFilesRegistrationOptions(watchers)
            registration = types.Registration("files", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
            server.client_register_capability(types.RegistrationParams([registration]))

    @server.feature(types.SHUTDOWN)
    def shutdown(params: None) -> None:
        del params
        server.is_shut_down = True

    @server.feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)
    def change_folders(params: types.DidChangeWorkspaceFoldersParams) -> None:
        removed = {find_path(folder.uri) for folder in params.event.removed}
        added = [find_path(folder.uri) for folder in params.event.added]
        server.session.set_roots([root for root in (*server.session.roots, *added) if root and root not in removed])


async def _exit_with_client(process: int, folder: str) -> None:
    """End this process when the process of the client has ended."""
    while True:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            exit_now(1, folder)
        except OSError:
            # Another user's process exists.
            pass
        await asyncio.sleep(_CLIENT_POLL)


def _add_documents(server: KubekeepLanguageServer) -> None:
    session = server.session

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def open_document(params: types.DidOpenTextDocumentParams) -> None:
        document = params.text_document
        if (path := find_path(document.uri)) and document.language_id != "jsonc":
            session.put(OpenDocument(document.uri, path, document.version, document.text), is_new=True)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def change_document(params: types.DidChangeTextDocumentParams) -> None:
        path = find_path(params.text_document.uri)
        if path in session.documents:
            text = server.workspace.get_text_document(params.text_document.uri).source
            document = OpenDocument(params.text_document.uri, path, params.text_document.version, text)
            session.put(document, is_new=False)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def close_document(params: types.DidCloseTextDocumentParams) -> None:
        document = session.documents.get(find_path(params.text_document.uri))
        if document is not None:
            session.close(document.path)
            server.clear(document)


def _add_files(server: KubekeepLanguageServer) -> None:
    session = server.session

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def save_document(params: types.DidSaveTextDocumentParams) -> None:
        # The client may not watch files.
        if find_path(params.text_document.uri) in session.documents:
            session.refresh()

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def change_files(params: types.DidChangeWatchedFilesParams) -> None:
        paths = {find_path(change.uri) for change in params.changes}
        if not paths <= session.documents.keys():
            session.refresh()


def _add_settings(server: KubekeepLanguageServer) -> None:
    @server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)
    async def change_settings(params: types.DidChangeConfigurationParams) -> None:
        settings = params.settings
        workspace = server.client_capabilities.workspace
        if not settings and workspace is not None and workspace.configuration:
            # The client wants to be queried.
            entry = types.ConfigurationItem(section=_SETTINGS_SECTION)
            answers = await server.workspace_configuration_async(types.ConfigurationParams([entry]))
            settings = answers[0] if answers else None
        _configure(server, settings)


def _configure(server: KubekeepLanguageServer, settings: Any) -> None:
    """Apply settings; invalid ones are reported and the previous ones stay."""
    section = select_section(_unwrap(settings))
    if section is None:
        return
    try:
        server.session.configure(parse_settings(section))
    except ValueError as error:
        server.window_show_message(types.ShowMessageParams(types.MessageType.Error, f"kubekeep: {error}"))


def _unwrap(value: Any) -> Any:
    """Return plain values in place of the objects that the protocol library creates for unknown JSON."""
    if hasattr(value, "_asdict"):
        return {key: _unwrap(entry) for key, entry in value._asdict().items()}
    if isinstance(value, dict):
        return {key: _unwrap(entry) for key, entry in value.items()}
    return [_unwrap(entry) for entry in value] if isinstance(value, list | tuple) else value


def _add_texts(server: KubekeepLanguageServer) -> None:
    session = server.session

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    async def hover(params: types.HoverParams) -> types.Hover | None:
        path = find_path(params.text_document.uri)
        document = session.documents.get(path)
        if document is None:
            return None
        text = ClientText(document.text, server.encoding)
        line_range = text.find_line(params.position.line)
        start = text.find_client_index(line_range.start)
        line = document.text[start : text.find_client_index(line_range.end)]
        column = text.find_client_index(params.position) - start
        if document.is_configuration:
            return create_hover(server.checker.describe(find_key(document.text, params.position.line)))
        result = await session.evaluate(path)
        if result is None or result.document is not document:
            return None
        unsaved = {each.path: each.text.encode("utf-8", "replace") for each in session.documents.values()}
        value = await session.run(lambda: describe_value(result, line, column, unsaved), session.find_folder(path))
        if value:
            return create_hover(value)
        pairs = server.pair_findings(result, server.create_texts())
        entries = [entry for entry, diagnostic in pairs if contains(diagnostic.range, params.position)]
        return create_hover(await _explain(server, result, entries, unsaved))

    @server.feature(types.TEXT_DOCUMENT_CODE_LENS)
    async def code_lens(params: types.CodeLensParams) -> list[types.CodeLens]:
        if not session.settings.code_lens:
            return []
        result = await session.evaluate(find_path(params.text_document.uri))
        return [] if result is None else list(list_lenses(result, ClientText(result.document.text, server.encoding)))

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=[" ", "-", ","]))
    def complete(params: types.CompletionParams) -> list[types.CompletionItem]:
        document = session.documents.get(find_path(params.text_document.uri))
        if document is None or not document.is_configuration:
            return []
        text = ClientText(document.text, server.encoding)
        start = text.find_client_index(types.Position(params.position.line, 0))
        line = document.text[start : text.find_client_index(params.position)]
        return server.checker.complete(document.text, line, params.position.line)


async def _explain(
    server: KubekeepLanguageServer, result: EvaluatedDocument, entries: list[FileFinding], unsaved: dict[str, bytes]
) -> str:
    """Return the findings in Markdown, with the risks of their fixes."""
    project = result.project

    def find_risk(entry: FileFinding) -> str:
        if project is None:
            return ""
        return join_risks(project.suggest(entry.finding.subject, entry.finding.definition, entry.evidence, unsaved))

    folder = server.session.find_folder(result.document.path)
    return await server.session.run(lambda: describe_findings(entries, find_risk), folder) or ""


def _add_actions(server: KubekeepLanguageServer) -> None:
    session = server.session
    kinds = [types.CodeActionKind.QuickFix, FIX_ALL]

    @server.feature(types.TEXT_DOCUMENT_CODE_ACTION, types.CodeActionOptions(kinds, resolve_provider=False))
    async def code_actions(params: types.CodeActionParams) -> list[types.CodeAction]:
        result = await session.evaluate(find_path(params.text_document.uri))
        if result is None or result.assessment is None:
            return []
        documents, texts = dict(session.documents), server.create_texts()
        workspace, folder = server.client_capabilities.workspace, session.find_folder(result.document.path)
        client = workspace.workspace_edit if workspace else None
        builder = ActionBuilder(result, documents, session.settings, texts, folder, client)

        def build() -> list[types.CodeAction]:
            actions: list[types.CodeAction] = []
            if _includes(params.context.only, types.CodeActionKind.QuickFix):
                pairs = server.pair_findings(result, texts)
                actions += builder.list_actions(pair for pair in pairs if overlaps(pair[1].range, params.range))
            if params.context.only and _includes(params.context.only, FIX_ALL) and (edits := builder.fix_all()):
                title = "Fix all findings that have a fix without risks (Kubekeep)"
                actions.append(types.CodeAction(title=title, kind=FIX_ALL, data=ActionData(edits)))
            return server.finish_actions(actions, builder)

        actions = await session.run(build, folder) or []
        # An edit of an outdated text must never be applied.
        return actions if session.documents.get(result.document.path) is result.document else []


def _includes(only: Any, kind: str) -> bool:
    """Return True if a client that requests the kinds `only` accepts `kind`; none stands for all."""
    return not only or any(kind == each or kind.startswith(f"{each}.") for each in map(_get_kind, only))


def _get_kind(kind: Any) -> str:
    return str(kind.value if isinstance(kind, types.CodeActionKind) else kind)


def _add_pull(server: KubekeepLanguageServer) -> None:
    session = server.session
    options = types.DiagnosticOptions(
        inter_file_dependencies=True, workspace_diagnostics=True, identifier=_SETTINGS_SECTION
    )

    @server.feature(types.TEXT_DOCUMENT_DIAGNOSTIC, options)
    async def document_diagnostics(params: types.DocumentDiagnosticParams) -> types.DocumentDiagnosticReport:
        result = await session.evaluate(find_path(params.text_document.uri))
        diagnostics = server.list_diagnostics(result) if result is not None else []
        identifier = create_result_id(diagnostics)
        if identifier == params.previous_result_id:
            return types.RelatedUnchangedDocumentDiagnosticReport(identifier)
        return types.RelatedFullDocumentDiagnosticReport(diagnostics, result_id=identifier)

    @server.feature(types.WORKSPACE_DIAGNOSTIC)
    async def workspace_diagnostics(params: types.WorkspaceDiagnosticParams) -> types.WorkspaceDiagnosticReport:
        previous = {entry.uri: entry.value for entry in params.previous_result_ids}
        while previous and server.last_workspace_generation == session.generation:
            # The client repeats the request at once: answer after a change.
            session.has_changed.clear()
            await session.has_changed.wait()
            await asyncio.sleep(session.settings.delay)
        generation = session.generation
        by_uri: dict[str, list[types.Diagnostic]] = {}
        unevaluated = set()
        for root in session.roots:
            evaluation, documents = session.open_folder(root), session.list_documents(root)
            result = await session.run(lambda: evaluation.evaluate_workspace(documents), root)  # noqa: B023 - awaited at once
            if result is None:
                unevaluated.add(root)
            else:
                by_uri |= _list_folder_diagnostics(server, root, *result)
        # Files without diagnostics any more get an empty report, unless their folder could not be evaluated.
        for uri in previous:
            if session.find_folder(find_path(uri)) not in unevaluated:
                by_uri.setdefault(uri, [])
        server.last_workspace_generation = generation
        return types.WorkspaceDiagnosticReport(_create_reports(server, by_uri, previous))


def _list_folder_diagnostics(
    server: KubekeepLanguageServer, root: str, assessment: Assessment, minimum: Severity | None
) -> dict[str, list[types.Diagnostic]]:
    """Return the diagnostics of the files of a workspace folder, without those of another folder in it, by URI."""
    texts = server.create_texts()
    by_uri: dict[str, list[types.Diagnostic]] = {}
    for file, entries in list(list_findings(assessment, minimum).items())[:MAX_REPORTED]:
        text = texts.open(file)
        by_uri[texts.find_uri(file)] = [
            create_diagnostic(entry, text, [_relate(location, message, texts) for location, message in entry.related])
            for entry in entries
        ]
    for unread, severity in list_problems(assessment):
        file = unread.location.file
        uri = texts.find_uri(file) if file.startswith(os.sep) else ""
        if uri and (uri in by_uri or len(by_uri) < MAX_REPORTED):
            area = texts.open(file).convert_region(unread.location.region)
            by_uri.setdefault(uri, []).insert(0, create_problem(unread.message, area, severity))
    return {uri: each for uri, each in by_uri.items() if server.session.find_folder(find_path(uri)) in (root, "")}


def _create_reports(
    server: KubekeepLanguageServer, by_uri: dict[str, list[types.Diagnostic]], previous: dict[str, str]
) -> list[Any]:
    reports: list[Any] = []
    versions = {document.uri: document.version for document in server.session.documents.values()}
    for uri, diagnostics in by_uri.items():
        identifier = create_result_id(diagnostics)
        if previous.get(uri) == identifier:
            reports.append(types.WorkspaceUnchangedDocumentDiagnosticReport(uri, identifier, versions.get(uri)))
        else:
            report = types.WorkspaceFullDocumentDiagnosticReport(
                uri, diagnostics, versions.get(uri), result_id=identifier
            )
            reports.append(report)
    return reports
