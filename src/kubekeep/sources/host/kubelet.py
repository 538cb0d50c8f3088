"""The kubelet of a node: its command line, its configuration as it takes effect, and its files. Judges none of them."""

from __future__ import annotations

import posixpath
from typing import Any, Final

from kubekeep.sources.host.configuration import content, merged
from kubekeep.sources.host.draft import Draft
from kubekeep.sources.host.layout import UNIT_FOLDERS
from kubekeep.sources.host.node import Node
from kubekeep.sources.host.processes import Process
from kubekeep.sources.host.root import MissingError, UnreadableError

_KINDS: Final = frozenset({"KubeletConfiguration"})


def kubelet(node: Node) -> Draft:
    """What is known of the kubelet."""
    draft = Draft("KubeletInfo", node.name)
    process: Process | None = None
    try:
        process = node.running.of("kubelet", contained=False)
    except UnreadableError as error:
        draft.lacks("cmdLine", error)
    configuration: dict[str, Any] = {}
    if process is not None:
        draft.put("cmdLine", process.line)
        configuration = _configuration(draft, node, process)
    else:
        # Without its command line nobody knows whether the kubelet reads the file, and which flags win over it.
        _file(draft, node, "configFile", "", node.layout.kubelet_config)
    _file(draft, node, "kubeConfigFile", process.flag("kubeconfig") if process else "", node.layout.kubelet_kubeconfig)
    _file(draft, node, "clientCAFile", *_authority(node, process, configuration))
    _services(draft, node)
    return draft


def _configuration(draft: Draft, node: Node, process: Process) -> dict[str, Any]:
    """The configuration that the files of the kubelet make; empty where one of them cannot be read."""
    path, folder = process.flag("config"), process.flag("config-dir")
    base = draft.configuration("configFile", node.files, path, _KINDS) if path else {}
    if not folder:
        return base
    entry = draft.data.get("configFile") or {"path": folder}
    entry.pop("content", None)
    if path and not base:
        return {}
    used: list[str] = []
    try:
        result = _with_drop_ins(node, base, folder, used)
    except UnreadableError as error:
        draft.lacks("configFile.content", error, used[-1] if used else folder)
        return {}
    if not result:
        draft.lacks("configFile.content", "the folder holds no configuration", folder)
        return {}
    entry |= {"content": content(result)} | ({"mergedWith": used} if used else {})
    draft.put("configFile", entry)
    return result


def _with_drop_ins(node: Node, base: dict[str, Any], folder: str, used: list[str]) -> dict[str, Any]:
    """`base` under the files of a folder, whose paths are added to `used`. Raises UnreadableError for one of them."""
    try:
        names = node.files.root.names(folder)
    except MissingError:
        if base:
            return base
        raise
    for name in names:
        if name.endswith(".conf"):
            used.append(posixpath.join(folder, name))
            base = merged(base, node.files.configuration(used[-1], _KINDS))
    return base


def _authority(node: Node, process: Process | None, configuration: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The file of the authority that the kubelet takes certificates of, and where to look without its word."""
    if process is None:
        return "", node.layout.kubelet_authority
    field: Any = configuration
    for name in ("authentication", "x509", "clientCAFile"):
        field = field.get(name) if isinstance(field, dict) else None
    return process.flag("client-ca-file") or (field if isinstance(field, str) else ""), ()


def _file(draft: Draft, node: Node, field: str, named: str, usual: tuple[str, ...]) -> None:
    """Say what is known of the file that was `named`, or else of the first `usual` one that is there."""
    try:
        path = named or node.files.first(usual)
    except MissingError as error:
        draft.lacks(field, error, ", ".join(usual))
        return
    draft.file(field, node.files, path)


def _services(draft: Draft, node: Node) -> None:
    """The unit of systemd that starts the kubelet, and its drop-ins: of each name the one that takes effect."""
    found: list[str] = []
    for unit in node.layout.units:
        try:
            paths = [node.files.first(posixpath.join(folder, f"{unit}.service") for folder in UNIT_FOLDERS)]
        except MissingError:
            paths = []
        found += [*paths, *_drop_ins(draft, node, unit)]
    if not draft.listed("serviceFiles", node.files, found):
        units = " or ".join(f"{unit}.service" for unit in node.layout.units)
        draft.lacks("serviceFiles", f"systemd has no {units}")


def _drop_ins(draft: Draft, node: Node, unit: str) -> list[str]:
    found: dict[str, str] = {}
    for folder in (posixpath.join(place, f"{unit}.service.d") for place in UNIT_FOLDERS):
        try:
            names = node.files.root.names(folder)
        except MissingError:
            continue
        except UnreadableError as error:
            draft.lacks("serviceFiles", error, folder)
            continue
        for name in names:
            if name.endswith(".conf"):
                found.setdefault(name, posixpath.join(folder, name))
    return [found[name] for name in sorted(found)]
