"""Evaluation of the documents of an editor: their unsaved texts in place of files, related to the files of the workspace.

Manifests are evaluated incrementally, as in a watch: only the resources of changed documents are evaluated again. Charts
and kustomizations are rendered as in a scan. Never writes a file, and never renders a report.
"""

from __future__ import annotations

import datetime as dt
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.engine.compile import compile_rules
from kubekeep.exceptions.custom_resources import is_security_exception
from kubekeep.exceptions.inline.suppressions import apply_suppressions
from kubekeep.exceptions.load import ScanExceptions
from kubekeep.fixes.plan import FileChange
from kubekeep.fixes.suggestions import suggest_edits
from kubekeep.model.assessment import Assessment, FieldProblem, SubjectResult, Target, UnreadInput
from kubekeep.model.definition import Definition
from kubekeep.model.exception import ExceptionUse
from kubekeep.model.location import Location
from kubekeep.model.location import Path as LocationPath
from kubekeep.model.paths import error_reason
from kubekeep.model.priority import ResourceContext
from kubekeep.model.resource import Resource
from kubekeep.model.secret_text import mask_message
from kubekeep.model.subject import Subject
from kubekeep.model.verdict import Edit, Evidence, Status, Verdict
from kubekeep.posture.incremental import IncrementalEvaluator
from kubekeep.posture.priority import attach_contexts, prioritise_results
from kubekeep.posture.resource_filter import ResourceFilter
from kubekeep.posture.roles import RoleCoverage
from kubekeep.posture.select import Selection
from kubekeep.sources.dockerfile.names import is_dockerfile_name
from kubekeep.sources.files import open_file
from kubekeep.sources.inputs import Inputs, read
from kubekeep.sources.manifests.read import read_stream
from kubekeep.sources.options import ReadOptions
from kubekeep.sources.source import Root
from kubekeep.sources.tree import DEFAULT_LIMITS
from kubekeep.usecases.api_check import ApiCheck
from kubekeep.usecases.assemble import EvaluationFacts, assemble
from kubekeep.usecases.editor_files import EvaluationUnit, WorkspaceFiles
from kubekeep.usecases.editor_images import MAX_SBOMS, WorkspaceImages
from kubekeep.usecases.request import ReportNeeds, ScanInput, ScanRequest, kubernetes_minor
from kubekeep.usecases.rule_selection import RuleSelector
from kubekeep.usecases.scan import load_exceptions, scan

_MAX_BYTES: Final = 64 << 20
"""Maximum size of all manifests of a workspace that open documents are related to."""
MAX_REPORTED: Final = 500
"""Maximum number of manifests in an assessment of the whole workspace."""
_MAX_RENDERED: Final = 20
"""Maximum number of charts, and of kustomizations, in such an assessment."""
_MAX_CONTEXT: Final = 300
"""Maximum number of resources for which the attack graph is built after each change; above it, after saved changes."""

Unsaved = Mapping[str, bytes]
"""Contents of open documents by real path."""


class EditorProject:
    """The evaluations of one workspace folder with the options of one configuration. Not safe for several threads.

    folder: real path; empty for documents outside of any workspace.
    """

    def __init__(self, folder: str, request: ScanRequest) -> None:
        """Raises the errors of `scan` for names, versions, rules and exceptions of `request`."""
        self.request = request
        self.rules = RuleSelector(request.rules, whole_cluster=request.input.is_whole_cluster)
        self.files = WorkspaceFiles(folder, request.input.read)
        self._folder = folder
        self._exceptions = load_exceptions(request, self.rules)
        self._images = WorkspaceImages(lambda addresses: self._scan(addresses, {}))
        self._manifests: _Manifests | None = None
        self._sboms: dict[EvaluationUnit, tuple[str, ...]] = {}
        """Addresses of the SBOMs of images that a unit runs."""

    def refresh(self, unsaved: Unsaved) -> None:
        """Read the list of files again, and manifests that have changed on disk."""
        self.files.refresh(unsaved)
        self._images.refresh(self.files.sboms)
        if self._manifests is not None:
            self._manifests.refresh(self.files.manifests)

    def evaluate_manifests(self, unsaved: Unsaved) -> dict[str, Assessment]:
        """Return the assessments of the open manifests that have changed, directly or by their relations, by path.

        unsaved: contents of all open manifests; a path that is no longer in it is read from the disk again.
        """
        if self.rules.selection.evaluators:
            # Third-party rules need all resources at once.
            return {path: self._scan((path,), unsaved) for path in unsaved}
        if self._manifests is None:
            self._manifests = _Manifests(self._folder, self.request, self.rules, self._exceptions, self._images)
            self._manifests.refresh(self.files.manifests)
        return self._manifests.evaluate(unsaved)

    def evaluate_rendered(self, unit: EvaluationUnit, unsaved: Unsaved) -> Assessment:
        """Return the assessment of a chart, of kustomizations or of Terraform modules, with the images that they run."""
        known = self._sboms.get(unit, ())
        assessment = self._scan((*unit.roots, *known), unsaved)
        resources = [result.subject for result in assessment.results if isinstance(result.subject, Resource)]
        sboms = self._images.list_joined(resources)
        if sboms == known:
            return assessment
        # The images are known after rendering only; the next change most likely renders the same ones.
        self._sboms[unit] = sboms
        return self._scan((*unit.roots, *sboms), unsaved)

    def evaluate_all(self, unsaved: Unsaved) -> Assessment:
        """Return the assessment of the workspace, up to limits of files, charts and kustomizations."""
        files = self.files
        rendered = (*files.kustomizations[:_MAX_RENDERED], *files.charts[:_MAX_RENDERED], *files.modules)
        sboms = (f"sbom:{path}" for path in files.sboms[:MAX_SBOMS])
        return self._scan((*rendered, *files.manifests[:MAX_REPORTED], *sboms), unsaved)

    def suggest(self, resource: Subject, control: Definition, evidence: Evidence, unsaved: Unsaved) -> tuple[Edit, ...]:
        """Return the edits that fix one piece of evidence; none without a certain fix."""
        verdict = Verdict(Status.FAILED, (evidence,))
        source = _create_inputs(self.request.input.read, unsaved)
        (result,) = suggest_edits([SubjectResult(resource, {control.slug: verdict})], source, [control])
        return tuple(edit for entry in result.verdicts[control.slug].evidence for edit in entry.edits)

    def plan_fixes(
        self, path: str, unit: EvaluationUnit, unsaved: Unsaved, only: Callable[[Resource, Definition], bool]
    ) -> FileChange | None:
        """Return the proven change of one file that fixes the findings `only` selects, without risks; None for none."""
        # Loaded with the first request to fix all findings.
        from kubekeep.usecases.fix import FixRequest, plan  # noqa: PLC0415

        request = self.scan_request(unit.roots or (path,), unsaved)
        planned = plan(FixRequest(scan=request, only=only))
        return next((change for change in planned.files if os.path.realpath(change.name) == path), None)

    def scan_request(self, paths: tuple[str, ...], unsaved: Unsaved) -> ScanRequest:
        """Return the request for a scan of files with the unsaved texts."""
        request = self.request
        options = msgspec.structs.replace(request.input.read, unsaved=unsaved)
        return msgspec.structs.replace(
            request,
            input=ScanInput(paths=paths, snapshot=request.input.snapshot, read=options),
            needs=ReportNeeds(),
        )

    def _scan(self, paths: tuple[str, ...], unsaved: Unsaved) -> Assessment:
        return scan(self.scan_request(paths, unsaved))


_Position = tuple[str, int, LocationPath]
"""File, document and path of a resource."""


class _ManifestFile(msgspec.Struct):
    """A read manifest: its resources by key, and its problems."""

    stamp: object
    """The text of an open document; modification time and size of a closed one."""
    size: int = 0
    resources: dict[str, Resource] = {}
    unread: list[UnreadInput] = []


class _Manifests:
    """The manifests of a workspace with their verdicts."""

    def __init__(
        self,
        folder: str,
        request: ScanRequest,
        rules: RuleSelector,
        exceptions: ScanExceptions,
        images: WorkspaceImages,
    ) -> None:
        self._folder = folder
        self._images = images
        self._request = request
        self._selection = rules.selection
        self._exceptions = exceptions
        evaluation = request.evaluation
        self._minor = kubernetes_minor(evaluation.kubernetes_version or "latest")
        in_scope = ResourceFilter(evaluation.resource_selection) if str(evaluation.resource_selection) else None
        self._evaluator = IncrementalEvaluator(
            self._selection, compile_rules, kubernetes_minor=self._minor, in_scope=in_scope
        )
        self._files: dict[str, _ManifestFile] = {}
        self._closed: list[str] = []
        self._contexts: dict[_Position, ResourceContext] = {}
        self._are_contexts_stale = self._are_contexts_due = True
        self._subjects: dict[str, set[str]] = {}
        """Keys of the joined subjects with a part in a file, by path."""
        self._open: frozenset[str] = frozenset()

    def refresh(self, paths: Sequence[str]) -> None:
        """Read the manifests at `paths` that have changed, except those open in the editor."""
        self._closed = list(paths)
        self._are_contexts_due = True
        for path in self._files.keys() - {*paths} - self._open:
            self._remove(path)
        size = sum(file.size for file in self._files.values())
        for path in paths:
            if path not in self._open and size < _MAX_BYTES:
                size += self._read_closed(path)

    def evaluate(self, unsaved: Unsaved) -> dict[str, Assessment]:
        """Return the assessments of the documents in `unsaved` that have changed since the last call."""
        changed = {path for path, content in unsaved.items() if self._read_open(path, content)}
        for path in self._open - unsaved.keys():
            if path in self._closed:
                self._read_closed(path)
            else:
                self._remove(path)
        self._open = frozenset(unsaved)
        changes = self._evaluator.update()
        results = self._evaluator.results
        # A subject that is gone belongs to the files it was in.
        keys = {path: self._list_keys(path) for path in unsaved}
        self._join_subjects(results)
        affected = {path for path in unsaved if not changes.keys().isdisjoint(keys[path] | self._list_keys(path))}
        if self._update_contexts():
            affected |= unsaved.keys()
        return {path: self._assemble(path, results, unsaved) for path in sorted(changed | affected)}

    def _read_open(self, path: str, content: bytes) -> bool:
        """Read an open document; return False if its text is the one of the last call."""
        file = self._files.get(path)
        if file is not None and path in self._open and file.stamp == content:
            return False
        self._put(path, content, content)
        return True

    def _read_closed(self, path: str) -> int:
        """Read a file if it has changed on disk, and return its size."""
        try:
            status = Path(path).stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if path in self._files and self._files[path].stamp == stamp:
                return status.st_size
            with open_file(path) as stream:
                content = stream.read(_MAX_BYTES)
        except OSError as error:
            self._remove(path)
            self._files[path] = _ManifestFile(None, unread=[UnreadInput(Location(path), error_reason(error))])
            return 0
        self._put(path, content, stamp)
        return len(content)

    def _put(self, path: str, content: bytes, stamp: object) -> None:
        file = _ManifestFile(stamp, len(content), {}, [])
        for resource in _read_resources(path, content, self._folder):
            if isinstance(resource, UnreadInput):
                file.unread.append(msgspec.structs.replace(resource, message=mask_message(resource.message)))
            else:
                file.resources[f"{path}#{len(file.resources)}"] = resource
        previous = self._files.get(path)
        for key in previous.resources.keys() - file.resources.keys() if previous else ():
            self._evaluator.remove(key)
        api = ApiCheck(self._minor)
        for key, resource in file.resources.items():
            if api.check(resource):
                self._evaluator.put(key, resource)
            else:
                self._evaluator.remove(key)
        self._files[path] = file
        self._are_contexts_stale = True

    def _remove(self, path: str) -> None:
        file = self._files.pop(path, None)
        for key in file.resources if file else ():
            self._evaluator.remove(key)

    def _list_keys(self, path: str) -> set[str]:
        return {*self._files[path].resources, *self._subjects.get(path, ())}

    def _join_subjects(self, results: Mapping[str, SubjectResult]) -> None:
        self._subjects = {}
        for key, result in results.items():
            for part in result.subject.related:
                if part.source is not None:
                    self._subjects.setdefault(part.source.path, set()).add(key)

    def _update_contexts(self) -> bool:
        """Compute the contexts of resources again if they may have changed; return True if one has."""
        resources = [resource for file in self._files.values() for resource in file.resources.values()]
        if not (self._are_contexts_due or (self._are_contexts_stale and len(resources) <= _MAX_CONTEXT)):
            return False
        from kubekeep.attackpaths.context import find_contexts  # noqa: PLC0415 - loaded with the first evaluation

        self._are_contexts_due = self._are_contexts_stale = False
        by_id = find_contexts(resources, RoleCoverage(self._selection.is_whole_cluster))
        contexts = {_locate(resource): by_id[id(resource)] for resource in resources if id(resource) in by_id}
        has_changed, self._contexts = contexts != self._contexts, contexts
        return has_changed

    def _assemble(self, path: str, results: Mapping[str, SubjectResult], unsaved: Unsaved) -> Assessment:
        """Return the assessment of one document."""
        started, file, api = dt.datetime.now(dt.UTC), self._files[path], ApiCheck(self._minor)
        resources = {key: resource for key, resource in file.resources.items() if api.check(resource)}
        own = [
            # The evaluator keeps packed copies.
            msgspec.structs.replace(results[key], subject=resources.get(key, results[key].subject))
            for key in (*resources, *sorted(self._subjects.get(path, ())))
            if key in results
        ]
        parts = (part for result in own for part in (result.subject, *result.subject.related))
        contexts = {
            id(part): self._contexts[position] for part in parts if (position := _locate(part)) in self._contexts
        }
        images = self._images.join(list(resources.values()), contexts)
        selection = msgspec.structs.replace(self._selection, listed=self._images.definitions if images else ())
        own, uses = self._apply_exceptions(
            path, [*api.distrust(own, self._selection), *images], selection, unsaved, started
        )
        own = prioritise_results(attach_contexts(own, contexts), selection.definitions)
        facts = EvaluationFacts(
            target=Target((path,), self._folder),
            started=started,
            finished=dt.datetime.now(dt.UTC),
            kubernetes_minor=self._minor,
            selection=selection,
            resource_selection=self._request.evaluation.resource_selection,
            enforcement={},
            files=1,
        )
        problems = [part for part in file.unread if isinstance(part, FieldProblem)]
        unread = tuple(part for part in dict.fromkeys((*file.unread, *api.unread)) if part not in problems)
        fields = tuple(dict.fromkeys((*problems, *api.unknown_fields)))
        return assemble(facts, own, unread=unread, unknown_fields=fields, exceptions=uses)

    def _apply_exceptions(
        self, path: str, results: list[SubjectResult], selection: Selection, unsaved: Unsaved, now: dt.datetime
    ) -> tuple[list[SubjectResult], tuple[ExceptionUse, ...]]:
        """Return the results with exceptions and suppression comments applied, and the use of each."""
        self._exceptions.forget()
        for _ in self._exceptions.collect(iter(self._list_exception_context())):
            pass
        results, uses = self._exceptions.apply(results, selection, now)
        is_snapshot = self._request.input.is_whole_cluster
        if not self._request.evaluation.exceptions.honours_inline(snapshot=is_snapshot):
            return results, uses
        source = _create_inputs(self._request.input.read, unsaved)
        source.add_manifest(Root("manifests", path, path, self._folder), path)
        results, comments = apply_suppressions(results, source, selection, now)
        return results, (*uses, *comments)

    def _list_exception_context(self) -> list[Resource]:
        """Return the namespaces, and the exceptions of a snapshot."""
        resources = (resource for file in self._files.values() for resource in file.resources.values())
        return [each for each in resources if each.kind == "Namespace" or is_security_exception(each.object)]


def _create_inputs(options: ReadOptions, unsaved: Unsaved) -> Inputs:
    """Return inputs that read single files, the open ones from `unsaved`."""
    return read((), options=msgspec.structs.replace(options, unsaved=unsaved))


def _locate(resource: Subject) -> _Position:
    source = resource.source
    return ("", 0, ()) if source is None else (source.path, source.document, source.root)


def _read_resources(path: str, content: bytes, folder: str) -> Iterator[Resource | UnreadInput]:
    """Yield the resources of a manifest or a Dockerfile with this content."""
    if is_dockerfile_name(path.rpartition(os.sep)[2]):
        # Loaded with the first Dockerfile.
        from kubekeep.sources.dockerfile.read import read_content  # noqa: PLC0415

        yield read_content(content, Root("dockerfile", path, path, folder), path)
    else:
        yield from read_stream(io.BytesIO(content), Root("manifests", path, path, folder), DEFAULT_LIMITS)
