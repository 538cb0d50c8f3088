"""The control plane on a node: command lines, manifests, keys and data, by their modes and owners. Reads no key."""

from __future__ import annotations

import posixpath
from typing import Final

from kubekeep.sources.host.document import HostDocument, HostNode
from kubekeep.sources.host.layout import path_exists
from kubekeep.sources.host.processes import NotRunningError, Process
from kubekeep.sources.host.root import HostReadError, MissingFileError

_PROGRAMS: Final = {
    "kube-apiserver": "APIServerInfo",
    "kube-controller-manager": "controllerManagerInfo",
    "kube-scheduler": "schedulerInfo",
}
_ETCD: Final = "etcd"
_DEPTH: Final = 4
_MOST_KEYS: Final = 2000
_API_SERVER_FILES: Final = {
    "encryption-provider-config": (
        "APIServerInfo.encryptionProviderConfigFile",
        frozenset({"EncryptionConfig", "EncryptionConfiguration"}),
    ),
    "audit-policy-file": ("APIServerInfo.auditPolicyFile", frozenset({"Policy"})),
}


def is_control_plane(node: HostNode) -> bool:
    """Whether a program of the control plane runs on the node, or has its files there."""
    if any(path_exists(node.files.root, path) for path in node.layout.control_plane):
        return True
    return any(_is_seen(node, program) for program in (*_PROGRAMS, _ETCD))


def collect_control_plane(node: HostNode) -> HostDocument:
    """What is known of the control plane on a node that is part of it."""
    draft = HostDocument("ControlPlaneInfo", node.name)
    for program, field in _PROGRAMS.items():
        process = _process(draft, node, program, f"{field}.cmdLine")
        if process is not None:
            draft.put(f"{field}.cmdLine", process.line)
        _manifest(draft, node, program, f"{field}.specsFile")
        if program == "kube-apiserver":
            if process is not None:
                _api_server(draft, node, process)
        else:
            usual = node.layout.scheduler if program == "kube-scheduler" else node.layout.controller_manager
            _flagged(draft, node, process, "kubeconfig", f"{field}.configFile", usual)
    _manifest(draft, node, _ETCD, "etcdConfigFile")
    _etcd(draft, node)
    draft.add_file("adminConfigFile", node.files, node.layout.admin)
    draft.add_file("PKIDir", node.files, node.layout.pki)
    _keys(draft, node)
    return draft


def _is_seen(node: HostNode, program: str) -> bool:
    try:
        node.running.find(program)
    except HostReadError:
        return False
    return True


def _process(draft: HostDocument, node: HostNode, program: str, field: str) -> Process | None:
    try:
        return node.running.find(program)
    except HostReadError as error:
        # A node that has etcd alone is told nothing of by an API server.
        if not isinstance(error, NotRunningError) or _is_meant(node, program):
            draft.add_missing(field, error)
        return None


def _is_meant(node: HostNode, program: str) -> bool:
    """Whether a program is to run on the node though it does not: the kubelet has its manifest, or it is part of another."""
    return bool(node.layout.embeds) or path_exists(node.files.root, _manifest_of(node, program))


def _manifest_of(node: HostNode, program: str) -> str:
    return posixpath.join(node.layout.manifests, f"{program}.yaml")


def _manifest(draft: HostDocument, node: HostNode, program: str, field: str) -> None:
    if node.layout.embeds:
        draft.add_missing(field, f"{node.layout.embeds} has no manifest of {program}")
    else:
        draft.add_file(field, node.files, _manifest_of(node, program))


def _api_server(draft: HostDocument, node: HostNode, process: Process) -> None:
    """The configuration files of the API server, as it sees them itself: in a container the node may have others."""
    for name, (field, kinds) in _API_SERVER_FILES.items():
        path = process.get_flag(name)
        if not path:
            continue
        try:
            with node.open_files(process) as files:
                draft.add_configuration(field, files, path, kinds)
        except HostReadError as error:
            draft.add_missing(field, f"the files of process {process.pid}: {error}", path)


def _flagged(draft: HostDocument, node: HostNode, process: Process | None, flag: str, field: str, usual: str) -> None:
    """The file or folder of a flag; without the process what is usual, which containers see at the same path."""
    path = process.get_flag(flag) if process else ""
    if path in {"", usual} or process is None:
        draft.add_file(field, node.files, usual)
        return
    try:
        with node.open_files(process) as files:
            draft.add_file(field, files, path)
    except HostReadError as error:
        draft.add_missing(field, f"the files of process {process.pid}: {error}", path)


def _etcd(draft: HostDocument, node: HostNode) -> None:
    """The data directory of etcd; one that is set up by a file has it where it usually is, or elsewhere.

    A program that runs etcd in its own process has it nowhere else.
    """
    process = None if node.layout.embeds else _process(draft, node, _ETCD, "etcdDataDir")
    if process is not None and process.get_flag("config-file"):
        process = None
    _flagged(draft, node, process, "data-dir", "etcdDataDir", node.layout.etcd)


def _keys(draft: HostDocument, node: HostNode) -> None:
    """Every file of the PKI, of which nothing but mode and owner is looked at."""
    try:
        paths, refused = node.files.root.list_files(node.layout.pki, _DEPTH)
    except MissingFileError:
        return
    except HostReadError as error:
        draft.add_missing("PKIFiles", error, node.layout.pki)
        return
    if len(paths) > _MOST_KEYS:
        draft.add_missing("PKIFiles", f"there are more than {_MOST_KEYS} files", node.layout.pki)
        return
    for path, why in refused.items():
        draft.add_missing("PKIFiles", why, path)
    draft.add_files("PKIFiles", node.files, paths)
