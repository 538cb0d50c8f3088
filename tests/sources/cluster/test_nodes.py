"""What a real API server tells of its nodes: kubelets behind the node proxy, objects of a node agent, static pods."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kubekeep.kube.access import ClusterRequest
from kubekeep.kube.kubeconfig import Kubeconfig
from kubekeep.kube.review import Permission
from kubekeep.library.extra import gather
from kubekeep.model.assessment import Assessment
from kubekeep.model.finding import Cause, Status, Verdict
from kubekeep.usecases.host import collect, text
from kubekeep.usecases.permissions import preflight, roles
from kubekeep.usecases.request import RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan
from tests.cli.test_scan import kubekeep
from tests.cluster.cluster import Cluster, eventually
from tests.cluster.fixtures import started
from tests.cluster.kubelet import kubelet, own_address
from tests.kube import connecting
from tests.kube.faults import Exchange, Fault, front
from tests.requests import replaced
from tests.sources.host import nodes

GROUP = "hostdata.kubescape.cloud"
KINDS = {
    "KubeletInfo": "kubeletinfos",
    "ControlPlaneInfo": "controlplaneinfos",
    "LinuxKernelVariables": "linuxkernelvariables",
}
HIDDEN = "never-to-be-seen"
CONFIGURATION = {
    "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": "/ca.crt"}},
    "readOnlyPort": 10255,
    "staticPodURLHeader": {"Authorization": [HIDDEN]},
}
CONFIGZ = {"configz": {"kubeletconfig": CONFIGURATION}}
ANONYMOUS, READ_ONLY_PORT = "kubelet-anonymous-auth", "kubelet-read-only-port"


def request_as(
    cluster: Cluster, user: str, *, host_scan: bool | None = None, controls: Sequence[str] = ()
) -> ScanRequest:
    path = cluster.kubeconfig if user in {"admin", "viewer"} else cluster.layout.kubeconfigs / user
    access = Kubeconfig((str(path),)).access(user)
    return ScanRequest(
        ScanInput(paths=(), cluster=ClusterRequest(access=access, host_scan=host_scan)),
        rules=RuleOptions(controls=tuple(controls)),
    )


def verdicts(assessment: Assessment, name: str, slug: str) -> list[Verdict]:
    """The verdicts of a control on what tells about one node."""
    return [
        result.verdicts[slug]
        for result in assessment.results
        if result.resource.name == name and slug in result.verdicts
    ]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A control plane of these tests alone: each scan sees all nodes, and kinds that others do not expect."""
    yield from started(tmp_path_factory.mktemp("nodes") / "cluster")


@pytest.fixture(scope="module")
def agent(cluster: Cluster) -> Iterator[None]:
    """The definitions of the node agent, which keep every field."""
    definitions = [
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{GROUP}"},
            "spec": {
                "group": GROUP,
                "scope": "Cluster",
                "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
                "versions": [
                    {
                        "name": "v1beta1",
                        "served": True,
                        "storage": True,
                        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                    }
                ],
            },
        }
        for kind, plural in KINDS.items()
    ]
    for definition in definitions:
        cluster.apply([definition])
    eventually(
        lambda: (
            {item["name"] for item in cluster.admin("GET", f"/apis/{GROUP}/v1beta1")["resources"]} >= {*KINDS.values()}
        )
    )
    yield
    for definition in definitions:
        cluster.delete(definition)


def written(kind: str, node: str, **spec: Any) -> dict[str, Any]:
    """An object as the node agent writes it."""
    return {
        "apiVersion": f"{GROUP}/v1beta1",
        "kind": kind,
        "metadata": {"name": node},
        "spec": {**spec, "nodeName": node},
    }


def test_kubelets_are_asked_through_the_api_server(cluster: Cluster) -> None:
    with (
        kubelet(cluster, CONFIGZ) as first,
        kubelet(cluster, {"configz": {"kubeletconfig": {"readOnlyPort": 0}}}) as second,
    ):
        found = scan(request_as(cluster, "admin", host_scan=True, controls=[ANONYMOUS, READ_ONLY_PORT]))
    names = [first["metadata"]["name"], second["metadata"]["name"]]
    assert [verdict.status for verdict in verdicts(found, names[0], ANONYMOUS)] == [Status.PASSED]
    assert [verdict.status for verdict in verdicts(found, names[0], READ_ONLY_PORT)] == [Status.FAILED]
    assert [verdict.status for verdict in verdicts(found, names[1], READ_ONLY_PORT)] == [Status.PASSED]
    (resource,) = {
        result.resource.name: result.resource for result in found.results if result.resource.name == names[0]
    }.values()
    assert (resource.kind, resource.api_version) == ("KubeletConfiguration", "kubelet.config.k8s.io/v1beta1")
    assert HIDDEN not in str(resource.object)


def test_nobody_asks_a_kubelet_who_was_not_told_to(cluster: Cluster) -> None:
    with kubelet(cluster, CONFIGZ) as node:
        for host_scan in (None, False):
            found = scan(request_as(cluster, "admin", host_scan=host_scan, controls=[ANONYMOUS]))
            assert verdicts(found, node["metadata"]["name"], ANONYMOUS) == []
            (summary,) = found.controls
            assert summary.status is Status.NOT_EVALUATED
            assert not found.unread


def test_a_kubelet_that_does_not_tell_is_a_gap(cluster: Cluster) -> None:
    with (
        kubelet(cluster, {"configz": {"kubeletconfig": {"readOnlyPort": 0}}}),
        kubelet(cluster, {"configz": {}}) as silent,
    ):
        found = scan(request_as(cluster, "admin", host_scan=True, controls=[READ_ONLY_PORT]))
    (summary,) = found.controls
    assert summary.status is Status.NOT_EVALUATED, "one node passes, and nobody knows of the other"
    assert summary.reason is not None
    assert summary.reason.cause is Cause.NEEDS_ACCESS
    assert summary.reason.text == "the cluster did not show everything: get nodes/proxy"
    name = silent["metadata"]["name"]
    assert [item.message for item in found.unread if f"node {name}: " in item.message]


def cut_off(exchange: Exchange) -> bool:
    """There is another page of Nodes, which cannot be had."""
    if exchange.asked.kind != "nodes":
        return False
    if "continue" in exchange.asked.query:
        exchange.refuse(504, "Timeout", "too slow")
    else:
        document = exchange.real().document
        document["metadata"]["continue"] = "more"
        exchange.answer(200, document)
    return True


def hidden(exchange: Exchange) -> bool:
    if exchange.asked.kind != "nodes":
        return False
    exchange.refuse(403, "Forbidden", "not you")
    return True


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (cut_off, "the nodes are not all known: cut off: too slow"),
        (hidden, "the nodes are not all known: not you"),
    ],
)
def test_kubelets_of_nodes_that_nobody_knows_are_a_gap(cluster: Cluster, fault: Fault, why: str) -> None:
    request = request_as(cluster, "admin", host_scan=True, controls=[READ_ONLY_PORT])
    with kubelet(cluster, {"configz": {"kubeletconfig": {"readOnlyPort": 0}}}), front(cluster, fault) as proxy:
        assert request.input.cluster is not None
        through = msgspec.structs.replace(request.input.cluster, access=connecting.request(proxy.url).access)
        hurried = msgspec.structs.replace(through, retry_policy=connecting.HURRIED)
        found = scan(replaced(request, cluster=hurried))
    (summary,) = found.controls
    assert summary.status is Status.NOT_EVALUATED
    assert summary.reason is not None
    assert summary.reason.cause is Cause.NEEDS_ACCESS
    assert summary.reason.text == "the cluster did not show everything: list nodes"
    assert [str(item.location) for item in found.unread if item.message == why] == ["list nodes"]


@contextlib.contextmanager
def read_only_port(text: bytes) -> Iterator[None]:
    """What a kubelet with an open read-only port answers at `/healthz`, on the address of the stand-ins."""

    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    class Server(http.server.ThreadingHTTPServer):
        # Connections are closed when it ends.
        daemon_threads = False

    try:
        server = Server((own_address(), 10255), Handler)
    except OSError:
        pytest.skip("somebody listens on the read-only port of this machine")
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def test_an_open_port_tells_where_a_kubelet_does_not(cluster: Cluster) -> None:
    # One after the other: there is one such port, and another worker must not have it meanwhile.
    for said, expected in ((b"ok", [Status.FAILED]), (b"nothing of a kubelet", [])):
        with read_only_port(said), kubelet(cluster, {}) as node:
            found = scan(request_as(cluster, "admin", host_scan=True, controls=[READ_ONLY_PORT, ANONYMOUS]))
        name = node["metadata"]["name"]
        assert [verdict.status for verdict in verdicts(found, name, READ_ONLY_PORT)] == expected
        assert Status.PASSED not in {verdict.status for verdict in verdicts(found, name, ANONYMOUS)}
        assert [item for item in found.unread if item.message.startswith(f"node {name}: ")], "nobody knows the rest"


@pytest.mark.parametrize("answer", [{}, {"kubeletconfig": None}, {"kubeletconfig": []}, {"kubeletconfig": {}}, []])
def test_an_answer_that_is_no_configuration_is_a_gap(cluster: Cluster, answer: Any) -> None:
    with kubelet(cluster, {"configz": answer}) as node:
        found = scan(request_as(cluster, "admin", host_scan=True, controls=[READ_ONLY_PORT]))
    name = node["metadata"]["name"]
    assert verdicts(found, name, READ_ONLY_PORT) == []
    assert [item for item in found.unread if item.message.startswith(f"node {name}: ")]


@pytest.mark.parametrize("depth", [300, 900])
def test_a_document_that_is_nested_too_deeply_is_a_gap(cluster: Cluster, depth: int) -> None:
    deep: list[Any] = []
    for _ in range(depth):
        deep = [deep]
    with kubelet(cluster, {"configz": {"kubeletconfig": {"a": deep}}}) as node:
        found = scan(request_as(cluster, "admin", host_scan=True, controls=[READ_ONLY_PORT]))
    name = node["metadata"]["name"]
    (gap,) = [item for item in found.unread if item.message.startswith(f"node {name}: ")]
    assert gap.message.endswith("a document that is nested too deeply")


def test_without_the_permission_every_node_is_one_gap(cluster: Cluster) -> None:
    rules = [{"apiGroups": [""], "resources": ["nodes", "namespaces"], "verbs": ["list"]}]
    user = f"lister-{uuid.uuid4().hex[:8]}"
    cluster.user(user, rules)
    with kubelet(cluster, CONFIGZ), kubelet(cluster, CONFIGZ):
        found = scan(request_as(cluster, user, host_scan=True, controls=[READ_ONLY_PORT]))
    (gap,) = [item for item in found.unread if str(item.location) == "get nodes/proxy"]
    assert 'cannot get resource "nodes/proxy"' in gap.message
    assert found.controls[0].status is Status.NOT_EVALUATED


def test_the_permission_is_among_those_that_a_scan_needs(cluster: Cluster) -> None:
    proxied = Permission("get", "", "nodes/proxy")
    told = preflight(request_as(cluster, "viewer", host_scan=True, controls=[READ_ONLY_PORT]))
    assert proxied in told.missing
    (role,) = roles(told.permissions)
    assert {"apiGroups": [""], "resources": ["nodes/proxy"], "verbs": ["get"]} in role["rules"]
    assert proxied not in preflight(request_as(cluster, "viewer", controls=[READ_ONLY_PORT])).permissions
    assert preflight(request_as(cluster, "admin", host_scan=True, controls=[READ_ONLY_PORT])).missing == []


@pytest.mark.usefixtures("agent")
def test_what_a_node_agent_wrote_is_judged(cluster: Cluster) -> None:
    name = f"node-{uuid.uuid4().hex[:8]}"
    objects = [
        written("KubeletInfo", name, cmdLine="/usr/bin/kubelet --anonymous-auth=false --read-only-port=10255"),
        written("ControlPlaneInfo", name, schedulerInfo={"cmdLine": "kube-scheduler --profiling=true"}),
    ]
    cluster.apply(objects)
    controls = [ANONYMOUS, READ_ONLY_PORT, "scheduler-profiling"]
    found = scan(request_as(cluster, "admin", controls=controls))
    assert [verdicts(found, name, slug)[0].status for slug in controls] == [Status.PASSED, Status.FAILED, Status.FAILED]
    (resource,) = [
        result.resource
        for result in found.results
        if result.resource.kind == "KubeletInfo" and result.resource.name == name
    ]
    assert resource.api_version == f"{GROUP}/v1beta0", "as Kubescape hands it to rules"
    assert "nodeName" not in resource.object["data"]
    off = scan(request_as(cluster, "admin", host_scan=False, controls=controls))
    assert verdicts(off, name, ANONYMOUS) == []


@pytest.mark.usefixtures("agent")
def test_rules_of_kubescape_find_what_an_agent_wrote_where_they_look(cluster: Cluster, tmp_path: Path) -> None:
    name = f"node-{uuid.uuid4().hex[:8]}"
    cluster.apply([written("KubeletInfo", name, cmdLine="/usr/bin/kubelet --anonymous-auth=true")])
    rego = """
        package armo_builtins
        deny[found] {
            item := input[_]
            item.apiVersion == "hostdata.kubescape.cloud/v1beta0"
            item.kind == "KubeletInfo"
            contains(item.data.cmdLine, "--anonymous-auth=true")
            found := {"alertMessage": "open", "failedPaths": [], "fixPaths": [], "alertObject": {"externalObjects": item}}
        }
    """
    match = [{"apiGroups": [GROUP], "apiVersions": ["v1beta0"], "resources": ["KubeletInfo"]}]
    rule = {"name": "open", "rule": rego, "ruleLanguage": "Rego", "match": [], "dynamicMatch": match}
    control = {"controlID": "H-1", "name": "Closed kubelets", "baseScore": 7, "rules": [rule]}
    file = tmp_path / "house.json"
    file.write_text(json.dumps({"name": "House", "controls": [control]}), encoding="utf-8")
    request = replaced(request_as(cluster, "admin"), extra=gather((), (file,)))
    found = scan(request)
    statuses = [
        verdict.status
        for result in found.results
        if result.resource.name == name
        for verdict in result.verdicts.values()
    ]
    assert statuses == [Status.FAILED]


@pytest.mark.usefixtures("agent")
def test_data_of_an_agent_is_joined_with_its_node(cluster: Cluster) -> None:
    name = f"node-{uuid.uuid4().hex[:8]}"
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "status": {"nodeInfo": node_info("5.10.70")},
    }
    variables = [{"key": "max_user_namespaces", "value": "0", "source": "/proc/sys/user/max_user_namespaces"}]
    (applied,) = cluster.apply([node])
    try:
        slug = "kernel-fs-context-escape"
        before = scan(request_as(cluster, "admin", controls=[slug]))
        assert [verdict.status for verdict in verdicts(before, name, slug)] == [Status.FAILED]
        cluster.apply([written("LinuxKernelVariables", name, kernelVariables=variables)])
        after = scan(request_as(cluster, "admin", controls=[slug]))
        assert [verdict.status for verdict in verdicts(after, name, slug)] == [Status.PASSED]
    finally:
        cluster.delete(applied)


def test_static_pods_of_the_control_plane_are_judged_as_the_cluster_shows_them(cluster: Cluster) -> None:
    name = f"node-{uuid.uuid4().hex[:8]}"
    (node,) = cluster.apply([{"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}])
    owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": node["metadata"]["uid"], "controller": True}
    pod: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"kube-apiserver-{name}",
            "namespace": "kube-system",
            "annotations": {"kubernetes.io/config.mirror": "a", "kubernetes.io/config.source": "file"},
            "ownerReferences": [owner],
        },
        "spec": {
            "nodeName": name,
            "hostNetwork": True,
            "containers": [
                {
                    "name": "kube-apiserver",
                    "image": "registry.k8s.io/kube-apiserver:v1.34.3",
                    "command": ["kube-apiserver", "--profiling=true", "--authorization-mode=Node,RBAC"],
                }
            ],
        },
    }
    (applied,) = cluster.apply([pod])
    try:
        found = scan(request_as(cluster, "admin", controls=["api-server-profiling", "authorization-rbac"]))
    finally:
        cluster.delete(applied)
        cluster.delete(node)
    assert [item.status for item in verdicts(found, pod["metadata"]["name"], "api-server-profiling")] == [Status.FAILED]
    assert [item.status for item in verdicts(found, pod["metadata"]["name"], "authorization-rbac")] == [Status.PASSED]


def node_info(kernel: str) -> dict[str, str]:
    """What a Node tells of its system; the API wants every field."""
    fields = (
        *("architecture", "bootID", "containerRuntimeVersion", "kubeProxyVersion", "kubeletVersion", "machineID"),
        *("osImage", "systemUUID"),
    )
    return {**dict.fromkeys(fields, "x"), "kernelVersion": kernel, "operatingSystem": "linux"}


def test_files_of_nodes_are_scanned_beside_the_cluster(cluster: Cluster, tmp_path: Path) -> None:
    name, slug = f"node-{uuid.uuid4().hex[:8]}", "kernel-fs-context-escape"
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "status": {"nodeInfo": node_info("5.10.70")},
    }
    nodes.system(tmp_path)
    with nodes.running({nodes.KUBELET: ["--anonymous-auth=true"]}) as pids:
        nodes.show(tmp_path, pids)
    file = tmp_path / "node.yaml"
    file.write_text(text(collect(str(tmp_path), name), as_json=False), encoding="utf-8")
    (applied,) = cluster.apply([node])
    request = request_as(cluster, "admin", controls=[slug, ANONYMOUS])
    try:
        alone = scan(request)
        found = scan(replaced(request, paths=(str(file),)))
    finally:
        cluster.delete(applied)
    assert [verdict.status for verdict in verdicts(alone, name, slug)] == [Status.FAILED]
    assert [verdict.status for verdict in verdicts(found, name, slug)] == [Status.PASSED], "no user namespaces"
    assert [verdict.status for verdict in verdicts(found, name, ANONYMOUS)] == [Status.FAILED]
    assert found.target.names == ("cluster admin",)


def test_options_of_nodes_are_for_clusters(cluster: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "node.yaml"
    file.write_text("", encoding="utf-8")
    for options in (["--host-scan"], ["--host-data", str(file)]):
        refused = kubekeep("scan", *options, file)
        assert refused.returncode == 2
        assert "is for a cluster" in refused.stderr
    with kubelet(cluster, CONFIGZ) as node:
        told = kubekeep("scan", "control", READ_ONLY_PORT, "--kubeconfig", cluster.kubeconfig, "--host-scan", "-v")
    assert f"KubeletConfiguration {node['metadata']['name']}" in told.stdout
