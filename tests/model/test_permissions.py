"""Rules of roles: requests that they allow, groups of subjects, limits, and the dangers that they lead to."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kubekeep.model.dangers import (
    DANGERS,
    EVERYTHING,
    WILDCARD,
    find_dangers,
    list_dangers,
    rate_dangers,
    restrict_to_namespace,
)
from kubekeep.model.permissions import (
    LONGEST_TEXT,
    MOST_PARTS,
    AccessRequest,
    BindingEntry,
    BoundSubject,
    ClusterPermissions,
    PermissionRule,
    RoleEntry,
    list_groups,
    parse_rule,
    parse_subject,
)
from kubekeep.model.severity import Severity
from kubekeep.model.text import encode_json

SECRETS = PermissionRule(("get",), ("",), ("secrets",))


def rule(verbs: str, resources: str, group: str = "", names: str = "") -> PermissionRule:
    return PermissionRule(tuple(verbs.split()), (group,), tuple(resources.split()), tuple(names.split()))


@pytest.mark.parametrize(
    ("pattern", "path", "is_allowed"),
    [
        ("*", "/metrics", True),
        ("/metrics", "/metrics", True),
        ("/metrics", "/metrics/cadvisor", False),
        ("/apis/*", "/apis/apps", True),
        ("/apis/*", "/api", False),
        ("/apis**", "/apis", True),
        ("*/apis", "/apis", False),
    ],
)
def test_rule_allows_paths(pattern: str, path: str, is_allowed: bool) -> None:  # noqa: FBT001 - a parameter of the test
    allowing = PermissionRule(("get",), non_resource_urls=(pattern,))
    assert allowing.allows(AccessRequest("get", path=path)) == is_allowed
    assert not allowing.allows(AccessRequest("post", path=path))
    assert not allowing.allows(AccessRequest("get", "", "pods"))
    assert not rule("*", "*", "*").allows(AccessRequest("get", path=path))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"kind": "User", "name": "dana"}, BoundSubject("User", "dana")),
        ({"kind": "User", "name": "system:serviceaccount:shop:web"}, BoundSubject("ServiceAccount", "web", "shop")),
        ({"kind": "ServiceAccount", "name": "web"}, BoundSubject("ServiceAccount", "web", "here")),
        ({"kind": "ServiceAccount", "name": "web", "namespace": "shop"}, BoundSubject("ServiceAccount", "web", "shop")),
        ({"kind": "Robot", "name": "web"}, None),
        ({"kind": ["User"]}, None),
        ("dana", None),
        (None, None),
    ],
)
def test_subjects_are_read_from_any_content(content: Any, expected: BoundSubject | None) -> None:
    assert parse_subject(content, "here") == expected


def test_service_account_of_a_cluster_role_binding_without_namespace_is_nobody() -> None:
    assert parse_subject({"kind": "ServiceAccount", "name": "web"}, "") is None


@pytest.mark.parametrize(
    "content", [None, [], "x", {"verbs": "get"}, {"verbs": [None, 3, {}]}, {"apiGroups": {"a": 1}}]
)
def test_rules_are_read_from_any_content(content: Any) -> None:
    assert not parse_rule(content).allows(AccessRequest("get", "", "pods"))


def test_groups_are_those_that_the_api_server_adds() -> None:
    everybody = "system:authenticated"
    assert list_groups(BoundSubject("ServiceAccount", "web", "shop")) == (
        "system:serviceaccounts",
        "system:serviceaccounts:shop",
        everybody,
    )
    assert list_groups(BoundSubject("User", "dana")) == (everybody,)
    assert list_groups(BoundSubject("User", "system:anonymous")) == ("system:unauthenticated",)
    assert list_groups(BoundSubject("Group", "system:serviceaccounts:shop")) == ("system:serviceaccounts", everybody)
    assert list_groups(BoundSubject("Group", "system:unauthenticated")) == ()
    assert list_groups(BoundSubject("Group", everybody)) == ()


def test_documents_beyond_the_limits_are_refused() -> None:
    def decode(permissions: ClusterPermissions) -> ClusterPermissions:
        return msgspec.json.decode(encode_json(permissions), type=ClusterPermissions)

    longest = "x" * LONGEST_TEXT
    permissions = ClusterPermissions((RoleEntry(longest),), (BindingEntry("a", longest),))
    assert decode(permissions) == permissions
    with pytest.raises(msgspec.ValidationError, match="length"):
        decode(ClusterPermissions((RoleEntry(longest + "x"),)))
    with pytest.raises(ValueError, match="more than 200000 rules"):
        ClusterPermissions((RoleEntry("a", rules=(SECRETS,) * (MOST_PARTS + 1)),))
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(
            b'{"bindings":[{"name":"a","role":"b","subjects":[{"kind":"X","name":"y"}]}]}', type=ClusterPermissions
        )


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([rule("*", "*", "*")], [danger.id for danger in DANGERS if danger is not WILDCARD]),
        ([rule("get", "secrets")], ["read-secrets"]),
        ([rule("get", "secrets", names="one")], []),
        ([rule("get", "secrets", "apps")], []),
        ([rule("delete", "secrets")], []),
        ([rule("impersonate", "users", names="dana")], ["impersonate"]),
        ([rule("create", "pods/exec")], ["run-commands"]),
        ([rule("create", "*/exec")], ["run-commands"]),
        ([rule("create", "pods"), rule("list", "secrets")], ["create-pods", "read-secrets"]),
        ([rule("*", "configmaps")], ["wildcard"]),
        ([rule("bind", "roles", "rbac.authorization.k8s.io")], ["grant-permissions"]),
        ([rule("patch", "certificatesigningrequests/approval", "certificates.k8s.io")], ["approve-certificates"]),
        ([PermissionRule(("*",), non_resource_urls=("*",))], []),
        ([], []),
    ],
)
def test_dangers_of_rules(rules: list[PermissionRule], expected: list[str]) -> None:
    assert [danger.id for danger in list_dangers(find_dangers(rules))] == expected


def test_everything_contains_all_dangers_but_the_wildcard() -> None:
    everything = find_dangers([rule("*", "*", "*")])
    assert [*list_dangers(everything)] == [danger for danger in DANGERS if danger is not WILDCARD]
    assert DANGERS[0] is EVERYTHING
    each = [
        find_dangers([rule(" ".join(verbs), resource, group)])
        for danger in DANGERS
        for group, resource, verbs in danger.access
    ]
    assert all(each)
    assert max(each) < everything


def test_order_of_dangers_and_their_severity_in_namespaces() -> None:
    secrets, impersonate = find_dangers([SECRETS]), find_dangers([rule("impersonate", "users")])
    nodes = find_dangers([rule("get", "nodes/proxy")])
    assert impersonate > nodes > secrets > find_dangers([rule("*", "configmaps")]) > 0
    assert restrict_to_namespace(nodes) == 0
    assert restrict_to_namespace(secrets | nodes) == secrets
    assert rate_dangers(secrets, 0) is Severity.HIGH
    assert rate_dangers(0, secrets) is Severity.MEDIUM
    assert rate_dangers(0, 0) is Severity.LOW
    assert WILDCARD in list_dangers(find_dangers([rule("*", "configmaps")]))
