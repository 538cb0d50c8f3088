"""Nodes of a real API server: kubelets behind the node proxy, objects of a node agent, static pods."""

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
from kubekeep.library.extra import load_rules
from kubekeep.model.assessment import Assessment
from kubekeep.model.verdict import Cause, Status, Verdict
from kubekeep.usecases.host import collect, format_documents
from kubekeep.usecases.permissions import create_roles, preflight
from kubekeep.usecases.request import RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan
from tests.cli.test_scan import kubekeep
from tests.cluster.cluster import Cluster, eventually
from tests.cluster.fixtures import run_cluster
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
    access = Kubeconfig((str(path),)).get_access(user)
    return ScanRequest(
        ScanInput(paths=(), cluster=ClusterRequest(access=access, host_scan=host_scan)),
        rules=RuleOptions(controls=tuple(controls)),
    )


def get_verdicts(assessment: Assessment, name: str, slug: str) -> list[Verdict]:
    """Return the verdicts of a control on the documents about one node."""
    return [
        result.verdicts[slug]
        for result in assessment.results
        if result.subject.name == name and slug in result.verdicts
    ]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A control plane for these tests: each scan sees all nodes, and kinds that other tests do not expect."""
    yield from run_cluster(tmp_path_factory.mktemp("nodes") / "cluster")


@pytest.fixture(scope="module")
def agent(cluster: Cluster) -> Iterator[None]:
    """Create the definitions of the node agent, which keep all fields."""
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
            {kind["name"] for kind in cluster.admin("GET", f"/apis/{GROUP}/v1beta1")["resources"]} >= {*KINDS.values()}
        )
    )
    yield
    for definition in definitions:
        cluster.delete(definition)


def create_agent_object(kind: str, node: str, **spec: Any) -> dict[str, Any]:
    """Return an object as the node agent writes it."""
    return {
        "apiVersion": f"{GROUP}/v1beta1",
        "kind": kind,
        "metadata": {"name": node},
        "spec": {**spec, "nodeName": node},
    }


def test_kubelets_are_queried_through_the_api_server(cluster: Cluster) -> None:
    with (
        kubelet(cluster, CONFIGZ) as first,
        kubelet(cluster, {"configz": {"kubeletconfig": {"readOnlyPort": 0}}}) as second,
    ):
        assessment = scan(request_as(cluster, "admin", host_scan=True, controls=[ANONYMOUS, READ_ONLY_PORT]))
    names = [first["metadata"]["name"], second["metadata"]["name"]]
    assert [verdict.status for verdict in get_verdicts(assessment, names[0], ANONYMOUS)] == [Status.PASSED]
    assert [verdict.status for verdict in get_verdicts(assessment, names[0], READ_ONLY_PORT)] == [Status.FAILED]
    assert [verdict.status for verdict in get_verdicts(assessment, names[1], READ_ONLY_PORT)] == [Status.PASSED]
    (resource,) = {
        result.subject.name: result.subject for result in assessment.results if result.subject.name == names[0]
    }.values()
    assert (resource.kind, resource.api_version) == ("KubeletConfiguration", "kubelet.config.k8s.io/v1beta1")
    assert HIDDEN not in str(resource.object)


def test_kubelets_are_queried_only_on_request(cluster: Cluster) -> None:
    with kubelet(cluster, CONFIGZ) as node:
        for host_scan in (None, False):
            assessment = scan(request_as(cluster, "admin", host_scan=host_scan, controls=[ANONYMOUS]))
            assert get_verdicts(assessment, node["metadata"]["name"], ANONYMOUS) == []
            (summary,) = assessment.summaries
            assert summary.status is Status.NOT_EVALUATED
            assert not assessment.unread


def test_refusing_kubelet_is_a_gap(cluster: Cluster) -> None:
    with (
        kubelet(cluster, {"configz": {"kubeletconfig": {"readOnlyPort": 0}}}),
        kubelet(cluster, {"configz": {}}) as empty_node,
    ):
        assessment = scan(request_as(cluster, "admin", host_scan=True, controls=[READ_ONLY_PORT]))
    (summary,) = assessment.summaries
    assert summary.status is Status.NOT_EVALUATED, "one node passes, and nobody knows of the other"
    assert summary.reason is not None
    assert summary.reason.cause is Cause.NEEDS_ACCESS
    assert summary.reason.text == "some resources could not be listed: get nodes/proxy"
    name = empty_node["metadata"]["name"]
    assert [part.message for part in assessment.unread if f"node {name}: " in part.message]


def truncate_nodes(exchange: Exchange) -> bool:
    """Announce another page of Nodes that cannot be read."""
    if exchange.request.kind != "nodes":
        return False
    if "continue" in exchange.request.query:
        exchange.refuse(504, "Timeout", "too slow")
    else:
        document = exchange.real().document
        document["metadata"]["continue"] = "more"
        exchange.answer(200, document)
    return True


def refuse_nodes(exchange: Exchange) -> bool:
    if exchange.request.kind != "nodes":
        return False
    exchange.refuse(403, "Forbidden", "not you")
    return True


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (truncate_nodes, "the list of nodes is incomplete: list incomplete: too slow"),
        (refuse_nodes, "the list of nodes is incomplete: not you"),
    ],
)
def test_kubelets_of_unknown_nodes_are_a_gap(cluster: Cluster, fault: Fault, why: str) -> None:
    request = request_as(cluster, "admin", host_scan=True, controls=[READ_ONLY_PORT])
    with kubelet(cluster, {"configz": {"kubeletconfig": {"readOnlyPort": 0}}}), front(cluster, fault) as proxy:
        assert request.input.cluster is not None
        redirected = msgspec.structs.replace(request.input.cluster, access=connecting.request(proxy.url).access)
        hurried_request = msgspec.structs.replace(redirected, retry_policy=connecting.HURRIED)
        assessment = scan(replaced(request, cluster=hurried_request))
    (summary,) = assessment.summaries
    assert summary.status is Status.NOT_EVALUATED
    assert summary.reason is not None
    assert summary.reason.cause is Cause.NEEDS_ACCESS
    assert summary.reason.text == "some resources could not be listed: list nodes"
    assert [str(part.location) for part in assessment.unread if part.message == why] == ["list nodes"]


@contextlib.contextmanager
def read_only_port(text: bytes) -> Iterator[None]:
    """Serve `/healthz` on the read-only port of the kubelet stand-ins."""

    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing."""

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


def test_read_only_port_is_checked_without_configuration(cluster: Cluster) -> None:
    # One after the other: there is one such port, and another worker must not have it meanwhile.
    for body, expected in ((b"ok", [Status.FAILED]), (b"nothing of a kubelet", [])):
        with read_only_port(body), kubelet(cluster, {}) as node:
            assessment = scan(request_as(cluster, "admin", host_scan=True, controls=[READ_ONLY_PORT, ANONYMOUS]))
        name = node["metadata"]["name"]
        assert [verdict.status for verdict in get_verdicts(assessment, name, READ_ONLY_PORT)] == expected
        assert Status.PASSED not in {verdict.status for verdict in get_verdicts(assessment, name, ANONYMOUS)}
        assert [part for part in assessment.unread if part.message.startswith(f"node {name}: ")], (
            "the configuration is unknown"
        )


@pytest.mark.parametrize("answer", [{}, {"kubeletconfig": None}, {"kubeletconfig": []}, {"kubeletconfig": {}}, []])
def test_invalid_kubelet_response_is_a_gap(cluster: Cluster, answer: Any) -> None:
    with kubelet(cluster, {"configz": answer}) as node:
        assessment = scan(request_as(cluster, "admin", host_scan=True, controls=[READ_ONLY_PORT]))
    name = node["metadata"]["name"]
    assert get_verdicts(assessment, name, READ_ONLY_PORT) == []
    assert [part for part in assessment.unread if part.message.startswith(f"node {name}: ")]


@pytest.mark.parametrize("depth", [300, 900])
def test_deeply_nested_configuration_is_a_gap(cluster: Cluster, depth: int) -> None:
    deep: list[Any] = []
    for _ in range(depth):
        deep = [deep]
    with kubelet(cluster, {"configz": {"kubeletconfig": {"a": deep}}}) as node:
        assessment = scan(request_as(cluster, "admin", host_scan=True, controls=[READ_ONLY_PORT]))
    name = node["metadata"]["name"]
    (gap,) = [part for part in assessment.unread if part.message.startswith(f"node {name}: ")]
    assert gap.message.endswith("the response of the kubelet is nested too deeply")


def test_missing_permission_is_a_single_gap(cluster: Cluster) -> None:
    rules = [{"apiGroups": [""], "resources": ["nodes", "namespaces"], "verbs": ["list"]}]
    user = f"lister-{uuid.uuid4().hex[:8]}"
    cluster.user(user, rules)
    with kubelet(cluster, CONFIGZ), kubelet(cluster, CONFIGZ):
        assessment = scan(request_as(cluster, user, host_scan=True, controls=[READ_ONLY_PORT]))
    (gap,) = [part for part in assessment.unread if str(part.location) == "get nodes/proxy"]
    assert 'cannot get resource "nodes/proxy"' in gap.message
    assert assessment.summaries[0].status is Status.NOT_EVALUATED


def test_required_permissions_include_nodes_proxy(cluster: Cluster) -> None:
    proxy_permission = Permission("get", "", "nodes/proxy")
    preflight_result = preflight(request_as(cluster, "viewer", host_scan=True, controls=[READ_ONLY_PORT]))
    assert proxy_permission in preflight_result.missing
    (role,) = create_roles(preflight_result.permissions)
    assert {"apiGroups": [""], "resources": ["nodes/proxy"], "verbs": ["get"]} in role["rules"]
    assert proxy_permission not in preflight(request_as(cluster, "viewer", controls=[READ_ONLY_PORT])).permissions
    assert preflight(request_as(cluster, "admin", host_scan=True, controls=[READ_ONLY_PORT])).missing == []


@pytest.mark.usefixtures("agent")
def test_objects_of_a_node_agent_are_evaluated(cluster: Cluster) -> None:
    name = f"node-{uuid.uuid4().hex[:8]}"
    objects = [
        create_agent_object(
            "KubeletInfo", name, cmdLine="/usr/bin/kubelet --anonymous-auth=false --read-only-port=10255"
        ),
        create_agent_object("ControlPlaneInfo", name, schedulerInfo={"cmdLine": "kube-scheduler --profiling=true"}),
    ]
    cluster.apply(objects)
    controls = [ANONYMOUS, READ_ONLY_PORT, "scheduler-profiling"]
    assessment = scan(request_as(cluster, "admin", controls=controls))
    assert [get_verdicts(assessment, name, slug)[0].status for slug in controls] == [
        Status.PASSED,
        Status.FAILED,
        Status.FAILED,
    ]
    (resource,) = [
        result.subject
        for result in assessment.results
        if result.subject.kind == "KubeletInfo" and result.subject.name == name
    ]
    assert resource.api_version == f"{GROUP}/v1beta0", "as Kubescape hands it to rules"
    assert "nodeName" not in resource.object["data"]
    assessment_without = scan(request_as(cluster, "admin", host_scan=False, controls=controls))
    assert get_verdicts(assessment_without, name, ANONYMOUS) == []


@pytest.mark.usefixtures("agent")
def test_kubescape_rules_find_agent_data(cluster: Cluster, tmp_path: Path) -> None:
    name = f"node-{uuid.uuid4().hex[:8]}"
    cluster.apply([create_agent_object("KubeletInfo", name, cmdLine="/usr/bin/kubelet --anonymous-auth=true")])
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
    request = replaced(request_as(cluster, "admin"), extra=load_rules((), (file,)))
    assessment = scan(request)
    statuses = [
        verdict.status
        for result in assessment.results
        if result.subject.name == name
        for verdict in result.verdicts.values()
    ]
    assert statuses == [Status.FAILED]


@pytest.mark.usefixtures("agent")
def test_agent_data_is_joined_with_its_node(cluster: Cluster) -> None:
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
        assessment_before = scan(request_as(cluster, "admin", controls=[slug]))
        assert [verdict.status for verdict in get_verdicts(assessment_before, name, slug)] == [Status.FAILED]
        cluster.apply([create_agent_object("LinuxKernelVariables", name, kernelVariables=variables)])
        assessment_after = scan(request_as(cluster, "admin", controls=[slug]))
        assert [verdict.status for verdict in get_verdicts(assessment_after, name, slug)] == [Status.PASSED]
    finally:
        cluster.delete(applied)


def test_static_control_plane_pods_are_evaluated(cluster: Cluster) -> None:
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
        assessment = scan(request_as(cluster, "admin", controls=["api-server-profiling", "authorization-rbac"]))
    finally:
        cluster.delete(applied)
        cluster.delete(node)
    assert [
        verdict.status for verdict in get_verdicts(assessment, pod["metadata"]["name"], "api-server-profiling")
    ] == [Status.FAILED]
    assert [verdict.status for verdict in get_verdicts(assessment, pod["metadata"]["name"], "authorization-rbac")] == [
        Status.PASSED
    ]


def node_info(kernel: str) -> dict[str, str]:
    """Return the system information of a Node; the API requires all fields."""
    fields = (
        *("architecture", "bootID", "containerRuntimeVersion", "kubeProxyVersion", "kubeletVersion", "machineID"),
        *("osImage", "systemUUID"),
    )
    return {**dict.fromkeys(fields, "x"), "kernelVersion": kernel, "operatingSystem": "linux"}


def test_host_data_files_are_scanned_with_a_cluster(cluster: Cluster, tmp_path: Path) -> None:
    name, slug = f"node-{uuid.uuid4().hex[:8]}", "kernel-fs-context-escape"
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "status": {"nodeInfo": node_info("5.10.70")},
    }
    nodes.write_system(tmp_path)
    with nodes.run_programs({nodes.KUBELET: ["--anonymous-auth=true"]}) as pids:
        nodes.write_kernel_data(tmp_path, pids)
    file = tmp_path / "node.yaml"
    file.write_text(format_documents(collect(str(tmp_path), name), as_json=False), encoding="utf-8")
    (applied,) = cluster.apply([node])
    request = request_as(cluster, "admin", controls=[slug, ANONYMOUS])
    try:
        alone = scan(request)
        assessment = scan(replaced(request, paths=(str(file),)))
    finally:
        cluster.delete(applied)
    assert [verdict.status for verdict in get_verdicts(alone, name, slug)] == [Status.FAILED]
    assert [verdict.status for verdict in get_verdicts(assessment, name, slug)] == [Status.PASSED], "no user namespaces"
    assert [verdict.status for verdict in get_verdicts(assessment, name, ANONYMOUS)] == [Status.FAILED]
    assert assessment.target.names == ("cluster admin",)


def test_host_options_require_a_cluster(cluster: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "node.yaml"
    file.write_text("", encoding="utf-8")
    for options in (["--host-scan"], ["--host-data", str(file)]):
        refused = kubekeep("scan", *options, file)
        assert refused.returncode == 2
        assert "requires a live cluster" in refused.stderr
    with kubelet(cluster, CONFIGZ) as node:
        result = kubekeep("scan", "control", READ_ONLY_PORT, "--kubeconfig", cluster.kubeconfig, "--host-scan", "-v")
    assert f"KubeletConfiguration {node['metadata']['name']}" in result.stdout
