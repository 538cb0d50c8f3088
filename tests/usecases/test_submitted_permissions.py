"""Roles and bindings in submissions of a real cluster: effective rules, missing permissions, and changes during a watch."""

from __future__ import annotations

import threading

import pytest

from kubekeep.model.permissions import BoundSubject, parse_rule
from kubekeep.model.submission import Submission
from kubekeep.reports import Extra
from kubekeep.uplink.delta import apply_delta
from kubekeep.usecases.watch import Watch
from kubekeep.usecases.watching.request import WatchRequest
from kubekeep.usecases.watching.submissions import SubmissionSubscriber
from tests.cluster.cluster import Cluster, eventually
from tests.requests import scan_request
from tests.usecases import clusters
from tests.usecases.test_submissions import submit


@pytest.fixture(scope="module")
def shop(module_cluster: Cluster) -> Cluster:
    clusters.apply_shop(module_cluster)
    return module_cluster


def test_cluster_has_its_roles_and_bindings(shop: Cluster) -> None:
    request = clusters.access(shop.kubeconfig)
    permissions = submit(cluster=request).permissions
    assert permissions is not None
    assert not permissions.unknown
    roles = {(role.namespace, role.name): role for role in permissions.roles}
    # The API server fills in aggregated roles.
    edit = shop.admin("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/edit")
    assert {*roles["", "edit"].rules} == {*map(parse_rule, edit["rules"])}
    assert not any(role.is_unknown for role in permissions.roles)
    (admins,) = [binding for binding in permissions.bindings if binding.name == "cluster-admin"]
    assert (admins.subjects, admins.is_default) == ((BoundSubject("Group", "system:masters"),), True)
    assert submit(cluster=request, resource_selection=clusters.select_namespaces("team")).permissions is None
    rules = clusters.create_rules_without(shop, "rolebindings")
    blind = submit(cluster=clusters.access(shop.user("blind-for-bindings", rules))).permissions
    assert blind is not None
    assert any("rolebindings" in reason for reason in blind.unknown)
    assert {binding.namespace for binding in blind.bindings} == {""}


def test_watch_submits_permissions_after_their_change_only(shop: Cluster) -> None:
    request = scan_request(cluster=clusters.access(shop.kubeconfig), extras=frozenset({Extra.SOURCE}))
    received: list[Submission] = []
    watch = Watch(WatchRequest(scan=request, pause=0.1), (SubmissionSubscriber(request, received.append),))
    stopped = threading.Event()
    thread = threading.Thread(target=watch.run, args=(stopped,))
    thread.start()
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "new", "namespace": "team"}}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "new"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "dana"}],
    }
    try:
        eventually(lambda: received or None)
        shop.apply([account])
        eventually(lambda: len(received) > 1 or None)
        assert received[-1].permissions is None
        shop.apply([binding])
        eventually(lambda: received[-1].permissions)
        shop.delete(binding)
        eventually(lambda: received[-1].permissions_digest == received[0].permissions_digest or None)
    finally:
        stopped.set()
        thread.join(60)
    state, *deltas = received
    assert state.permissions is not None
    for delta in deltas:
        state = apply_delta(state, delta)
    assert state.permissions == received[0].permissions
