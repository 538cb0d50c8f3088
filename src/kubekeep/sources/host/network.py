"""What carries the network of a node: kube-proxy, the plugins of CNI, and the ports on which somebody listens.

Connects to nothing.
"""

from __future__ import annotations

import ipaddress
import json
import posixpath
import re
import sys
from collections.abc import Iterator
from typing import Any, Final

from kubekeep.sources.host.document import HostDocument, HostNode
from kubekeep.sources.host.files import NodeFiles
from kubekeep.sources.host.processes import Process
from kubekeep.sources.host.root import HostReadError, MissingFileError

_BYTES: Final = 1 << 20
_TABLE: Final = 16 << 20
_DEPTH: Final = 4
_MOST_FILES: Final = 2000
_KINDS: Final = frozenset({"KubeProxyConfiguration"})
_CHAINED: Final = frozenset(
    {
        *("bandwidth", "dhcp", "egress-cni", "egress-v4-cni", "egress-v6-cni", "firewall", "host-local", "loopback"),
        *("portmap", "sbr", "static", "tuning", "vrf"),
    }
)
"""Plugins that add to what another one sets up (CNI docs, plugins)."""
_CALLING: Final = frozenset({"multus", "multus-shim", "genie", "danm"})
"""Plugins that call the others of the folder."""
_LISTENING: Final = {"tcp": "0A", "udp": "07"}
"""The state of a socket that waits for anybody (linux/net/tcp_states.h)."""
_HEX: Final = "[0-9A-F]{8}(?:[0-9A-F]{24})?"
_ROW: Final = re.compile(rf"\s*\d+: ({_HEX}):([0-9A-F]{{4}}) ({_HEX}):([0-9A-F]{{4}}) ([0-9A-F]{{2}}) ")


def collect_kube_proxy(node: HostNode) -> Iterator[HostDocument | dict[str, Any]]:
    """What is known of kube-proxy, and its configuration file as an object; nothing where it does not run."""
    draft = HostDocument("KubeProxyInfo", node.name)
    process: Process | None = None
    try:
        process = node.running.find("kube-proxy")
    except HostReadError as error:
        draft.add_missing("cmdLine", error)
    if process is None:
        try:
            draft.add_file("kubeConfigFile", node.files, node.files.find_first(node.layout.proxy_kubeconfig))
        except MissingFileError:
            yield draft
            return
        yield draft
        return
    draft.put("cmdLine", process.line)
    configuration: dict[str, Any] = {}
    try:
        with node.open_files(process) as files:
            configuration = _configuration(draft, files, process.get_flag("config"))
            # In a container the configuration names a file of a ConfigMap, which everybody may read: it holds no
            # credentials, but says where the token of the service account is.
            named = "" if process.contained else _kubeconfig(configuration)
            if path := process.get_flag("kubeconfig") or named:
                draft.add_file("kubeConfigFile", files, path)
    except HostReadError as error:
        draft.add_missing("kubeConfigFile", f"the files of process {process.pid}: {error}")
    yield draft
    if configuration:
        yield {**configuration, "metadata": {"name": node.name}}


def collect_cni(node: HostNode) -> HostDocument:
    """The files of the network plugins, and the names of those that set up the network of Pods.

    Beside configurations there are kubeconfigs, which plugins also keep in folders of their own.
    """
    draft = HostDocument("CNIInfo", node.name)
    try:
        folder = node.files.find_first(node.layout.networks)
        paths, refused = node.files.root.list_files(folder, _DEPTH)
    except HostReadError as error:
        draft.add_missing("CNIConfigFiles", error, ", ".join(node.layout.networks))
        return draft
    if len(paths) > _MOST_FILES:
        draft.add_missing("CNIConfigFiles", f"there are more than {_MOST_FILES} files", folder)
    else:
        draft.add_files("CNIConfigFiles", node.files, paths)
    for path, why in refused.items():
        draft.add_missing("CNIConfigFiles", why, path)
    try:
        names = _plugins(node, [path for path in paths if _is_configuration(path, folder)])
    except HostReadError as error:
        draft.add_missing("CNINames", error)
        return draft
    if names == ["flannel"] and node.layout.name == "k3s":
        draft.add_missing("CNINames", "k3s enforces network policies beside flannel, unless that is turned off")
    elif names:
        draft.put("CNINames", names)
    return draft


def collect_open_ports(node: HostNode) -> HostDocument:
    """The ports on which somebody listens in the network of the node."""
    draft = HostDocument("OpenPortsList", node.name)
    for transport in ("tcp", "udp"):
        rows: list[dict[str, Any]] = []
        for version in ("", "6"):
            path = f"/proc/1/net/{transport}{version}"
            try:
                rows += _listening(node.files.root.read_text(path, _TABLE), transport)
            except MissingFileError as error:
                if not version:
                    draft.add_missing(f"{transport}Ports", error, path)
            except HostReadError as error:
                draft.add_missing(f"{transport}Ports", error, path)
        if not any(item.field == f"{transport}Ports" for item in draft.not_read):
            draft.put(f"{transport}Ports", rows)
    return draft


def _configuration(draft: HostDocument, files: NodeFiles, path: str) -> dict[str, Any]:
    """The configuration of kube-proxy in a file; empty where there is none, or none that can be read."""
    if not path:
        return {}
    try:
        return files.configuration(path, _KINDS)
    except HostReadError as error:
        draft.add_missing("configuration", error, path)
        return {}


def _kubeconfig(configuration: dict[str, Any]) -> str:
    connection = configuration.get("clientConnection")
    path = connection.get("kubeconfig") if isinstance(connection, dict) else ""
    return path if isinstance(path, str) else ""


def _is_configuration(path: str, folder: str) -> bool:
    """Whether container runtimes read a file: they look into no folder below (libcni, ConfFiles)."""
    return posixpath.dirname(path) == folder and path.endswith((".conf", ".conflist", ".json"))


def _plugins(node: HostNode, paths: list[str]) -> list[str]:
    """The plugins that a container runtime calls: those of the first file, or of all if that one calls the others."""
    names: list[str] = []
    for path in paths:
        names += [name for name in _types(node.files.root.read_text(path, _BYTES)) if name not in _CHAINED]
        if names and not _CALLING & set(names):
            break
    return list(dict.fromkeys(name for name in names if name not in _CALLING)) or list(dict.fromkeys(names))


def _types(text: str) -> list[str]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise HostReadError("a configuration file of CNI is no JSON") from None
    plugins = found.get("plugins", [found]) if isinstance(found, dict) else None
    if not isinstance(plugins, list):
        raise HostReadError("a configuration file of CNI has no list of plugins")
    return [plugin["type"] for plugin in plugins if isinstance(plugin, dict) and isinstance(plugin.get("type"), str)]


def _listening(text: str, transport: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines()[1:]:
        match = _ROW.match(line)
        if match is not None and match[5] == _LISTENING[transport]:
            yield {
                "transport": transport,
                "localAddress": _address(match[1]),
                "localPort": int(match[2], 16),
                "remoteAddress": _address(match[3]),
                "remotePort": int(match[4], 16),
            }


def _address(digits: str) -> str:
    """The address in hexadecimal words, each as the machine keeps a number."""
    data = bytes.fromhex(digits)
    if sys.byteorder == "little":
        data = b"".join(data[at : at + 4][::-1] for at in range(0, len(data), 4))
    return str(ipaddress.ip_address(data))
