"""Evaluation of the open documents of one workspace folder, for the thread that evaluates. Publishes nothing."""

# Paths are real paths as text, as documents of an editor name them:
# ruff: noqa: PTH116, PTH119

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec
from lsprotocol import types

from kubekeep.config.file import NAMES, ConfigurationError, find_configuration
from kubekeep.kube.settings import find_home_folder
from kubekeep.lsp.client_settings import ClientSettings
from kubekeep.lsp.configuration_file import ConfigurationChecker, FileProblem
from kubekeep.lsp.findings import FileFinding, list_findings, list_problems
from kubekeep.lsp.launch import FileSettings, Launch
from kubekeep.model.assessment import Assessment
from kubekeep.model.location import Location, Position, Region
from kubekeep.model.severity import Severity
from kubekeep.usecases.editor import MAX_REPORTED, EditorProject
from kubekeep.usecases.editor_files import MAX_FILES, EvaluationUnit, is_manifest_name

_LOCATED: Final = re.compile(r"(?P<file>.*?):(?P<line>\d+):(?P<column>\d+): (?P<message>.*)", re.DOTALL)


class OpenDocument(msgspec.Struct, frozen=True):
    """An open document at one version. path: real path of its file."""

    uri: str
    path: str
    version: int
    text: str

    @property
    def is_configuration(self) -> bool:
        """True for a configuration file of Kubekeep."""
        return os.path.basename(self.path) in NAMES


Documents = Mapping[str, OpenDocument]
"""The open documents by path."""


class EvaluatedDocument(msgspec.Struct, frozen=True):
    """The result of one version of a document.

    assessment: that of the document, or of the chart or kustomizations it belongs to; None for a file that has none.
    """

    document: OpenDocument
    findings: tuple[FileFinding, ...] = ()
    problems: tuple[FileProblem, ...] = ()
    assessment: Assessment | None = None
    project: EditorProject | None = None
    unit: EvaluationUnit = EvaluationUnit()


class EvaluationStep(msgspec.Struct, frozen=True):
    """Documents to evaluate together, with the other open documents that the result depends on."""

    project: EditorProject
    minimum: Severity | None
    unit: EvaluationUnit
    documents: tuple[OpenDocument, ...]
    others: tuple[OpenDocument, ...] = ()

    def depends_on(self, other: EvaluationStep) -> bool:
        """Return True if a kustomization or a chart of the step contains documents of the other one."""
        return self.project is other.project and not set(self.unit.roots).isdisjoint(other.unit.roots)


class FolderEvaluation:
    """The projects of one workspace folder, one for each configuration file. folder: real path; may be empty."""

    def __init__(self, folder: str, launch: Launch, settings: ClientSettings) -> None:
        self._folder = folder
        self._launch = launch
        self._settings = settings
        self._checker = ConfigurationChecker(launch.schema)
        self._projects: dict[str, tuple[object, FileSettings, EditorProject]] = {}
        self._assessments: dict[str, Assessment] = {}
        self._manifests: dict[str, EvaluatedDocument] = {}
        self._rendered: dict[tuple[EditorProject, EvaluationUnit], tuple[object, Assessment]] = {}
        self._generation = 0
        self._refreshed: dict[EditorProject, int] = {}
        self.messages: list[str] = []
        """Messages for the log, to be taken by the caller."""

    def refresh(self) -> None:
        """Read the workspace again at the next evaluation."""
        self._generation += 1

    def plan(self, documents: Documents) -> tuple[list[EvaluatedDocument], list[EvaluationStep]]:
        """Return the documents that need no evaluation, and the steps that evaluate the others."""
        finished: list[EvaluatedDocument] = []
        groups: dict[tuple[int, EvaluationUnit], EvaluationStep] = {}
        unsaved = _encode(documents.values())
        for document in documents.values():
            if document.is_configuration:
                finished.append(EvaluatedDocument(document, problems=tuple(self._check_configuration(document))))
                continue
            try:
                project, minimum = self._open_project(document, unsaved)
            except (ConfigurationError, ValueError) as error:
                finished.append(EvaluatedDocument(document, problems=(_describe_error(error, document),)))
                continue
            if project.files.is_excluded(document.path):
                finished.append(EvaluatedDocument(document))
                continue
            unit = project.files.find_unit(document.path)
            if not (unit.is_rendered or is_manifest_name(document.path)):
                finished.append(EvaluatedDocument(document))
                continue
            step = groups.get((id(project), unit), EvaluationStep(project, minimum, unit, ()))
            groups[id(project), unit] = msgspec.structs.replace(step, documents=(*step.documents, document))
        steps = [
            msgspec.structs.replace(
                step,
                others=tuple(
                    document
                    for other in groups.values()
                    if other is not step and step.depends_on(other)
                    for document in other.documents
                ),
            )
            for step in groups.values()
        ]
        # Manifests first: they take milliseconds.
        return finished, sorted(steps, key=lambda step: step.unit.is_rendered)

    def evaluate(self, step: EvaluationStep) -> list[EvaluatedDocument]:
        """Return the results of the documents of one step."""
        unsaved = _encode((*step.documents, *step.others))
        if step.unit.is_rendered:
            assessment = self._render(step, unsaved)
            findings = list_findings(assessment, step.minimum)
            return [self._extract(step, document, assessment, findings) for document in step.documents]
        self._assessments.update(step.project.evaluate_manifests(unsaved))
        return [self._extract_manifest(step, document) for document in step.documents]

    def evaluate_workspace(self, documents: Documents) -> tuple[Assessment, Severity | None] | None:
        """Return the assessment of the whole folder; None for documents outside of a folder or a faulty configuration."""
        if not self._folder:
            return None
        try:
            project, minimum = self._open_project(None, _encode(documents.values()))
        except (ConfigurationError, ValueError):
            return None
        if len(project.files.manifests) > MAX_REPORTED:
            self.messages.append(
                f"{self._folder} has more than {MAX_REPORTED} manifests: the others are not in its report"
            )
        return project.evaluate_all(_encode(documents.values())), minimum

    def _extract_manifest(self, step: EvaluationStep, document: OpenDocument) -> EvaluatedDocument:
        """Return the result of a manifest: the same value as long as nothing has changed."""
        assessment, previous = self._assessments[document.path], self._manifests.get(document.path)
        if previous is None or previous.document is not document or previous.assessment is not assessment:
            previous = self._extract(step, document, assessment, list_findings(assessment, step.minimum))
            self._manifests[document.path] = previous
        return previous

    def _extract(
        self,
        step: EvaluationStep,
        document: OpenDocument,
        assessment: Assessment,
        findings: Mapping[str, Sequence[FileFinding]],
    ) -> EvaluatedDocument:
        problems = []
        for unread, severity in list_problems(assessment):
            is_own = unread.location.file == document.path
            if is_own:
                problems.append(FileProblem(unread.message, severity, unread.location.region))
            elif step.unit.is_rendered and not step.unit.is_terraform and unread in assessment.unread:
                # The message must be seen although its file is not open; a file of Terraform has its own messages.
                problems.append(FileProblem(unread.message, severity, None, unread.location))
        return EvaluatedDocument(
            document,
            tuple(findings.get(document.path, ())),
            tuple(dict.fromkeys(problems)),
            assessment,
            step.project,
            step.unit,
        )

    def _render(self, step: EvaluationStep, unsaved: Mapping[str, bytes]) -> Assessment:
        key = (step.project, step.unit)
        state = (self._generation, dict(unsaved))
        if key not in self._rendered or self._rendered[key][0] != state:
            self._rendered[key] = state, step.project.evaluate_rendered(step.unit, unsaved)
        return self._rendered[key][1]

    def _open_project(
        self, document: OpenDocument | None, unsaved: Mapping[str, bytes]
    ) -> tuple[EditorProject, Severity | None]:
        """Return the project of a document, or of the folder, and the minimum severity. Raises ValueError."""
        target = document.path if document is not None else self._folder
        file = locate_configuration(target, self._settings)
        previous = self._projects.get(file)
        if previous is None or previous[0] != _stamp(file, previous[1]):
            settings = self._apply_client_settings(self._launch.read_settings(target, self._settings.config))
            project = EditorProject(self._folder, settings.request)
            if previous is not None:
                self._forget(previous[2])
            previous = self._projects[file] = _stamp(file, settings), settings, project
        _, settings, project = previous
        if self._refreshed.get(project) != self._generation:
            self._refreshed[project] = self._generation
            project.refresh(unsaved)
            if not project.files.is_complete:
                self.messages.append(
                    f"{self._folder} has more than {MAX_FILES} files, or takes too long to list: documents are related to "
                    "some of them only; exclude folders with .kubekeepignore"
                )
        return project, settings.minimum_severity

    def _forget(self, project: EditorProject) -> None:
        """Forget the results of a project whose configuration has changed."""
        self._refreshed.pop(project, None)
        self._rendered = {key: result for key, result in self._rendered.items() if key[0] is not project}

    def _apply_client_settings(self, settings: FileSettings) -> FileSettings:
        rules, client = settings.request.rules, self._settings
        if client.frameworks or client.controls:
            rules = msgspec.structs.replace(rules, frameworks=client.frameworks, controls=client.controls)
        request = msgspec.structs.replace(settings.request, rules=rules)
        minimum = client.severity or settings.minimum_severity
        return msgspec.structs.replace(settings, request=request, minimum_severity=minimum)

    def _check_configuration(self, document: OpenDocument) -> Iterator[FileProblem]:
        """Yield the problems of a configuration file: of its text, else those of the saved file."""
        problems = list(self._checker.check(document.text))
        yield from problems
        if problems:
            return
        try:
            self._launch.read_settings(document.path, self._settings.config)
        except (ConfigurationError, ValueError) as error:
            problem = _describe_error(error, document)
            if problem.location is None:
                yield problem


def locate_configuration(target: str, settings: ClientSettings) -> str:
    """Return the path of the configuration file for a path; empty if there is none. Raises ConfigurationError."""
    return settings.config or find_configuration(target, find_home_folder()) or ""


def _encode(documents: Iterable[OpenDocument]) -> dict[str, bytes]:
    return {
        document.path: document.text.encode("utf-8", "replace")
        for document in documents
        if not document.is_configuration
    }


def _stamp(file: str, settings: FileSettings) -> object:
    """Return a value that changes with the configuration file and the files it names."""
    helm = settings.request.input.read.helm
    names = (file, *settings.request.evaluation.exceptions.files, *helm.values.files)
    return tuple(_stat(name) for name in names if name)


def _stat(name: str) -> tuple[int, int] | None:
    try:
        status = os.stat(name)
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size


def _describe_error(error: ValueError, document: OpenDocument) -> FileProblem:
    """Return the problem of a configuration that cannot be used, at its line if it is in this document."""
    match = _LOCATED.match(str(error))
    severity = types.DiagnosticSeverity.Error
    if match is None:
        return FileProblem(f"not evaluated: {error}", severity)
    position = Position(int(match["line"]), int(match["column"]))
    file = os.path.realpath(match["file"])
    if file == document.path:
        return FileProblem(match["message"], severity, Region(position, position))
    text = f"not evaluated, because the configuration is not valid: {error}"
    return FileProblem(text, severity, None, Location(file, Region(position, position)))
