"""The control plane on a node: command lines, manifests, keys and data, by their modes and owners. Reads no key."""

from __future__ import annotations

import posixpath
from typing import Final

from kubekeep.sources.host.draft import Draft
from kubekeep.sources.host.layout import is_there
from kubekeep.sources.host.node import Node
from kubekeep.sources.host.processes import NotRunningError, Process
from kubekeep.sources.host.root import MissingError, UnreadableError

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


def is_control_plane(node: Node) -> bool:
    """Whether a program of the control plane runs on the node, or has its files there."""
    if any(is_there(node.files.root, path) for path in node.layout.control_plane):
        return True
    return any(_is_seen(node, program) for program in (*_PROGRAMS, _ETCD))


def control_plane(node: Node) -> Draft:
    """What is known of the control plane on a node that is part of it."""
    draft = Draft("ControlPlaneInfo", node.name)
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
    draft.file("adminConfigFile", node.files, node.layout.admin)
    draft.file("PKIDir", node.files, node.layout.pki)
    _keys(draft, node)
    return draft


def _is_seen(node: Node, program: str) -> bool:
    try:
        node.running.of(program)
    except UnreadableError:
        return False
    return True


def _process(draft: Draft, node: Node, program: str, field: str) -> Process | None:
    try:
        return node.running.of(program)
    except UnreadableError as error:
        # A node that has etcd alone is told nothing of by an API server.
        if not isinstance(error, NotRunningError) or _is_meant(node, program):
            draft.lacks(field, error)
        return None


def _is_meant(node: Node, program: str) -> bool:
    """Whether a program is to run on the node though it does not: the kubelet has its manifest, or it is part of another."""
    return bool(node.layout.embeds) or is_there(node.files.root, _manifest_of(node, program))


def _manifest_of(node: Node, program: str) -> str:
    return posixpath.join(node.layout.manifests, f"{program}.yaml")


def _manifest(draft: Draft, node: Node, program: str, field: str) -> None:
    if node.layout.embeds:
        draft.lacks(field, f"{node.layout.embeds} has no manifest of {program}")
    else:
        draft.file(field, node.files, _manifest_of(node, program))


def _api_server(draft: Draft, node: Node, process: Process) -> None:
    """The configuration files of the API server, as it sees them itself: in a container the node may have others."""
    for name, (field, kinds) in _API_SERVER_FILES.items():
        path = process.flag(name)
        if not path:
            continue
        try:
            with node.files_of(process) as files:
                draft.configuration(field, files, path, kinds)
        except UnreadableError as error:
            draft.lacks(field, f"the files of process {process.pid}: {error}", path)


def _flagged(draft: Draft, node: Node, process: Process | None, flag: str, field: str, usual: str) -> None:
    """The file or folder of a flag; without the process what is usual, which containers see at the same path."""
    path = process.flag(flag) if process else ""
    if path in {"", usual} or process is None:
        draft.file(field, node.files, usual)
        return
    try:
        with node.files_of(process) as files:
            draft.file(field, files, path)
    except UnreadableError as error:
        draft.lacks(field, f"the files of process {process.pid}: {error}", path)


def _etcd(draft: Draft, node: Node) -> None:
    """The data directory of etcd; one that is set up by a file has it where it usually is, or elsewhere.

    A program that runs etcd in its own process has it nowhere else.
    """
    process = None if node.layout.embeds else _process(draft, node, _ETCD, "etcdDataDir")
    if process is not None and process.flag("config-file"):
        process = None
    _flagged(draft, node, process, "data-dir", "etcdDataDir", node.layout.etcd)


def _keys(draft: Draft, node: Node) -> None:
    """Every file of the PKI, of which nothing but mode and owner is looked at."""
    try:
        paths, refused = node.files.root.files(node.layout.pki, _DEPTH)
    except MissingError:
        return
    except UnreadableError as error:
        draft.lacks("PKIFiles", error, node.layout.pki)
        return
    if len(paths) > _MOST_KEYS:
        draft.lacks("PKIFiles", f"there are more than {_MOST_KEYS} files", node.layout.pki)
        return
    for path, why in refused.items():
        draft.lacks("PKIFiles", why, path)
    draft.listed("PKIFiles", node.files, paths)
