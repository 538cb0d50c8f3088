"""All documents about the node whose files are below one folder, with what could not be read. Never stops half way."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from kubekeep.sources.host import control_plane, network, system
from kubekeep.sources.host.draft import Draft
from kubekeep.sources.host.embedded import with_embedded
from kubekeep.sources.host.files import Files, accounts
from kubekeep.sources.host.kubelet import kubelet
from kubekeep.sources.host.layout import layout_of
from kubekeep.sources.host.node import Node
from kubekeep.sources.host.processes import Running, running
from kubekeep.sources.host.root import Root, UnreadableError

_BYTES: Final = 4096
_METADATA: Final = (
    "CloudProviderInfo: whether the metadata service of a cloud answers a Pod shows in a Pod, not on the node"
)


class Collected(msgspec.Struct, frozen=True):
    """The documents about a node, how it is laid out (`kubeadm`), and sentences on what is missing in them."""

    documents: tuple[dict[str, Any], ...]
    layout: str
    not_read: tuple[str, ...]


def collect(folder: str, name: str = "") -> Collected:
    """What is known of the node whose root is `folder`; `name` is what the cluster calls it, else its own word.

    Raises OSError where the folder cannot be opened, ValueError for a node that does not tell its name.
    """
    with Root.at(folder) as root:
        layout = layout_of(root)
        seen = with_embedded(root, running(root), layout.embeds)
        files = Files(root, accounts(root))
        own = name or _override(seen) or _hostname(root, own=posixpath.normpath(folder) == "/")
        node = Node(own, files, seen, layout)
        found = list(_found(node))
    drafts = [item for item in found if isinstance(item, Draft)]
    return Collected(
        tuple(item.document() if isinstance(item, Draft) else item for item in found if _tells(item)),
        node.layout.name,
        (*(f"{draft.kind} {item}" for draft in drafts for item in draft.not_read), _METADATA),
    )


def _found(node: Node) -> Iterator[Draft | dict[str, Any]]:
    yield kubelet(node)
    if control_plane.is_control_plane(node):
        yield control_plane.control_plane(node)
    yield from network.kube_proxy(node)
    yield network.cni(node)
    yield network.open_ports(node)
    yield system.release(node)
    yield system.kernel(node)
    yield system.variables(node)
    yield system.hardening(node)


def _tells(item: Draft | dict[str, Any]) -> bool:
    return bool(item.data) if isinstance(item, Draft) else True


def _override(seen: Running) -> str:
    """The name that the kubelet was told."""
    try:
        return seen.of("kubelet", contained=False).flag("hostname-override")
    except UnreadableError:
        return ""


def _hostname(root: Root, *, own: bool) -> str:
    """The name of the node; a kubelet takes it in small letters. Whose `own` root it is asks the kernel."""
    for path in (*(["/proc/sys/kernel/hostname"] if own else []), "/etc/hostname"):
        try:
            text = root.text(path, _BYTES)
        except UnreadableError:
            continue
        if name := text.strip().lower():
            return name
    raise ValueError("the node does not tell its name")
