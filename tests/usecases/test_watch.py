"""A watch of a real cluster equals a scan after every change, and reports each change."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kubekeep.cli.watch_pages import create_pages
from kubekeep.kube.access import ClusterAccess, ClusterRequest
from kubekeep.kube.connection import KubeConnection
from kubekeep.kube.discovery import discover
from kubekeep.kube.kubeconfig import Kubeconfig
from kubekeep.kube.watching import WatchTiming
from kubekeep.library.extra import gather
from kubekeep.model.assessment import ResourceResult
from kubekeep.model.finding import Cause, Status
from kubekeep.model.resource_selection import ResourceSelection
from kubekeep.model.watch import (
    ConnectionChanged,
    CoverageChanged,
    VerdictChange,
    VerdictChanged,
    WatchEvent,
    WatchStarted,
)
from kubekeep.usecases.cluster import connect_cluster
from kubekeep.usecases.request import ScanInput, ScanRequest
from kubekeep.usecases.rule_selection import RuleSelector
from kubekeep.usecases.scan import scan
from kubekeep.usecases.watch import Watch, WatchRequest
from tests.cluster.client import Refused
from tests.cluster.cluster import Cluster, eventually
from tests.cluster.people import UNAVAILABLE
from tests.kube.connecting import HURRIED
from tests.requests import replaced, scan_request
from tests.sources.cluster.objects import definition, open_schema
from tests.usecases.test_incremental import made

RULE = Path(__file__).parents[1] / "reports" / "varied_more" / "nobody.rego"
PACE = WatchTiming(stream=2, silence=10, first_wait=0.05, longest_wait=0.2, refused=0.3)


class Live:
    """A watch that runs beside the test, and what it has told."""

    def __init__(self, kubeconfig: Path, namespaces: tuple[str, ...], **more: Any) -> None:
        def read() -> ClusterAccess:
            return Kubeconfig((str(kubeconfig),)).access("")

        cluster = ClusterRequest(access=read(), reload_access=read, retry_policy=HURRIED)
        choice = ResourceSelection(include_namespaces=namespaces)
        self.request = scan_request(cluster=cluster, choice=choice, **more)
        self._read = read
        self.told: list[WatchEvent] = []
        # Nothing is found out for the only reason that it is looked at now and then.
        request = WatchRequest(scan=self.request, pace=PACE, pause=0.1, resync=3600, patience=0.5)
        self.watch = Watch(request, self.told.extend)
        self._stopped = threading.Event()
        self._errors: list[BaseException] = []
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.watch.run(self._stopped)
        except BaseException as error:  # noqa: BLE001 - told to the test
            self._errors.append(error)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        try:
            eventually(lambda: self.watch.current is not None or self._errors)
            yield
        finally:
            self._stopped.set()
            self._thread.join(10)
        assert not self._errors, self._errors
        assert not self._thread.is_alive()

    def is_ready(self) -> bool:
        """Whether it says so at `/readyz`."""
        return create_pages(self.watch, self.request)["/readyz"]().status is HTTPStatus.OK

    def losses(self) -> list[bool]:
        """Whether the cluster was followed, each time that this was told."""
        return [not item.why for item in self.told if isinstance(item, ConnectionChanged)]

    def turns(self, turn: VerdictChange) -> set[tuple[str, str]]:
        """(control, resource) of the verdicts that have turned so."""
        return {
            (item.control.slug, item.resource.label)
            for item in self.told
            if isinstance(item, VerdictChanged) and item.change is turn
        }

    def verdicts(self) -> list[Any]:
        current = self.watch.current
        return [] if current is None else told(current.results)

    def agrees(self) -> bool:
        """Whether it says what a scan says of the cluster that the kubeconfig leads to."""
        assert self.request.input.cluster is not None
        cluster = msgspec.structs.replace(self.request.input.cluster, access=self._read())
        return self.verdicts() == told(scan(replaced(self.request, cluster=cluster)).results)


def told(results: Any) -> list[Any]:
    """The verdicts on everything, but for what belongs to other tests."""
    found: list[ResourceResult] = [item for item in results if item.resource.kind != "Namespace"]
    return sorted((item.resource.id, repr(sorted(item.verdicts.items()))) for item in found)


def accepted(thing: dict[str, Any], namespaces: tuple[str, str]) -> dict[str, Any]:
    """A made-up object as a cluster takes it."""
    names = dict(zip(("ns-0", "ns-1"), namespaces, strict=True))
    metadata = thing["metadata"]
    if "namespace" in metadata:
        metadata["namespace"] = names[metadata["namespace"]]
    if thing["kind"] == "ClusterRole":
        # It is everybody's.
        metadata |= {"name": "item-1", "namespace": namespaces[0]}
        thing["kind"] = "Role"
    if thing["kind"] == "RoleBinding":
        thing["roleRef"]["kind"] = "Role"
        thing["subjects"][0]["namespace"] = namespaces[0]
    if thing["kind"] == "StatefulSet":
        thing["spec"]["serviceName"] = "none"
    if thing["kind"] == "Pod":
        thing["spec"].pop("serviceAccountName")
    return thing


@pytest.fixture
def namespaces(cluster: Cluster, namespace: str) -> Iterator[tuple[str, str]]:
    other = f"{namespace}-too"
    cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}}])
    yield namespace, other
    cluster.remove_namespace(other)


@pytest.mark.parametrize("seed", range(2))
def test_watch_equals_scan(cluster: Cluster, namespaces: tuple[str, str], seed: int) -> None:
    dice = random.Random(seed)
    live = Live(cluster.kubeconfig, namespaces)
    objects: list[dict[str, Any]] = []
    with live.running():
        for _ in range(4):
            for _ in range(8):
                if objects and dice.random() < 0.3:
                    cluster.delete(objects.pop(dice.randrange(len(objects))))
                with contextlib.suppress(Refused):
                    # What stands there and cannot be changed so stays as it is.
                    thing = accepted(made(dice, dice.randrange(12)), namespaces)
                    cluster.apply([thing])
                    objects = [item for item in objects if cluster.path(item) != cluster.path(thing)] + [thing]
            eventually(live.agrees)
    assert live.turns(VerdictChange.FAILED)


def deployment(namespace: str, *, privileged: bool) -> dict[str, Any]:
    container = {"name": "main", "image": "example.com/app:1", "securityContext": {"privileged": privileged}}
    labels = {"app": "cart"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "cart", "namespace": namespace},
        "spec": spec,
    }


def policy(namespace: str) -> dict[str, Any]:
    metadata = {"name": "all", "namespace": namespace}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata,
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    }


def test_changes_are_reported_with_related_verdicts(cluster: Cluster, namespace: str) -> None:
    cluster.apply([deployment(namespace, privileged=False), policy(namespace)])
    cart = f"Deployment {namespace}/cart"
    live = Live(cluster.kubeconfig, (namespace,))
    with live.running():
        assert [type(item) for item in live.told] == [WatchStarted]
        cluster.apply([deployment(namespace, privileged=True)])
        eventually(lambda: ("privileged-container", cart) in live.turns(VerdictChange.FAILED))
        cluster.delete(policy(namespace))
        eventually(lambda: ("missing-network-policy", cart) in live.turns(VerdictChange.FAILED))
        cluster.apply([deployment(namespace, privileged=False)])
        eventually(lambda: ("privileged-container", cart) in live.turns(VerdictChange.FIXED))
        cluster.delete(deployment(namespace, privileged=False))
        eventually(lambda: ("missing-network-policy", cart) in live.turns(VerdictChange.GONE))
    assert ("privileged-container", cart) not in live.turns(VerdictChange.GONE)


def watcher(cluster: Cluster, name: str) -> tuple[Path, Callable[..., None]]:
    """The kubeconfig of a user who may watch everything, and what leaves the user that of some API groups only."""

    def rules(*groups: str) -> list[dict[str, Any]]:
        return [{"apiGroups": [*groups], "resources": ["*"], "verbs": ["list", "watch"]}]

    def grant(*groups: str) -> None:
        cluster.admin("PATCH", path, {"rules": rules(*groups)}, sent="application/merge-patch+json")

    kubeconfig = cluster.user(name, rules("*"))
    role = next(
        item
        for item in cluster.admin("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles")["items"]
        if item["metadata"]["name"].endswith(name)
    )
    path = f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{role['metadata']['name']}"
    return kubeconfig, grant


def test_hidden_resources_are_not_reported_as_removed(cluster: Cluster, namespace: str) -> None:
    cluster.apply([deployment(namespace, privileged=True), policy(namespace)])
    kubeconfig, grant = watcher(cluster, f"hidden-{namespace}")
    live = Live(kubeconfig, (namespace,))
    privileged = ("privileged-container", f"Deployment {namespace}/cart")
    with live.running():
        grant("", "networking.k8s.io")
        eventually(lambda: privileged in live.turns(VerdictChange.UNKNOWN))
        assert not live.turns(VerdictChange.GONE)
        grant("*")
        eventually(lambda: privileged in live.turns(VerdictChange.FAILED))
        cluster.delete(deployment(namespace, privileged=True))
        eventually(lambda: privileged in live.turns(VerdictChange.GONE))


def test_what_is_not_shown_any_more_is_not_evaluated_until_it_is_back(cluster: Cluster, namespace: str) -> None:
    cluster.apply([deployment(namespace, privileged=True), policy(namespace)])
    cart = f"Deployment {namespace}/cart"
    kubeconfig, grant = watcher(cluster, f"watcher-{namespace}")
    live = Live(kubeconfig, (namespace,))

    def verdict(slug: str) -> Any:
        current = live.watch.current
        assert current is not None
        return next(item.verdicts[slug] for item in current.results if item.resource.label == cart)

    with live.running():
        assert verdict("missing-network-policy").status is Status.PASSED
        grant("", "apps")
        eventually(lambda: verdict("missing-network-policy").status is Status.NOT_EVALUATED)
        assert verdict("missing-network-policy").reason.cause is Cause.NEEDS_ACCESS
        assert verdict("privileged-container").status is Status.FAILED
        eventually(live.agrees)
        grant("*")
        eventually(lambda: verdict("missing-network-policy").status is Status.PASSED)
        eventually(live.agrees)
    shown = [(item.gap.permission, item.is_restored) for item in live.told if isinstance(item, CoverageChanged)]
    lost = f"list networkpolicies.networking.k8s.io in namespace {namespace}"
    assert [again for permission, again in shown if permission in (lost, lost.replace("list", "watch"))] in (
        [False, True],
        # The stream is refused before the list is.
        [False, True, False, True],
        [False, False, True, True],
    )


def test_exceptions_and_settings_of_the_cluster_count_at_once(own_cluster: Cluster) -> None:
    group = "kubescape.io"
    kinds = (("SecurityException", "securityexceptions"), ("ControlInput", "controlinputs"))
    for kind, plural in kinds:
        schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
        version = {"name": "v1beta1", "served": True, "storage": True, "schema": schema}
        names = {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"}
        spec = {"group": group, "names": names, "scope": "Namespaced", "versions": [version]}
        own_cluster.apply(
            [
                {
                    "apiVersion": "apiextensions.k8s.io/v1",
                    "kind": "CustomResourceDefinition",
                    "metadata": {"name": f"{plural}.{group}"},
                    "spec": spec,
                }
            ]
        )
    shop = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    own_cluster.apply([shop, deployment("shop", privileged=True)])
    cart = "Deployment shop/cart"
    live = Live(own_cluster.kubeconfig, ("shop",))
    with live.running():
        exception = {
            "apiVersion": f"{group}/v1beta1",
            "kind": "SecurityException",
            "metadata": {"name": "cart", "namespace": "shop"},
            "spec": {
                "reason": "it drives the scanner",
                "posture": [{"controlID": "C-0057", "action": "ignore"}],
                "match": {"resources": [{"apiGroup": "apps", "kind": "Deployment", "name": "cart"}]},
            },
        }
        own_cluster.apply([exception])
        eventually(lambda: ("privileged-container", cart) in live.turns(VerdictChange.ACCEPTED))
        own_cluster.delete(exception)
        eventually(lambda: ("privileged-container", cart) in live.turns(VerdictChange.FAILED))
        settings = {
            "apiVersion": f"{group}/v1beta1",
            "kind": "ControlInput",
            "metadata": {"name": "default", "namespace": "shop"},
            "spec": {"controls": {"sensitiveInterfaces": ["cart"]}},
        }
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "cart", "namespace": "shop"},
            "spec": {"type": "NodePort", "selector": {"app": "cart"}, "ports": [{"port": 80}]},
        }
        own_cluster.apply([service, settings])
        eventually(lambda: ("sensitive-interfaces", cart) in live.turns(VerdictChange.FAILED))
        eventually(live.agrees)
        # Nobody can tell by which parameters it is to be judged, and so it is not.
        own_cluster.apply([settings | {"spec": {"controls": {"sensitiveInterface": ["cart"]}}}])
        eventually(lambda: ("sensitive-interfaces", cart) in live.turns(VerdictChange.UNKNOWN))
        (gap,) = (item.gap for item in live.told if isinstance(item, CoverageChanged))
        assert gap.why == f"{group}/ControlInput default: no control has a parameter sensitiveInterface"
        own_cluster.apply([settings])
        eventually(live.agrees)


def test_kinds_that_come_later_are_watched(own_cluster: Cluster) -> None:
    own_cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}])
    live = Live(own_cluster.kubeconfig, ("shop",))
    pod = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    template = {"type": "object", "properties": {"template": pod}}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": template}}}
    rollouts = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "rollouts.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"kind": "Rollout", "plural": "rollouts", "singular": "rollout", "listKind": "RolloutList"},
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }
    with live.running():
        rollout = deployment("shop", privileged=True) | {"apiVersion": "example.com/v1", "kind": "Rollout"}
        rollout["spec"] = {"template": rollout["spec"]["template"]}
        own_cluster.apply([rollouts, rollout])
        eventually(lambda: ("privileged-container", "Rollout shop/cart") in live.turns(VerdictChange.FAILED))
        # Nothing but the new one is told.
        assert {item.resource.kind for item in live.told if isinstance(item, VerdictChanged)} == {"Rollout"}
        own_cluster.delete(rollouts)
        eventually(lambda: ("privileged-container", "Rollout shop/cart") in live.turns(VerdictChange.GONE))
        assert not [item for item in live.told if isinstance(item, CoverageChanged)]


def test_kinds_that_come_later_are_followed_for_the_controls_that_are_about_nothing_else(own_cluster: Cluster) -> None:
    """As long as nobody serves them, those controls are about nothing in the namespace."""
    group, kind = "extensions.agents.x-k8s.io", "SandboxTemplate"
    later = definition(group, kind, open_schema())
    later["metadata"]["annotations"] = {"api-approved.kubernetes.io": "unapproved, for tests"}
    request = Live(own_cluster.kubeconfig, ("default",), controls=("sandbox-runtime-class",)).request
    selection, choice = RuleSelector(request.rules, whole_cluster=True).selection, request.evaluation.choice
    assert request.input.cluster is not None
    with contextlib.ExitStack() as stack:
        other = stack.enter_context(KubeConnection(request.input.cluster))
        # Whoever cannot tell what a group has takes it for anything.
        own_cluster.delete(UNAVAILABLE)
        eventually(lambda: not discover(other).failed)
        live = stack.enter_context(connect_cluster(request.input.cluster))
        following = live.follow(selection, choice, PACE)

        def followed() -> set[str]:
            return {task.query.served.kind for task in following.list_retained(())}

        try:
            own_cluster.apply([later])
            eventually(lambda: discover(other).find(group, kind))
            assert kind not in followed()
            live.refresh(selection, choice, following, routine=True)
            assert kind in followed()
        finally:
            following.stop()


def test_apis_that_come_and_go_are_noticed(own_cluster: Cluster) -> None:
    """Nobody is behind the API, so what it would show is unknown."""
    service = {"namespace": "default", "name": "nobody", "port": 443}
    spec = {"group": "kubescape.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100}
    api = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": "v1beta1.kubescape.io"},
        "spec": spec | {"insecureSkipTLSVerify": True, "service": service},
    }
    live = Live(own_cluster.kubeconfig, ("default",))
    exceptions = "list securityexceptions.kubescape.io"

    def shown() -> list[bool]:
        return [
            item.is_restored
            for item in live.told
            if isinstance(item, CoverageChanged) and item.gap.permission == exceptions
        ]

    with live.running():
        own_cluster.apply([api])
        eventually(lambda: shown() == [False])
        own_cluster.delete(api)
        eventually(lambda: shown() == [False, True])


def test_namespaces_that_a_pattern_means_are_watched_when_they_come(cluster: Cluster, namespace: str) -> None:
    live = Live(cluster.kubeconfig, (f"{namespace}-*",))
    late = f"{namespace}-late"
    with live.running():
        cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": late}}])
        try:
            cluster.apply([deployment(late, privileged=True)])
            eventually(lambda: ("privileged-container", f"Deployment {late}/cart") in live.turns(VerdictChange.FAILED))
        finally:
            cluster.remove_namespace(late)
        eventually(lambda: ("privileged-container", f"Deployment {late}/cart") in live.turns(VerdictChange.GONE))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda request: replaced(request, cluster=None), "only a cluster"),
        (lambda request: replaced(request, paths=("node.yaml",)), "nodes and clouds"),
        (lambda request: replaced(request, extra=gather((RULE,))), "cannot be watched"),
    ],
)
def test_unsupported_requests_are_rejected(
    tmp_path: Path, change: Callable[[ScanRequest], ScanRequest], message: str
) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(
        '{"apiVersion":"v1","kind":"Config","current-context":"a","clusters":[{"name":"a","cluster":{"server":"http://127.0.0.1:1"}}],'
        '"contexts":[{"name":"a","context":{"cluster":"a"}}]}'
    )
    cluster = ClusterRequest(access=Kubeconfig((str(kubeconfig),)).access(""))
    request = change(ScanRequest(ScanInput(paths=(), cluster=cluster)))
    with pytest.raises(ValueError, match=message):
        Watch(WatchRequest(scan=request), lambda _: None)
