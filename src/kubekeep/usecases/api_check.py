"""Check the resources of files against the built-in Kubernetes API, while they are read.

Reports unknown kinds and mistyped fields as unread input, and collects unknown fields and API versions that the
Kubernetes version does not serve. Of a live cluster it checks only
documents about nodes and the managed cluster, which no API server has checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from kubekeep.library.field_names import FieldNames
from kubekeep.model.assessment import SubjectResult, UnreadInput
from kubekeep.model.cloud import GROUPS
from kubekeep.model.location import Location, Path
from kubekeep.model.resource import Resource
from kubekeep.model.source import Source
from kubekeep.model.subject import Subject
from kubekeep.model.unknown_field import FieldProblems, MistypedField
from kubekeep.model.workload import has_no_container
from kubekeep.posture.select import Selection
from kubekeep.posture.unknown_fields import distrust_passes
from kubekeep.sources.kubernetes_api.documents import find_mistyped_field, is_checked_document
from kubekeep.sources.kubernetes_api.schemas import load_schemas

_PROTECTIONS: Final = frozenset({"LimitRange", "NetworkPolicy", "PodDisruptionBudget"})
"""Built-in kinds that make controls on other objects pass, and have few controls of their own."""
_NO_CONTAINER: Final = "the pod has no containers: the API server would reject the object"


class ApiCheck:
    """The checks of one scan for one minor version of Kubernetes."""

    def __init__(self, minor: int) -> None:
        self.unread: list[UnreadInput] = []
        self.unknown_fields: list[UnreadInput] = []
        """Unknown fields, and kinds that this Kubernetes does not have in their API version."""
        self._unserved: set[tuple[str, str]] = set()
        self._minor = minor
        self._problems: dict[int, FieldProblems] = {}
        self._mistyped_clouds: dict[str, MistypedField] = {}
        self._list: Any = None

    def collect(self, resources: Iterable[Resource]) -> Iterator[Resource]:
        """Check each of the resources and yield those that count."""
        return (resource for resource in resources if self.check(resource))

    def check(self, resource: Resource) -> bool:
        """Check a resource; return False if it must not count.

        A network policy that the API server refuses isolates no pod. Objects of other kinds count, so that their own
        problems are found.
        """
        # Here, so that a scan without files loads nothing.
        schemas, document, kind = load_schemas(), resource.object, resource.kind
        if resource.source is not None and resource.source.root and resource.document is not self._list:
            self._list = resource.document
            self._check_list(resource.document, resource.source)
        protects = kind in _PROTECTIONS and resource.is_builtin
        version = str(document.get("apiVersion"))
        problem = schemas.explain_unknown_kind(version, kind)
        if problem is None and (unserved := schemas.explain_unserved_kind(version, kind, self._minor)) is not None:
            if protects:
                problem = unserved
            else:
                self._report_unserved(resource, unserved)
        if problem is not None:
            self.unread.append(UnreadInput(_locate(resource, ("kind",)), problem))
            return not protects
        if is_checked_document(resource.group, kind):
            self._check_document(resource)
            return True
        return not (self._check_fields(resource) and protects)

    def _check_fields(self, resource: Resource) -> bool:
        """Check the fields of an object; return True if the API server refuses it."""
        problems = load_schemas().find_problems(resource.object, self._minor)
        if has_no_container(resource):
            problems = msgspec.structs.replace(problems, rejection=_NO_CONTAINER)
        if problems.unknown or problems.mistyped or problems.rejection:
            self._problems[id(resource)] = problems
            self.unknown_fields += (
                UnreadInput(_locate(resource, field.path), field.message) for field in problems.unknown
            )
            self.unread += (
                UnreadInput(_locate(resource, field.path), f"the API server rejects this object: {field.message}")
                for field in problems.mistyped
            )
        return bool(problems.mistyped)

    def _report_unserved(self, resource: Resource, problem: str) -> None:
        """Report a kind that this Kubernetes does not have in its API version, once per file."""
        location = _locate(resource, ("apiVersion",))
        if (location.file, problem) not in self._unserved:
            self._unserved.add((location.file, problem))
            self.unknown_fields.append(UnreadInput(location, problem))

    def _check_list(self, document: Any, source: Source) -> None:
        """Report a list of a kind that does not exist: its items are read, but kubectl creates none of them."""
        problem = load_schemas().explain_unknown_kind(document["apiVersion"], document["kind"])
        if problem is not None:
            location = msgspec.structs.replace(source, root=()).locate(document, ("kind",))
            self.unread.append(UnreadInput(location, problem))

    def _check_document(self, resource: Subject) -> None:
        """Report a document about a node or a managed cluster with a mistyped field."""
        field = find_mistyped_field(resource.object)
        if field is not None:
            self._problems[id(resource)] = FieldProblems(mistyped=(field,))
            location = _locate(resource, field.path)
            self.unread.append(UnreadInput(location, f"this {resource.kind} is not valid: {field.message}"))
            if resource.group in GROUPS.values():
                self._mistyped_clouds.setdefault(resource.group, field)

    def distrust(self, results: list[SubjectResult], selection: Selection) -> list[SubjectResult]:
        """Return the results without passes that rest on misspelt or mistyped fields."""
        for result in results:
            resource = result.subject
            if resource.source is None and is_checked_document(resource.group, resource.kind):
                self._check_document(resource)
        # Controls compare the documents about a cloud with each other.
        for result in results if self._mistyped_clouds else ():
            if (field := self._mistyped_clouds.get(result.subject.group)) is not None:
                self._problems.setdefault(id(result.subject), FieldProblems(mistyped=(field,)))
        if not self._problems:
            return results
        names = FieldNames(selection.library)
        controls = {control.slug: control for control in selection.library_controls}
        return distrust_passes(results, self._problems, controls, names.list_names)


def _locate(resource: Subject, path: Path) -> Location:
    return resource.locate(path) or resource.locate(()) or Location(resource.label)
