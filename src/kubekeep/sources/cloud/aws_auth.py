"""The roles that a cluster of EKS takes for those of its nodes: the ConfigMap `aws-auth` (EKS docs, cluster access).

Asks the cluster, not the cloud. What the ConfigMap names is taken only where it looks like a role.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import yaml

from kubekeep.kube.connection import KubeConnection
from kubekeep.kube.errors import KubeError

_PATH: Final = "/api/v1/namespaces/kube-system/configmaps"
_NAME: Final = "aws-auth"
_NODES: Final = frozenset({"system:nodes", "system:node-proxier"})
"""The groups that what runs pods is in: every node, and those of Fargate and Windows beside it."""
_ROLE: Final = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/(?:[\w+=,.@-]+/)*[\w+=,.@-]{1,64}")
_MOST: Final = 1 << 20
"""Characters of a ConfigMap: etcd takes no more."""


class _ConfigMap(msgspec.Struct, frozen=True):
    data: dict[str, str] | None = None


class _List(msgspec.Struct, frozen=True):
    items: tuple[_ConfigMap, ...] | None = None


def mapped_node_roles(connection: KubeConnection) -> tuple[str, ...] | None:
    """The ARNs of the roles of nodes that `aws-auth` names; none without one, None where it cannot be read."""
    try:
        # Listing is a permission that a scan has anyway.
        found = connection.get(_PATH, _List, {"fieldSelector": f"metadata.name={_NAME}"})
        return tuple(arn for item in found.items or () for arn in node_roles((item.data or {}).get("mapRoles", "")))
    except (KubeError, yaml.YAMLError, ValueError, RecursionError):
        return None


def node_roles(text: str) -> Iterator[str]:
    """The ARNs of the roles of nodes in the text of `mapRoles`.

    Raises yaml.YAMLError, ValueError or RecursionError for what is no list.
    """
    if len(text) > _MOST:
        raise ValueError("too long")
    entries: Any = yaml.load(text, Loader=yaml.CSafeLoader) or []
    if not isinstance(entries, list):
        raise ValueError("no list")
    for entry in entries:
        said = entry if isinstance(entry, dict) else {}
        groups, arn = said.get("groups"), said.get("rolearn")
        # Aliases can make a small text a huge value: only what is text already is looked at as text.
        names = [name for name in groups if isinstance(name, str)] if isinstance(groups, list) else []
        if isinstance(arn, str) and _ROLE.fullmatch(arn) and not _NODES.isdisjoint(names):
            yield arn
