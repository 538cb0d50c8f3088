"""Scan paths: read manifests, evaluate the chosen controls, sum up. Never prints and never decides a gate."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import gc
import hashlib
import itertools
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import msgspec

from kubekeep import _native
from kubekeep.admission.enforcement import Enforcers
from kubekeep.admission.policy import AdmissionError, Policies, policies_in_force, policies_of
from kubekeep.engine.policy_set import Compile
from kubekeep.engine.rego_policies import RegoPolicySet
from kubekeep.exceptions.inline.suppressions import apply_suppressions
from kubekeep.exceptions.load import ExceptionOptions, Exceptions
from kubekeep.kube.access import ClusterRequest
from kubekeep.library.extra import CUSTOM_RULES, ExtraRules, gather
from kubekeep.library.kubescape_rules import KubescapeControl
from kubekeep.library.params import params_of
from kubekeep.model.assessment import Assessment, ResourceResult, Target, Unread
from kubekeep.model.attack import ALL_PATHS, AttackQuery, Attacks
from kubekeep.model.cloud import CloudRequest
from kubekeep.model.cluster import ClusterFacts, CoverageGap
from kubekeep.model.control import WORKLOAD, Control, Provider
from kubekeep.model.exception import ExceptionUse
from kubekeep.model.framework import Framework
from kubekeep.model.git import GitRepository
from kubekeep.model.location import Location
from kubekeep.model.redaction import mask_tokens
from kubekeep.model.resource import Resource
from kubekeep.model.resource_selection import ResourceSelection
from kubekeep.posture.choice import Chooser
from kubekeep.posture.coverage_gaps import unseen
from kubekeep.posture.evaluate import run
from kubekeep.posture.kubescape_rules import KubescapeEvaluator
from kubekeep.posture.select import Selection, UnknownNameError, controls_named, frameworks_named, select
from kubekeep.posture.summary import summarize
from kubekeep.posture.third_party import ThirdPartyEvaluator
from kubekeep.posture.workload import parse_workload, with_needs
from kubekeep.reports.format import Extra
from kubekeep.sources.inputs import Inputs, read
from kubekeep.sources.options import ReadOptions
from kubekeep.usecases.blame import with_commits
from kubekeep.usecases.repository import repository_of

NEWEST_KUBERNETES: Final = 37
"""The newest minor version whose rules the library knows."""
OLDEST_KUBERNETES: Final = 25
DEFAULT_FRAMEWORKS: Final = ("allcontrols",)


class ScanRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to scan (`-` is standard input) and against what; without names, every control of the library.

    `params` replace defaults of control parameters by name. A `snapshot` is all objects of a cluster, so that
    controls which only a cluster can answer are evaluated on it. Without a `cloud_provider` the input may tell it.
    """

    paths: tuple[str, ...]
    frameworks: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    cluster: ClusterRequest | None = None
    """The live cluster to scan; the paths are then documents about it that stand beside its objects."""
    cloud: CloudRequest | None = None
    """That the cloud of the live cluster is asked too; nobody asks it otherwise."""
    kubernetes_version: str = ""
    """Empty for the one of the cluster, or else the newest that the library knows."""
    params: Mapping[str, tuple[str, ...]] = {}
    snapshot: bool = False
    cloud_provider: Provider | None = None
    policies: tuple[str, ...] = ()
    """Files and folders with admission policies, their bindings and parameters."""
    cluster_policies: bool = False
    """Whether the admission policies that the cluster itself has in force are evaluated too."""
    rules: ExtraRules | None = None
    """Rules that the user brings along. Bundles among them are scanned instead of the library, unless names tell."""
    read: ReadOptions = ReadOptions()
    workload: str = ""
    """The one workload to judge, with what it needs; everything else is read only for what relates to it."""
    exceptions: ExceptionOptions = ExceptionOptions()
    extras: frozenset[Extra] = frozenset()
    """What reports want to know beside the verdicts."""
    attacks: AttackQuery = ALL_PATHS
    """Which attack paths, if the extras ask for them."""
    choice: ResourceSelection = ResourceSelection()
    """The resources to judge."""
    excluded: tuple[str, ...] = ()
    """Controls to leave out, of the scan and of its scores."""
    remembered: str = ""
    """The file in which outcomes are remembered from scan to scan; empty for none."""

    @property
    def is_whole(self) -> bool:
        """Whether the input is all of a cluster."""
        return self.snapshot or self.cluster is not None


class Live(Protocol):
    """A live cluster while it is being scanned.

    `gaps` are what it did not show, `absent` the namespaces that were named and that it has not; both are complete when
    its objects have ended.
    """

    gaps: list[CoverageGap]
    absent: list[str]

    @property
    def minor(self) -> int | None:
        """Its minor version, where it tells one."""

    def settings(self, *, policies: bool) -> list[Resource]:
        """The objects that say how it wants to be judged; with `policies`, its admission policies and bindings too."""

    def resources(self, selection: Selection, choice: ResourceSelection, *, everything: bool) -> Iterator[Resource]:
        """The objects that the controls of `selection` need; with `everything`, all that leads anywhere."""

    def facts(self) -> ClusterFacts:
        """What a report says of it."""


def scan(
    request: ScanRequest, *, stdin: BinaryIO | None = None, note: Callable[[int], None] = lambda _: None
) -> Assessment:
    """Assess what is at the paths of `request`.

    `note` is told how many resources have been seen. Raises UnknownNameError for names that mean nothing or nobody,
    RevisionError where what changed cannot be told, and ValueError for a Kubernetes version that is not known, for a
    ControlInput of a snapshot that says nonsense, for exceptions that cannot be read and for an admission policy or
    custom rule that does not compile.
    """
    selection = _selection(request)
    exceptions = exceptions_of(request)
    started = dt.datetime.now(dt.UTC)
    unread: list[Unread] = []
    notes: list[str] = []
    chooser = Chooser(request.choice)
    with (
        read(request.paths, stdin=stdin, options=request.read) as source,
        _connected(request) as cluster,
        _rules(request, notes) as compile_rules,
        _few_collections(),
    ):
        minor = minor_of(request, cluster, notes)
        resources, selection = _input(request, source, cluster, selection, unread)
        enforcers = Enforcers()
        resources = exceptions.noting(enforcers.noting(resources) if request.is_whole else resources)
        focus = _focus(request, source, chooser)
        found: list[Resource] = []
        if request.snapshot or looks_everywhere(request):
            found = list(resources)
            resources = iter(found)
            focus = _both(focus, _workload(request, found, cluster))
        if request.snapshot:
            # What a cluster holds may say how it wants to be judged, wherever in the dump that stands.
            selection = _selection(request, found)
        gaps: list[CoverageGap] = [] if cluster is None else cluster.gaps
        pack = cluster is not None and not found
        judge = functools.partial(run, kubernetes_minor=minor, note=note, focus=focus, gaps=gaps, pack=pack)
        results = _ordered(judge(resources, selection, compile_rules), cluster)
        unread += dict.fromkeys(Unread(Location(gap.permission), gap.text) for gap in gaps)
        results, uses = _accepted(request, exceptions, results, source, selection, started)
        if request.read.blame:
            results = with_commits(results, source, request.read.access.environment, unread)
        results = _with_extras(results, source, request.extras, selection)
        repository = _repository(request, results, source)
        hidden = unseen(gaps, selection, selection.provider)
        totals = summarize(results, selection, hidden, enforcers.of(selection.controls))
        attacks = _attacks(request, found, results, selection)
    return Assessment(
        # A folder is text for people here, not a path to walk.
        target=Target(() if cluster else request.paths, os.getcwd(), cluster.facts() if cluster else None),  # noqa: PTH109
        started=started,
        finished=dt.datetime.now(dt.UTC),
        version=_native.VERSION,
        kubernetes_version=f"1.{minor}",
        results=tuple(results),
        unread=tuple(unread),
        files=source.files,
        notes=(*notes, *source.notes, *_unmatched(chooser, cluster)),
        exceptions=uses,
        attacks=attacks,
        repository=repository,
        chosen=chooser.took or not str(request.choice),
        choice=msgspec.structs.replace(
            request.choice, changed_since=request.read.changed_since, workload=request.workload
        ),
        params=selection.params,
        **{field: getattr(totals, field) for field in totals.__struct_fields__},
    )


def _ordered(results: list[ResourceResult], cluster: Live | None) -> list[ResourceResult]:
    """The results in an order of their own where they come as a cluster's lists do."""
    return results if cluster is None else sorted(results, key=_place)


def _unmatched(chooser: Chooser, cluster: Live | None) -> Iterator[str]:
    """A sentence for each name in the choice that nothing has."""
    return chooser.unmatched() if cluster is None else chooser.unmatched(all_read=False, absent=cluster.absent)


def _place(result: ResourceResult) -> tuple[bool, str]:
    """What orders the results of a cluster, whose lists come as they come: subjects behind what they are joined of."""
    return bool(result.resource.related), result.resource.id


def minor_of(request: ScanRequest, cluster: Live | None, notes: list[str]) -> int:
    """The minor version to judge by; `notes` gets a sentence where the one of the cluster is not known."""
    if request.kubernetes_version or cluster is None:
        return kubernetes_minor(request.kubernetes_version or "latest")
    own = cluster.minor
    known = min(max(NEWEST_KUBERNETES if own is None else own, OLDEST_KUBERNETES), NEWEST_KUBERNETES)
    if known != own:
        notes.append(f"the version of the cluster is {'not told' if own is None else f'1.{own}'}: judged as 1.{known}")
    return known


def _input(
    request: ScanRequest, source: Inputs, cluster: Live | None, selection: Selection, unread: list[Unread]
) -> tuple[Iterator[Resource], Selection]:
    """What there is to judge, and by what: a cluster may say how it wants to be judged."""
    if cluster is None:
        return _resources(source, unread), selection
    selection = _selection(request, cluster.settings(policies=request.cluster_policies))
    choice = msgspec.structs.replace(request.choice, workload=request.workload)
    objects = cluster.resources(selection, choice, everything=looks_everywhere(request))
    return itertools.chain(objects, _resources(source, unread)), selection


def looks_everywhere(request: ScanRequest) -> bool:
    """Whether more of a cluster is wanted than its controls look at: whatever leads from one object to another."""
    return bool(request.workload) or Extra.ATTACK_PATHS in request.extras


def _connected(request: ScanRequest) -> AbstractContextManager[Live | None]:
    if request.cluster is None:
        return contextlib.nullcontext()
    # Only a scan of a cluster pays for loading what talks to one.
    from kubekeep.usecases.cluster import connected  # noqa: PLC0415

    return connected(request.cluster, request.cloud)


@contextlib.contextmanager
def _rules(request: ScanRequest, notes: list[str]) -> Iterator[Compile]:
    """What compiles rules; with a memory, which is written in the end, `notes` say where it could not."""
    if not request.remembered:
        yield RegoPolicySet
        return
    # Only a scan with a cache pays for loading it.
    from kubekeep.engine.outcome_cache import OutcomeCache, cache_outcomes  # noqa: PLC0415

    engine = Path(_native.__file__).read_bytes()
    cache = OutcomeCache(Path(request.remembered), _native.VERSION.encode() + hashlib.blake2b(engine).digest())
    yield cache_outcomes(RegoPolicySet, cache)
    try:
        cache.save()
    except OSError as error:
        notes.append(f"what rules said could not be remembered in {request.remembered}: {error.strerror}")


def _accepted(
    request: ScanRequest,
    exceptions: Exceptions,
    results: list[ResourceResult],
    source: Inputs,
    selection: Selection,
    now: dt.datetime,
) -> tuple[list[ResourceResult], tuple[ExceptionUse, ...]]:
    """The results with what exceptions and comments waive, and what became of each of those."""
    results, uses = exceptions.applied(results, selection, now)
    if not request.exceptions.honours_inline(snapshot=request.is_whole):
        return results, uses
    results, comments = apply_suppressions(results, source, selection, now)
    return results, (*uses, *comments)


def _repository(request: ScanRequest, results: Sequence[ResourceResult], source: Inputs) -> GitRepository | None:
    if Extra.REPOSITORY not in request.extras:
        return None
    return repository_of(results, source, request.read.access.environment)


def _with_extras(
    results: list[ResourceResult], source: Inputs, extras: frozenset[Extra], selection: Selection
) -> list[ResourceResult]:
    """`results` with what reports want of the files, while these are at hand."""
    if Extra.EXCERPTS in extras:
        from kubekeep.privacy.excerpts import add_excerpts  # noqa: PLC0415 - only reports with excerpts pay for it

        results = add_excerpts(results, source)
    if Extra.EDITS in extras:
        # What plans edits is loaded for reports that show some.
        from kubekeep.fixes.suggestions import with_edits  # noqa: PLC0415

        results = with_edits(results, source, selection.controls)
    return results


def _attacks(
    request: ScanRequest, resources: Sequence[Resource], results: Sequence[ResourceResult], selection: Selection
) -> Attacks | None:
    """What the extras of `request` ask for; only a scan that asks for attacks pays for loading what finds them."""
    if not request.extras & {Extra.ATTACK_PATHS, Extra.PRIORITIES}:
        return None
    from kubekeep.attackpaths.priorities import prioritised  # noqa: PLC0415
    from kubekeep.attackpaths.tracks import tracks  # noqa: PLC0415

    controls = {control.slug: control for control in selection.controls}
    priorities = prioritised(results, controls, tracks())
    if Extra.ATTACK_PATHS not in request.extras:
        return Attacks(prioritised=priorities)
    from kubekeep.attackpaths.find import find  # noqa: PLC0415

    return msgspec.structs.replace(find(resources, results, controls, request.attacks), prioritised=priorities)


@contextlib.contextmanager
def _few_collections() -> Iterator[None]:
    """Parsed documents are trees that live until the end: looking for cycles in them costs half the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def selected(request: ScanRequest, found: Sequence[Resource] = ()) -> Selection:
    """The controls that `request` asks for, as the objects `found` in a cluster want them judged.

    Raises what `scan` does for names and rules.
    """
    return _selection(request, found)


def hold(request: ScanRequest) -> None:
    """Raise what `scan` would for the names, versions, rules and exceptions of `request`, without reading its paths."""
    kubernetes_minor(request.kubernetes_version or "latest")
    Chooser(request.choice)
    _selection(request)
    exceptions_of(request)


def exceptions_of(request: ScanRequest) -> Exceptions:
    """The exceptions that `request` names. Raises what `scan` does for them."""
    rules = request.rules or gather()
    return Exceptions(request.exceptions, rules.exceptions, snapshot=request.is_whole)


def _focus(request: ScanRequest, source: Inputs, chooser: Chooser) -> Callable[[Resource], bool] | None:
    """What takes the resources that are to be judged; None for all."""
    touched = source.is_touched if request.read.changed_since else None
    # The choice is asked of all that is read: it tells of names that nothing has.
    return _both(chooser if str(request.choice) else None, touched)


def _both(
    one: Callable[[Resource], bool] | None, other: Callable[[Resource], bool] | None
) -> Callable[[Resource], bool] | None:
    if one is None or other is None:
        return one or other
    return lambda item: one(item) and other(item)


def _workload(
    request: ScanRequest, resources: Sequence[Resource], cluster: Live | None
) -> Callable[[Resource], bool] | None:
    """What takes the one workload that is to be judged, with what it needs; None where none is named."""
    if not request.workload:
        return None
    try:
        kept = {id(item) for item in with_needs(parse_workload(request.workload), resources)}
    except UnknownNameError as error:
        gaps = [] if cluster is None else cluster.gaps
        hidden = ", ".join(dict.fromkeys(gap.permission for gap in gaps if WORKLOAD in gap.names))
        if hidden:
            raise UnknownNameError(f"{error}; the cluster did not show everything: {hidden}") from None
        raise
    return lambda item: id(item) in kept


def kubernetes_minor(version: str) -> int:
    """The minor version in `1.33`, `v1.33.2` or `latest`; raises ValueError for one the library does not know."""
    if version == "latest":
        return NEWEST_KUBERNETES
    match = re.fullmatch(r"v?1\.(\d+)(?:\.\d+)?(?:[-+].*)?", version)
    minor = int(match[1]) if match else -1
    if not OLDEST_KUBERNETES <= minor <= NEWEST_KUBERNETES:
        raise ValueError(
            f"unknown Kubernetes version {version!r}: use 1.{OLDEST_KUBERNETES} to 1.{NEWEST_KUBERNETES} or latest"
        )
    return minor


def _selection(request: ScanRequest, found: Sequence[Resource] = ()) -> Selection:
    """What `request` asks for, and of the objects `found` in a cluster those that say how it wants to be judged.

    Parameters of the request win over those of the cluster, and these over bundles'.
    """
    rules = request.rules or gather()
    brought = tuple(item.control for item in rules.controls)
    excluded = frozenset(item.slug for item in controls_named(request.excluded, rules.library, brought))
    named = tuple(
        item for item in controls_named(request.controls, rules.library, brought) if item.slug not in excluded
    )
    more = (CUSTOM_RULES,) if rules.custom else ()
    given = frameworks_named(request.frameworks, rules.library, (*rules.frameworks, *more))
    unnamed = not (request.controls or given)
    frameworks = given or (_unnamed(rules) if unnamed else ())
    frameworks = tuple({framework.slug: framework for framework in (*frameworks, *more)}.values())
    params = {**rules.inputs, **params_of(found), **request.params}
    foreign = [item for item in _foreign(rules, frameworks, named, loose=unnamed) if item.control.slug not in excluded]
    judges = [KubescapeEvaluator(foreign, params={**rules.defaults, **params}, provider=request.cloud_provider)]
    selection = select(
        frameworks,
        named,
        excluded=excluded,
        params=params,
        whole_cluster=request.is_whole,
        provider=request.cloud_provider,
        library=rules.library,
        judges=[*(judges if foreign else ()), *_judges(request, rules, found)],
    )
    if excluded and not selection.controls:
        raise ValueError("every control is excluded: nothing is left to scan for")
    return msgspec.structs.replace(selection, given=frozenset(request.params))


def _judges(request: ScanRequest, rules: ExtraRules, found: Sequence[Resource]) -> list[ThirdPartyEvaluator]:
    """What judges by the admission policies of `request`, and by those among `found` if it asks for them."""
    given = [_policies(request.policies)] if request.policies else []
    if request.cluster_policies:
        given.append(policies_in_force(found))
    if not given:
        return []
    # Only a scan with policies pays for loading CEL.
    from kubekeep.admission.evaluate import PolicyEvaluator  # noqa: PLC0415

    taken = {*rules.library.controls, *(item.control.slug for item in rules.controls)}
    judges: list[ThirdPartyEvaluator] = []
    for policies in given:
        judges.append(PolicyEvaluator(policies, taken))
        taken |= {control.slug for control in judges[-1].controls}
    return judges


def _policies(paths: tuple[str, ...]) -> Policies:
    """The admission policies at `paths`. Raises AdmissionError: a policy that cannot be read must not be missing."""
    unread: list[Unread] = []
    with read(paths) as source:
        found = list(_resources(source, unread))
    if unread:
        raise AdmissionError(f"{unread[0].location}: {unread[0].message}")
    return policies_of(found)


def _unnamed(rules: ExtraRules) -> tuple[Framework, ...]:
    """What is scanned when nothing is named: all that bundles hold, or else the library."""
    return rules.frameworks if rules.bundled else frameworks_named(DEFAULT_FRAMEWORKS, rules.library)


def _foreign(
    rules: ExtraRules, frameworks: Sequence[Framework], named: Sequence[Control], *, loose: bool
) -> list[KubescapeControl]:
    """The controls of bundles and bare files that were asked for; with `loose`, those of no framework too.

    Where the library has a control of the same number in this scan, the number stays its own.
    """
    library = [control for framework in frameworks for control in rules.library.members(framework)]
    numbers = {
        number for control in (*library, *named) if control.slug in rules.library.controls for number in control.ids
    }
    wanted, slugs = {framework.slug for framework in frameworks}, {control.slug for control in named}
    return [
        msgspec.structs.replace(item, control=msgspec.structs.replace(item.control, ids=()))
        if numbers & {*item.control.ids}
        else item
        for item in rules.controls
        if item.control.slug in slugs
        or wanted & item.control.satisfies.keys()
        or (loose and not item.control.satisfies)
    ]


def _resources(source: Inputs, unread: list[Unread]) -> Iterator[Resource]:
    for item in source:
        if isinstance(item, Unread):
            # Messages of other programs repeat what they cannot read.
            unread.append(msgspec.structs.replace(item, message=mask_tokens(item.message)))
        else:
            yield item
