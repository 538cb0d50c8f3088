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
    """Paths of one distribution. `signs` identify it; `control_plane` paths exist only on control plane nodes.

    `embeds` is the program that runs all of Kubernetes in its own process; empty for separate processes.
    """

    name: str
    signs: tuple[str, ...] = ()
    control_plane: tuple[str, ...] = ()
    embeds: str = ""
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


def _rancher(name: str, *, embeds: str, units: tuple[str, ...], networks: tuple[str, ...]) -> NodeLayout:
    home = f"/var/lib/rancher/{name}"
    return NodeLayout(
        name=name,
        signs=(f"{home}/agent", f"{home}/server"),
        control_plane=(f"{home}/server/db", f"{home}/server/cred"),
        embeds=embeds,
        units=units,
        kubelet_kubeconfig=(f"{home}/agent/kubelet.kubeconfig",),
        kubelet_authority=(f"{home}/agent/client-ca.crt",),
        proxy_kubeconfig=(f"{home}/agent/kubeproxy.kubeconfig",),
        manifests=f"{home}/agent/pod-manifests",
        pki=f"{home}/server/tls",
        admin=f"{home}/server/cred/admin.kubeconfig",
        scheduler=f"{home}/server/cred/scheduler.kubeconfig",
        controller_manager=f"{home}/server/cred/controller.kubeconfig",
        etcd=f"{home}/server/db/etcd",
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
    _rancher(
        "k3s",
        embeds="k3s",
        units=("k3s", "k3s-agent"),
        networks=("/var/lib/rancher/k3s/agent/etc/cni/net.d", "/etc/cni/net.d"),
    ),
    _rancher("rke2", embeds="", units=("rke2-server", "rke2-agent"), networks=("/etc/cni/net.d",)),
    NodeLayout(
        name="eks",
        signs=("/etc/eks", "/etc/kubernetes/kubelet/config.json", "/etc/kubernetes/kubelet/kubelet-config.json"),
        kubelet_config=("/etc/kubernetes/kubelet/config.json", "/etc/kubernetes/kubelet/kubelet-config.json"),
        kubelet_kubeconfig=("/var/lib/kubelet/kubeconfig",),
        kubelet_authority=("/etc/kubernetes/pki/ca.crt",),
    ),
    NodeLayout(
        name="aks",
        signs=("/etc/kubernetes/azure.json", "/etc/default/kubeletconfig.json"),
        kubelet_config=("/etc/default/kubeletconfig.json",),
        kubelet_kubeconfig=("/var/lib/kubelet/kubeconfig",),
        kubelet_authority=("/etc/kubernetes/certs/ca.crt",),
    ),
    NodeLayout(
        name="gke",
        signs=("/home/kubernetes/kubelet-config.yaml", "/home/kubernetes/kube-env"),
        kubelet_config=("/home/kubernetes/kubelet-config.yaml",),
        kubelet_kubeconfig=("/var/lib/kubelet/kubeconfig",),
        kubelet_authority=("/etc/srv/kubernetes/pki/ca-certificates.crt",),
    ),
    _KUBEADM,
)


def detect_layout(root: NodeRoot) -> NodeLayout:
    """Return the layout of the distribution installed below `root`; the one of kubeadm if none matches."""
    return next((layout for layout in LAYOUTS if any(path_exists(root, path) for path in layout.signs)), _KUBEADM)


def path_exists(root: NodeRoot, path: str) -> bool:
    """Return True if a path exists, or if access to it is denied."""
    try:
        root.get_status(path)
    except MissingFileError:
        return False
    except HostReadError:
        return True
    return True
