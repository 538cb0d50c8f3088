"""Roles and bindings of an input for a submission: effective rules, unknown parts, limits and changes of a watch."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.model.cluster import RBAC, RBAC_KINDS, CoverageGap
from kubekeep.model.permissions import (
    LONGEST_TEXT,
    BindingEntry,
    BoundSubject,
    ClusterPermissions,
    PermissionRule,
    RoleEntry,
)
from kubekeep.model.resource import Resource
from kubekeep.posture import cluster_permissions
from kubekeep.posture.cluster_permissions import WatchedPermissions, describe_permissions

READ = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
DANA = {"kind": "User", "name": "dana"}


def build(kind: str, name: str, namespace: str = "", labels: Any = None, **content: Any) -> Resource:
    metadata = {"name": name, "labels": labels or {}} | ({"namespace": namespace} if namespace else {})
    return Resource({"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": metadata, **content})


def bind(
    kind: str, name: str, role: tuple[str, str], *subjects: Any, namespace: str = "", labels: Any = None
) -> Resource:
    reference = {"kind": role[0], "name": role[1]}
    return build(kind, name, namespace, labels, roleRef=reference, subjects=list(subjects))


CLUSTER = (
    build("ClusterRole", "secrets", labels={"part": "yes"}, rules=[READ]),
    build("ClusterRole", "whole", aggregationRule={"clusterRoleSelectors": [{"matchLabels": {"part": "yes"}}]}),
    build("Role", "web", "shop", rules=[READ, READ]),
    bind("ClusterRoleBinding", "all", ("ClusterRole", "whole"), DANA),
    bind("RoleBinding", "web", ("Role", "web"), {"kind": "ServiceAccount", "name": "web"}, DANA, namespace="shop"),
)


def describe(
    *resources: Resource, gaps: tuple[CoverageGap, ...] = (), complete: bool = True
) -> ClusterPermissions | None:
    return describe_permissions(resources, gaps, is_whole_cluster=complete)


def hide(kind: str, namespace: str = "") -> CoverageGap:
    return CoverageGap(group=RBAC, kind=kind, resource=f"{kind.lower()}s", reason="forbidden", namespace=namespace)


def test_roles_have_their_effective_rules_and_bindings_their_subjects() -> None:
    rule = PermissionRule(("get",), ("",), ("secrets",))
    assert describe(*CLUSTER) == ClusterPermissions(
        roles=(
            RoleEntry("secrets", rules=(rule,)),
            RoleEntry("whole", rules=(rule,)),
            RoleEntry("web", "shop", (rule,)),
        ),
        bindings=(
            BindingEntry("all", "whole", subjects=(BoundSubject("User", "dana"),)),
            BindingEntry(
                "web",
                "web",
                "shop",
                "Role",
                (BoundSubject("ServiceAccount", "web", "shop"), BoundSubject("User", "dana")),
            ),
        ),
    )


def test_order_of_objects_changes_nothing() -> None:
    assert describe(*reversed(CLUSTER)) == describe(*CLUSTER)


def test_default_bindings_are_marked() -> None:
    labels = {"kubernetes.io/bootstrapping": "rbac-defaults"}
    described = describe(*CLUSTER, bind("ClusterRoleBinding", "a", ("ClusterRole", "whole"), labels=labels))
    assert described is not None
    assert [binding.is_default for binding in described.bindings] == [True, False, False]


@pytest.mark.parametrize("kind", RBAC_KINDS)
def test_kind_that_was_not_read_makes_the_permissions_unknown(kind: str) -> None:
    rest = [resource for resource in CLUSTER if resource.kind != kind]
    assert describe(*rest) is None
    described = describe(*rest, gaps=(hide(kind),))
    assert described is not None
    assert described.unknown == (f"list {kind.lower()}s.rbac.authorization.k8s.io: forbidden",)
    assert describe(*rest, complete=False) is not None


def test_cluster_without_any_permission_is_unknown() -> None:
    described = describe(gaps=tuple(map(hide, RBAC_KINDS)))
    assert described is not None
    assert len(described.unknown) == len(RBAC_KINDS)
    assert describe() is None


def test_role_that_could_not_be_listed_has_unknown_rules() -> None:
    rest = [resource for resource in CLUSTER if resource.kind != "Role"]
    described = describe(*rest, gaps=(hide("Role", "shop"),))
    assert described is None or [role.is_unknown for role in described.roles if role.name == "web"] == [True]
    gap = hide("Role")
    described = describe(*rest, gaps=(gap,))
    assert described is not None
    assert {role.name: role.is_unknown for role in described.roles} == {"secrets": False, "whole": False, "web": True}


def test_role_that_does_not_exist_allows_nothing_in_a_cluster_and_is_unknown_in_files() -> None:
    resources = (*CLUSTER, bind("ClusterRoleBinding", "b", ("ClusterRole", "absent"), DANA))
    for complete in (True, False):
        described = describe(*resources, complete=complete)
        assert described is not None
        (role,) = [role for role in described.roles if role.name == "absent"]
        assert (role.rules, role.is_unknown) == ((), not complete)


def test_names_that_no_cluster_has_are_left_out_and_stated() -> None:
    long = {"kind": "User", "name": "x" * (LONGEST_TEXT + 1)}
    described = describe(*CLUSTER, bind("ClusterRoleBinding", "b", ("ClusterRole", "whole"), long, DANA))
    assert described is not None
    assert described.bindings[1].subjects == (BoundSubject("User", "dana"),)
    assert described.unknown == ("subjects with a name of more than 1024 characters are not submitted",)


def test_objects_beyond_the_limit_are_left_out_and_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_permissions, "MOST_OBJECTS", 1)
    described = describe(*CLUSTER)
    assert described is not None
    assert (len(described.roles), len(described.bindings)) == (1, 1)
    assert described.unknown == (
        "2 more roles are not submitted: there are more than a server stores",
        "1 more bindings are not submitted: there are more than a server stores",
    )


def test_watch_describes_again_after_a_change_only() -> None:
    watched = WatchedPermissions(is_active=True)
    assert watched.describe(()) is None
    for number, resource in enumerate(CLUSTER):
        watched.put(str(number), resource)
    first = watched.describe(())
    assert first == describe(*CLUSTER)
    watched.put("pod", Resource({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}))
    assert watched.describe(()) is first
    watched.put("3", bind("ClusterRoleBinding", "all", ("ClusterRole", "whole")))
    changed = watched.describe(())
    assert changed is not None
    assert changed.bindings[0].subjects == ()
    watched.put("3", None)
    assert watched.describe(()) is None
    inactive = WatchedPermissions(is_active=False)
    inactive.put("0", CLUSTER[0])
    assert inactive.describe(()) is None
