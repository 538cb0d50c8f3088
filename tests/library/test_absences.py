"""No silent pass: a verdict does not become "passed" because a part of the input is missing.

The test is generated from the cases of the library. It removes one part at a time from each case that fails or is not
evaluated, and evaluates the rest:

- each other resource of the case, unless the case has a second one with the same name (a base and its overlay);
- each field of the resource with a single value: text, a number, a boolean, an entry of a list of these.

A verdict that becomes "passed" is a defect of the rule, unless the absence is the secure state. There are three proofs:

1. The control declares the kind or field in `secure_without`, with the reason. References show the declarations. A
   declaration that no case needs is a defect, too, so that none hides a later mistake.
2. The field is the problem itself: the path of the finding leads to it, or the reason names it or its value. Without it,
   Kubernetes applies its default, and the control states in `default_value` that it is secure.
3. The API server or the reader of the document requires the field, so that no such input exists (`_REQUIRED`).

The proofs do not repeat the rule: it does not know the removed part, and other tests compare its paths and reasons with
exact expectations. Only a declaration excuses the absence of a resource, and none excuses the absence of one that the
evaluated resource refers to by its name: a mounted object, a claim, a role, an account. It may exist elsewhere.
"""

from __future__ import annotations

import collections
import copy
import functools
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import pytest

from kubekeep.engine.compile import compile_rules
from kubekeep.library.cases import Case, read_objects
from kubekeep.library.load import builtin
from kubekeep.model.control import Control
from kubekeep.model.location import Path, format_path, parse_path, value_at
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import Status, Verdict
from kubekeep.model.workload import list_pod_paths
from kubekeep.posture.evaluate import evaluate
from kubekeep.posture.select import select
from tests.library.builtin_cases import list_builtin_cases

_REQUIRED: Final = re.compile(
    # Identity of the resource, and of elements of lists.
    r"apiVersion|kind|metadata\.name|(?:.*\.)?(?:volumes|volumeMounts|volumeDevices|containers|env|containerStatuses)\[\]\.name"
    r"|spec\.volumeClaimTemplates\[\]\.metadata\.name|roleRef\.(?:kind|name)|subjects\[\]\.(?:kind|name)"
    # Validation of the API server.
    r"|containers\[\]\.image|volumes\[\]\.(?:\w+|projected\.sources\[\]\.\w+)\.(?:name|secretName|claimName|path)|volumes\[\]\.image\.reference|spec\.ports\[\]\.port"
    r"|spec\.service\.(?:name|namespace)|status\.containerStatuses\[\]\.imageID"
    # Identifiers and fields in the answers of clouds, and names of files in documents of nodes.
    r"|data\..*(?:principalType|roleDefinitionId|scope|bindings\[\]\.role)|(?:data|spec)\..*\.path"
    # Marks of documents of nodes that a part was not read: without them, it was.
    r"|data\..*\.ownership\.err|notRead\[\]\.\w+"
)
_REFERENCE: Final = re.compile(
    r"(?:Ref|configMap|secret|service)\.name$|(?:claim|secret|serviceAccount|storageClass|priorityClass)Name$"
)
_REFERRED: Final = frozenset(
    {
        *("ClusterRole", "ConfigMap", "PersistentVolumeClaim", "PriorityClass", "Role", "Secret", "Service"),
        *("ServiceAccount", "StorageClass"),
    }
)
"""Kinds that other resources refer to by name."""
_READ_IN_FULL: Final = ("docker.kubekeep.io", "image.kubekeep.io")
"""Groups of documents in which our own readers write every field."""
_CONTAINERS: Final = re.compile(r"\b(?:initContainers|ephemeralContainers)\b")
_POD: Final = re.compile(r"^spec\.(?:jobTemplate\.spec\.)?(?:template\.(?:spec\.)?)?")
_ENTRIES: Final = re.compile(r"\b(labels|matchLabels|annotations|parameters)(?:\.[^.]+|\[\".*\"\])$")


class Transition(NamedTuple):
    """A verdict that becomes "passed" without a part of a case."""

    case: Case
    part: str
    """The kind of a resource, or the pattern of a field."""
    verdict: Verdict
    is_named: bool = False
    """True if the evidence or the reason names the removed field."""
    is_referenced: bool = False
    """True if the evaluated resource refers to the removed one."""


AUTOMATED: Final = [control for control in builtin().controls.values() if not control.is_manual and not control.rule]


@pytest.mark.parametrize("control", AUTOMATED, ids=lambda control: control.slug)
def test_absence_does_not_pass(control: Control) -> None:
    undeclared: dict[str, list[str]] = {}
    used = set()
    for transition in find_transitions(control):
        if transition.part in control.secure_without and not transition.is_referenced:
            used.add(transition.part)
        elif not (transition.is_named and has_default(control)):
            undeclared.setdefault(transition.part, []).append(str(transition.case))
    assert undeclared == {}
    assert set(control.secure_without) == used, "a declaration that no case needs"


def test_removed_parts_change_verdicts() -> None:
    """Show that the test is not empty: the verdicts of a third of the controls pass without some part."""
    assert sum(bool(find_transitions(control)) for control in AUTOMATED) > len(AUTOMATED) / 3


def has_default(control: Control) -> bool:
    return bool(control.default_value.strip())


@functools.cache
def find_transitions(control: Control) -> tuple[Transition, ...]:
    """Return the verdicts on the control's cases that become "passed", without fields that an API requires."""
    transitions = [
        transition
        for case in _list_cases()[control.slug]
        for transition in (*_remove_resources(case), *_remove_fields(case))
    ]
    return tuple(transition for transition in transitions if not _REQUIRED.fullmatch(transition.part))


@functools.cache
def _list_cases() -> dict[str, list[Case]]:
    cases: dict[str, list[Case]] = collections.defaultdict(list)
    for case in list_builtin_cases():
        cases[case.control.slug].append(case)
    return cases


def _remove_resources(case: Case) -> Iterator[Transition]:
    documents = read_objects(case)
    if len(documents) == 1:
        return
    resources = [Resource(document) for document in documents]
    names = [resource.identity for resource in resources]
    before = _evaluate(case, documents)
    for number, resource in enumerate(resources):
        if names.count(resource.identity) > 1:
            continue
        kind = resource.kind if resource.is_builtin else f"{resource.group}/{resource.kind}"
        after = _evaluate(case, documents[:number] + documents[number + 1 :])
        for key, verdicts in after.items():
            for old, new in zip(before.get(key, ()), verdicts, strict=False):
                if _has_passed(old, new):
                    referring = [document for document, name in zip(documents, names, strict=True) if name in key]
                    is_referenced = any(_refers(Resource(document), resource) for document in referring)
                    yield Transition(case, kind, old, is_referenced=is_referenced)


def _refers(resource: Resource, other: Resource) -> bool:
    """Return True if a field of the resource has the name of the other one, except of a role of every cluster."""
    is_known = other.kind not in _REFERRED or other.name.startswith("system:")
    return not is_known and any(
        _REFERENCE.search(_format(resource, path)) and value_at(resource.object, path) == other.name
        for path in _list_scalars(resource.object)
    )


def _remove_fields(case: Case) -> Iterator[Transition]:
    documents = read_objects(case)
    for number, document in enumerate(documents):
        resource = Resource(document)
        old = _evaluate_one(case, documents, [document], number)[0]
        if old is None or old.status is Status.PASSED or resource.group in _READ_IN_FULL:
            continue
        paths = [path for path in _list_scalars(document) if _format(resource, path) not in _NAMES]
        variants = [_remove(document, path) for path in paths]
        for path, new in zip(paths, _evaluate_one(case, documents, variants, number), strict=True):
            if new is not None and _has_passed(old, new):
                yield Transition(case, _format(resource, path), old, _is_named(old, path, value_at(document, path)))


_NAMES: Final = frozenset({"apiVersion", "kind", "metadata.name"})


def _has_passed(old: Verdict, new: Verdict) -> bool:
    return new.status is Status.PASSED and old.status is not Status.PASSED


def _evaluate(case: Case, documents: Sequence[dict[str, Any]]) -> dict[Any, list[Verdict]]:
    """Return the verdicts by the identities of the resource and of those joined with it."""
    verdicts: dict[Any, list[Verdict]] = collections.defaultdict(list)
    for subject, verdict in _run(case, documents):
        related = tuple(resource.identity for resource in subject.related) if isinstance(subject, Resource) else ()
        verdicts[subject.identity, *related].append(verdict)
    return verdicts


def _evaluate_one(
    case: Case, documents: Sequence[dict[str, Any]], variants: Sequence[dict[str, Any]], number: int
) -> list[Verdict | None]:
    """Return the verdict on each variant of the document with this number; None without one."""
    if case.control.relates:
        verdicts = []
        for variant in variants:
            resources = [*documents[:number], variant, *documents[number + 1 :]]
            verdicts += _select(case, resources, [variant])
        return verdicts
    return _select(case, variants, variants)


def _select(case: Case, documents: Sequence[dict[str, Any]], chosen: Sequence[dict[str, Any]]) -> list[Verdict | None]:
    resources = {id(document): Resource(document) for document in documents}
    by_resource = {id(subject): verdict for subject, verdict in _run_resources(case, list(resources.values()))}
    return [by_resource.get(id(resources[id(document)])) for document in chosen]


def _run(case: Case, documents: Sequence[dict[str, Any]]) -> Iterator[tuple[Any, Verdict]]:
    return _run_resources(case, [Resource(copy.deepcopy(document)) for document in documents])


def _run_resources(case: Case, resources: Sequence[Resource]) -> Iterator[tuple[Any, Verdict]]:
    selection = select(named=[case.control], params=case.options.params, library=builtin())
    for result in evaluate(resources, selection, compile_rules, kubernetes_minor=case.options.minor):
        if case.control.slug in result.verdicts:
            yield result.subject, result.verdicts[case.control.slug]


def _list_scalars(value: Any, path: Path = ()) -> Iterator[Path]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, child in entries:
        if isinstance(child, dict | list):
            yield from _list_scalars(child, (*path, step))
        else:
            yield (*path, step)


def _remove(value: Any, path: Path) -> Any:
    """Return a copy of the value without the entry or element at the path; the rest is shared."""
    changed = copy.copy(value)
    if len(path) == 1:
        del changed[path[0]]
    else:
        changed[path[0]] = _remove(value[path[0]], path[1:])
    return changed


def _format(resource: Resource, path: Path) -> str:
    """Return the pattern of a field: without indexes, names of labels, and the path of the pod."""
    text = re.sub(r"\[\d+\]", "[]", format_path(path))
    if any(path[: len(pod)] == pod for pod in list_pod_paths(resource)):
        text = _POD.sub("", text)
    return _ENTRIES.sub(r"\1", _CONTAINERS.sub("containers", text))


def _is_named(verdict: Verdict, path: Path, value: Any) -> bool:
    if verdict.reason is not None:
        last = next(step for step in reversed(path) if isinstance(step, str))
        return last in verdict.reason.text or str(value) in verdict.reason.text
    return any(_leads_to(parse_path(evidence.path), path) for evidence in verdict.evidence)


def _leads_to(evidence: Path, path: Path) -> bool:
    """Return True if one path leads to the other, or if both are words of one command line."""
    is_word = len(path) == len(evidence) and path[:-1] == evidence[:-1] and isinstance(path[-1], int)
    return is_word or evidence[: len(path)] == path or path[: len(evidence)] == evidence
