"""Roles and bindings in the store: when they are replaced, what lists of them say, and what a scope shows."""

from __future__ import annotations

import random
from typing import Any, Final

import msgspec
import pytest
from sqlalchemy import Connection, func, select

from kubekeep.model.dangers import DANGERS
from kubekeep.model.permissions import (
    AccessRequest,
    BindingEntry,
    BoundSubject,
    ClusterPermissions,
    PermissionRule,
    RoleEntry,
    list_groups,
)
from kubekeep.model.submission import Submission, digest_permissions
from kubekeep.model.text import encode_json
from kubekeep.uplink.delta import DivergenceError, compute_delta
from kubekeep_server.identity import Grant, Role
from kubekeep_server.store.deletion import delete_source
from kubekeep_server.store.ingest import ingest
from kubekeep_server.store.numbers import to_number
from kubekeep_server.store.permission_schema import cluster_permissions
from kubekeep_server.store.permissions import HIDDEN, PermissionContent, load_permissions
from kubekeep_server.store.queries.identities import IdentityFilter, list_identities, list_permissions
from kubekeep_server.store.queries.permitted import list_permitted
from kubekeep_server.store.scopes import EVERYTHING, Scope
from tests.server.conftest import Database
from tests.server.test_ingest import NSA, START, build, build_subject, submit

WEB: Final = BoundSubject("ServiceAccount", "web", "shop")
DANA: Final = BoundSubject("User", "dana")
MASTERS: Final = BoundSubject("Group", "system:masters")
SECRETS: Final = PermissionRule(("get", "list"), ("",), ("secrets",))
PODS: Final = PermissionRule(("get", "create"), ("",), ("pods",))
METRICS: Final = PermissionRule(("get",), non_resource_urls=("/metrics",))
ROLES: Final = (
    RoleEntry("admin", rules=(PermissionRule(("*",), ("*",), ("*",)),)),
    RoleEntry("secrets", rules=(SECRETS,)),
    RoleEntry("metrics", rules=(METRICS,)),
    RoleEntry("hidden", "blog", is_unknown=True),
    RoleEntry("deploy", "shop", (PODS, METRICS)),
)
BINDINGS: Final = (
    BindingEntry("masters", "admin", subjects=(MASTERS,), is_default=True),
    BindingEntry("secrets", "secrets", subjects=(WEB, DANA, BoundSubject("ServiceAccount", "job", "blog"))),
    BindingEntry("metrics", "metrics", subjects=(BoundSubject("Group", "system:authenticated"),), is_default=True),
    BindingEntry("deploy", "deploy", "shop", "Role", (WEB, BoundSubject("User", "omar"))),
    BindingEntry("hidden", "hidden", "blog", "Role", (BoundSubject("User", "erik"),)),
)
PERMISSIONS: Final = ClusterPermissions(ROLES, BINDINGS)


def grant(submission: Submission, permissions: ClusterPermissions | None) -> Submission:
    digest = "" if permissions is None else digest_permissions(permissions)
    return msgspec.structs.replace(submission, permissions=permissions, permissions_digest=digest)


def load(database: Database, scope: Scope = EVERYTHING) -> PermissionContent:
    content = database.run(load_permissions, scope, 1)
    assert content is not None
    return content


def read(permissions: ClusterPermissions, namespaces: frozenset[str] | None, database: Database) -> PermissionContent:
    submit(database, grant(build(0, build_subject(1, *NSA)), permissions))
    return load(database, Scope(frozenset(), {1: namespaces}) if namespaces else EVERYTHING)


def list_names(content: PermissionContent, **selection: Any) -> list[str]:
    return [row.name for row in list_identities(content, IdentityFilter(**selection)).rows]


# --- ingest


def test_permissions_are_replaced_when_their_digest_changes(database: Database) -> None:
    entry = build_subject(1, *NSA)
    first = build(0, entry)
    submit(database, first)
    assert database.run(load_permissions, EVERYTHING, 1) is None
    second = grant(build(1, entry), PERMISSIONS)
    submit(database, second)
    assert (load(database).changed, len(load(database).read().bindings)) == (to_number(second.finished), len(BINDINGS))
    # Equal ones, and a scan that did not collect them, change nothing.
    submit(database, grant(build(2, entry), PERMISSIONS))
    submit(database, build(3, entry))
    assert load(database).changed == to_number(second.finished)
    empty = grant(build(4, entry), ClusterPermissions(unknown=("list roles: forbidden",)))
    submit(database, compute_delta(second, empty))
    assert load(database).read().unknown == ("list roles: forbidden",)
    delta = compute_delta(empty, grant(build(5, entry), ClusterPermissions(unknown=("list roles: forbidden",))))
    assert delta.permissions is None
    submit(database, delta)
    assert load(database).changed == to_number(empty.finished)


def test_earlier_scan_does_not_replace_permissions(database: Database) -> None:
    submit(database, grant(build(2, build_subject(1)), PERMISSIONS))
    late = grant(build(1, build_subject(1)), ClusterPermissions())
    database.run(ingest, encode_json(late).encode(), START.replace(day=9))
    assert len(load(database).read().roles) == len(ROLES)


def test_delta_without_the_permissions_that_it_names_is_refused(database: Database) -> None:
    entry = build_subject(1, *NSA)
    first = grant(build(0, entry), PERMISSIONS)
    submit(database, first)
    changed = grant(build(1, entry), ClusterPermissions())
    delta = msgspec.structs.replace(compute_delta(first, changed), permissions=None)
    with pytest.raises(DivergenceError, match="roles and bindings"):
        submit(database, delta)
    forged = msgspec.structs.replace(changed, permissions=ClusterPermissions(unknown=("x",)))
    with pytest.raises(DivergenceError, match="roles and bindings"):
        submit(database, forged)
    assert len(load(database).read().roles) == len(ROLES)


def test_another_spelling_of_the_same_permissions_is_accepted(database: Database) -> None:
    document = msgspec.json.decode(encode_json(grant(build(0, build_subject(1)), PERMISSIONS)))
    for role in document["permissions"]["roles"]:
        role["namespace"] = role.get("namespace", "")
    database.run(ingest, msgspec.json.encode(document), START)
    assert len(load(database).read().roles) == len(ROLES)


@pytest.mark.parametrize(
    "permissions",
    [
        {"roles": [{"name": "x" * 1_025}]},
        {"roles": [{"name": 1}]},
        {"roles": [{"name": "a", "rules": [{}] * 200_001}]},
        {"roles": [{"name": "a"}] * 50_001},
        {"bindings": [{"name": "a", "role": "b", "subjects": [{"kind": "Robot", "name": "c"}]}]},
        {"bindings": [{"name": "a", "role": "b", "subjects": [{"kind": "User", "name": "c"}] * 200_001}]},
        {"unknown": ["x"] * 101},
        [],
        "x",
    ],
    ids=range(9),
)
def test_documents_beyond_the_limits_are_refused_and_change_nothing(database: Database, permissions: Any) -> None:
    document = msgspec.json.decode(encode_json(grant(build(0, build_subject(1)), PERMISSIONS)))
    document["permissions"] = permissions
    with pytest.raises((msgspec.DecodeError, DivergenceError)):
        database.run(ingest, msgspec.json.encode(document), START)
    assert (
        database.run(
            lambda connection: connection.execute(select(func.count()).select_from(cluster_permissions)).scalar()
        )
        == 0
    )


def test_deletion_of_the_source_removes_them(database: Database) -> None:
    submit(database, grant(build(0, build_subject(1)), PERMISSIONS))
    database.run(delete_source, (Grant(Role.ADMINISTRATOR, "*"),), 1, START, "ada")

    def count(connection: Connection) -> int:
        return int(connection.execute(select(func.count()).select_from(cluster_permissions)).scalar_one())

    assert database.run(count) == 0


# --- lists


def test_subjects_are_listed_by_danger(database: Database) -> None:
    page = list_identities(read(PERMISSIONS, None, database), IdentityFilter(has_defaults=True))
    assert [(row.kind, row.name, row.severity) for row in page.rows] == [
        ("Group", "system:masters", "critical"),
        ("ServiceAccount", "web", "high"),
        ("ServiceAccount", "job", "high"),
        ("User", "dana", "high"),
        ("User", "omar", "medium"),
        ("Group", "system:authenticated", "low"),
        ("User", "erik", "low"),
    ]
    web = page.rows[1]
    assert [(danger.text, danger.namespaces) for danger in web.dangers] == [("read Secrets", 0), ("create pods", 1)]
    assert (web.bindings, web.is_default, web.is_unknown) == (2, False, False)
    assert page.rows[-1].is_unknown
    counts = {count.id: (count.in_cluster, count.in_namespaces) for count in page.counts}
    assert (counts["everything"], counts["read-secrets"], counts["create-pods"]) == ((1, 0), (4, 0), (1, 2))
    assert page.total == 7


def test_subjects_are_filtered_and_paged(database: Database) -> None:
    content = read(PERMISSIONS, None, database)
    assert list_names(content) == ["web", "job", "dana", "omar", "erik"]
    assert list_names(content, kind="User") == ["dana", "omar", "erik"]
    assert list_names(content, namespace="shop") == ["web"]
    assert list_names(content, text="MA") == ["omar"]
    assert list_names(content, danger="create-pods") == ["web", "omar"]
    assert list_names(content, danger="create-pods", text="web") == ["web"]
    assert list_names(content, danger="nothing") == []
    names, cursor = [], ""
    while True:
        page = list_identities(content, cursor=cursor, limit=2)
        names += [row.name for row in page.rows]
        if not (cursor := page.cursor):
            break
    assert names == list_names(content)
    with pytest.raises(ValueError, match="cursor"):
        list_permitted(content, AccessRequest("get", "", "secrets"), "", list_identities(content, limit=1).cursor)


def test_permissions_of_a_subject_have_their_binding_and_group(database: Database) -> None:
    content = read(PERMISSIONS, None, database)
    page = list_permissions(content, WEB)
    assert [(row.resources, row.non_resource_urls, row.dangers) for row in page.rows] == [
        (("secrets",), (), ("read-secrets",)),
        # A rule on paths has no effect in a RoleBinding.
        (("pods",), (), ("create-pods",)),
        ((), ("/metrics",), ()),
    ]
    assert [(row.group, row.binding.name, row.binding.namespace, row.severity) for row in page.rows] == [
        ("", "secrets", "", "high"),
        ("", "deploy", "shop", "medium"),
        ("system:authenticated", "metrics", "", "low"),
    ]
    (unknown, _) = list_permissions(content, BoundSubject("User", "erik")).rows
    assert (unknown.is_unknown, unknown.binding.role, unknown.verbs) == (True, "hidden", ())
    first = list_permissions(content, WEB, limit=1)
    rest = list_permissions(content, WEB, first.cursor)
    assert (*first.rows, *rest.rows) == page.rows
    # An account without a binding has the permissions of its groups.
    (only,) = list_permissions(content, BoundSubject("ServiceAccount", "other", "shop")).rows
    assert only.group == "system:authenticated"


def test_long_rules_are_cut_and_counted(database: Database) -> None:
    rule = PermissionRule(("get",), ("",), tuple(f"r{number}" for number in range(5_000)))
    permissions = ClusterPermissions((RoleEntry("a", rules=(rule,)),), (BindingEntry("a", "a", subjects=(DANA,)),))
    (row,) = list_permissions(read(permissions, None, database), DANA).rows
    assert (len(row.resources), row.omitted) == (100, 4_900)


def test_absent_permissions_are_no_empty_permissions(database: Database) -> None:
    submit(database, build(0, build_subject(1)))
    assert database.run(load_permissions, EVERYTHING, 1) is None
    assert list_identities(None).changed is None
    assert list_permitted(None, AccessRequest("get", "", "pods"), "").changed is None
    with pytest.raises(LookupError, match="no scan"):
        list_permissions(None, WEB)
    with pytest.raises(LookupError, match="no source 2"):
        database.run(load_permissions, EVERYTHING, 2)


def test_names_of_any_characters_are_only_values(database: Database) -> None:
    names = ("<script>alert(1)</script>", "'; DROP TABLE source; --", "a\0b", "\N{SNOWMAN}\u202e", "*", "x" * 1_024)
    subjects = tuple(sorted(BoundSubject("User", name) for name in names))
    rule = PermissionRule(names, names, names, names)
    permissions = ClusterPermissions(
        (RoleEntry(names[0], rules=(rule,)),), (BindingEntry(names[0], names[0], subjects=subjects),)
    )
    content = read(permissions, None, database)
    assert sorted(list_names(content)) == sorted(names)
    for name in names:
        (row,) = list_permissions(content, BoundSubject("User", name)).rows
        assert (row.verbs, row.binding.role) == (names, names[0])
        assert [each.name for each in list_permitted(content, AccessRequest("a", "b", "c", name), "").rows] == sorted(
            names
        )


def test_largest_documents_are_answered(database: Database) -> None:
    """100,000 different rules of one subject, and a rule of 100,000 values."""
    rules = tuple(PermissionRule(("get",), ("",), ("secrets", f"r{number}")) for number in range(100_000))
    long = PermissionRule(("get",), ("",), tuple(f"r{number}" for number in range(100_000)))
    roles = (RoleEntry("many", rules=rules), RoleEntry("long", rules=(long,)))
    bindings = (BindingEntry("a", "many", subjects=(DANA,)), BindingEntry("b", "long", subjects=(WEB,)))
    content = read(ClusterPermissions(roles, bindings), None, database)
    page = list_permissions(content, DANA, limit=10)
    assert (page.total, len(page.rows), page.identity.severity) == (100_000, 10, "high")
    assert list_permissions(content, WEB).rows[0].omitted == 99_900
    assert list_permitted(content, AccessRequest("get", "", "r99999"), "").subjects == 2


# --- scope


def test_user_of_a_namespace_sees_its_accounts_and_bindings(database: Database) -> None:
    permissions = msgspec.structs.replace(PERMISSIONS, unknown=("list roles in namespace blog: forbidden",))
    content = read(permissions, frozenset({"shop"}), database)
    page = list_identities(content, IdentityFilter(has_defaults=True))
    assert [row.name for row in page.rows] == ["web", "omar", "system:authenticated"]
    assert (page.total, page.is_partial, page.unknown) == (3, True, (HIDDEN,))
    assert {count.id: count.in_cluster for count in page.counts}["read-secrets"] == 1
    rows = list_permitted(content, AccessRequest("get", "", "secrets"), "shop").rows
    assert [row.name for row in rows] == ["web"]
    with pytest.raises(LookupError):
        list_permissions(content, DANA)
    with pytest.raises(LookupError):
        list_permissions(content, BoundSubject("ServiceAccount", "job", "blog"))
    text = repr(content.read())
    assert all(name not in text for name in ("dana", "blog", "erik", "masters", "hidden"))


@pytest.mark.parametrize(
    "scope", [Scope(frozenset()), Scope(frozenset({2})), Scope(frozenset(), {2: frozenset({"shop"})})]
)
def test_source_outside_of_the_scope_does_not_exist(database: Database, scope: Scope) -> None:
    submit(database, grant(build(0, build_subject(1)), PERMISSIONS))
    with pytest.raises(LookupError):
        database.run(load_permissions, scope, 1)


# --- comparison with a plain evaluation

NAMES: Final = ("a", "b", "c")
NAMESPACES: Final = ("shop", "blog")
SUBJECTS: Final = (
    *(BoundSubject("User", name) for name in NAMES),
    *(BoundSubject("ServiceAccount", name, namespace) for name in NAMES for namespace in NAMESPACES),
    *(
        BoundSubject("Group", name)
        for name in ("team", "system:authenticated", "system:serviceaccounts", "system:serviceaccounts:shop")
    ),
)
GROUPS: Final = ("", "apps", "*")
RESOURCES: Final = ("secrets", "pods", "pods/exec", "*/exec", "*", "pods/*")
VERBS: Final = ("get", "create", "*")


def generate_permissions(chance: random.Random) -> ClusterPermissions:
    def pick(values: Any, most: int = 2) -> tuple[Any, ...]:
        return tuple(sorted({chance.choice(values) for _ in range(chance.randint(1, most))}))

    def generate_rule() -> PermissionRule:
        if chance.random() < 0.1:
            return PermissionRule(pick(VERBS), non_resource_urls=pick(("*", "/metrics", "/apis/*")))
        names = ("one",) if chance.random() < 0.2 else ()
        return PermissionRule(pick(VERBS), pick(GROUPS), pick(RESOURCES), names)

    def generate_rules() -> tuple[PermissionRule, ...]:
        return tuple(generate_rule() for _ in range(chance.randint(0, 2)))

    roles = [RoleEntry(name, namespace, generate_rules()) for name in NAMES for namespace in ("", *NAMESPACES)]
    bindings = []
    for number in range(chance.randint(1, 6)):
        namespace = chance.choice(("", *NAMESPACES))
        kind = chance.choice(("Role", "ClusterRole")) if namespace else "ClusterRole"
        bindings.append(BindingEntry(f"b{number}", chance.choice(NAMES), namespace, kind, pick(SUBJECTS, 3)))  # type: ignore[arg-type]
    return ClusterPermissions(tuple(roles), tuple(bindings))


def allows(rule: PermissionRule, access: AccessRequest) -> bool:
    """Repeat the rules of the Kubernetes documentation in their simplest form."""
    if not {access.verb, "*"} & {*rule.verbs}:
        return False
    if access.path:
        return any(
            url in ("*", access.path) or (url.endswith("*") and access.path.startswith(url[:-1]))
            for url in rule.non_resource_urls
        )
    names = {access.resource, "*"}
    if "/" in access.resource:
        names.add("*/" + access.resource.split("/")[1])
    is_named = not rule.resource_names or access.name in rule.resource_names
    return bool({access.group, "*"} & {*rule.api_groups}) and bool(names & {*rule.resources}) and is_named


def test_lists_agree_with_a_plain_evaluation(database: Database) -> None:
    chance = random.Random(7)
    accesses = [
        AccessRequest(verb, group, resource, name)
        for verb in ("get", "create")
        for group in ("", "apps")
        for resource in ("secrets", "pods", "pods/exec")
        for name in ("", "one")
    ] + [AccessRequest("get", path=path) for path in ("/metrics", "/apis/apps")]
    outcomes = set()
    for day in range(12):
        permissions = generate_permissions(chance)
        submit(database, grant(build(day, build_subject(1)), permissions))
        content = load(database)
        rules = {(role.namespace, role.name): role.rules for role in permissions.roles}
        for access in accesses:
            for namespace in ("", *NAMESPACES):
                expected = {
                    (subject, binding.name)
                    for binding in permissions.bindings
                    for subject in binding.subjects
                    if (not binding.namespace or (binding.namespace == namespace and not access.path))
                    and any(allows(rule, access) for rule in rules[binding.role_key])
                }
                page = list_permitted(content, access, namespace, limit=1_000)
                actual = {(BoundSubject(row.kind, row.name, row.namespace), row.binding.name) for row in page.rows}
                assert actual == expected, (access, namespace)
                assert page.subjects == len({subject for subject, _ in expected})
                outcomes.add(bool(expected))
                check_subjects(content, access, namespace, expected)
    assert outcomes == {True, False}


def check_subjects(
    content: PermissionContent, access: AccessRequest, namespace: str, expected: set[tuple[BoundSubject, str]]
) -> None:
    """Check that the permissions of a subject permit a request if it or a group of it is permitted."""
    permitted = {subject for subject, _ in expected}
    for subject in SUBJECTS[:4]:
        groups = {BoundSubject("Group", group) for group in list_groups(subject)}
        rows = list_permissions(content, subject, limit=1_000).rows
        rules = [
            PermissionRule(row.verbs, row.api_groups, row.resources, row.resource_names, row.non_resource_urls)
            for row in rows
            if row.binding.namespace in ("", namespace)
        ]
        assert any(allows(rule, access) for rule in rules) == bool(permitted & {subject, *groups})


def test_dangers_agree_with_requests(database: Database) -> None:
    """A subject has a danger in the whole cluster if it may make one of its requests for objects of all names."""
    chance = random.Random(11)
    named = {danger.id for danger in DANGERS if danger.allows_names}
    for day in range(12):
        permissions = generate_permissions(chance)
        submit(database, grant(build(day, build_subject(1)), permissions))
        content = load(database)
        for danger in DANGERS:
            if not danger.access or danger.id in named:
                continue
            accesses = [AccessRequest(verb, group, name) for group, name, verbs in danger.access for verb in verbs]
            direct = {
                (row.kind, row.namespace, row.name)
                for access in accesses
                for row in list_permitted(content, access, "", limit=1_000).rows
            }
            rows = list_identities(content, IdentityFilter(danger=danger.id), limit=1_000).rows
            listed = {
                (row.kind, row.namespace, row.name)
                for row in rows
                if any(each.id == danger.id and not each.namespaces for each in row.dangers)
            }
            assert direct <= listed
            for kind, namespace, name in listed - direct:
                subject = BoundSubject(kind, name, namespace)
                assert {("Group", "", group) for group in list_groups(subject)} & direct
