"""Scan: read the input, evaluate the selected rules, apply exceptions, sum up. Never prints and never decides a gate."""

from __future__ import annotations

import contextlib
import datetime as dt
import gc
import hashlib
import itertools
import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import msgspec

from kubekeep import _native
from kubekeep.admission.enforcement import EnforcementCollector
from kubekeep.engine.compile import compile_rules
from kubekeep.engine.policy_set import Compile
from kubekeep.exceptions.inline.suppressions import apply_suppressions
from kubekeep.exceptions.load import ScanExceptions
from kubekeep.model.assessment import Assessment, FieldProblem, SubjectResult, Target, UnassessedInput, UnreadInput
from kubekeep.model.attack import Attacks
from kubekeep.model.cluster import ClusterFacts, CoverageGap
from kubekeep.model.control import WORKLOAD
from kubekeep.model.exception import ExceptionUse
from kubekeep.model.git import GitRepository
from kubekeep.model.priority import ResourceContext
from kubekeep.model.resource import Resource
from kubekeep.model.resource_selection import ResourceSelection
from kubekeep.model.resource_types import ResourceTypes
from kubekeep.model.running_images import RunningImages
from kubekeep.model.scanned_source import ScannedSource
from kubekeep.model.secret_text import mask_message
from kubekeep.model.stated_namespace import state_namespace
from kubekeep.model.struct_types import prepare_types
from kubekeep.model.subject import Subject
from kubekeep.model.workload import find_other_containers, list_used_images
from kubekeep.posture.evaluate import evaluate
from kubekeep.posture.listed_problems import add_listed_problems
from kubekeep.posture.namespaces import infer_namespaces, is_open
from kubekeep.posture.packing import ObjectPacker
from kubekeep.posture.priority import attach_contexts, prioritise_results
from kubekeep.posture.resource_filter import ResourceFilter
from kubekeep.posture.roles import RoleCoverage
from kubekeep.posture.select import Selection, UnknownNameError
from kubekeep.posture.workload import parse_workload, select_workload
from kubekeep.reports.format import Extra
from kubekeep.reports.shared.subject_names import SubjectNames
from kubekeep.sources.inputs import Inputs, read
from kubekeep.usecases.api_check import ApiCheck
from kubekeep.usecases.assemble import EvaluationFacts, assemble, unread_gaps
from kubekeep.usecases.git import add_commits, find_repository
from kubekeep.usecases.request import (
    EvaluationOptions,
    ReportNeeds,
    ScanInput,
    ScanRequest,
    kubernetes_minor,
    minor_of_cluster,
)
from kubekeep.usecases.rule_selection import RuleSelector
from kubekeep.usecases.server_decisions import apply_decisions
from kubekeep.usecases.submission_collector import SubmissionCollector

_Filter = Callable[[Resource], bool]

_logger: Final = logging.getLogger(__name__)


class ClusterInput(Protocol):
    """A live cluster during a scan.

    `gaps` are the resources that could not be listed, `absent` the requested namespaces that do not exist, and
    `running_images` those of all pods; they are complete once `resources` is exhausted.
    """

    gaps: list[CoverageGap]
    absent: list[str]
    running_images: RunningImages

    @property
    def minor(self) -> int | None:
        """Its minor version; None if unknown."""

    def settings(self, *, policies: bool) -> list[Resource]:
        """Return the objects that set parameters; with `policies`, admission policies and bindings too."""

    def resources(
        self, selection: Selection, resource_selection: ResourceSelection, *, everything: bool
    ) -> Iterator[Resource]:
        """Yield the objects that the controls of `selection` need; with `everything`, all kinds that relate objects."""

    def read_uid(self) -> str:
        """Return the UID of the Namespace kube-system. Raises KubeError."""

    def facts(self) -> ClusterFacts:
        """Return the facts that a report shows."""


def scan(
    request: ScanRequest, *, stdin: BinaryIO | None = None, on_progress: Callable[[int], None] = lambda _: None
) -> Assessment:
    """Return the assessment of the input of `request`.

    `on_progress` receives the number of resources read so far. Raises UnknownNameError for unknown names,
    RevisionError if the changed files cannot be determined, and ValueError for an unknown Kubernetes version, malformed
    parameters in a snapshot, unreadable exceptions, and an admission policy or custom rule that does not compile.
    """
    if threading.active_count() > 1:
        prepare_types()
    if Extra.SOURCE in request.needs.extras:
        images = msgspec.structs.replace(request.input.read.images, keeps_packages=True)
        read_options = msgspec.structs.replace(request.input.read, images=images)
        request = msgspec.structs.replace(request, input=msgspec.structs.replace(request.input, read=read_options))
    rules = RuleSelector(request.rules, whole_cluster=request.input.is_whole_cluster)
    with (
        read(request.input.paths, stdin=stdin, options=request.input.read) as source,
        _connect(request.input) as cluster,
        # Clients of registries leave cycles, which would fill the memory in a long scan.
        contextlib.nullcontext() if request.input.has_only_registries else _pause_garbage_collection(),
    ):
        return _Scan(request, rules, source, cluster).run(on_progress)


def check(request: ScanRequest) -> None:
    """Raise the errors of `scan` for the names, versions, rules and exceptions of `request`, without reading its input."""
    kubernetes_minor(request.evaluation.kubernetes_version or "latest")
    ResourceFilter(request.evaluation.resource_selection)
    load_exceptions(request, RuleSelector(request.rules, whole_cluster=request.input.is_whole_cluster))


def load_exceptions(request: ScanRequest, rules: RuleSelector) -> ScanExceptions:
    """Return the exceptions of `request`. Raises ExceptionsError for a file that cannot be used."""
    snapshot = request.input.is_whole_cluster
    return ScanExceptions(request.evaluation.exceptions, rules.exception_files, snapshot=snapshot)


class _Scan:
    """One scan, one method per stage."""

    def __init__(self, request: ScanRequest, rules: RuleSelector, source: Inputs, cluster: ClusterInput | None) -> None:
        self._started = dt.datetime.now(dt.UTC)
        self._request = request
        self._rules = rules
        self._source = source
        self._cluster = cluster
        self._unread: list[UnreadInput] = []
        self._unassessed: list[UnassessedInput] = []
        self._field_problems: list[UnreadInput] = []
        self._others: list[Subject] = []
        self._notes: list[str] = []
        self._exceptions = load_exceptions(request, rules)
        self._enforcers = EnforcementCollector()
        self._resource_filter = ResourceFilter(request.evaluation.resource_selection)
        self._gaps: list[CoverageGap] = [] if cluster is None else cluster.gaps
        self._submission = SubmissionCollector(request)

    def run(self, on_progress: Callable[[int], None]) -> Assessment:
        request, cluster, source = self._request, self._cluster, self._source
        minor = self._kubernetes_minor = self._find_kubernetes_minor()
        api = ApiCheck(minor)
        selection, resources = self._resources(api)
        everything: list[Resource] = []
        if request.input.snapshot or request.needs_related_objects:
            everything = list(_pack(resources))
            resources = iter(everything)
        elif cluster is None and not request.input.has_only_registries:
            resources = _pack(_collect(resources, everything))
        if request.input.snapshot:
            # A snapshot may hold the settings of its cluster in any file.
            selection = self._rules.select(everything)
        with _outcome_cache(request.evaluation, self._notes) as compile_with_cache:
            results = self._evaluate(resources, everything, selection, compile_with_cache, on_progress)
        results += [SubjectResult(subject, {}) for subject in self._others]
        results, selection = add_listed_problems(results, selection)
        _logger.debug("read and evaluated %d resources, %d controls", len(results), len(selection.definitions))
        if cluster is not None:
            results.sort(key=_report_order)
        self._unread += unread_gaps(self._gaps)
        results = api.distrust(results, selection)
        self._unread += api.unread
        roles = RoleCoverage(selection.is_whole_cluster, self._gaps)
        everything = everything or _list_resources(results)
        contexts = _find_contexts(everything, roles)
        results = _join_images(attach_contexts(results, contexts), everything, contexts)
        results, uses = self._apply_exceptions(results, selection)
        if request.input.read.blame:
            results = add_commits(results, source, request.input.read.access.environment, self._unread)
        results = _add_file_extras(results, source, request.needs, selection)
        results = prioritise_results(results, selection.definitions)
        _logger.debug("determined priorities")
        repository = self._repository(results)
        source_identity = self._identify_source(results, repository)
        attacks = _attacks(request.needs, everything, results, selection, roles)
        results, decision_uses = self._apply_decisions(results, selection, source_identity, repository)
        # A loop of a template prints the same line many times.
        unread, notes, file_uses = self._exceptions.accept_unread(dict.fromkeys(self._unread), self._started)
        self._notes += notes
        return assemble(
            self._context(selection, minor),
            results,
            unread=tuple(unread),
            unknown_fields=tuple(dict.fromkeys((*self._field_problems, *api.unknown_fields))),
            exceptions=(*uses, *decision_uses, *file_uses),
            attacks=attacks,
            repository=repository,
            source=source_identity,
        )

    def _evaluate(
        self,
        resources: Iterator[Resource],
        everything: Sequence[Resource],
        selection: Selection,
        compile_with_cache: Compile,
        on_progress: Callable[[int], None],
    ) -> list[SubjectResult]:
        """Return the verdicts; a second evaluation is needed if the namespace of some objects is known only at the end.

        everything: all resources, or filled with them while they are evaluated.
        """

        def run(resources: Iterable[Resource], on_progress: Callable[[int], None]) -> list[SubjectResult]:
            return evaluate(
                resources,
                selection,
                compile_with_cache,
                kubernetes_minor=self._kubernetes_minor,
                on_progress=on_progress,
                in_scope=self._scope(everything),
                gaps=self._gaps,
            )

        if everything:
            self._state_namespaces(everything)
        results = run(resources, on_progress)
        return run(everything, lambda _: None) if self._state_namespaces(everything) else results

    def _state_namespaces(self, resources: Sequence[Resource]) -> bool:
        """Set the namespace of objects without one that bindings reveal. Return True if there are any."""
        if self._request.input.is_whole_cluster:
            return False
        inference = infer_namespaces(resources)
        if inference.namespaces:
            types = ResourceTypes(resources)
            for number, namespace in inference.namespaces.items():
                state_namespace(resources[number], namespace, types)
        self._notes += [note for note in inference.notes if note not in self._notes]
        return bool(inference.namespaces)

    def _find_kubernetes_minor(self) -> int:
        version = self._request.evaluation.kubernetes_version
        if self._cluster is None:
            return kubernetes_minor(version or "latest")
        return minor_of_cluster(version, self._cluster.minor, self._notes)

    def _resources(self, api: ApiCheck) -> tuple[Selection, Iterator[Resource]]:
        """Return the selection and the resources; exceptions and policies are collected while they stream."""
        evaluation = self._request.evaluation
        selection, resources = self._rules.selection, api.collect(self._collect_unread(self._source))
        if self._request.input.read.namespace:
            resources = _set_namespace(resources, self._request.input.read.namespace)
        if self._cluster is not None:
            selection = self._rules.select(self._cluster.settings(policies=self._request.rules.cluster_policies))
            resource_selection = msgspec.structs.replace(evaluation.resource_selection, workload=evaluation.workload)
            objects = self._cluster.resources(
                selection, resource_selection, everything=self._request.needs_related_objects
            )
            resources = itertools.chain(objects, resources)
        if self._request.input.read.workload_images:
            resources = self._follow_images(resources)
        if self._request.input.is_whole_cluster:
            resources = self._enforcers.collect(resources)
        return selection, self._exceptions.collect(self._submission.collect(resources))

    def _collect_unread(self, subjects: Iterable[Subject | UnreadInput]) -> Iterator[Resource]:
        """Yield the resources, and keep other subjects, which rules do not read, and the parts that were not read."""
        for resource in subjects:
            if isinstance(resource, UnassessedInput):
                self._unassessed.append(msgspec.structs.replace(resource, message=mask_message(resource.message)))
            elif isinstance(resource, FieldProblem):
                self._field_problems.append(resource)
            elif isinstance(resource, UnreadInput):
                # Messages of other programs may quote the text that they cannot parse, with tokens in it.
                message = _remove_name(mask_message(resource.message), resource.location.file)
                self._unread.append(msgspec.structs.replace(resource, message=message))
            elif isinstance(resource, Resource):
                self._report_other_containers(resource)
                yield resource
            else:
                self._others.append(resource)

    def _report_other_containers(self, resource: Resource) -> None:
        """Record the containers of a file that no control covers, because they are in no pod template."""
        path = None if resource.source is None else find_other_containers(resource)
        location = None if path is None else resource.locate(path)
        if location is not None:
            kind = f"{resource.kind} of {resource.group}"
            self._unassessed.append(UnassessedInput(location, f"no control covers containers in the form of a {kind}"))

    def _follow_images(self, resources: Iterator[Resource]) -> Iterator[Resource]:
        """Yield the resources, then the images that their workloads use."""
        from kubekeep.sources.images.workloads import follow_images  # noqa: PLC0415 - only on request

        options = self._request.input.read
        running_images = None if self._cluster is None else self._cluster.running_images
        has_selection = bool(str(self._request.evaluation.resource_selection))
        in_scope = self._resource_filter if has_selection else None
        images = follow_images(resources, options.images, options.vulnerabilities, running_images, in_scope)
        return self._collect_unread(images)

    def _scope(self, everything: Sequence[Resource]) -> _Filter | None:
        """Return a filter that accepts the resources to evaluate; None for all."""
        filters: list[_Filter] = []
        # First, so that it sees every resource: it reports the names that match none.
        if str(self._request.evaluation.resource_selection):
            filters.append(self._resource_filter)
        if self._request.input.read.changed_since:
            filters.append(self._source.is_changed)
        if self._request.evaluation.workload:
            workload_ids = {id(resource) for resource in self._workload(everything)}
            filters.append(lambda resource: id(resource) in workload_ids)
        if not filters:
            return None
        is_narrowed = bool(self._request.input.read.changed_since or self._request.evaluation.workload)
        return _accept_images(lambda resource: all(accepts(resource) for accepts in filters), is_narrowed=is_narrowed)

    def _workload(self, everything: Sequence[Resource]) -> Sequence[Resource]:
        """Return the requested workload and the resources it needs. Raises UnknownNameError if it does not exist."""
        try:
            return select_workload(parse_workload(self._request.evaluation.workload), everything)
        except UnknownNameError as error:
            missing = ", ".join(dict.fromkeys(gap.permission for gap in self._gaps if WORKLOAD in gap.names))
            if missing:
                raise UnknownNameError(f"{error}; some resources could not be listed: {missing}") from None
            raise

    def _apply_exceptions(
        self, results: list[SubjectResult], selection: Selection
    ) -> tuple[list[SubjectResult], tuple[ExceptionUse, ...]]:
        """Return the results with exceptions and suppression comments applied, and the use of each."""
        results, uses = self._exceptions.apply(results, selection, self._started)
        if lists := [result.subject for result in results if result.subject.has_problems]:
            from kubekeep.model.listed_vulnerabilities import list_statements  # noqa: PLC0415 - few inputs list problems

            uses = (*uses, *list_statements(lists))
        if not self._request.evaluation.exceptions.honours_inline(snapshot=self._request.input.is_whole_cluster):
            return results, uses
        results, comments = apply_suppressions(results, self._source, selection, self._started)
        return results, (*uses, *comments)

    def _apply_decisions(
        self,
        results: list[SubjectResult],
        selection: Selection,
        source: ScannedSource | None,
        repository: GitRepository | None,
    ) -> tuple[list[SubjectResult], tuple[ExceptionUse, ...]]:
        """Return the results with the decisions of a server applied, and the use of each. Priorities stay those without them."""
        server = self._request.evaluation.decisions
        if server is None or source is None:
            return results, ()
        loaded = server.load(source)
        self._notes += filter(None, [loaded.note])
        # The working directory is that of shown paths, not traversed.
        names = SubjectNames(source, repository, os.getcwd())  # noqa: PTH109
        return apply_decisions(results, selection.definitions, loaded.entries, names, self._started)

    def _repository(self, results: Sequence[SubjectResult]) -> GitRepository | None:
        if Extra.REPOSITORY not in self._request.needs.extras:
            return None
        return find_repository(results, self._source, self._request.input.read.access.environment)

    def _identify_source(
        self, results: Sequence[SubjectResult], repository: GitRepository | None
    ) -> ScannedSource | None:
        """Return the identity of the input, on request. Raises SourceError if it has none."""
        if Extra.SOURCE not in self._request.needs.extras:
            return None
        from kubekeep.usecases import submission_source  # noqa: PLC0415 - only for submissions

        if self._request.input.is_whole_cluster:
            return submission_source.identify_cluster(self._cluster, self._submission.uid)
        has_files = any(map(os.path.isabs, self._source.opened_paths))
        if self._request.input.has_only_images and not has_files:
            return submission_source.identify_registry(results)
        environment = self._request.input.read.access.environment
        return submission_source.identify_repository(repository, self._source.opened_paths, environment)

    def _context(self, selection: Selection, minor: int) -> EvaluationFacts:
        request, cluster = self._request, self._cluster
        if cluster is None:
            unmatched, facts, paths = self._resource_filter.explain_unmatched(), None, request.input.paths
        else:
            unmatched = self._resource_filter.explain_unmatched(
                has_all_resources=False, missing_namespaces=cluster.absent
            )
            facts, paths = cluster.facts(), ()
        resource_selection = request.evaluation.resource_selection
        return EvaluationFacts(
            # The working directory is shown to users, not traversed.
            target=Target(paths, os.getcwd(), facts),  # noqa: PTH109
            started=self._started,
            finished=dt.datetime.now(dt.UTC),
            kubernetes_minor=minor,
            selection=selection,
            resource_selection=msgspec.structs.replace(
                resource_selection, changed_since=request.input.read.changed_since, workload=request.evaluation.workload
            ),
            enforcement=self._enforcers.list_enforcement(selection.controls),
            permissions=self._submission.describe_permissions(self._gaps),
            gaps=self._gaps,
            files=self._source.files,
            notes=(*self._notes, *self._source.notes, *unmatched),
            unassessed=tuple(dict.fromkeys(self._unassessed)),
            has_matches=self._resource_filter.has_matches or not str(resource_selection),
        )


def _accept_images(accepts: _Filter, *, is_narrowed: bool) -> _Filter:
    """Return a filter for resources that also accepts the images of accepted ones, which have no namespace.

    is_narrowed: only these; otherwise all images, because only those of accepted resources were read, and named ones.
    """
    # Loaded only for a part of the input.
    from kubekeep.registry.reference import get_image_key  # noqa: PLC0415
    from kubekeep.sources.images.names import list_image_keys  # noqa: PLC0415

    used: set[str] = set()

    def accept(resource: Resource) -> bool:
        if resource.runs_in_containers:
            return not is_narrowed or not used.isdisjoint(list_image_keys(resource))
        is_accepted = accepts(resource)
        if is_accepted and is_narrowed:
            used.update(get_image_key(image.reference) for image in list_used_images(resource))
        return is_accepted

    return accept


def _remove_name(message: str, name: str) -> str:
    """Return a message without the name of the input at its beginning, which reports show beside the message."""
    for beginning in (name, name.partition(":")[2] or name):
        for separator in (": ", " "):
            if message.startswith(f"{beginning}{separator}"):
                return message.removeprefix(f"{beginning}{separator}")
    return message


def _report_order(result: SubjectResult) -> tuple[bool, str]:
    """Return a sort key for results of a cluster, whose lists have no stable order. Joined subjects come last."""
    return bool(result.subject.related), result.subject.id


def _connect(source: ScanInput) -> AbstractContextManager[ClusterInput | None]:
    if source.cluster is None:
        return contextlib.nullcontext()
    # Imported only for a scan of a cluster.
    from kubekeep.usecases.cluster import connect_cluster  # noqa: PLC0415

    return connect_cluster(source.cluster, source.cloud)


@contextlib.contextmanager
def _outcome_cache(options: EvaluationOptions, notes: list[str]) -> Iterator[Compile]:
    """Yield the compiler of rules, with cached outcomes if requested; `notes` receives a sentence if saving fails."""
    if not options.outcome_cache:
        yield compile_rules
        return
    # Imported only for a scan with a cache.
    from kubekeep.engine.outcome_cache import OutcomeCache, cache_outcomes  # noqa: PLC0415

    engine = Path(_native.__file__).read_bytes()
    cache = OutcomeCache(Path(options.outcome_cache), _native.VERSION.encode() + hashlib.blake2b(engine).digest())
    yield cache_outcomes(compile_rules, cache)
    try:
        cache.save()
    except OSError as error:
        notes.append(f"the outcomes of rules could not be cached in {options.outcome_cache}: {error.strerror}")


def _add_file_extras(
    results: list[SubjectResult], source: Inputs, needs: ReportNeeds, selection: Selection
) -> list[SubjectResult]:
    """Return `results` with the excerpts and edits that reports need; both require the open `source`."""
    if Extra.EXCERPTS in needs.extras:
        from kubekeep.privacy.excerpts import add_excerpts  # noqa: PLC0415 - only for such reports

        results = add_excerpts(results, source)
    if Extra.EDITS in needs.extras:
        from kubekeep.fixes.suggestions import suggest_edits  # noqa: PLC0415 - only for reports with edits

        results = suggest_edits(results, source, selection.definitions)
    return results


def _attacks(
    needs: ReportNeeds,
    resources: Sequence[Resource],
    results: Sequence[SubjectResult],
    selection: Selection,
    roles: RoleCoverage,
) -> Attacks | None:
    """Return the attack paths and priorities that reports need; None if they need neither."""
    if not needs.extras & {Extra.ATTACK_PATHS, Extra.PRIORITIES}:
        return None
    from kubekeep.attackpaths.priorities import prioritise_resources  # noqa: PLC0415 - only on request
    from kubekeep.attackpaths.tracks import load_tracks  # noqa: PLC0415

    controls = {control.slug: control for control in selection.controls}
    priorities = prioritise_resources(results, controls, load_tracks())
    if Extra.ATTACK_PATHS not in needs.extras:
        return Attacks(prioritised=priorities)
    from kubekeep.attackpaths.find import compute_attack_paths  # noqa: PLC0415

    images = None
    if needs.attack_query.images:
        from kubekeep.attackpaths.vulnerable_images import list_vulnerable_images  # noqa: PLC0415

        images = list_vulnerable_images(results, {entry.slug: entry for entry in selection.definitions})
    attacks = compute_attack_paths(resources, results, controls, needs.attack_query, roles, images)
    return msgspec.structs.replace(attacks, prioritised=priorities)


def _list_resources(results: Sequence[SubjectResult]) -> list[Resource]:
    """Return the resources with verdicts, and the bindings and roles of subjects, which may have none of their own."""
    parts = (part for result in results for part in (result.subject, *result.subject.related))
    return [*{id(part): part for part in parts if isinstance(part, Resource) and part.missing is None}.values()]


def _join_images(
    results: list[SubjectResult], resources: Sequence[Resource], contexts: Mapping[int, ResourceContext]
) -> list[SubjectResult]:
    """Return the results, those of images with the containers that run them."""
    if not any(result.subject.runs_in_containers for result in results):
        return results
    from kubekeep.usecases.image_workloads import join_images  # noqa: PLC0415 - only with images

    return join_images(results, resources, contexts)


def _find_contexts(resources: Sequence[Resource], roles: RoleCoverage) -> Mapping[int, ResourceContext]:
    """Return the contexts of resources by id(); lists of packages alone have none, and need no graph of attacks."""
    if not any(resource.may_contain_pods for resource in resources):
        return {}
    from kubekeep.attackpaths.context import find_contexts  # noqa: PLC0415 - not for images and SBOMs alone

    return find_contexts(resources, roles)


def _set_namespace(resources: Iterator[Resource], namespace: str) -> Iterator[Resource]:
    """Set the namespace of objects of files that have none, as `kubectl apply --namespace` does."""
    types = ResourceTypes(())
    for resource in resources:
        if is_open(resource, types):
            state_namespace(resource, namespace, types)
        yield resource


def _collect(resources: Iterator[Resource], collected: list[Resource]) -> Iterator[Resource]:
    """Pass resources through while they are read, and collect them."""
    for resource in resources:
        collected.append(resource)
        yield resource


def _pack(resources: Iterator[Resource]) -> Iterator[Resource]:
    """Pass resources through and pack them when the next one is requested, so that all fit into memory together."""
    packer = ObjectPacker()
    for resource in resources:
        yield resource
        packer.add(resource)


@contextlib.contextmanager
def _pause_garbage_collection() -> Iterator[None]:
    """Pause the garbage collector: parsed documents live to the end, and cycle searches would take half the time."""
    gc.disable()
    try:
        yield
    finally:
        # To the oldest generation; the next collection would search all of them for cycles as the youngest.
        gc.freeze()
        gc.unfreeze()
        gc.enable()
