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
_DROP_IN: Final = ".conf"
"""What the name of a drop-in ends in, for the kubelet as for systemd."""
_DEPTH: Final = 8
_MOST_DROP_INS: Final = 200


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
    paths = _drop_in_files(draft, node, folder)
    if paths is None or (path and not base):
        return {}
    result = base
    for inner in paths:
        try:
            result = merged(result, node.files.configuration(inner, _KINDS))
        except UnreadableError as error:
            draft.lacks("configFile.content", error, inner)
            return {}
    if not result:
        draft.lacks("configFile.content", "the folder holds no configuration", folder)
        return {}
    entry["content"] = content(result)
    draft.put("configFile", entry)
    return result


def _drop_in_files(draft: Draft, node: Node, folder: str) -> list[str] | None:
    """The paths of the files that the kubelet merges, in their order; None where they are not all known, which is said.

    They are those of folders below too: the kubelet goes through them with Go's filepath.WalkDir.
    """
    try:
        found, refused = _walked(node, folder)
    except MissingError:
        return []
    except UnreadableError as error:
        found, refused = [], {folder: str(error)}
    paths = [path for path in found if path.endswith(_DROP_IN)]
    if len(paths) > _MOST_DROP_INS:
        paths, refused = [], {folder: f"there are more than {_MOST_DROP_INS} files"}
    draft.listed("dropInFiles", node.files, paths)
    for path, why in refused.items():
        draft.lacks("dropInFiles", why, path)
        draft.lacks("configFile.content", why, path)
    return None if refused else paths


def _walked(node: Node, folder: str) -> tuple[list[str], dict[str, str]]:
    """The files in a folder and below, and the folders that were refused. Raises UnreadableError."""
    if not folder.startswith("/"):
        raise UnreadableError("the path depends on the working directory of the process")
    try:
        node.files.root.link(folder)
    except UnreadableError:
        return node.files.root.files(folder, _DEPTH)
    # It goes through no link, not even one that it was given.
    return [], {}


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
            if name.endswith(_DROP_IN):
                found.setdefault(name, posixpath.join(folder, name))
    return [found[name] for name in sorted(found)]
