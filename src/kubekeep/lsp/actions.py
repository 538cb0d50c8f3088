"""Code actions: fixes, suppression comments and exceptions as edits that the editor applies. Writes nothing."""

from __future__ import annotations

import datetime as dt
import difflib
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from lsprotocol import types

from kubekeep.exceptions.inline.insert import format_comment, insert_comment
from kubekeep.exceptions.load import ExceptionsError
from kubekeep.lsp.client_settings import ClientSettings
from kubekeep.lsp.evaluation import Documents, EvaluatedDocument
from kubekeep.lsp.exceptions_file import NewExceptionsFile, name_exceptions_file, plan_exceptions_file
from kubekeep.lsp.findings import FileFinding
from kubekeep.lsp.positions import ClientText
from kubekeep.lsp.texts import ClientTexts
from kubekeep.model.definition import Definition
from kubekeep.model.location import line_starts
from kubekeep.model.source import CommentSyntax
from kubekeep.model.subject import Subject
from kubekeep.model.verdict import Edit
from kubekeep.reports.shared.wording import describe_fix
from kubekeep.usecases.exceptions import append_entry, build_entry

FIX_ALL: Final = "source.fixAll.kubekeep"
_CREATE: Final = types.ResourceOperationKind.Create
_MAX_TITLE: Final = 80
_MAX_NUMBERS: Final = 40
"""Characters of the numbers of controls in a title."""
_RISK: Final = "risk"
"""Identifier of the annotation of risky edits."""
_CHECK_FIRST: Final = " (check first)"
_NO_FILE: Final = "no exceptions file is configured: set `exceptions` in kubekeep.yaml"

FileEdits = Mapping[str, Sequence[types.TextEdit]]
"""Edits by path."""


class ActionData(msgspec.Struct, frozen=True):
    """The edits of a code action, and how they can stop a program; empty if no risk is known."""

    edits: FileEdits
    risk: str = ""


class ActionBuilder:
    """Code actions for the findings of one evaluated document. Runs on the thread that evaluates.

    documents: the open documents at the versions that were evaluated; edits name these versions, so that the editor
    rejects them for another text. folder: the workspace folder. client: the changes that the client can make.
    """

    def __init__(
        self,
        evaluated: EvaluatedDocument,
        documents: Documents,
        settings: ClientSettings,
        texts: ClientTexts,
        folder: str,
        client: types.WorkspaceEditClientCapabilities | None,
    ) -> None:
        self._evaluated = evaluated
        self._documents = documents
        self._settings = settings
        self._texts = texts
        self._folder = folder
        self._client = client
        self._unsaved = {
            path: document.text.encode("utf-8", "replace")
            for path, document in documents.items()
            if not document.is_configuration
        }

    def list_actions(self, entries: Iterable[tuple[FileFinding, types.Diagnostic]]) -> Iterator[types.CodeAction]:
        """Yield the actions for findings: the fix, the comment, the exception."""
        pairs = list(entries)
        yield from self._list_fixes(pairs)
        for entry, diagnostic in pairs:
            yield from self._list_comments(entry, diagnostic)
        for entry, diagnostic in pairs:
            yield from self._list_exceptions(entry, diagnostic)

    def fix_all(self) -> FileEdits:
        """Return the edits of the document that fix all findings without risks; proven by a scan."""
        evaluated = self._evaluated
        if evaluated.project is None or evaluated.assessment is None:
            return {}
        known = {(finding.definition.slug, _identify(finding.subject)) for finding in evaluated.assessment.findings}

        def is_known(resource: Subject, control: Definition) -> bool:
            return (control.slug, _identify(resource)) in known

        path = evaluated.document.path
        change = evaluated.project.plan_fixes(path, evaluated.unit, self._unsaved, is_known)
        if change is None:
            return {}
        before, after = (
            content.decode("utf-8", "replace").removeprefix("\ufeff") for content in (change.before, change.after)
        )
        return {path: list(compare_texts(ClientText(before, self._texts.encoding), after))}

    def create_edit(self, data: ActionData) -> types.WorkspaceEdit:
        """Return the edits in the form that the client supports; it asks for confirmation before it applies risky ones."""
        edits, client = data.edits, self._client
        if not (client and client.document_changes):
            return types.WorkspaceEdit(changes={self._find_uri(path): list(own) for path, own in edits.items()})
        changes: list[Any] = []
        annotations = None
        for path, own in edits.items():
            document = self._documents.get(path)
            if document is None and not os.path.lexists(path):
                changes.append(
                    types.CreateFile(uri=self._find_uri(path), options=types.CreateFileOptions(ignore_if_exists=True))
                )
            version = document.version if document is not None else None
            identifier = types.OptionalVersionedTextDocumentIdentifier(uri=self._find_uri(path), version=version)
            own_edits: list[Any] = list(own)
            if data.risk and client.change_annotation_support:
                own_edits = [types.AnnotatedTextEdit(_RISK, edit.range, edit.new_text) for edit in own]
                annotation = types.ChangeAnnotation("Check first", needs_confirmation=True, description=data.risk)
                annotations = {_RISK: annotation}
            changes.append(types.TextDocumentEdit(text_document=identifier, edits=own_edits))
        return types.WorkspaceEdit(document_changes=changes, change_annotations=annotations)

    def _find_uri(self, path: str) -> str:
        return self._texts.find_uri(path)

    def _list_fixes(self, pairs: Iterable[tuple[FileFinding, types.Diagnostic]]) -> Iterator[types.CodeAction]:
        """Yield the fixes; equal edits for several controls are one action."""
        project = self._evaluated.project
        by_edits: dict[tuple[Edit, ...], list[tuple[FileFinding, types.Diagnostic]]] = {}
        if project is None:
            return
        for entry, diagnostic in pairs:
            finding = entry.finding
            edits = project.suggest(finding.subject, finding.definition, entry.evidence, self._unsaved)
            if edits:
                by_edits.setdefault(edits, []).append((entry, diagnostic))
        for edits, fixed in by_edits.items():
            first = fixed[0][0]
            risk = join_risks(edits)
            numbers = _list_numbers(dict.fromkeys(entry.finding.id for entry, _ in fixed))
            description = describe_fix(first.evidence, first.finding.subject)
            yield types.CodeAction(
                title=_create_title(f"Fix {numbers}: ", description, _CHECK_FIRST if risk else "", first.evidence.path),
                kind=types.CodeActionKind.QuickFix,
                diagnostics=[diagnostic for _, diagnostic in fixed],
                is_preferred=not risk,
                data=ActionData(self._convert(edits), risk),
            )

    def _convert(self, edits: Iterable[Edit]) -> dict[str, list[types.TextEdit]]:
        by_path: dict[str, list[types.TextEdit]] = {}
        for edit in edits:
            text = self._texts.open(edit.file)
            area = types.Range(text.convert(edit.region.start), text.convert(edit.region.end))
            by_path.setdefault(edit.file, []).append(types.TextEdit(area, edit.text))
        return by_path

    def _list_comments(self, entry: FileFinding, diagnostic: types.Diagnostic) -> Iterator[types.CodeAction]:
        path, region, source = entry.location.file, entry.location.region, entry.finding.subject.source
        # A comment in a manifest suppresses findings of its objects, not those of images.
        if region is None or path.endswith(".json") or entry.finding.containers:
            return
        syntax = source.file_type.comment_syntax(path) if source is not None else CommentSyntax.YAML
        text = self._texts.open(path)
        if syntax is CommentSyntax.TEMPLATE and "{{" not in text.text:
            syntax = CommentSyntax.YAML
        comment = format_comment(entry.controls, self._expiry, self._settings.suppression.reason)
        insertion = insert_comment(text.text, region.start.line, comment, syntax)
        if insertion is None:
            return
        position = text.find_position(insertion.at)
        yield types.CodeAction(
            title=f"Suppress {_list_numbers(entry.controls)} here with a comment, until {self._expiry}",
            kind=types.CodeActionKind.QuickFix,
            diagnostics=[diagnostic],
            data=ActionData({path: [types.TextEdit(types.Range(position, position), insertion.text)]}),
        )

    def _list_exceptions(self, entry: FileFinding, diagnostic: types.Diagnostic) -> Iterator[types.CodeAction]:
        project = self._evaluated.project
        files = project.request.evaluation.exceptions.files if project is not None else ()
        resource = entry.finding.subject
        action = types.CodeAction(
            title=_create_title(
                f"Add an exception for {_list_numbers(entry.controls, _MAX_NUMBERS // 2)} on ",
                resource.label,
                f", until {self._expiry}",
            ),
            kind=types.CodeActionKind.QuickFix,
            diagnostics=[diagnostic],
        )
        try:
            action.data = ActionData(dict(self._add_exception(entry, files)))
        except ExceptionsError as error:
            action.disabled = types.CodeActionDisabled(str(error))
        yield action

    def _add_exception(
        self, entry: FileFinding, files: Sequence[str]
    ) -> Iterator[tuple[str, Sequence[types.TextEdit]]]:
        """Yield the edits by file. Without an exceptions file, they create one. Raises ExceptionsError."""
        new = None if files else self._plan_exceptions_file()
        path = os.path.realpath(files[0]) if new is None else new.path
        text = self._texts.open(path)
        yield path, list(compare_texts(text, append_entry(path, text.text, self._create_entry(entry))))
        if new is not None:
            text = self._texts.open(new.configuration)
            yield new.configuration, list(compare_texts(text, name_exceptions_file(text.text)))

    def _plan_exceptions_file(self) -> NewExceptionsFile:
        operations = (self._client.resource_operations if self._client else None) or ()
        can_create = bool(self._client and self._client.document_changes) and _CREATE in operations
        new = plan_exceptions_file(self._evaluated.document.path, self._folder, self._settings) if can_create else None
        if new is None:
            raise ExceptionsError(_NO_FILE)
        return new

    def _create_entry(self, entry: FileFinding) -> dict[str, Any]:
        resource = entry.finding.subject
        subject = resource.related[0] if resource.related else resource
        attributes = {"kind": subject.kind, "namespace": subject.namespace, "name": subject.name}
        patterns = {key: _quote_pattern(value) for key, value in attributes.items()}
        return build_entry(entry.controls, (), patterns, self._settings.suppression.reason, f"{self._expiry}")

    @property
    def _expiry(self) -> dt.date:
        return dt.datetime.now(dt.UTC).date() + dt.timedelta(days=self._settings.suppression.days)


def compare_texts(before: ClientText, after: str) -> Iterator[types.TextEdit]:
    """Yield the edits of whole lines that change one text into the other."""
    old, new = _split_lines(before.text), _split_lines(after)
    starts = [0, *itertools.accumulate(map(len, old))]
    for tag, first, last, start, end in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            area = types.Range(before.find_position(starts[first]), before.find_position(starts[last]))
            yield types.TextEdit(area, "".join(new[start:end]))


def _split_lines(text: str) -> list[str]:
    """Return the lines with their ends, as the protocol counts them."""
    starts = [*line_starts(text), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(starts) if start != end]


def _identify(resource: Subject) -> tuple[str, ...]:
    return (resource.identity, *(part.identity for part in resource.related))


def _quote_pattern(text: str) -> str:
    """Return a regular expression that matches exactly this text."""
    return "".join(f"\\{character}" if character in ".*+?()[]{}|^$\\" else character for character in text)


def join_risks(edits: Iterable[Edit]) -> str:
    """Return how the edits can stop a program; empty if no risk is known."""
    return "; ".join(dict.fromkeys(edit.risk for edit in edits if edit.risk))


def _list_numbers(numbers: Iterable[str], maximum: int = _MAX_NUMBERS) -> str:
    """Return the numbers of controls that fit, and the number of the others."""
    first, *others = numbers
    text = _cut(first, maximum)
    for index, number in enumerate(others):
        rest = f" and {len(others) - index} more"
        if len(f"{text}, {number}{rest}") > maximum:
            return text + rest
        text = f"{text}, {number}"
    return text


def _create_title(start: str, description: str, end: str, path: str = "") -> str:
    """Return a title that is not too long: the path in the description, or else the description, is shortened."""
    maximum = _MAX_TITLE - len(start) - len(end)
    names = path.split(".")
    shorter = (description.replace(path, ".".join(names[index:])) for index in range(len(names)))
    text = next((text for text in shorter if len(text) <= maximum), description.replace(path, names[-1]))
    return f"{start}{_cut(text, maximum)}{end}"


def _cut(text: str, maximum: int) -> str:
    return text if len(text) <= maximum else f"{text[: maximum - 3]}..."
