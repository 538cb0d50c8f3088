"""Permissions that lead further: every known one, its limits, and harmless ones."""

from __future__ import annotations

import pytest

from kubekeep.model.cluster import RBAC, CoverageGap
from kubekeep.posture.roles import RoleCoverage
from tests.attackpaths.chains import chains, find_paths, pod, role

START = "pod/web"
BOUND = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: other}
rules: []
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: b}
subjects: [{kind: ServiceAccount, name: default, namespace: shop}]
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: b, namespace: shop}
subjects: [{kind: ServiceAccount, name: default, namespace: shop}]
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
"""
"""Bindings to two roles that are not among the objects."""
ACCOUNT = "Pod shop/web > ServiceAccount shop/default"


def list_first_targets(rules: str, *, cluster: bool = False, more: str = "") -> set[str]:
    """Return the first targets of a pod with the role: those of the role's edges on any path."""
    name = "r in the cluster" if cluster else "shop/r"
    text = pod() + role(rules, cluster=cluster) + more
    targets = (
        "cluster-admin",
        "node",
        "secrets",
        "any service account in namespace shop",
        "any service account of the cluster",
        "any pod in namespace shop",
        "any pod of the cluster",
    )
    reached = set()
    for target in targets:
        try:
            paths = find_paths(text, START, to=target).paths
        except ValueError:
            continue
        for path in paths:
            reached |= {edge.target.label for edge in path.edges if edge.source.label.endswith(name)}
            reached |= {"cluster-admin"} & {edge.target.label for edge in path.edges}
    return reached


def rule(resources: str, verbs: str, *, group: str = "", names: str = "") -> str:
    limit = f", resourceNames: [{names}]" if names else ""
    return f"[{{apiGroups: ['{group}'], resources: ['{resources}'], verbs: ['{verbs}']{limit}}}]"


def bind_and_create(bindings: str, role_name: str = "") -> str:
    """Return rules that allow to bind one or all ClusterRoles, and to create bindings."""
    limit = f", resourceNames: [{role_name}]" if role_name else ""
    return (
        f"[{{apiGroups: [{RBAC}], resources: [clusterroles], verbs: [bind]{limit}}},"
        f" {{apiGroups: [{RBAC}], resources: [{bindings}], verbs: [create]}}]"
    )


IN_CLUSTER = {
    "any service account of the cluster",
    "every Secret of the cluster",
    "any pod of the cluster",
    "any node of the cluster",
    "cluster-admin",
}
"""Accounts of kube-system lead to cluster-admin."""
IN_SHOP = ("any service account in namespace shop", "every Secret in namespace shop", "any pod in namespace shop")


@pytest.mark.parametrize(
    ("rules", "reached"),
    [
        (rule("secrets", "get"), {IN_SHOP[1]}),
        (rule("secrets", "list"), {IN_SHOP[1]}),
        (rule("secrets", "create"), set()),
        (rule("secrets", "get", names="db"), {"Secret shop/db"}),
        (rule("configmaps", "get"), set()),
        (rule("pods", "create"), {*IN_SHOP[:2], "any node of the cluster"}),
        (rule("pods", "create", names="web"), set()),
        (rule("pods", "get"), set()),
        (rule("pods", "create", group="apps"), set()),
        (rule("deployments", "patch", group="apps", names="web"), {*IN_SHOP[:2], "any node of the cluster"}),
        (rule("deployments", "create", group="apps", names="web"), set()),
        (rule("deployments/scale", "patch", group="apps"), set()),
        (rule("jobs", "patch", group="batch"), set()),
        (rule("pods/exec", "create"), {IN_SHOP[2]}),
        (rule("*/exec", "create"), {IN_SHOP[2]}),
        (rule("pods/log", "get"), set()),
        (rule("serviceaccounts/token", "create"), {IN_SHOP[0]}),
        (rule("serviceaccounts", "impersonate"), {IN_SHOP[0]}),
        (rule("users", "impersonate"), set()),
        (rule("nodes/proxy", "get"), set()),
        (rule("*", "*", group="*"), {*IN_SHOP, "any node of the cluster"}),
        (bind_and_create("rolebindings"), {*IN_SHOP, "any node of the cluster"}),
        (bind_and_create("rolebindings", "admin"), {*IN_SHOP, "any node of the cluster"}),
        (bind_and_create("rolebindings", "edit"), {*IN_SHOP, "any node of the cluster"}),
        (bind_and_create("rolebindings", "view"), set()),
        (bind_and_create("clusterrolebindings"), set()),
        (
            f"[{{apiGroups: [{RBAC}], resources: [roles], verbs: [escalate, update]}}]",
            {*IN_SHOP, "any node of the cluster"},
        ),
    ],
)
def test_rights_in_a_namespace(rules: str, reached: set[str]) -> None:
    assert list_first_targets(rules) == reached


@pytest.mark.parametrize(
    ("rules", "reached"),
    [
        (rule("*", "*", group="*"), {"cluster-admin"}),
        (rule("secrets", "get"), {"every Secret of the cluster"}),
        (rule("users", "impersonate"), {"cluster-admin"}),
        (rule("groups", "impersonate", names="system:masters"), set()),
        (
            "[{apiGroups: [''], resources: [users, groups], verbs: [impersonate], resourceNames: ['system:masters', a]}]",
            {"cluster-admin"},
        ),
        (rule("nodes/proxy", "get"), {"any pod of the cluster"}),
        (rule("mutatingwebhookconfigurations", "patch", group="admissionregistration.k8s.io"), {"cluster-admin"}),
        (rule("clusterroles", "escalate", group=RBAC), set()),
        (f"[{{apiGroups: [{RBAC}], resources: [clusterroles], verbs: [escalate, update]}}]", {"cluster-admin"}),
        (rule("clusterroles", "bind", group=RBAC), set()),
        (bind_and_create("clusterrolebindings"), {"cluster-admin"}),
        (bind_and_create("clusterrolebindings", "view"), set()),
        (bind_and_create("clusterrolebindings", "admin"), IN_CLUSTER),
        (bind_and_create("rolebindings"), IN_CLUSTER),
        (
            "[{apiGroups: [certificates.k8s.io], resources: ['*'], verbs: ['*']}]",
            {"cluster-admin"},
        ),
    ],
)
def test_rights_in_the_cluster(rules: str, reached: set[str]) -> None:
    assert list_first_targets(rules, cluster=True) == reached


def test_creating_pods_cluster_wide_reaches_system_accounts() -> None:
    (path,) = find_paths(pod() + role(rule("pods", "create"), cluster=True), START, to="cluster-admin").paths
    assert [edge.target.label for edge in path.edges][-3:] == [
        "any service account of the cluster",
        "any service account in namespace kube-system",
        "cluster-admin",
    ]
    assert path.assumptions == ("controllers have separate service accounts, as on most platforms",)


def namespace(level: str) -> str:
    labels = f"labels: {{pod-security.kubernetes.io/enforce: {level}}}"
    return f"\napiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, {labels}}}\n---"


@pytest.mark.parametrize(("level", "reached"), [("privileged", True), ("restricted", False)])
def test_created_pods_reach_nodes_if_pod_security_admits_them(level: str, *, reached: bool) -> None:
    text = pod() + role(rule("pods", "create"))
    (path,) = find_paths(text, START, to="node").paths
    assert path.assumptions == ("Pod Security permits privileged pods in namespace shop",)
    assert [path.assumptions for path in find_paths(text + namespace(level), START, to="node").paths] == [()] * reached


@pytest.mark.parametrize(
    ("subject", "start"),
    [
        ("kind: User, name: 'system:serviceaccount:shop:default'", START),
        ("kind: Group, name: 'system:serviceaccounts:shop'", START),
        ("kind: Group, name: 'system:serviceaccounts'", START),
        ("kind: Group, name: 'system:authenticated'", START),
        ("kind: Group, name: 'system:authenticated'", "authenticated"),
        ("kind: User, name: 'system:anonymous'", "anonymous"),
        ("kind: Group, name: 'system:unauthenticated'", "anonymous"),
        ("kind: User, name: jane", "user/jane"),
    ],
)
def test_binding_subjects_get_the_role(subject: str, start: str) -> None:
    anonymous = role(rule("secrets", "get"), subject="kind: User, name: 'system:anonymous'").replace(
        "name: b", "name: c"
    )
    text = pod() + role(rule("secrets", "get"), subject=subject) + (anonymous if start == "anonymous" else "")
    assert any(line.endswith("every Secret in namespace shop") for line in chains(text, start, to="secrets"))


def test_builtin_roles_are_known() -> None:
    def bind_role(name: str) -> str:
        return role("[]").replace("kind: Role,", "kind: ClusterRole,").replace("name: r}", f"name: {name}}}")

    assert chains(pod() + bind_role("view"), START) == []
    assert chains(pod() + bind_role("edit"), START, to="any service account in namespace shop") == [
        f"{ACCOUNT} > ClusterRole edit in namespace shop > any service account in namespace shop"
    ]
    attacks = find_paths(pod() + bind_role("unheard-of"), START)
    assert "not in the input, so that their permissions are unknown: ClusterRole unheard-of" in attacks.notes


@pytest.mark.parametrize("is_outside_selection", [True, False])
def test_roles_that_could_not_be_listed_are_unknown(*, is_outside_selection: bool) -> None:
    """Neither the rules of a built-in role are assumed, nor that the role grants nothing."""
    text = pod() + BOUND
    gap = CoverageGap(group=RBAC, kind="ClusterRole", resource="clusterroles", reason="forbidden")
    of_roles = CoverageGap(
        group=RBAC, kind="Role", resource="roles", reason="forbidden", is_outside_selection=is_outside_selection
    )
    for gaps, unknown in (((), ""), ((gap,), "ClusterRole admin"), ((of_roles,), "Role shop/reader")):
        attacks = find_paths(text, START, roles=RoleCoverage(is_whole_cluster=True, gaps=gaps))
        assert attacks.paths == ()
        expected = f"not in the input, so that their permissions are unknown: {unknown}"
        assert [note for note in attacks.notes if "permissions are unknown" in note] == [expected] * bool(unknown)
    assert find_paths(text, START).paths


def test_aggregated_role_has_rules_of_selected_roles() -> None:
    whole = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: r}
aggregationRule: {clusterRoleSelectors: [{matchLabels: {part: "yes"}}]}
rules: []
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: part, labels: {part: "yes"}}
rules: [{apiGroups: [""], resources: [secrets], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: b}
subjects: [{kind: ServiceAccount, name: default, namespace: shop}]
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: r}
---"""
    assert chains(pod() + whole, START) == [f"{ACCOUNT} > ClusterRole r in the cluster > every Secret of the cluster"]
    filled = whole.replace("{name: r}", "{name: r, uid: stored}").replace(
        "rules: []", "rules: [{apiGroups: [''], resources: [pods/exec], verbs: [create]}]"
    )
    assert chains(pod() + filled, START, to="any pod of the cluster") == [
        f"{ACCOUNT} > ClusterRole r in the cluster > any pod of the cluster"
    ]


@pytest.mark.parametrize(
    ("spec", "account", "holds"),
    [
        ("", "", True),
        ("automountServiceAccountToken: false", "", False),
        ("", "automountServiceAccountToken: false", False),
        ("automountServiceAccountToken: true", "automountServiceAccountToken: false", True),
        (
            (
                "automountServiceAccountToken: false, volumes: [{name: t, projected: {sources: "
                "[{serviceAccountToken: {path: t}}]}}]"
            ),
            "",
            True,
        ),
        (
            (
                "automountServiceAccountToken: false, volumes: [{name: t, projected: {sources: "
                "[{serviceAccountToken: {path: t, audience: vault}}]}}]"
            ),
            "",
            False,
        ),
    ],
)
def test_pod_holds_a_mounted_token(spec: str, account: str, *, holds: bool) -> None:
    mount = "volumeMounts: [{name: t, mountPath: /t}]" if "volumes" in spec else ""
    text = pod(spec, mount) + role(rule("secrets", "get"))
    if account:
        text += f"\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: default, namespace: shop}}\n{account}\n---"
    assert bool(chains(text, START, to="secrets") if holds else _reaches(text)) is holds


def _reaches(text: str) -> list[str]:
    return [line for line in chains(text, START) if "every Secret" in line]


def test_token_secret_leads_to_its_account() -> None:
    text = (
        pod("automountServiceAccountToken: false", "envFrom: [{secretRef: {name: t}}]")
        + role(rule("pods/exec", "create"), subject="kind: ServiceAccount, name: robot")
        + """
apiVersion: v1
kind: Secret
metadata: {name: t, namespace: shop, annotations: {kubernetes.io/service-account.name: robot}}
type: kubernetes.io/service-account-token
---"""
    )
    assert chains(text, START, to="any pod in namespace shop") == [
        "Pod shop/web > Secret shop/t > ServiceAccount shop/robot > Role shop/r > any pod in namespace shop"
    ]
