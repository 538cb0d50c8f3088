"""A watch of a real cluster equals a scan after every change, and reports each change."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Iterator, Sequence
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
from kubekeep.library.extra import load_rules
from kubekeep.model.assessment import SubjectResult
from kubekeep.model.resource_selection import ResourceSelection
from kubekeep.model.verdict import Cause, Status
from kubekeep.model.watch import (
    ConnectionChanged,
    CoverageChanged,
    VerdictChange,
    VerdictChanged,
    WatchEvent,
    WatchStarted,
)
from kubekeep.reports.format import ReportOptions
from kubekeep.usecases.cluster import connect_cluster
from kubekeep.usecases.request import ScanInput, ScanRequest
from kubekeep.usecases.rule_selection import RuleSelector
from kubekeep.usecases.scan import scan
from kubekeep.usecases.watch import Watch
from kubekeep.usecases.watching.request import WatchRequest
from kubekeep.usecases.watching.subscribers import EventSubscriber, MetricsSubscriber
from tests.cluster.client import Refused
from tests.cluster.cluster import Cluster, eventually
from tests.cluster.users import UNAVAILABLE
from tests.kube.connecting import HURRIED
from tests.requests import ALL_CONTROLS, replaced, scan_request
from tests.sources.cluster.objects import definition, open_schema
from tests.usecases.test_incremental import create_resource

RULE = Path(__file__).parents[1] / "reports" / "varied_more" / "nobody.rego"
PACE = WatchTiming(stream_seconds=2, read_timeout=10, first_wait=0.05, max_wait=0.2, refusal_wait=0.3)


class Live:
    """A watch that runs in its own thread, and the events it has sent."""

    def __init__(self, kubeconfig: Path, namespaces: tuple[str, ...], **more: Any) -> None:
        def read() -> ClusterAccess:
            return Kubeconfig((str(kubeconfig),)).get_access("")

        cluster = ClusterRequest(access=read(), reload_access=read, retry_policy=HURRIED)
        resource_selection = ResourceSelection(include_namespaces=namespaces)
        self.request = scan_request(cluster=cluster, resource_selection=resource_selection, **more)
        self._read = read
        self.events: list[WatchEvent] = []
        # The resync is too rare to hide a change that the streams miss.
        request = WatchRequest(scan=self.request, pace=PACE, pause=0.1, resync=3600, patience=0.5)
        self.counting = MetricsSubscriber()
        self.may_go_on = threading.Event()
        """Cleared to block the loop when it passes on events."""
        self.may_go_on.set()
        self.watch = Watch(request, (EventSubscriber(self._receive), self.counting))
        self._stopped = threading.Event()
        self._errors: list[BaseException] = []
        self._thread = threading.Thread(target=self._run)

    def _receive(self, events: Sequence[WatchEvent]) -> None:
        self.events.extend(events)
        self.may_go_on.wait(60)

    def _run(self) -> None:
        try:
            self.watch.run(self._stopped)
        except BaseException as error:  # noqa: BLE001 - reported to the test
            self._errors.append(error)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        before = set(threading.enumerate())
        self._thread.start()
        try:
            eventually(lambda: self.watch.current is not None or self._errors)
            yield
        finally:
            self._stopped.set()
            self._thread.join(60)
        assert not self._errors, self._errors
        assert not self._thread.is_alive()
        # A thread that still reads when the interpreter ends would abort the process.
        followers = ("(_run)", "(_follow)")
        assert not [one for one in set(threading.enumerate()) - before if one.name.endswith(followers)]

    def is_ready(self) -> bool:
        """Return True if `/readyz` reports success."""
        return (
            create_pages(self.watch, self.counting.metrics, self.request, ReportOptions())["/readyz"]().status
            is HTTPStatus.OK
        )

    def is_healthy(self) -> bool:
        """Return True if `/healthz` reports success."""
        return (
            create_pages(self.watch, self.counting.metrics, self.request, ReportOptions())["/healthz"]().status
            is HTTPStatus.OK
        )

    def losses(self) -> list[bool]:
        """Return one value per connection event: True if the cluster is followed, False if it is lost."""
        return [not event.reason for event in self.events if isinstance(event, ConnectionChanged)]

    def changes(self, change: VerdictChange) -> set[tuple[str, str]]:
        """Return (control, resource) of the verdicts with this change."""
        return {
            (event.control.slug, event.resource.label)
            for event in self.events
            if isinstance(event, VerdictChanged) and event.change is change
        }

    def verdicts(self) -> list[Any]:
        current = self.watch.current
        return [] if current is None else list_verdicts(current.results)

    def agrees(self) -> bool:
        """Return True if the verdicts equal those of a scan of the cluster in the kubeconfig."""
        assert self.request.input.cluster is not None
        cluster = msgspec.structs.replace(self.request.input.cluster, access=self._read())
        return self.verdicts() == list_verdicts(scan(replaced(self.request, cluster=cluster)).results)


def list_verdicts(results: Any) -> list[Any]:
    """Return the verdicts on all resources but Namespaces, which other tests create too."""
    relevant: list[SubjectResult] = [result for result in results if result.subject.kind != "Namespace"]
    return sorted((result.subject.id, repr(sorted(result.verdicts.items()))) for result in relevant)


def adapt_resource(resource: dict[str, Any], namespaces: tuple[str, str]) -> dict[str, Any]:
    """Return a generated resource in a form that a cluster accepts."""
    names = dict(zip(("ns-0", "ns-1"), namespaces, strict=True))
    metadata = resource["metadata"]
    if "namespace" in metadata:
        metadata["namespace"] = names[metadata["namespace"]]
    if resource["kind"] == "ClusterRole":
        # A ClusterRole would be shared with other tests.
        metadata |= {"name": "item-1", "namespace": namespaces[0]}
        resource["kind"] = "Role"
    if resource["kind"] == "RoleBinding":
        resource["roleRef"]["kind"] = "Role"
        resource["subjects"][0]["namespace"] = namespaces[0]
    if resource["kind"] == "StatefulSet":
        resource["spec"]["serviceName"] = "none"
    if resource["kind"] == "Pod":
        resource["spec"].pop("serviceAccountName")
    return resource


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
                    # An existing resource stays as it is if the field is immutable.
                    resource = adapt_resource(create_resource(dice, dice.randrange(12)), namespaces)
                    cluster.apply([resource])
                    objects = [other for other in objects if cluster.path(other) != cluster.path(resource)] + [resource]
            eventually(live.agrees)
    assert live.changes(VerdictChange.FAILED)


def test_health_fails_while_the_loop_is_stuck(
    cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubekeep.usecases.watch._MAX_TURN", 3.0)
    monkeypatch.setattr("kubekeep.usecases.watch._MAX_EVALUATION", 3.0)
    live = Live(cluster.kubeconfig, (namespace,))
    with live.running():
        eventually(live.is_healthy)
        live.may_go_on.clear()
        cluster.apply([deployment(namespace, privileged=True)])
        eventually(lambda: not live.is_healthy())
        live.may_go_on.set()
        eventually(live.is_healthy)


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
        assert [type(event) for event in live.events] == [WatchStarted]
        cluster.apply([deployment(namespace, privileged=True)])
        eventually(lambda: ("privileged-container", cart) in live.changes(VerdictChange.FAILED))
        cluster.delete(policy(namespace))
        eventually(lambda: ("missing-network-policy", cart) in live.changes(VerdictChange.FAILED))
        cluster.apply([deployment(namespace, privileged=False)])
        eventually(lambda: ("privileged-container", cart) in live.changes(VerdictChange.FIXED))
        cluster.delete(deployment(namespace, privileged=False))
        eventually(lambda: ("missing-network-policy", cart) in live.changes(VerdictChange.GONE))
    assert ("privileged-container", cart) not in live.changes(VerdictChange.GONE)


def watcher(cluster: Cluster, name: str) -> tuple[Path, Callable[..., None]]:
    """Return the kubeconfig of a user who may watch everything, and a function that restricts the user to some API groups."""

    def rules(*groups: str) -> list[dict[str, Any]]:
        return [{"apiGroups": [*groups], "resources": ["*"], "verbs": ["list", "watch"]}]

    def grant(*groups: str) -> None:
        cluster.admin("PATCH", path, {"rules": rules(*groups)}, sent="application/merge-patch+json")

    kubeconfig = cluster.user(name, rules("*"))
    role = next(
        candidate
        for candidate in cluster.admin("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles")["items"]
        if candidate["metadata"]["name"].endswith(name)
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
        eventually(lambda: privileged in live.changes(VerdictChange.UNKNOWN))
        assert not live.changes(VerdictChange.GONE)
        grant("*")
        eventually(lambda: privileged in live.changes(VerdictChange.FAILED))
        cluster.delete(deployment(namespace, privileged=True))
        eventually(lambda: privileged in live.changes(VerdictChange.GONE))


def test_hidden_resources_are_not_evaluated_until_restored(cluster: Cluster, namespace: str) -> None:
    cluster.apply([deployment(namespace, privileged=True), policy(namespace)])
    cart = f"Deployment {namespace}/cart"
    kubeconfig, grant = watcher(cluster, f"watcher-{namespace}")
    live = Live(kubeconfig, (namespace,))

    def verdict(slug: str) -> Any:
        current = live.watch.current
        assert current is not None
        return next(result.verdicts[slug] for result in current.results if result.subject.label == cart)

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
    shown = [(event.gap.permission, event.is_restored) for event in live.events if isinstance(event, CoverageChanged)]
    lost = f"list networkpolicies.networking.k8s.io in namespace {namespace}"
    assert [
        is_restored for permission, is_restored in shown if permission in (lost, lost.replace("list", "watch"))
    ] in (
        [False, True],
        # The stream is refused before the list is.
        [False, True, False, True],
        [False, False, True, True],
    )


def test_cluster_exceptions_and_parameters_apply_at_once(own_cluster: Cluster) -> None:
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
        eventually(lambda: ("privileged-container", cart) in live.changes(VerdictChange.EXCEPTED))
        own_cluster.delete(exception)
        eventually(lambda: ("privileged-container", cart) in live.changes(VerdictChange.FAILED))
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
        eventually(lambda: ("sensitive-interfaces", cart) in live.changes(VerdictChange.FAILED))
        eventually(live.agrees)
        # With unknown parameters the control is not evaluated.
        own_cluster.apply([settings | {"spec": {"controls": {"sensitiveInterface": ["cart"]}}}])
        eventually(lambda: ("sensitive-interfaces", cart) in live.changes(VerdictChange.UNKNOWN))
        (gap,) = (event.gap for event in live.events if isinstance(event, CoverageChanged))
        assert gap.reason == f"{group}/ControlInput default: unknown parameter sensitiveInterface"
        own_cluster.apply([settings])
        eventually(live.agrees)


def test_new_kinds_are_watched(own_cluster: Cluster) -> None:
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
        eventually(lambda: ("privileged-container", "Rollout shop/cart") in live.changes(VerdictChange.FAILED))
        # Only the new kind is reported.
        assert {event.resource.kind for event in live.events if isinstance(event, VerdictChanged)} == {"Rollout"}
        own_cluster.delete(rollouts)
        eventually(lambda: ("privileged-container", "Rollout shop/cart") in live.changes(VerdictChange.GONE))
        assert not [event for event in live.events if isinstance(event, CoverageChanged)]


def test_new_kinds_are_followed_for_their_own_controls(own_cluster: Cluster) -> None:
    """Until the kind is served, its controls have no target in the namespace."""
    group, kind = "extensions.agents.x-k8s.io", "SandboxTemplate"
    later = definition(group, kind, open_schema())
    later["metadata"]["annotations"] = {"api-approved.kubernetes.io": "unapproved, for tests"}
    request = Live(own_cluster.kubeconfig, ("default",), controls=("sandbox-runtime-class",)).request
    selection, resource_selection = (
        RuleSelector(request.rules, whole_cluster=True).selection,
        request.evaluation.resource_selection,
    )
    assert request.input.cluster is not None
    with contextlib.ExitStack() as stack:
        other = stack.enter_context(KubeConnection(request.input.cluster))
        # An API group that cannot be discovered could serve any kind.
        own_cluster.delete(UNAVAILABLE)
        eventually(lambda: not discover(other).failed)
        live = stack.enter_context(connect_cluster(request.input.cluster))
        following = live.follow(selection, resource_selection, PACE)

        def followed() -> set[str]:
            return {task.query.served.kind for task in following.list_retained(())}

        try:
            own_cluster.apply([later])
            eventually(lambda: discover(other).find(group, kind))
            assert kind not in followed()
            live.refresh(selection, resource_selection, following, routine=True)
            assert kind in followed()
        finally:
            following.stop()


def test_added_and_removed_apis_are_noticed(own_cluster: Cluster) -> None:
    """No server implements the API, so its resources are unknown."""
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
            event.is_restored
            for event in live.events
            if isinstance(event, CoverageChanged) and event.gap.permission == exceptions
        ]

    with live.running():
        own_cluster.apply([api])
        eventually(lambda: shown() == [False])
        own_cluster.delete(api)
        eventually(lambda: shown() == [False, True])


def test_new_namespaces_that_match_a_pattern_are_watched(cluster: Cluster, namespace: str) -> None:
    live = Live(cluster.kubeconfig, (f"{namespace}-*",))
    late = f"{namespace}-late"
    with live.running():
        cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": late}}])
        try:
            cluster.apply([deployment(late, privileged=True)])
            eventually(
                lambda: ("privileged-container", f"Deployment {late}/cart") in live.changes(VerdictChange.FAILED)
            )
        finally:
            cluster.remove_namespace(late)
        eventually(lambda: ("privileged-container", f"Deployment {late}/cart") in live.changes(VerdictChange.GONE))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda request: replaced(request, cluster=None), "only a cluster"),
        (lambda request: replaced(request, paths=("node.yaml",)), "nodes and clouds"),
        (lambda request: replaced(request, extra=load_rules((RULE,))), "cannot be watched"),
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
    cluster = ClusterRequest(access=Kubeconfig((str(kubeconfig),)).get_access(""))
    request = change(ScanRequest(ScanInput(paths=(), cluster=cluster), rules=ALL_CONTROLS))
    with pytest.raises(ValueError, match=message):
        Watch(WatchRequest(scan=request), ())
