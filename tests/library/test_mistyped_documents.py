"""Documents about nodes and managed clusters with a mistyped field: no control that reads the field passes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, Final

import pytest

from kubekeep.library.cases import Case, read_objects
from kubekeep.library.load import builtin
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import Status
from kubekeep.sources.kubernetes_api.documents import find_mistyped_field, is_checked_document
from kubekeep.usecases.control import evaluate_case
from tests.hostile.samples import list_paths, replace
from tests.library.builtin_cases import list_builtin_cases

_IDENTITY: Final = {"apiVersion", "kind", "metadata", "notRead"}
_WRONG: Final[tuple[Any, ...]] = (5, "text", {"a": 5})
_SEVERAL_TYPES: Final = {"format", "EnableComponents", "Statement"}
"""Fields with values of several types."""
_DELETED: Final = object()


def is_checked(document: dict[str, Any]) -> bool:
    resource = Resource(document)
    return is_checked_document(resource.group, resource.kind)


CASES: Final = [
    case
    for case in list_builtin_cases()
    if not case.control.rule and case.expected in {"pass", "fail"} and any(map(is_checked, read_objects(case)))
]


def delete(document: dict[str, Any], path: tuple[str | int, ...]) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    parent: Any = changed
    for step in path[:-1]:
        parent = parent[step]
    del parent[path[-1]]
    return changed


def list_changes(document: dict[str, Any]) -> Iterator[tuple[tuple[str | int, ...], Any, dict[str, Any]]]:
    """Yield the copies of a document in which a field is missing or has a value of another type."""
    for path in list_paths(document):
        if not path or path[0] in _IDENTITY or path[-1] in _SEVERAL_TYPES or path[-2:-1] == ("EnableComponents",):
            continue
        value: Any = document
        for step in path:
            value = value[step]
        yield path, _DELETED, delete(document, path)
        for wrong in _WRONG:
            if type(wrong) is not type(value) and value is not None:
                yield path, wrong, replace(document, path, wrong)


def evaluate_documents(case: Case, documents: list[dict[str, Any]], others: list[dict[str, Any]]) -> list[bool]:
    """Return for each document, beside `others`, if the control passes."""
    groups = [documents]
    if others:
        groups = [[document, *others] for document in documents]
    else:
        documents = groups[0] = [{**document, "metadata": {"name": f"n{n}"}} for n, document in enumerate(documents)]
    passed: list[bool] = []
    for group in groups:
        results = evaluate_case(case, group, builtin())
        statuses = {result.subject.id: result.verdicts[case.control.slug].status for result in results}
        if others:
            passed.append(set(statuses.values()) == {Status.PASSED})
        else:
            passed += [statuses.get(Resource(document).id) is Status.PASSED for document in group]
    return passed


@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_control_passes_on_a_mistyped_field(case: Case) -> None:
    documents = read_objects(case)
    for index, document in enumerate(documents):
        if not is_checked(document):
            continue
        assert find_mistyped_field(document) is None
        others = [*documents[:index], *documents[index + 1 :]]
        changes = list(list_changes(document))
        passed = evaluate_documents(case, [changed for _, _, changed in changes], others)
        unread = {
            path
            for (path, wrong, _), has_passed in zip(changes, passed, strict=True)
            if has_passed and wrong is _DELETED
        }
        for (path, wrong, changed), has_passed in zip(changes, passed, strict=True):
            is_read = case.expected == "fail" or path not in unread
            if wrong is not _DELETED and is_read and has_passed:
                assert find_mistyped_field(changed) is not None, f"{path} is {wrong!r}"
