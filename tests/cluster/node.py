"""The node of a cluster: containerd, kubelet, kube-proxy and a controller of NetworkPolicies in namespaces of their own.

With the controllers, the scheduler, DNS and a registry that a node needs. Needs root and Linux. The machine's own mounts
and its network stay as they are, except for one network device and two routes to it.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from tests.cluster.access import User, write_kubeconfig
from tests.cluster.authority import write_private
from tests.cluster.builds import build_node
from tests.cluster.cgroups import has_version_1
from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import ControlPlane, EndedError, is_listening, start_program
from tests.cluster.layout import Layout
from tests.cluster.network import LOOPBACK, NodeNetwork
from tests.cluster.node_images import PAUSE, push_programs
from tests.cluster.slots import Slot, claim_slot
from tests.ports import check_port, start_on_free_port

NODE: Final = "node"
_PROGRAMS: Final = (
    "containerd",
    "docker-registry",
    "ip",
    "ipset",
    "iptables",
    "nsenter",
    "runc",
    "unshare",
)
_NAMESPACES: Final = ("unshare", "--mount", "--propagation", "private", "--net", "--uts", "--cgroup")
_PLUGINS: Final = Path("/usr/lib/cni")
_SECONDS: Final = 180
_SOCKET: Final = "/run/containerd/containerd.sock"
_KUBECONFIG_FLAGS: Final = ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")
_KUBELET_ACCESS: Final = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "kube-apiserver-kubelet-client"},
    "roleRef": {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole",
        "name": "system:kubelet-api-admin",
    },
    "subjects": [
        {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "kube-apiserver-kubelet-client"},
    ],
}
_DNS: Final = Path(__file__).with_name("dns.yaml")


class NoNodeError(RuntimeError):
    """A node cannot run on this machine; the message is the reason."""


class Host(msgspec.Struct, frozen=True):
    """The place of a node on this machine: its slot, its files, and the process that holds its namespaces."""

    slot: Slot
    layout: Layout
    holder: int

    @property
    def network(self) -> NodeNetwork:
        return self.slot.network


def check_machine() -> None:
    """Raise NoNodeError if this machine cannot run a node."""
    if reason := _find_missing_program() or _find_missing_feature():
        raise NoNodeError(f"a node cannot run here: {reason}")


def _find_missing_program() -> str:
    """Return the reason why this process cannot start the programs of a node; empty if it can."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return "it needs Linux on x86-64"
    if os.geteuid() != 0:
        return "it needs root"
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    missing += [] if (_PLUGINS / "bridge").exists() else ["containernetworking-plugins"]
    return f"these programs are not installed: {', '.join(missing)}" if missing else ""


def _find_missing_feature() -> str:
    """Return the feature of the kernel that a node needs and does not have; empty if there is none."""
    if not has_version_1():
        return "it needs control groups of version 1 with the controllers cpu, memory and pids"
    if subprocess.run([*_NAMESPACES, "true"], check=False, capture_output=True).returncode:
        return "it needs to create namespaces, which is forbidden"
    if not Path("/proc/sys/net/bridge/bridge-nf-call-iptables").exists():
        return "it needs the kernel module br_netfilter"
    return ""


@contextlib.contextmanager
def open_host(layout: Layout) -> Iterator[Host]:
    """Create the namespaces of a node and the link to them. Afterwards, end all that runs in them.

    Raises NoNodeError, and RuntimeError with the end of a log if it fails.
    """
    check_machine()
    for folder in (layout.node, layout.run / "log"):
        folder.mkdir(parents=True)
    with claim_slot() as slot:
        script = Path(__file__).with_name("namespaces.py")
        command = [*_NAMESPACES, sys.executable, str(script), str(layout.node)]
        # A shell joins the control groups first, as they are the root of those that the node sees.
        holder = start_program(layout, "namespaces", ["sh", "-c", f'{_join_groups(slot)}; exec "$@"', "sh", *command])
        try:
            while not (layout.node / "ready").exists():
                if holder.poll() is not None:
                    raise EndedError(layout, "namespaces")
                time.sleep(0.02)
            host = Host(slot, layout, holder.pid)
            _write_enter_script(host)
            _link(host)
            yield host
        finally:
            holder.kill()
            holder.wait()


def _join_groups(slot: Slot) -> str:
    return "; ".join(f"echo $$ >{shlex.quote(str(group))}/cgroup.procs" for group in slot.groups)


def _write_enter_script(host: Host) -> None:
    script = host.layout.enter_node
    flags = "--mount --net --uts --cgroup"
    # The users of containers need access to their files, unlike those of the machine.
    script.write_text(
        f'#!/bin/sh\nset -e\numask 022\n{_join_groups(host.slot)}\nexec nsenter --target {host.holder} {flags} -- "$@"\n',
        encoding="utf-8",
    )
    script.chmod(0o700)


def _link(host: Host) -> None:
    """Connect the node with the machine."""
    network, device = host.network, host.slot.device
    length, enter = network.prefix_length, str(host.layout.enter_node)
    for command in (
        f"ip link add {device} type veth peer name eth0 netns {host.holder}",
        f"ip address add {network.host}/{length} dev {device}",
        f"ip link set {device} up",
        f"{enter} ip address add {network.node}/{length} dev eth0",
        f"{enter} ip link set eth0 up",
        f"{enter} ip route add default via {network.host}",
        # The API server calls webhooks, and tests call Services and pods.
        f"ip route add {network.services} via {network.node}",
        f"ip route add {network.pods} via {network.node}",
    ):
        subprocess.run(command.split(), check=True)


def start_node(host: Host, control_plane: ControlPlane, cluster: Cluster) -> None:
    """Start the programs of a node, and wait until it is ready and names of Services resolve."""
    programs = build_node()
    layout, network = host.layout, host.network
    registry = start_on_free_port(
        lambda port: _start_registry(control_plane, layout, f"{network.host}:{port}"), network.host
    )
    _write_containerd_settings(layout, network, registry)
    enter = str(layout.enter_node)
    control_plane.add("containerd", [enter, "containerd", "--config", str(layout.node / "containerd.toml")])
    cluster.apply([_KUBELET_ACCESS])
    identities = {
        "kube-controller-manager": "system:kube-controller-manager",
        "kube-scheduler": "system:kube-scheduler",
        "kube-proxy": "system:kube-proxy",
        "network-policies": "system:network-policies",
        "kubelet": f"system:node:{NODE}",
    }
    for name, user in identities.items():
        groups = {"kubelet": ["system:nodes"], "network-policies": ["system:masters"]}.get(name, [])
        pair = layout.clients.issue(user, groups=groups)
        write_kubeconfig(_kubeconfig(layout, name), cluster.address, cluster.authority, [User(user, pair)])
    control_plane.add("kube-controller-manager", _controller_manager_command(layout, network))
    control_plane.add("kube-scheduler", _scheduler_command(layout))
    push_programs(registry, programs)
    _wait(control_plane, layout, Path(f"/proc/{host.holder}/root{_SOCKET}").is_socket)
    _write_kubelet_settings(layout, network)
    _write_proxy_settings(layout, network)
    settings = f"--config={layout.node / 'kubelet.yaml'}"
    override = f"--hostname-override={NODE}"
    kubelet = [enter, str(layout.program("kubelet")), settings, f"--kubeconfig={_kubeconfig(layout, 'kubelet')}"]
    control_plane.add("kubelet", [*kubelet, override, f"--node-ip={network.node}"])
    proxy_settings = f"--config={layout.node / 'proxy.yaml'}"
    control_plane.add("kube-proxy", [enter, str(layout.program("kube-proxy")), proxy_settings, override])
    _wait(control_plane, layout, lambda: is_ready(cluster))
    # It ends if its node does not exist.
    control_plane.add(
        "network-policies",
        [
            enter,
            str(programs.network_policies),
            f"--kubeconfig={_kubeconfig(layout, 'network-policies')}",
            override,
            f"--service-cluster-ip-range={network.services}",
        ],
    )
    dns = _DNS.read_text(encoding="utf-8").replace("REGISTRY", registry).replace("ADDRESS", network.dns_service)
    cluster.apply(yaml.safe_load_all(dns))
    _wait(control_plane, layout, lambda: _has_dns(cluster))
    write_private(layout.registry_address, registry.encode())


def is_ready(cluster: Cluster) -> bool:
    """Return True if the node is ready."""
    nodes = cluster.admin("GET", "/api/v1/nodes")["items"]
    conditions = [condition for node in nodes for condition in node["status"].get("conditions", ())]
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _has_dns(cluster: Cluster) -> bool:
    deployment = cluster.admin("GET", "/apis/apps/v1/namespaces/kube-system/deployments/coredns")
    return bool(deployment["status"].get("readyReplicas"))


def _wait(control_plane: ControlPlane, layout: Layout, condition: Callable[[], bool]) -> None:
    """Wait until `condition` is true. Raises EndedError if a program ends, and TimeoutError."""
    deadline = time.monotonic() + _SECONDS
    while not condition():
        if program := control_plane.find_ended_program():
            raise EndedError(layout, program)
        if time.monotonic() > deadline:
            raise TimeoutError(f"the node does not start in {_SECONDS} s; see the logs in {layout.run / 'log'}")
        time.sleep(0.05)


def _kubeconfig(layout: Layout, program: str) -> Path:
    return layout.node / f"{program}.kubeconfig"


def _controller_manager_command(layout: Layout, network: NodeNetwork) -> list[str]:
    kubeconfig, authority = _kubeconfig(layout, "kube-controller-manager"), layout.clients.pair
    return [
        str(layout.program("kube-controller-manager")),
        "--secure-port=0",  # nothing reads its metrics
        *(f"--{name}={kubeconfig}" for name in _KUBECONFIG_FLAGS),
        f"--service-account-private-key-file={layout.pki / 'service-accounts.key'}",
        f"--root-ca-file={authority.certificate}",
        f"--cluster-signing-cert-file={authority.certificate}",
        f"--cluster-signing-key-file={authority.key}",
        "--use-service-account-credentials",
        "--leader-elect=false",
        "--pvclaimbinder-sync-period=1s",
        f"--cluster-cidr={network.pods}",
        f"--service-cluster-ip-range={network.services}",
    ]


def _scheduler_command(layout: Layout) -> list[str]:
    kubeconfig = _kubeconfig(layout, "kube-scheduler")
    return [
        str(layout.program("kube-scheduler")),
        "--secure-port=0",  # nothing reads its metrics
        *(f"--{name}={kubeconfig}" for name in _KUBECONFIG_FLAGS),
        "--leader-elect=false",
    ]


def _start_registry(control_plane: ControlPlane, layout: Layout, address: str) -> str:
    """Start the registry and return its address. Raises PortTakenError."""
    _write_registry_settings(layout, address)
    control_plane.add("docker-registry", ["docker-registry", "serve", str(layout.node / "registry.yaml")])
    try:
        _wait(control_plane, layout, lambda: is_listening(f"http://{address}"))
    except EndedError as error:
        check_port(str(error))
        raise
    return address


def _write_registry_settings(layout: Layout, address: str) -> None:
    _write_json(
        layout.node / "registry.yaml",
        {
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(layout.node / "images")}, "delete": {"enabled": True}},
            "http": {"addr": address, "secret": "for tests"},
        },
    )


def _write_containerd_settings(layout: Layout, network: NodeNetwork, registry: str) -> None:
    hosts, plugins = layout.node / "hosts", layout.node / "cni"
    (hosts / registry).mkdir(parents=True)
    (hosts / registry / "hosts.toml").write_text(
        f'server = "http://{registry}"\n[host."http://{registry}"]\ncapabilities = ["pull", "resolve"]\n',
        encoding="utf-8",
    )
    plugins.mkdir()
    ranges = [[{"subnet": network.pods}]]
    addresses = {"type": "host-local", "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}], "dataDir": "/run/cni"}
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True, "ipam": addresses}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    _write_json(plugins / "10-node.conflist", {"cniVersion": "1.0.0", "name": "node", "plugins": [bridge, ports]})
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    (layout.node / "containerd.toml").write_text(
        f"""\
version = 2
oom_score = 0
[grpc]
address = "{_SOCKET}"
[{cri}]
sandbox_image = "{registry}/{PAUSE}"
# Containers may not have a lower score than containerd, which may not lower its own everywhere.
restrict_oom_score_adj = true
disable_apparmor = true
[{cri}.cni]
bin_dir = "{_PLUGINS}"
conf_dir = "{plugins}"
[{cri}.registry]
config_path = "{hosts}"
[{cri}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
""",
        encoding="utf-8",
    )


def _write_kubelet_settings(layout: Layout, network: NodeNetwork) -> None:
    pair = layout.kubelets.issue(NODE, hosts=[NODE, network.node])
    resolver = layout.node / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\n", encoding="utf-8")
    # Disks of machines for tests are often nearly full.
    limits = {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"}
    _write_json(
        layout.node / "kubelet.yaml",
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": network.node,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(layout.kubelets.pair.certificate)},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(pair.certificate),
            "tlsPrivateKeyFile": str(pair.key),
            "containerRuntimeEndpoint": f"unix://{_SOCKET}",
            "cgroupDriver": "cgroupfs",
            "failSwapOn": False,
            "failCgroupV1": False,
            "oomScoreAdj": 0,
            "clusterDNS": [network.dns_service],
            "clusterDomain": "cluster.local",
            "resolvConf": str(resolver),
            "healthzBindAddress": LOOPBACK,
            "readOnlyPort": 0,
            "registryPullQPS": 0,
            "serializeImagePulls": False,
            "nodeStatusUpdateFrequency": "5s",
            "evictionHard": limits,
            "imageGCHighThresholdPercent": 100,
            "shutdownGracePeriod": "0s",
        },
    )


def _write_proxy_settings(layout: Layout, network: NodeNetwork) -> None:
    _write_json(
        layout.node / "proxy.yaml",
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": str(_kubeconfig(layout, "kube-proxy"))},
            "mode": "iptables",
            "clusterCIDR": network.pods,
            "healthzBindAddress": f"{LOOPBACK}:10256",
            "metricsBindAddress": f"{LOOPBACK}:10249",
            "conntrack": {"maxPerCore": 0},
            "oomScoreAdj": 0,
        },
    )


def _write_json(file: Path, document: dict[str, Any]) -> None:
    """Write a file in JSON, which is valid YAML."""
    file.write_bytes(msgspec.json.encode(document))
