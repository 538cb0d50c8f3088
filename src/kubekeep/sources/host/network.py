"""Network of a node: kube-proxy, CNI plugins and listening ports. Opens no connection."""

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
from kubekeep.sources.host.processes import HostProcess
from kubekeep.sources.host.root import HostReadError, MissingFileError

_BYTES: Final = 1 << 20
_TABLE_BYTES: Final = 16 << 20
_DEEPEST: Final = 4
_MOST_FILES: Final = 2000
_KINDS: Final = frozenset({"KubeProxyConfiguration"})
_CHAINED: Final = frozenset(
    {
        *("bandwidth", "dhcp", "egress-cni", "egress-v4-cni", "egress-v6-cni", "firewall", "host-local", "loopback"),
        *("portmap", "sbr", "static", "tuning", "vrf"),
    }
)
"""Plugins that extend the setup of another plugin (CNI docs, plugins)."""
_CALLING: Final = frozenset({"multus", "multus-shim", "genie", "danm"})
"""Plugins that call the other plugins in the folder."""
_LISTENING_STATES: Final = {"tcp": "0A", "udp": "07"}
"""State of a listening socket by protocol (linux/net/tcp_states.h)."""
_HEX: Final = "[0-9A-F]{8}(?:[0-9A-F]{24})?"
_ROW: Final = re.compile(rf"\s*\d+: ({_HEX}):([0-9A-F]{{4}}) ({_HEX}):([0-9A-F]{{4}}) ([0-9A-F]{{2}}) ")


def collect_kube_proxy(node: HostNode) -> Iterator[HostDocument | dict[str, Any]]:
    """Yield the document about kube-proxy, and its configuration file as an object if it runs."""
    document = HostDocument("KubeProxyInfo", node.name)
    process: HostProcess | None = None
    try:
        process = node.processes.find("kube-proxy")
    except HostReadError as error:
        document.add_missing("cmdLine", error)
    if process is None:
        try:
            document.add_file("kubeConfigFile", node.files, node.files.find_first(node.layout.proxy_kubeconfig))
        except MissingFileError:
            yield document
            return
        yield document
        return
    document.put("cmdLine", process.line)
    configuration: dict[str, Any] = {}
    try:
        with node.open_files(process) as files:
            configuration = _read_configuration(document, files, process.get_flag("config"))
            # In a container the kubeconfig comes from a ConfigMap with public access: it contains no credentials,
            # only the path of the token of the service account.
            configured_path = "" if process.is_contained else _find_kubeconfig(configuration)
            if path := process.get_flag("kubeconfig") or configured_path:
                document.add_file("kubeConfigFile", files, path)
    except HostReadError as error:
        document.add_missing("kubeConfigFile", f"files of process {process.pid}: {error}")
    yield document
    if configuration:
        yield {**configuration, "metadata": {"name": node.name}}


def collect_cni(node: HostNode) -> HostDocument:
    """Collect the files of network plugins, and the names of those that configure the network of Pods.

    The folders also hold kubeconfigs, as plugins may store them in subfolders.
    """
    document = HostDocument("CNIInfo", node.name)
    try:
        folder = node.files.find_first(node.layout.networks)
        paths, errors = node.files.root.list_files(folder, _DEEPEST)
    except HostReadError as error:
        document.add_missing("CNIConfigFiles", error, ", ".join(node.layout.networks))
        return document
    if len(paths) > _MOST_FILES:
        document.add_missing("CNIConfigFiles", f"more than {_MOST_FILES} files", folder)
    else:
        document.add_files("CNIConfigFiles", node.files, paths)
    for path, why in errors.items():
        document.add_missing("CNIConfigFiles", why, path)
    try:
        names = _find_plugins(node, [path for path in paths if _is_configuration(path, folder)])
    except HostReadError as error:
        document.add_missing("CNINames", error)
        return document
    if names == ["flannel"] and node.layout.name == "k3s":
        document.add_missing(
            "CNINames", "unknown for k3s: it enforces network policies in addition to flannel unless that is disabled"
        )
    elif names:
        document.put("CNINames", names)
    return document


def collect_open_ports(node: HostNode) -> HostDocument:
    """Collect the listening ports in the network of the node."""
    document = HostDocument("OpenPortsList", node.name)
    for transport in ("tcp", "udp"):
        rows: list[dict[str, Any]] = []
        for version in ("", "6"):
            path = f"/proc/1/net/{transport}{version}"
            try:
                rows += _parse_sockets(node.files.root.read_text(path, _TABLE_BYTES), transport)
            except MissingFileError as error:
                if not version:
                    document.add_missing(f"{transport}Ports", error, path)
            except HostReadError as error:
                document.add_missing(f"{transport}Ports", error, path)
        if not any(gap.field == f"{transport}Ports" for gap in document.not_read):
            document.put(f"{transport}Ports", rows)
    return document


def _read_configuration(document: HostDocument, files: NodeFiles, path: str) -> dict[str, Any]:
    """Return the configuration of kube-proxy in a file; {} if it is absent or cannot be read."""
    if not path:
        return {}
    try:
        return files.read_configuration(path, _KINDS)
    except HostReadError as error:
        document.add_missing("configuration", error, path)
        return {}


def _find_kubeconfig(configuration: dict[str, Any]) -> str:
    connection = configuration.get("clientConnection")
    path = connection.get("kubeconfig") if isinstance(connection, dict) else ""
    return path if isinstance(path, str) else ""


def _is_configuration(path: str, folder: str) -> bool:
    """Return True if container runtimes read a file; they ignore subfolders (libcni, ConfFiles)."""
    return posixpath.dirname(path) == folder and path.endswith((".conf", ".conflist", ".json"))


def _find_plugins(node: HostNode, paths: list[str]) -> list[str]:
    """Return the plugins that a container runtime calls: those of the first file, or of all files for a calling plugin."""
    names: list[str] = []
    for path in paths:
        names += [name for name in _parse_types(node.files.root.read_text(path, _BYTES)) if name not in _CHAINED]
        if names and not _CALLING & set(names):
            break
    return list(dict.fromkeys(name for name in names if name not in _CALLING)) or list(dict.fromkeys(names))


def _parse_types(text: str) -> list[str]:
    try:
        network = json.loads(text)
    except (ValueError, RecursionError):
        raise HostReadError("a CNI configuration file is not valid JSON") from None
    plugins = network.get("plugins", [network]) if isinstance(network, dict) else None
    if not isinstance(plugins, list):
        raise HostReadError("a CNI configuration file has no list of plugins")
    return [plugin["type"] for plugin in plugins if isinstance(plugin, dict) and isinstance(plugin.get("type"), str)]


def _parse_sockets(text: str, transport: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines()[1:]:
        match = _ROW.match(line)
        if match is not None and match[5] == _LISTENING_STATES[transport]:
            yield {
                "transport": transport,
                "localAddress": _parse_address(match[1]),
                "localPort": int(match[2], 16),
                "remoteAddress": _parse_address(match[3]),
                "remotePort": int(match[4], 16),
            }


def _parse_address(digits: str) -> str:
    """Parse an address of hexadecimal words in the byte order of the machine."""
    address = bytes.fromhex(digits)
    if sys.byteorder == "little":
        address = b"".join(address[start : start + 4][::-1] for start in range(0, len(address), 4))
    return str(ipaddress.ip_address(address))
