"""Roles and bindings of a cluster as a scan saw them, and the requests that their rules allow. No I/O.

Rules match requests as the RBAC authorizer of Kubernetes matches them (`pkg/registry/rbac/validation` and
`plugin/pkg/auth/authorizer/rbac`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal

import msgspec

from kubekeep.model.finding_document import DocumentPart
from kubekeep.model.json_values import as_list, as_mapping

ANYTHING: Final = "*"
"""Every verb, API group, resource or path."""
MOST_OBJECTS: Final = 50_000
"""Roles, and bindings, at most."""
MOST_PARTS: Final = 200_000
"""Rules of all roles, and subjects of all bindings, at most."""
LONGEST_TEXT: Final = 1_024
MOST_VALUES: Final = 100_000
"""Values of one field of a rule."""
MOST_REASONS: Final = 100
ACCOUNT_USER: Final = "system:serviceaccount:"
"""Beginning of the user name of a service account; namespace, `:` and name follow."""
ACCOUNT_GROUP: Final = "system:serviceaccounts:"
"""Beginning of the name of the group of the service accounts of a namespace, which follows."""

Text = Annotated[str, msgspec.Meta(max_length=LONGEST_TEXT)]
Values = Annotated[tuple[Text, ...], msgspec.Meta(max_length=MOST_VALUES)]


class AccessRequest(msgspec.Struct, frozen=True):
    """A request to an API server: for a resource (`pods` or `pods/exec`) of an API group, or for a path such as `/metrics`.

    name: of the object; empty for all objects. path: empty for a resource.
    """

    verb: str
    group: str = ""
    resource: str = ""
    name: str = ""
    path: str = ""


class PermissionRule(DocumentPart, frozen=True):
    """A rule of a role, as in Kubernetes."""

    verbs: Values = ()
    api_groups: Values = ()
    resources: Values = ()
    resource_names: Values = ()
    non_resource_urls: Values = msgspec.field(default=(), name="nonResourceURLs")

    def allows(self, request: AccessRequest) -> bool:
        """Return True if the rule allows a request, whose namespace the binding decides."""
        if ANYTHING not in self.verbs and request.verb not in self.verbs:
            return False
        if request.path:
            return any(_matches_path(pattern, request.path) for pattern in self.non_resource_urls)
        return (
            (ANYTHING in self.api_groups or request.group in self.api_groups)
            and self._matches_resource(request.resource)
            and (not self.resource_names or request.name in self.resource_names)
        )

    def _matches_resource(self, resource: str) -> bool:
        if ANYTHING in self.resources or resource in self.resources:
            return True
        subresource = resource.partition("/")[2]
        return bool(subresource) and f"*/{subresource}" in self.resources


class RoleEntry(DocumentPart, frozen=True):
    """A ClusterRole, or the Role of a namespace. is_unknown: True if its rules are not known."""

    name: Text
    namespace: Text = ""
    rules: tuple[PermissionRule, ...] = ()
    is_unknown: bool = False


class BoundSubject(DocumentPart, frozen=True, order=True):
    """A subject of a binding. namespace: of a service account."""

    kind: Literal["User", "Group", "ServiceAccount"]
    name: Text
    namespace: Text = ""


class BindingEntry(DocumentPart, frozen=True):
    """A ClusterRoleBinding, or the RoleBinding of a namespace.

    role: its name. role_kind: `Role` for one of the same namespace. is_default: True for one that the API server creates.
    """

    name: Text
    role: Text
    namespace: Text = ""
    role_kind: Literal["ClusterRole", "Role"] = "ClusterRole"
    subjects: tuple[BoundSubject, ...] = ()
    is_default: bool = False

    @property
    def role_key(self) -> tuple[str, str]:
        """Namespace and name of the role; empty namespace for a ClusterRole."""
        return (self.namespace if self.role_kind == "Role" else "", self.role)


class ClusterPermissions(DocumentPart, frozen=True):
    """The roles and bindings of a cluster. unknown: sentences about roles and bindings that the scan did not see."""

    roles: Annotated[tuple[RoleEntry, ...], msgspec.Meta(max_length=MOST_OBJECTS)] = ()
    bindings: Annotated[tuple[BindingEntry, ...], msgspec.Meta(max_length=MOST_OBJECTS)] = ()
    unknown: Annotated[tuple[Text, ...], msgspec.Meta(max_length=MOST_REASONS)] = ()

    def __post_init__(self) -> None:
        """Raise ValueError if there are too many rules or subjects."""
        if sum(len(role.rules) for role in self.roles) > MOST_PARTS:
            raise ValueError(f"the roles have more than {MOST_PARTS} rules")
        if sum(len(binding.subjects) for binding in self.bindings) > MOST_PARTS:
            raise ValueError(f"the bindings have more than {MOST_PARTS} subjects")


def parse_rule(content: Any) -> PermissionRule:
    """Return the rule of a role. Values are cut at lengths that no name in a cluster has."""
    rule = as_mapping(content)
    names = ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")
    return PermissionRule(*(tuple(_list_texts(rule.get(name))) for name in names))


def parse_subject(content: Any, namespace: str) -> BoundSubject | None:
    """Return the subject of a binding, a service account also if it is named as a user; None for one that nobody can be.

    namespace: of the binding.
    """
    subject = as_mapping(content)
    kind, name = subject.get("kind"), str(subject.get("name") or "")
    if kind == "User" and name.startswith(ACCOUNT_USER):
        namespace, _, account = name.removeprefix(ACCOUNT_USER).partition(":")
        return BoundSubject("ServiceAccount", account, namespace)
    match kind:
        case "User" | "Group":
            return BoundSubject(kind, name)
        case "ServiceAccount":
            namespace = str(subject.get("namespace") or namespace)
            return BoundSubject(kind, name, namespace) if namespace else None
    return None


def list_groups(subject: BoundSubject) -> tuple[str, ...]:
    """Return the groups that Kubernetes adds to a subject; those of an identity provider are not known."""
    if subject.kind == "ServiceAccount":
        return ("system:serviceaccounts", f"{ACCOUNT_GROUP}{subject.namespace}", "system:authenticated")
    if subject.name in ("system:anonymous", "system:unauthenticated"):
        return ("system:unauthenticated",) if subject.kind == "User" else ()
    if subject.kind == "Group" and subject.name.startswith(ACCOUNT_GROUP):
        return ("system:serviceaccounts", "system:authenticated")
    return () if subject.name == "system:authenticated" and subject.kind == "Group" else ("system:authenticated",)


def _list_texts(values: Any) -> Iterable[str]:
    return (str(value)[:LONGEST_TEXT] for value in as_list(values)[:MOST_VALUES])


def _matches_path(pattern: str, path: str) -> bool:
    return pattern in (ANYTHING, path) or (pattern.endswith("*") and path.startswith(pattern.rstrip("*")))
