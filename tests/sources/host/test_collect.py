"""Collection from nodes of each distribution, with real files, modes and processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubekeep.sources.host.collect import CollectedNode, collect
from tests.integrations.samples import needs_namespaces
from tests.sources.host import nodes
from tests.sources.host.nodes import write_file

OWNER = os.getuid(), os.getgid()


def get_document(node: CollectedNode, kind: str) -> dict[str, Any]:
    (match,) = [document for document in node.documents if document["kind"] == kind]
    return match


def get_data(node: CollectedNode, kind: str) -> Any:
    return get_document(node, kind)["data"]


def get_reasons(document: dict[str, Any]) -> dict[str, str]:
    return {entry["field"]: entry["why"] for entry in document.get("notRead", ())}


@pytest.fixture(scope="module")
def kubeadm(tmp_path_factory: pytest.TempPathFactory) -> CollectedNode:
    root = tmp_path_factory.mktemp("kubeadm")
    nodes.write_kubeadm(root)
    with nodes.run_programs(nodes.PROGRAMS) as pids:
        nodes.write_kernel_data(root, pids)
    return collect(str(root))


def test_every_document_names_the_node(kubeadm: CollectedNode) -> None:
    assert kubeadm.layout == "kubeadm"
    assert {document["metadata"]["name"] for document in kubeadm.documents} == {"node-1"}
    assert [document["kind"] for document in kubeadm.documents] == [
        *("KubeletInfo", "ControlPlaneInfo", "KubeProxyInfo", "KubeProxyConfiguration", "CNIInfo", "OpenPortsList"),
        *("OsReleaseFile", "KernelVersion", "LinuxKernelVariables", "LinuxSecurityHardeningStatus"),
    ]


def test_complete_node_has_no_gaps(kubeadm: CollectedNode) -> None:
    assert [line.partition(":")[0] for line in kubeadm.not_read] == ["CloudProviderInfo"]


def test_etcd_only_node_has_no_other_gaps(tmp_path: Path) -> None:
    """A missing API server is not reported on such a node, unless its manifest exists."""
    nodes.write_system(tmp_path)
    write_file(tmp_path, "/etc/kubernetes/manifests/etcd.yaml", "apiVersion: v1\nkind: Pod\n")
    with nodes.run_programs({"etcd": nodes.PROGRAMS["etcd"]}) as pids:
        nodes.write_kernel_data(tmp_path, pids)
        assert not {
            field
            for field in get_reasons(get_document(collect(str(tmp_path)), "ControlPlaneInfo"))
            if "cmdLine" in field
        }
        write_file(tmp_path, "/etc/kubernetes/manifests/kube-apiserver.yaml", "apiVersion: v1\nkind: Pod\n")
        reasons = get_reasons(get_document(collect(str(tmp_path)), "ControlPlaneInfo"))
    assert reasons["APIServerInfo.cmdLine"] == "no process with the name kube-apiserver is visible"
    assert "schedulerInfo.cmdLine" not in reasons


def test_file_entry_has_mode_and_owner(kubeadm: CollectedNode) -> None:
    document = get_data(kubeadm, "KubeletInfo")["kubeConfigFile"]
    assert document["path"] == "/etc/kubernetes/kubelet.conf"
    assert document["permissions"] == 0o600
    assert (document["ownership"]["uid"], document["ownership"]["gid"]) == OWNER
    names = {key: value for key, value in document["ownership"].items() if key.endswith("name")}
    assert names == ({"username": "root", "groupname": "root"} if OWNER == (0, 0) else {})


@pytest.mark.parametrize("file", ["passwd", "group"])
def test_endless_user_id_is_ignored(tmp_path: Path, file: str) -> None:
    nodes.write_kubeadm(tmp_path)
    text = f"long:x:{'9' * 5000}:0:::\nowner:x:{OWNER[file == 'group']}:0:::\n"
    write_file(tmp_path, f"/etc/{file}", text, 0o644)
    document = get_data(collect(str(tmp_path)), "KubeletInfo")["kubeConfigFile"]
    assert document["ownership"]["username" if file == "passwd" else "groupname"] == "owner"


def test_kubelet_document_has_its_configuration(kubeadm: CollectedNode) -> None:
    document = get_data(kubeadm, "KubeletInfo")
    assert "--config=/var/lib/kubelet/config.yaml" in document["cmdLine"]
    assert json.loads(document["configFile"]["content"])["readOnlyPort"] == 0
    assert document["clientCAFile"]["path"] == "/etc/kubernetes/pki/ca.crt"
    assert [entry["path"] for entry in document["serviceFiles"]] == [
        "/usr/lib/systemd/system/kubelet.service",
        "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf",
    ]


def test_control_plane_document_has_its_files(kubeadm: CollectedNode) -> None:
    document = get_data(kubeadm, "ControlPlaneInfo")
    server = document["APIServerInfo"]
    assert "--authorization-mode=Node,RBAC" in server["cmdLine"]
    assert server["specsFile"]["permissions"] == 0o600
    assert json.loads(server["auditPolicyFile"]["content"])["rules"] == [{"level": "Metadata"}]
    assert document["schedulerInfo"]["configFile"]["path"] == "/etc/kubernetes/scheduler.conf"
    assert document["etcdDataDir"]["permissions"] == 0o700
    assert {entry["path"]: entry["permissions"] for entry in document["PKIFiles"]} == {
        "/etc/kubernetes/pki/apiserver.crt": 0o644,
        "/etc/kubernetes/pki/apiserver.key": 0o600,
        "/etc/kubernetes/pki/ca.crt": 0o644,
        "/etc/kubernetes/pki/ca.key": 0o600,
        "/etc/kubernetes/pki/etcd/ca.crt": 0o644,
        "/etc/kubernetes/pki/etcd/ca.key": 0o600,
        "/etc/kubernetes/pki/etcd/server.crt": 0o644,
        "/etc/kubernetes/pki/etcd/server.key": 0o600,
        "/etc/kubernetes/pki/sa.key": 0o644,
    }


def test_no_secret_is_in_the_documents(kubeadm: CollectedNode) -> None:
    text = json.dumps(kubeadm.documents)
    assert nodes.HIDDEN not in text
    keys = json.loads(get_data(kubeadm, "ControlPlaneInfo")["APIServerInfo"]["encryptionProviderConfigFile"]["content"])
    assert keys["resources"][0]["providers"][0] == {"aescbc": {"keys": [{"name": "key1", "secret": "XXXXXX"}]}}
    assert "bmV2ZXI" not in text, "the key of the encryption, in base64"
    assert "PRIVATE KEY" not in text


def test_system_documents(kubeadm: CollectedNode) -> None:
    assert get_data(kubeadm, "OsReleaseFile") == {"content": nodes.OS_RELEASE}
    assert get_data(kubeadm, "KernelVersion")["content"].startswith("Linux version")
    assert get_data(kubeadm, "LinuxKernelVariables") == {
        "kernelVariables": [
            {"key": "max_user_namespaces", "value": "0", "source": "/proc/sys/user/max_user_namespaces"}
        ]
    }
    assert get_data(kubeadm, "LinuxSecurityHardeningStatus") == {
        "appArmor": "docker-default (enforce)",
        "seLinux": "enforcing",
    }


def test_network_documents(kubeadm: CollectedNode) -> None:
    assert get_data(kubeadm, "CNIInfo")["CNINames"] == ["flannel"], "chained plugins set up no network"
    assert get_data(kubeadm, "KubeProxyInfo")["kubeConfigFile"]["path"] == "/var/lib/kube-proxy/kubeconfig.conf"
    assert get_document(kubeadm, "KubeProxyConfiguration")["metricsBindAddress"] == "0.0.0.0:10249"


def test_open_ports_are_listening_sockets(tmp_path: Path) -> None:
    import socket  # noqa: PLC0415 - of this test alone

    nodes.write_system(tmp_path)
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as client,
    ):
        nodes.write_kernel_data(tmp_path, [])
        ports = {
            (row["localAddress"], row["localPort"])
            for row in get_data(collect(str(tmp_path)), "OpenPortsList")["tcpPorts"]
        }
        assert ("127.0.0.1", listening.getsockname()[1]) in ports
        assert client.getsockname() not in ports


def test_dangling_link_is_no_file(tmp_path: Path) -> None:
    nodes.write_kubeadm(tmp_path)
    (tmp_path / "etc/kubernetes/pki/old.key").symlink_to("/none")
    plane = get_document(collect(str(tmp_path)), "ControlPlaneInfo")
    assert "/etc/kubernetes/pki/old.key" not in {entry["path"] for entry in plane["data"]["PKIFiles"]}
    assert "PKIFiles" not in get_reasons(plane)


def test_too_deep_key_folder_is_reported(tmp_path: Path) -> None:
    nodes.write_kubeadm(tmp_path)
    write_file(tmp_path, "/etc/kubernetes/pki/1/2/3/4/5/ca.key", nodes.KEY)
    plane = get_document(collect(str(tmp_path)), "ControlPlaneInfo")
    assert {"field": "PKIFiles", "path": "/etc/kubernetes/pki/1/2/3/4/5", "why": "nested too deeply"} in plane[
        "notRead"
    ]


def test_a_worker_has_no_control_plane(tmp_path: Path) -> None:
    nodes.write_system(tmp_path)
    write_file(tmp_path, "/etc/kubernetes/pki/ca.crt", "", 0o644)
    nodes.write_unit(tmp_path, "kubelet")
    kinds = {document["kind"] for document in collect(str(tmp_path)).documents}
    assert "KubeletInfo" in kinds
    assert "ControlPlaneInfo" not in kinds


def test_no_content_without_processes(tmp_path: Path) -> None:
    nodes.write_kubeadm(tmp_path)
    node = collect(str(tmp_path))
    kubelet = get_data(node, "KubeletInfo")
    assert "cmdLine" not in kubelet
    assert "content" not in kubelet["configFile"]
    assert get_reasons(get_document(node, "ControlPlaneInfo"))["APIServerInfo.cmdLine"].startswith(
        "/proc shows no processes"
    )


def test_k3s_is_read_from_its_log(tmp_path: Path) -> None:
    nodes.write_rancher(tmp_path, "k3s")
    nodes.write_unit(tmp_path, "k3s", "/etc/systemd/system")
    nodes.write_flannel(tmp_path, "/var/lib/rancher/k3s/agent/etc/cni/net.d/10-flannel.conflist")
    defaults = nodes.KUBELET_CONFIG.replace("/etc/kubernetes/pki/ca.crt", f"{nodes.K3S}/agent/client-ca.crt")
    write_file(tmp_path, f"{nodes.K3S}/agent/etc/kubelet.conf.d/00-k3s-defaults.conf", defaults)
    write_file(tmp_path, "/etc/kubernetes/audit.yaml", nodes.AUDIT)
    with (
        write_file(tmp_path, "/var/log/k3s.log", "").open("a", encoding="utf-8") as log,
        nodes.run_titled("/usr/local/bin/k3s server", nodes.k3s_log(nodes.K3S_PROGRAMS), log.fileno()) as pid,
    ):
        nodes.write_kernel_data(tmp_path, [pid])
    node = collect(str(tmp_path))
    assert node.layout == "k3s"
    assert {document["metadata"]["name"] for document in node.documents} == {"server-1"}, "the word of its kubelet"
    kubelet, plane = get_document(node, "KubeletInfo"), get_document(node, "ControlPlaneInfo")
    assert "--read-only-port=0" in kubelet["data"]["cmdLine"]
    assert json.loads(kubelet["data"]["configFile"]["content"])["authorization"] == {"mode": "Webhook"}
    assert kubelet["data"]["kubeConfigFile"]["path"] == "/var/lib/rancher/k3s/agent/kubelet.kubeconfig"
    assert kubelet["data"]["clientCAFile"]["permissions"] == 0o644
    assert [entry["path"] for entry in kubelet["data"]["serviceFiles"]] == ["/etc/systemd/system/k3s.service"]
    assert plane["data"]["APIServerInfo"]["cmdLine"].startswith("kube-apiserver --advertise-port=6443")
    assert json.loads(plane["data"]["APIServerInfo"]["auditPolicyFile"]["content"])["rules"] == [{"level": "Metadata"}]
    assert "--bind-address=127.0.0.1" in plane["data"]["schedulerInfo"]["cmdLine"]
    assert "--controllers=*,tokencleaner" in plane["data"]["controllerManagerInfo"]["cmdLine"]
    assert plane["data"]["adminConfigFile"]["path"] == "/var/lib/rancher/k3s/server/cred/admin.kubeconfig"
    assert plane["data"]["etcdDataDir"]["permissions"] == 0o700
    assert [entry["path"] for entry in plane["data"]["PKIFiles"]] == [
        "/var/lib/rancher/k3s/server/tls/server-ca.crt",
        "/var/lib/rancher/k3s/server/tls/server-ca.key",
    ]
    assert set(get_reasons(plane).values()) == {
        f"k3s uses no manifest for {name}"
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd")
    }
    assert get_data(node, "KubeProxyInfo")["kubeConfigFile"]["path"] == f"{nodes.K3S}/agent/kubeproxy.kubeconfig"
    assert "CNINames" not in get_data(node, "CNIInfo"), "k3s enforces policies beside flannel"
    assert nodes.HIDDEN not in json.dumps(node.documents)


def test_k3s_without_log_is_read_from_files(tmp_path: Path) -> None:
    nodes.write_rancher(tmp_path, "k3s")
    (tmp_path / "var/lib/rancher/k3s/server/db/etcd").rmdir()
    node = collect(str(tmp_path))
    kubelet, plane = get_document(node, "KubeletInfo"), get_document(node, "ControlPlaneInfo")
    why = "it runs inside the process of k3s: /proc shows no processes: share the PID namespace of the node, for example with hostPID"
    assert (get_reasons(kubelet)["cmdLine"], get_reasons(plane)["APIServerInfo.cmdLine"]) == (why, why)
    assert kubelet["data"]["kubeConfigFile"]["path"] == "/var/lib/rancher/k3s/agent/kubelet.kubeconfig"
    assert get_reasons(plane)["etcdDataDir"] == "no such file", "its database is another one"


def test_rke2_runs_the_programs_of_kubernetes(tmp_path: Path) -> None:
    nodes.write_rancher(tmp_path, "rke2")
    nodes.write_unit(tmp_path, "rke2-server", "/usr/local/lib/systemd/system")
    home = "/var/lib/rancher/rke2"
    write_file(tmp_path, f"{home}/agent/pod-manifests/kube-apiserver.yaml", "kind: Pod\n", 0o600)
    programs = {
        "kubelet": [f"--kubeconfig={home}/agent/kubelet.kubeconfig", f"--client-ca-file={home}/agent/client-ca.crt"],
        "kube-apiserver": ["--anonymous-auth=false"],
        "etcd": [f"--config-file={home}/server/db/etcd/config"],
    }
    with nodes.run_programs(programs) as pids:
        nodes.write_kernel_data(tmp_path, pids)
    node = collect(str(tmp_path))
    assert node.layout == "rke2"
    kubelet, plane = get_data(node, "KubeletInfo"), get_data(node, "ControlPlaneInfo")
    assert kubelet["kubeConfigFile"]["permissions"] == 0o600
    assert "--anonymous-auth=false" in plane["APIServerInfo"]["cmdLine"]
    assert plane["APIServerInfo"]["specsFile"]["path"] == f"{home}/agent/pod-manifests/kube-apiserver.yaml"
    assert plane["etcdDataDir"]["path"] == f"{home}/server/db/etcd"
    assert plane["PKIDir"]["path"] == f"{home}/server/tls"


@pytest.mark.parametrize(
    ("layout", "sign", "config"),
    [
        ("eks", "/etc/eks/bootstrap.sh", "/etc/kubernetes/kubelet/config.json"),
        ("aks", "/etc/kubernetes/azure.json", "/etc/default/kubeletconfig.json"),
        ("gke", "/home/kubernetes/kube-env", "/home/kubernetes/kubelet-config.yaml"),
    ],
)
def test_nodes_of_managed_clusters(tmp_path: Path, layout: str, sign: str, config: str) -> None:
    nodes.write_system(tmp_path)
    nodes.write_unit(tmp_path, "kubelet", "/etc/systemd/system")
    write_file(tmp_path, sign, nodes.HIDDEN)
    write_file(tmp_path, config, nodes.KUBELET_CONFIG, 0o644)
    write_file(tmp_path, "/var/lib/kubelet/kubeconfig", nodes.KUBECONFIG, 0o644)
    with nodes.run_programs({KUBELET: [f"--config={config}", "--kubeconfig=/var/lib/kubelet/kubeconfig"]}) as pids:
        nodes.write_kernel_data(tmp_path, pids)
    node = collect(str(tmp_path))
    assert node.layout == layout
    kubelet = get_data(node, "KubeletInfo")
    assert (kubelet["configFile"]["path"], kubelet["configFile"]["permissions"]) == (config, 0o644)
    assert kubelet["kubeConfigFile"]["permissions"] == 0o644
    assert "ControlPlaneInfo" not in {document["kind"] for document in node.documents}
    assert nodes.HIDDEN not in json.dumps(node.documents)


KUBELET = nodes.KUBELET


def collect_kubelet(root: Path, *flags: str) -> dict[str, Any]:
    nodes.write_system(root)
    with nodes.run_programs({KUBELET: flags}) as pids:
        nodes.write_kernel_data(root, pids)
    return get_document(collect(str(root)), "KubeletInfo")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("root:$6$hash:1:0:::::\n", "it does not contain a KubeletConfiguration"),
        ("kind: Secret\ndata: {a: b}\n", "it does not contain a KubeletConfiguration"),
        ("kind: [KubeletConfiguration]\n", "it does not contain a KubeletConfiguration"),
        ("[KubeletConfiguration]\n", "it does not contain a KubeletConfiguration"),
        ("", "not valid YAML"),
        (
            "a: &a [" + "x, " * 1000 + "]\n" + "".join(f"k{n}: [*a, *a, *a]\n" for n in range(50)),
            "not valid YAML",
        ),
        ("kind: KubeletConfiguration\n#" + "x" * (1 << 20), "larger than 1048576 bytes"),
    ],
)
def test_file_of_another_kind_is_not_read(tmp_path: Path, text: str, why: str) -> None:
    write_file(tmp_path, "/etc/shadow", text)
    document = collect_kubelet(tmp_path, "--config=/etc/shadow")
    assert "content" not in document["data"]["configFile"]
    assert get_reasons(document)["configFile.content"] == why


def test_values_of_all_types_are_kept(tmp_path: Path) -> None:
    text = "kind: KubeletConfiguration\na: 2026-11-26\nb: !!binary aGk=\nd: 0o17\n1: {2: 3}\ne: ~\n"
    write_file(tmp_path, "/config", text)
    content = collect_kubelet(tmp_path, "--config=/config")["data"]["configFile"]["content"]
    configuration = json.loads(content)
    assert configuration["a"] == "2026-11-26"
    assert configuration["1"] == {"2": 3}
    assert configuration["e"] is None


def test_unreadable_kube_proxy_configuration_is_reported(tmp_path: Path) -> None:
    nodes.write_system(tmp_path)
    write_file(tmp_path, "/config", "kind: Secret\n")
    write_file(tmp_path, "/kubeconfig", nodes.KUBECONFIG, 0o640)
    with nodes.run_programs({"kube-proxy": ["--config=/config", "--kubeconfig=/kubeconfig"]}) as pids:
        nodes.write_kernel_data(tmp_path, pids)
    node = collect(str(tmp_path))
    document = get_document(node, "KubeProxyInfo")
    assert document["data"]["kubeConfigFile"]["permissions"] == 0o640
    assert get_reasons(document)["configuration"] == "it does not contain a KubeProxyConfiguration"
    assert "KubeProxyConfiguration" not in {document["kind"] for document in node.documents}


def test_pipe_as_configuration_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config")
    document = collect_kubelet(tmp_path, "--config=/config")
    assert get_reasons(document)["configFile.content"] == "not a regular file"


def test_relative_path_is_reported(tmp_path: Path) -> None:
    assert get_reasons(collect_kubelet(tmp_path, "--config=config.yaml"))["configFile"].startswith(
        "the path is relative to"
    )


def test_missing_file_is_reported(tmp_path: Path) -> None:
    document = collect_kubelet(tmp_path, "--kubeconfig=/none")
    assert "kubeConfigFile" not in document["data"]
    assert {"field": "kubeConfigFile", "why": "no such file", "path": "/none"} in document["notRead"]


def test_node_name_is_the_hostname_override(tmp_path: Path) -> None:
    assert collect_kubelet(tmp_path, "--hostname-override=override")["metadata"]["name"] == "override"
    assert {document["metadata"]["name"] for document in collect(str(tmp_path), "argument").documents} == {"argument"}


def test_a_node_without_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the name of the node is unknown"):
        collect(str(tmp_path))


def test_unit_in_etc_overrides_the_package(tmp_path: Path) -> None:
    nodes.write_system(tmp_path)
    for folder in ("/etc/systemd/system", "/usr/lib/systemd/system"):
        nodes.write_unit(tmp_path, "kubelet", folder)
        write_file(tmp_path, f"{folder}/kubelet.service.d/10-a.conf", "", 0o644)
    write_file(tmp_path, "/usr/lib/systemd/system/kubelet.service.d/05-b.conf", "", 0o644)
    assert [entry["path"] for entry in get_data(collect(str(tmp_path)), "KubeletInfo")["serviceFiles"]] == [
        "/etc/systemd/system/kubelet.service",
        "/usr/lib/systemd/system/kubelet.service.d/05-b.conf",
        "/etc/systemd/system/kubelet.service.d/10-a.conf",
    ]


@pytest.mark.parametrize(
    ("files", "names"),
    [
        ({"10-calico.conflist": ["calico", "portmap"]}, ["calico"]),
        ({"05-cilium.conflist": ["cilium-cni"], "10-flannel.conflist": ["flannel"]}, ["cilium-cni"]),
        ({"00-multus.conf": ["multus"], "10-calico.conflist": ["calico"]}, ["calico"]),
        ({"00-multus.conf": ["multus"]}, ["multus"]),
        ({"10-aws.conflist": ["aws-cni", "egress-cni", "portmap"]}, ["aws-cni"]),
        ({"99-loopback.conf": ["loopback"]}, None),
    ],
)
def test_plugin_is_the_one_the_runtime_calls(
    tmp_path: Path, files: dict[str, list[str]], names: list[str] | None
) -> None:
    nodes.write_system(tmp_path)
    for name, types in files.items():
        plugins = [{"type": plugin_type} for plugin_type in types]
        write_file(
            tmp_path,
            f"/etc/cni/net.d/{name}",
            json.dumps(plugins[0] if name.endswith(".conf") else {"plugins": plugins}),
        )
    assert get_data(collect(str(tmp_path)), "CNIInfo").get("CNINames") == names


def as_nobody(collect_node: Callable[[], CollectedNode]) -> CollectedNode:
    """Return the documents that a user without permissions collects."""
    if os.geteuid():
        return collect_node()
    os.seteuid(65534)
    try:
        return collect_node()
    finally:
        os.seteuid(0)


def test_without_permissions_gaps_are_reported(tmp_path: Path) -> None:
    nodes.write_kubeadm(tmp_path)
    with nodes.run_programs(nodes.PROGRAMS) as pids:
        nodes.write_kernel_data(tmp_path, pids)
    for path in ("var/lib/kubelet", "etc/kubernetes/pki", "etc/cni/net.d"):
        (tmp_path / path).chmod(0)
    # Folders of pytest are private.
    for folder in (tmp_path, *tmp_path.parents[:3]):
        if folder.owner() == tmp_path.owner() and os.geteuid() == 0:
            folder.chmod(folder.stat().st_mode | 0o055)
    try:
        node = as_nobody(lambda: collect(str(tmp_path)))
    finally:
        for path in ("var/lib/kubelet", "etc/kubernetes/pki", "etc/cni/net.d"):
            (tmp_path / path).chmod(0o700)
    kubelet, plane = get_document(node, "KubeletInfo"), get_document(node, "ControlPlaneInfo")
    assert kubelet["data"]["configFile"] == {"path": "/var/lib/kubelet/config.yaml", "err": "permission denied"}
    assert get_reasons(kubelet)["configFile.content"] == "permission denied"
    assert "PKIFiles" not in plane["data"]
    assert get_reasons(plane)["PKIFiles"] == "permission denied"
    assert plane["data"]["adminConfigFile"]["permissions"] == 0o600, "a mode is known without the content"
    assert "CNIInfo CNIConfigFiles: /etc/cni/net.d: permission denied" in node.not_read


@needs_namespaces
@pytest.mark.parametrize(
    ("prefix", "missing", "reason"),
    [
        ((), set(), ""),
        (
            ("unshare", "--net"),
            {"net"},
            "this process is in another net namespace than the node: set hostNetwork in a pod",
        ),
        (("unshare", "--user", "--map-root-user"), {"net", "user"}, "namespace"),
        (
            ("setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"),
            {"net", "user"},
            "add the capability SYS_PTRACE",
        ),
    ],
)
def test_settings_of_another_namespace_are_not_read(prefix: tuple[str, ...], missing: set[str], reason: str) -> None:
    words = ("host", "collect", "--root", "/", "--node-name", "n")
    # The shell is process 1 of its own PID namespace, which it shares with the command alone.
    shell = ("unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", '"$@"; exit $?', "sh")
    command = [*shell, *prefix, sys.executable, "-m", "kubekeep", *words]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    items = yaml.safe_load(result.stdout)["items"]
    (document,) = (entry for entry in items if entry["kind"] == "LinuxKernelVariables")
    values = {entry["source"]: entry["value"] for entry in document["data"]["kernelVariables"]}
    for folder, name in (("net", "ipv4/ip_forward"), ("user", "max_user_namespaces")):
        path = f"/proc/sys/{folder}/{name}"
        assert values.get(path) == (None if folder in missing else Path(path).read_text().strip())
    assert "/proc/sys/kernel/panic" in values
    reasons = [entry["why"] for entry in document.get("notRead", []) if entry["path"].split("/")[3] in missing]
    assert bool(reasons) is bool(missing)
    assert all(reason in why for why in reasons)
