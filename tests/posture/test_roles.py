"""Effective rules of roles: aggregated ClusterRoles, roles of every cluster, unknown roles, and their locations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

import kubekeep
from kubekeep.model.cluster import RBAC, CoverageGap
from kubekeep.model.resource import Resource
from kubekeep.posture.roles import EffectiveRole, RoleCoverage, Roles
from kubekeep.sources.inputs import read

AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"


def cluster_role(name: str, *verbs: str, selects: Any = None, uid: str = "", **labels: str) -> Resource:
    content: dict[str, Any] = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name, "labels": labels, "uid": uid},
        "rules": [{"apiGroups": ["example.com"], "resources": ["things"], "verbs": [verb]} for verb in verbs],
    }
    if selects is not None:
        content["aggregationRule"] = {"clusterRoleSelectors": selects}
    return Resource(content)


def match(**labels: str) -> dict[str, Any]:
    return {"matchLabels": labels}


def list_verbs(*roles: Resource, name: str = "whole") -> list[str] | None:
    """Return the verbs of the effective rules of the only role called `name`; None if they are unknown."""
    index = Roles()
    for role in roles:
        index.add(role)
    (effective,) = index.find("ClusterRole", "", name)
    if effective.resource.missing is not None:
        assert effective.resource.missing == ()
        return None
    assert [rule.content for rule in effective.rules] == effective.resource.object["rules"]
    return [verb for rule in effective.rules for verb in rule.content["verbs"]]


PARTS = (cluster_role("b", "get", "list", part="yes"), cluster_role("a", "list", "watch", part="yes", tier="x"))


@pytest.mark.parametrize(
    ("selects", "verbs"),
    [
        ([match(part="yes")], ["list", "watch", "get"]),
        ([match(part="no")], None),
        ([match(part="yes", tier="x")], ["list", "watch"]),
        ([match(tier="x"), match(part="yes")], ["list", "watch", "get"]),
        (
            [{"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}], **match(part="yes")}],
            ["get", "list"],
        ),
        ([{"matchExpressions": [{"key": "part", "operator": "In", "values": ["yes"]}]}], ["list", "watch", "get"]),
        ([{"matchLabels": None, "matchExpressions": [{"key": "tier", "operator": "Exists"}]}], ["list", "watch"]),
        ([{"matchLabels": "odd"}], None),
        ([], None),
        ("odd", None),
    ],
)
def test_rules_are_the_union_by_name(selects: Any, verbs: list[str] | None) -> None:
    assert list_verbs(*PARTS, cluster_role("whole", selects=selects)) == verbs


def test_written_rules_are_replaced_unless_no_role_matches() -> None:
    assert list_verbs(*PARTS, cluster_role("whole", "delete", selects=[match(tier="x")])) == ["list", "watch"]
    assert list_verbs(*PARTS, cluster_role("whole", "delete", selects=[match(tier="y")])) == ["delete"]


def test_stored_rules_of_a_cluster_are_kept() -> None:
    assert list_verbs(*PARTS, cluster_role("whole", "delete", selects=[match(tier="x")], uid="1")) == ["delete"]
    assert list_verbs(*PARTS, cluster_role("whole", selects=[match(tier="y")], uid="1")) == []


def test_parts_may_be_aggregated_and_form_cycles() -> None:
    inner = cluster_role("inner", "delete", selects=[match(part="yes"), match(outer="yes")], inner="yes")
    outer = cluster_role("whole", selects=[match(inner="yes")], outer="yes")
    assert list_verbs(*PARTS, inner, outer) == ["list", "watch", "get"]
    assert list_verbs(*PARTS, inner, outer, name="inner") == ["list", "watch", "get"]


def test_long_chains_are_resolved() -> None:
    chain = [cluster_role(f"r{n}", selects=[match(level=str(n + 1))], level=str(n)) for n in range(1500)]
    end = cluster_role("end", "get", level="1500")
    assert list_verbs(*chain, end, name="r0") == ["get"]


def test_built_in_roles_are_known() -> None:
    index = Roles()
    rules = {
        name: index.find("ClusterRole", "", name)[0].resource.object["rules"]
        for name in ("admin", "edit", "view", "cluster-admin", "system:node")
    }
    assert rules["cluster-admin"][0] == {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    resources = {
        name: {resource for rule in listed for resource in rule.get("resources", ())} for name, listed in rules.items()
    }
    assert "secrets" not in resources["view"]
    assert {"secrets", "pods/exec", "serviceaccounts/token"} <= resources["edit"]
    assert resources["view"] < resources["edit"] < resources["admin"]
    assert "rolebindings" in resources["admin"] - resources["edit"]
    for kind, namespace, name, is_known in (
        ("Role", "kube-system", "extension-apiserver-authentication-reader", True),
        ("Role", "shop", "extension-apiserver-authentication-reader", False),
        ("ClusterRole", "", "unknown", False),
    ):
        (effective,) = index.find(kind, namespace, name)
        assert (bool(effective.rules), effective.resource.missing) == (is_known, None if is_known else ())


GAP = CoverageGap(group=RBAC, kind="ClusterRole", resource="clusterroles", reason="forbidden")
"""ClusterRoles could not be listed."""
ROLE_GAP = msgspec.structs.replace(GAP, kind="Role", resource="roles")
CLUSTER_ADMIN = cluster_role("cluster-admin", "*", uid="1")


def describe(role: EffectiveRole) -> str | tuple[str, ...]:
    """Return the missing permissions of a role, else if it grants anything."""
    if role.resource.missing is not None:
        return role.resource.missing
    return "grants" if role.rules else "grants nothing"


@pytest.mark.parametrize(
    ("roles", "gaps", "admin", "of_namespace"),
    [
        pytest.param([CLUSTER_ADMIN], [], "grants nothing", "grants nothing", id="everything was listed"),
        pytest.param([], [], "grants", (), id="a dump without roles"),
        pytest.param([], [GAP], ("list clusterroles.rbac.authorization.k8s.io",), (), id="no ClusterRole was listed"),
        pytest.param(
            [CLUSTER_ADMIN],
            [msgspec.structs.replace(GAP, is_truncated=True)],
            ("list clusterroles.rbac.authorization.k8s.io",),
            "grants nothing",
            id="the list of ClusterRoles is truncated",
        ),
        pytest.param(
            [CLUSTER_ADMIN],
            [msgspec.structs.replace(ROLE_GAP, namespace="shop")],
            "grants nothing",
            ("list roles.rbac.authorization.k8s.io in namespace shop",),
            id="Roles of the namespace are hidden",
        ),
        pytest.param(
            [CLUSTER_ADMIN],
            [msgspec.structs.replace(ROLE_GAP, namespace="bank"), msgspec.structs.replace(GAP, group="example.com")],
            "grants nothing",
            "grants nothing",
            id="other objects are hidden",
        ),
        pytest.param(
            [CLUSTER_ADMIN],
            [msgspec.structs.replace(ROLE_GAP, is_outside_selection=True)],
            "grants nothing",
            "grants nothing",
            id="Roles of other namespaces are hidden",
        ),
    ],
)
def test_roles_outside_a_whole_cluster(
    roles: list[Resource], gaps: list[CoverageGap], admin: object, of_namespace: object
) -> None:
    """The rules of a built-in role are never assumed for a role that could not be listed."""
    index = Roles(RoleCoverage(is_whole_cluster=True, gaps=gaps))
    for role in roles:
        index.add(role)
    effective = [*index.find("ClusterRole", "", "admin"), *index.find("Role", "shop", "reader")]
    assert [*map(describe, effective)] == [admin, of_namespace]
    assert [role.original.label for role in effective] == ["ClusterRole admin", "Role shop/reader"]


def test_built_in_parts_of_a_whole_cluster_are_listed() -> None:
    index = Roles(RoleCoverage(is_whole_cluster=True))
    index.add(cluster_role("whole", selects=[match(**{f"{AGGREGATE}edit": "true"})]))
    (effective,) = index.find("ClusterRole", "", "whole")
    assert describe(effective) == "grants nothing"


def test_listed_roles_are_used_despite_a_gap() -> None:
    index = Roles(RoleCoverage(is_whole_cluster=True, gaps=[GAP]))
    index.add(CLUSTER_ADMIN)
    (effective,) = index.find("ClusterRole", "", "cluster-admin")
    assert describe(effective) == "grants"


def test_roles_of_the_input_extend_and_replace_built_in_roles() -> None:
    added = cluster_role("added", "delete", **{f"{AGGREGATE}view": "true"})
    for name in ("view", "edit", "admin"):
        assert "delete" in (list_verbs(added, name=name) or ())
        assert len(list_verbs(added, name=name) or ()) > 1
    assert list_verbs(cluster_role("view", "get"), name="view") == ["get"]
    assert list_verbs(cluster_role("whole", selects=[match(**{f"{AGGREGATE}edit": "true"})])) == list_verbs(name="edit")


def test_values_not_known_yet_in_parts_stay_unknown() -> None:
    whole = cluster_role("whole", selects=[match(part="yes")])
    index = Roles()
    b, a = (msgspec.structs.replace(part, unknown=(("rules", 1, "verbs"),)) for part in PARTS)
    other = msgspec.structs.replace(cluster_role("c"), unknown=(("metadata", "labels"), ("metadata", "name")))
    for role in (a, b, other, whole):
        index.add(role)
    # Of the rules list, watch and get, the second is unknown in `a`; the second of `b` is a copy of the first.
    (effective,) = index.find("ClusterRole", "", "whole")
    assert {*effective.resource.unknown} == {("rules", 1, "verbs"), ("rules", 3)}


def test_rules_are_located_in_the_roles_that_contain_them(tmp_path: Path) -> None:
    (tmp_path / "roles.yaml").write_text(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: whole\n"
        "aggregationRule:\n  clusterRoleSelectors:\n    - matchLabels: {part: all}\nrules: []\n---\n"
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: part\n"
        "  labels: {part: all}\nrules:\n  - apiGroups: ['']\n    resources: [pods]\n    verbs: [get]\n"
    )
    index = Roles()
    with read([str(tmp_path)]) as inputs:
        for resource in inputs:
            assert isinstance(resource, Resource)
            index.add(resource)
    (role,) = index.find("ClusterRole", "", "whole")
    assert str(role.resource.locate(("rules", 0, "verbs", 0))).endswith("roles.yaml:18")
    assert str(role.resource.locate(("metadata", "name"))).endswith("roles.yaml:4")


COPY = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reader}
rules: [{apiGroups: [""], resources: [secrets], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "%s"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader}
subjects: [{kind: ServiceAccount, name: app, namespace: shop}]
"""


def test_binding_refers_to_the_copy_in_its_own_file(tmp_path: Path) -> None:
    """Variants of one installation repeat their roles: a finding is located in the file of its binding."""
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.yaml").write_text(COPY % name)
    (tmp_path / "d.yaml").write_text((COPY % "d").partition("---")[2])
    assessment = kubekeep.scan(tmp_path, controls=["C-0015"])
    sources = [[part.source for part in finding.subject.related] for finding in assessment.findings]
    files = dict(
        [Path(source.path).name for source in (binding, role) if source is not None] for binding, role in sources
    )
    assert files == {"a.yaml": "a.yaml", "b.yaml": "b.yaml", "c.yaml": "c.yaml", "d.yaml": "a.yaml"}
