"""Collection of all documents about the node with a given root folder. Errors are recorded, never fatal."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from kubekeep.sources.host import control_plane, network, system
from kubekeep.sources.host.document import HostDocument, HostNode
from kubekeep.sources.host.embedded import add_embedded
from kubekeep.sources.host.files import NodeFiles, read_accounts
from kubekeep.sources.host.kubelet import collect_kubelet
from kubekeep.sources.host.layout import detect_layout
from kubekeep.sources.host.processes import RunningProcesses, list_processes
from kubekeep.sources.host.root import HostReadError, NodeRoot

_BYTES: Final = 4096
_METADATA: Final = (
    "CloudProviderInfo: access of Pods to the metadata service of a cloud is visible only in a Pod, not on the node"
)


class CollectedNode(msgspec.Struct, frozen=True):
    """Documents about a node, the name of its layout (`kubeadm`), and sentences on missing data."""

    documents: tuple[dict[str, Any], ...]
    layout: str
    not_read: tuple[str, ...]


def collect(folder: str, name: str = "") -> CollectedNode:
    """Collect the documents of the node with root folder `folder`; `name` overrides the name that the node reports.

    Raises OSError if the folder cannot be opened, ValueError if the node does not report its name.
    """
    with NodeRoot.open(folder) as root:
        layout = detect_layout(root)
        processes = add_embedded(root, list_processes(root), layout.embedding_program)
        files = NodeFiles(root, read_accounts(root))
        node_name = (
            name
            or _read_name_override(processes)
            or _read_hostname(root, is_running_node=posixpath.normpath(folder) == "/")
        )
        node = HostNode(node_name, files, processes, layout)
        documents = list(_collect_parts(node))
    host_documents = [document for document in documents if isinstance(document, HostDocument)]
    return CollectedNode(
        tuple(
            document.build() if isinstance(document, HostDocument) else document
            for document in documents
            if _has_data(document)
        ),
        node.layout.name,
        (*(f"{document.kind} {gap}" for document in host_documents for gap in document.not_read), _METADATA),
    )


def _collect_parts(node: HostNode) -> Iterator[HostDocument | dict[str, Any]]:
    yield collect_kubelet(node)
    if control_plane.is_control_plane(node):
        yield control_plane.collect_control_plane(node)
    yield from network.collect_kube_proxy(node)
    yield network.collect_cni(node)
    yield network.collect_open_ports(node)
    yield system.collect_os_release(node)
    yield system.collect_kernel_version(node)
    yield system.collect_kernel_variables(node)
    yield system.collect_hardening(node)


def _has_data(document: HostDocument | dict[str, Any]) -> bool:
    return bool(document.data) if isinstance(document, HostDocument) else True


def _read_name_override(processes: RunningProcesses) -> str:
    """Return the node name on the command line of the kubelet, or ""."""
    try:
        return processes.find("kubelet", is_contained=False).get_flag("hostname-override")
    except HostReadError:
        return ""


def _read_hostname(root: NodeRoot, *, is_running_node: bool) -> str:
    """Return the host name in lower case, as the kubelet does; the kernel's name only if `root` is /."""
    for path in (*(["/proc/sys/kernel/hostname"] if is_running_node else []), "/etc/hostname"):
        try:
            text = root.read_text(path, _BYTES)
        except HostReadError:
            continue
        if name := text.strip().lower():
            return name
    raise ValueError("the name of the node is unknown")
