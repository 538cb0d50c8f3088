"""The kubelet of a node: its command line, its configuration as it takes effect, and its files. Judges none of them."""

from __future__ import annotations

import posixpath
from typing import Any, Final

from kubekeep.sources.host.configuration import format_configuration, merge
from kubekeep.sources.host.document import HostDocument, HostNode
from kubekeep.sources.host.layout import UNIT_FOLDERS
from kubekeep.sources.host.processes import Process
from kubekeep.sources.host.root import HostReadError, MissingFileError

_KINDS: Final = frozenset({"KubeletConfiguration"})
_DROP_IN: Final = ".conf"
"""What the name of a drop-in ends in, for the kubelet as for systemd."""
_DEPTH: Final = 8
_MOST_DROP_INS: Final = 200


def collect_kubelet(node: HostNode) -> HostDocument:
    """What is known of the kubelet."""
    draft = HostDocument("KubeletInfo", node.name)
    process: Process | None = None
    try:
        process = node.running.find("kubelet", contained=False)
    except HostReadError as error:
        draft.add_missing("cmdLine", error)
    configuration: dict[str, Any] = {}
    if process is not None:
        draft.put("cmdLine", process.line)
        configuration = _configuration(draft, node, process)
    else:
        # Without its command line nobody knows whether the kubelet reads the file, and which flags win over it.
        _file(draft, node, "configFile", "", node.layout.kubelet_config)
    _file(
        draft, node, "kubeConfigFile", process.get_flag("kubeconfig") if process else "", node.layout.kubelet_kubeconfig
    )
    _file(draft, node, "clientCAFile", *_authority(node, process, configuration))
    _services(draft, node)
    return draft


def _configuration(draft: HostDocument, node: HostNode, process: Process) -> dict[str, Any]:
    """The configuration that the files of the kubelet make; empty where one of them cannot be read."""
    path, folder = process.get_flag("config"), process.get_flag("config-dir")
    base = draft.add_configuration("configFile", node.files, path, _KINDS) if path else {}
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
            result = merge(result, node.files.configuration(inner, _KINDS))
        except HostReadError as error:
            draft.add_missing("configFile.content", error, inner)
            return {}
    if not result:
        draft.add_missing("configFile.content", "the folder holds no configuration", folder)
        return {}
    entry["content"] = format_configuration(result)
    draft.put("configFile", entry)
    return result


def _drop_in_files(draft: HostDocument, node: HostNode, folder: str) -> list[str] | None:
    """The paths of the files that the kubelet merges, in their order; None where they are not all known, which is said.

    They are those of folders below too: the kubelet goes through them with Go's filepath.WalkDir.
    """
    try:
        found, refused = _walked(node, folder)
    except MissingFileError:
        return []
    except HostReadError as error:
        found, refused = [], {folder: str(error)}
    paths = [path for path in found if path.endswith(_DROP_IN)]
    if len(paths) > _MOST_DROP_INS:
        paths, refused = [], {folder: f"there are more than {_MOST_DROP_INS} files"}
    draft.add_files("dropInFiles", node.files, paths)
    for path, why in refused.items():
        draft.add_missing("dropInFiles", why, path)
        draft.add_missing("configFile.content", why, path)
    return None if refused else paths


def _walked(node: HostNode, folder: str) -> tuple[list[str], dict[str, str]]:
    """The files in a folder and below, and the folders that were refused. Raises UnreadableError."""
    if not folder.startswith("/"):
        raise HostReadError("the path depends on the working directory of the process")
    try:
        node.files.root.read_link(folder)
    except HostReadError:
        return node.files.root.list_files(folder, _DEPTH)
    # It goes through no link, not even one that it was given.
    return [], {}


def _authority(node: HostNode, process: Process | None, configuration: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The file of the authority that the kubelet takes certificates of, and where to look without its word."""
    if process is None:
        return "", node.layout.kubelet_authority
    field: Any = configuration
    for name in ("authentication", "x509", "clientCAFile"):
        field = field.get(name) if isinstance(field, dict) else None
    return process.get_flag("client-ca-file") or (field if isinstance(field, str) else ""), ()


def _file(draft: HostDocument, node: HostNode, field: str, named: str, usual: tuple[str, ...]) -> None:
    """Say what is known of the file that was `named`, or else of the first `usual` one that is there."""
    try:
        path = named or node.files.find_first(usual)
    except MissingFileError as error:
        draft.add_missing(field, error, ", ".join(usual))
        return
    draft.add_file(field, node.files, path)


def _services(draft: HostDocument, node: HostNode) -> None:
    """The unit of systemd that starts the kubelet, and its drop-ins: of each name the one that takes effect."""
    found: list[str] = []
    for unit in node.layout.units:
        try:
            paths = [node.files.find_first(posixpath.join(folder, f"{unit}.service") for folder in UNIT_FOLDERS)]
        except MissingFileError:
            paths = []
        found += [*paths, *_drop_ins(draft, node, unit)]
    if not draft.add_files("serviceFiles", node.files, found):
        units = " or ".join(f"{unit}.service" for unit in node.layout.units)
        draft.add_missing("serviceFiles", f"systemd has no {units}")


def _drop_ins(draft: HostDocument, node: HostNode, unit: str) -> list[str]:
    found: dict[str, str] = {}
    for folder in (posixpath.join(place, f"{unit}.service.d") for place in UNIT_FOLDERS):
        try:
            names = node.files.root.list_names(folder)
        except MissingFileError:
            continue
        except HostReadError as error:
            draft.add_missing("serviceFiles", error, folder)
            continue
        for name in names:
            if name.endswith(_DROP_IN):
                found.setdefault(name, posixpath.join(folder, name))
    return [found[name] for name in sorted(found)]
