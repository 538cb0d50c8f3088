"""File layouts of Kubernetes distributions, for paths that no command line contains. Checks only if paths exist."""

from __future__ import annotations

from typing import Final

import msgspec

from kubekeep.sources.host.root import HostReadError, MissingFileError, NodeRoot

UNIT_FOLDERS: Final = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
"""Folders of systemd units in order of precedence (systemd.unit(5))."""


class NodeLayout(msgspec.Struct, frozen=True, kw_only=True):
    """Paths of one distribution.

    marker_paths: paths that identify it. control_plane: paths that exist only on nodes of the control plane.
    embedding_program: the program that runs all of Kubernetes in its own process; empty for separate processes.
    """

    name: str
    marker_paths: tuple[str, ...] = ()
    control_plane: tuple[str, ...] = ()
    embedding_program: str = ""
    units: tuple[str, ...] = ("kubelet",)
    kubelet_config: tuple[str, ...] = ()
    kubelet_kubeconfig: tuple[str, ...] = ()
    kubelet_authority: tuple[str, ...] = ()
    proxy_kubeconfig: tuple[str, ...] = ()
    manifests: str = "/etc/kubernetes/manifests"
    pki: str = "/etc/kubernetes/pki"
    admin: str = "/etc/kubernetes/admin.conf"
    scheduler: str = "/etc/kubernetes/scheduler.conf"
    controller_manager: str = "/etc/kubernetes/controller-manager.conf"
    etcd: str = "/var/lib/etcd"
    networks: tuple[str, ...] = ("/etc/cni/net.d",)


def _create_rancher_layout(
    name: str, *, embedding_program: str, units: tuple[str, ...], networks: tuple[str, ...]
) -> NodeLayout:
    data_folder = f"/var/lib/rancher/{name}"
    return NodeLayout(
        name=name,
        marker_paths=(f"{data_folder}/agent", f"{data_folder}/server"),
        control_plane=(f"{data_folder}/server/db", f"{data_folder}/server/cred"),
        embedding_program=embedding_program,
        units=units,
        kubelet_kubeconfig=(f"{data_folder}/agent/kubelet.kubeconfig",),
        kubelet_authority=(f"{data_folder}/agent/client-ca.crt",),
        proxy_kubeconfig=(f"{data_folder}/agent/kubeproxy.kubeconfig",),
        manifests=f"{data_folder}/agent/pod-manifests",
        pki=f"{data_folder}/server/tls",
        admin=f"{data_folder}/server/cred/admin.kubeconfig",
        scheduler=f"{data_folder}/server/cred/scheduler.kubeconfig",
        controller_manager=f"{data_folder}/server/cred/controller.kubeconfig",
        etcd=f"{data_folder}/server/db/etcd",
        networks=networks,
    )


_MANIFESTS: Final = tuple(
    f"/etc/kubernetes/manifests/{name}.yaml" for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
)
_KUBEADM: Final = NodeLayout(
    name="kubeadm",
    control_plane=(*_MANIFESTS, "/etc/kubernetes/manifests/etcd.yaml"),
    kubelet_config=("/var/lib/kubelet/config.yaml",),
    kubelet_kubeconfig=("/etc/kubernetes/kubelet.conf",),
    kubelet_authority=("/etc/kubernetes/pki/ca.crt",),
)
LAYOUTS: Final = (
    _create_rancher_layout(
        "k3s",
        embedding_program="k3s",
        units=("k3s", "k3s-agent"),
        networks=("/var/lib/rancher/k3s/agent/etc/cni/net.d", "/etc/cni/net.d"),
    ),
    _create_rancher_layout(
        "rke2", embedding_program="", units=("rke2-server", "rke2-agent"), networks=("/etc/cni/net.d",)
    ),
    NodeLayout(
        name="eks",
        marker_paths=("/etc/eks", "/etc/kubernetes/kubelet/config.json", "/etc/kubernetes/kubelet/kubelet-config.json"),
        kubelet_config=("/etc/kubernetes/kubelet/config.json", "/etc/kubernetes/kubelet/kubelet-config.json"),
        kubelet_kubeconfig=("/var/lib/kubelet/kubeconfig",),
        kubelet_authority=("/etc/kubernetes/pki/ca.crt",),
    ),
    NodeLayout(
        name="aks",
        marker_paths=("/etc/kubernetes/azure.json", "/etc/default/kubeletconfig.json"),
        kubelet_config=("/etc/default/kubeletconfig.json",),
        kubelet_kubeconfig=("/var/lib/kubelet/kubeconfig",),
        kubelet_authority=("/etc/kubernetes/certs/ca.crt",),
    ),
    NodeLayout(
        name="gke",
        marker_paths=("/home/kubernetes/kubelet-config.yaml", "/home/kubernetes/kube-env"),
        kubelet_config=("/home/kubernetes/kubelet-config.yaml",),
        kubelet_kubeconfig=("/var/lib/kubelet/kubeconfig",),
        kubelet_authority=("/etc/srv/kubernetes/pki/ca-certificates.crt",),
    ),
    _KUBEADM,
)


def detect_layout(root: NodeRoot) -> NodeLayout:
    """Return the layout of the distribution installed below `root`; the one of kubeadm if none matches."""
    return next(
        (layout for layout in LAYOUTS if any(path_exists(root, path) for path in layout.marker_paths)), _KUBEADM
    )


def path_exists(root: NodeRoot, path: str) -> bool:
    """Return True if a path exists, or if access to it is denied."""
    try:
        root.get_status(path)
    except MissingFileError:
        return False
    except HostReadError:
        return True
    return True
