"""All documents about the node whose files are below one folder, with what could not be read. Never stops half way."""

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
    "CloudProviderInfo: whether the metadata service of a cloud answers a Pod shows in a Pod, not on the node"
)


class CollectedNode(msgspec.Struct, frozen=True):
    """The documents about a node, how it is laid out (`kubeadm`), and sentences on what is missing in them."""

    documents: tuple[dict[str, Any], ...]
    layout: str
    not_read: tuple[str, ...]


def collect(folder: str, name: str = "") -> CollectedNode:
    """What is known of the node whose root is `folder`; `name` is what the cluster calls it, else its own word.

    Raises OSError where the folder cannot be opened, ValueError for a node that does not tell its name.
    """
    with NodeRoot.open(folder) as root:
        layout = detect_layout(root)
        seen = add_embedded(root, list_processes(root), layout.embeds)
        files = NodeFiles(root, read_accounts(root))
        own = name or _override(seen) or _hostname(root, own=posixpath.normpath(folder) == "/")
        node = HostNode(own, files, seen, layout)
        found = list(_found(node))
    drafts = [item for item in found if isinstance(item, HostDocument)]
    return CollectedNode(
        tuple(item.build() if isinstance(item, HostDocument) else item for item in found if _tells(item)),
        node.layout.name,
        (*(f"{draft.kind} {item}" for draft in drafts for item in draft.not_read), _METADATA),
    )


def _found(node: HostNode) -> Iterator[HostDocument | dict[str, Any]]:
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


def _tells(item: HostDocument | dict[str, Any]) -> bool:
    return bool(item.data) if isinstance(item, HostDocument) else True


def _override(seen: RunningProcesses) -> str:
    """The name that the kubelet was told."""
    try:
        return seen.find("kubelet", contained=False).get_flag("hostname-override")
    except HostReadError:
        return ""


def _hostname(root: NodeRoot, *, own: bool) -> str:
    """The name of the node; a kubelet takes it in small letters. Whose `own` root it is asks the kernel."""
    for path in (*(["/proc/sys/kernel/hostname"] if own else []), "/etc/hostname"):
        try:
            text = root.read_text(path, _BYTES)
        except HostReadError:
            continue
        if name := text.strip().lower():
            return name
    raise ValueError("the node does not tell its name")
