"""Control plane of a node: command lines, and mode and owner of manifests, keys and data. Never reads a key."""

from __future__ import annotations

import posixpath
from typing import Final

from kubekeep.sources.host.document import HostDocument, HostNode
from kubekeep.sources.host.layout import path_exists
from kubekeep.sources.host.processes import HostProcess, NotRunningError
from kubekeep.sources.host.root import HostReadError, MissingFileError

_PROGRAMS: Final = {
    "kube-apiserver": "APIServerInfo",
    "kube-controller-manager": "controllerManagerInfo",
    "kube-scheduler": "schedulerInfo",
}
_ETCD: Final = "etcd"
_DEEPEST: Final = 4
_MOST_KEYS: Final = 2000
_API_SERVER_FILES: Final = {
    "encryption-provider-config": (
        "APIServerInfo.encryptionProviderConfigFile",
        frozenset({"EncryptionConfig", "EncryptionConfiguration"}),
    ),
    "audit-policy-file": ("APIServerInfo.auditPolicyFile", frozenset({"Policy"})),
}


def is_control_plane(node: HostNode) -> bool:
    """Return True if a program of the control plane runs on the node, or has files there."""
    if any(path_exists(node.files.root, path) for path in node.layout.control_plane):
        return True
    return any(_is_running(node, program) for program in (*_PROGRAMS, _ETCD))


def collect_control_plane(node: HostNode) -> HostDocument:
    """Collect the document about the control plane of a node."""
    document = HostDocument("ControlPlaneInfo", node.name)
    for program, field in _PROGRAMS.items():
        process = _find_process(document, node, program, f"{field}.cmdLine")
        if process is not None:
            document.put(f"{field}.cmdLine", process.line)
        _add_manifest(document, node, program, f"{field}.specsFile")
        if program == "kube-apiserver":
            if process is not None:
                _add_api_server(document, node, process)
        else:
            default_path = node.layout.scheduler if program == "kube-scheduler" else node.layout.controller_manager
            _add_flag_path(document, node, process, "kubeconfig", f"{field}.configFile", default_path)
    _add_manifest(document, node, _ETCD, "etcdConfigFile")
    _add_etcd(document, node)
    document.add_file("adminConfigFile", node.files, node.layout.admin)
    document.add_file("PKIDir", node.files, node.layout.pki)
    _add_keys(document, node)
    return document


def _is_running(node: HostNode, program: str) -> bool:
    try:
        node.processes.find(program)
    except HostReadError:
        return False
    return True


def _find_process(document: HostDocument, node: HostNode, program: str, field: str) -> HostProcess | None:
    try:
        return node.processes.find(program)
    except HostReadError as error:
        # On a node with only etcd, a missing API server is no gap.
        if not isinstance(error, NotRunningError) or _is_expected(node, program):
            document.add_missing(field, error)
        return None


def _is_expected(node: HostNode, program: str) -> bool:
    """Return True if a program should run on the node: it has a manifest, or is embedded in another process."""
    return bool(node.layout.embedding_program) or path_exists(node.files.root, _manifest_path(node, program))


def _manifest_path(node: HostNode, program: str) -> str:
    return posixpath.join(node.layout.manifests, f"{program}.yaml")


def _add_manifest(document: HostDocument, node: HostNode, program: str, field: str) -> None:
    if node.layout.embedding_program:
        document.add_missing(field, f"{node.layout.embedding_program} uses no manifest for {program}")
    else:
        document.add_file(field, node.files, _manifest_path(node, program))


def _add_api_server(document: HostDocument, node: HostNode, process: HostProcess) -> None:
    """Add the configuration files of the API server as its process sees them; a container has its own root."""
    for name, (field, kinds) in _API_SERVER_FILES.items():
        path = process.get_flag(name)
        if not path:
            continue
        try:
            with node.open_files(process) as files:
                document.add_configuration(field, files, path, kinds)
        except HostReadError as error:
            document.add_missing(field, f"files of process {process.pid}: {error}", path)


def _add_flag_path(
    document: HostDocument, node: HostNode, process: HostProcess | None, flag: str, field: str, default_path: str
) -> None:
    """Add the file or folder of a flag; without a process `default_path`, which containers mount at the same path."""
    path = process.get_flag(flag) if process else ""
    if path in {"", default_path} or process is None:
        document.add_file(field, node.files, default_path)
        return
    try:
        with node.open_files(process) as files:
            document.add_file(field, files, path)
    except HostReadError as error:
        document.add_missing(field, f"files of process {process.pid}: {error}", path)


def _add_etcd(document: HostDocument, node: HostNode) -> None:
    """Add the data directory of etcd: the default path for an embedded etcd, or one with a configuration file."""
    process = None if node.layout.embedding_program else _find_process(document, node, _ETCD, "etcdDataDir")
    if process is not None and process.get_flag("config-file"):
        process = None
    _add_flag_path(document, node, process, "data-dir", "etcdDataDir", node.layout.etcd)


def _add_keys(document: HostDocument, node: HostNode) -> None:
    """Add mode and owner of all files of the PKI."""
    try:
        paths, errors = node.files.root.list_files(node.layout.pki, _DEEPEST)
    except MissingFileError:
        return
    except HostReadError as error:
        document.add_missing("PKIFiles", error, node.layout.pki)
        return
    if len(paths) > _MOST_KEYS:
        document.add_missing("PKIFiles", f"more than {_MOST_KEYS} files", node.layout.pki)
        return
    for path, why in errors.items():
        document.add_missing("PKIFiles", why, path)
    document.add_files("PKIFiles", node.files, paths)
