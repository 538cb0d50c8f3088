"""Kubelet of a node: command line, effective configuration, and files. Never evaluates them."""

from __future__ import annotations

import posixpath
from typing import Any, Final

from kubekeep.sources.host.configuration import format_configuration, merge_configuration
from kubekeep.sources.host.document import HostDocument, HostNode
from kubekeep.sources.host.layout import UNIT_FOLDERS
from kubekeep.sources.host.processes import HostProcess
from kubekeep.sources.host.root import HostReadError, MissingFileError

_KINDS: Final = frozenset({"KubeletConfiguration"})
_DROP_IN: Final = ".conf"
"""Suffix of drop-in files, for the kubelet as for systemd."""
_DEEPEST: Final = 8
_MOST_DROP_INS: Final = 200


def collect_kubelet(node: HostNode) -> HostDocument:
    """Collect the document about the kubelet."""
    document = HostDocument("KubeletInfo", node.name)
    process: HostProcess | None = None
    try:
        process = node.processes.find("kubelet", is_contained=False)
    except HostReadError as error:
        document.add_missing("cmdLine", error)
    configuration: dict[str, Any] = {}
    if process is not None:
        document.put("cmdLine", process.line)
        configuration = _read_configuration(document, node, process)
    else:
        # Without the command line it is unknown if the kubelet reads the file, and if flags override it.
        _add_file(document, node, "configFile", "", node.layout.kubelet_config)
    _add_file(
        document,
        node,
        "kubeConfigFile",
        process.get_flag("kubeconfig") if process else "",
        node.layout.kubelet_kubeconfig,
    )
    _add_file(document, node, "clientCAFile", *_find_authority(node, process, configuration))
    _add_services(document, node)
    return document


def _read_configuration(document: HostDocument, node: HostNode, process: HostProcess) -> dict[str, Any]:
    """Return the effective configuration from the files of the kubelet; {} if one cannot be read."""
    path, folder = process.get_flag("config"), process.get_flag("config-dir")
    base = document.add_configuration("configFile", node.files, path, _KINDS) if path else {}
    if not folder:
        return base
    entry = document.data.get("configFile") or {"path": folder}
    entry.pop("content", None)
    paths = _list_drop_in_files(document, node, folder)
    if paths is None or (path and not base):
        return {}
    result = base
    for drop_in in paths:
        try:
            result = merge_configuration(result, node.files.read_configuration(drop_in, _KINDS))
        except HostReadError as error:
            document.add_missing("configFile.content", error, drop_in)
            return {}
    if not result:
        document.add_missing("configFile.content", "the folder contains no configuration", folder)
        return {}
    entry["content"] = format_configuration(result)
    document.put("configFile", entry)
    return result


def _list_drop_in_files(document: HostDocument, node: HostNode, folder: str) -> list[str] | None:
    """Return the paths of the files that the kubelet merges, in order; None if some are unknown, which is recorded.

    Includes files in subfolders: the kubelet uses Go's filepath.WalkDir.
    """
    try:
        files, errors = _walk_folder(node, folder)
    except MissingFileError:
        return []
    except HostReadError as error:
        files, errors = [], {folder: str(error)}
    paths = [path for path in files if path.endswith(_DROP_IN)]
    if len(paths) > _MOST_DROP_INS:
        paths, errors = [], {folder: f"more than {_MOST_DROP_INS} files"}
    document.add_files("dropInFiles", node.files, paths)
    for path, why in errors.items():
        document.add_missing("dropInFiles", why, path)
        document.add_missing("configFile.content", why, path)
    return None if errors else paths


def _walk_folder(node: HostNode, folder: str) -> tuple[list[str], dict[str, str]]:
    """Return the files in a folder and below, and the inaccessible folders. Raises HostReadError."""
    if not folder.startswith("/"):
        raise HostReadError("the path is relative to the working directory of the process")
    try:
        node.files.root.read_link(folder)
    except HostReadError:
        return node.files.root.list_files(folder, _DEEPEST)
    # WalkDir follows no link, not even the folder itself.
    return [], {}


def _find_authority(
    node: HostNode, process: HostProcess | None, configuration: dict[str, Any]
) -> tuple[str, tuple[str, ...]]:
    """Return the path of the CA file for client certificates, and the usual paths if the process is unknown."""
    if process is None:
        return "", node.layout.kubelet_authority
    value: Any = configuration
    for name in ("authentication", "x509", "clientCAFile"):
        value = value.get(name) if isinstance(value, dict) else None
    return process.get_flag("client-ca-file") or (value if isinstance(value, str) else ""), ()


def _add_file(
    document: HostDocument, node: HostNode, field: str, flag_path: str, default_paths: tuple[str, ...]
) -> None:
    """Add the metadata of the file at `flag_path`, or if that is empty of the first existing default path."""
    try:
        path = flag_path or node.files.find_first(default_paths)
    except MissingFileError as error:
        document.add_missing(field, error, ", ".join(default_paths))
        return
    document.add_file(field, node.files, path)


def _add_services(document: HostDocument, node: HostNode) -> None:
    """Add the systemd units that start the kubelet, and their effective drop-ins."""
    unit_files: list[str] = []
    for unit in node.layout.units:
        try:
            paths = [node.files.find_first(posixpath.join(folder, f"{unit}.service") for folder in UNIT_FOLDERS)]
        except MissingFileError:
            paths = []
        unit_files += [*paths, *_find_drop_ins(document, node, unit)]
    if not document.add_files("serviceFiles", node.files, unit_files):
        units = " or ".join(f"{unit}.service" for unit in node.layout.units)
        document.add_missing("serviceFiles", f"systemd has no {units}")


def _find_drop_ins(document: HostDocument, node: HostNode, unit: str) -> list[str]:
    paths_by_name: dict[str, str] = {}
    for folder in (posixpath.join(unit_folder, f"{unit}.service.d") for unit_folder in UNIT_FOLDERS):
        try:
            names = node.files.root.list_names(folder)
        except MissingFileError:
            continue
        except HostReadError as error:
            document.add_missing("serviceFiles", error, folder)
            continue
        for name in names:
            if name.endswith(_DROP_IN):
                paths_by_name.setdefault(name, posixpath.join(folder, name))
    return [paths_by_name[name] for name in sorted(paths_by_name)]
