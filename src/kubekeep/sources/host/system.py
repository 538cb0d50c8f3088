"""Operating system of a node: release, kernel version and settings, and security modules. Changes no setting."""

from __future__ import annotations

import posixpath
from typing import Final

from kubekeep.sources.host.document import HostDocument, HostNode
from kubekeep.sources.host.root import HostReadError, MissingFileError

_BYTES: Final = 1 << 20
_NAMESPACES: Final = {"net": "net", "user": "user"}
"""Namespace that the settings in a folder of /proc/sys belong to, by folder (namespaces(7), sysctl in the kernel)."""
_VARIABLES: Final = (
    "fs/protected_fifos",
    "fs/protected_hardlinks",
    "fs/protected_regular",
    "fs/protected_symlinks",
    "fs/suid_dumpable",
    "kernel/dmesg_restrict",
    "kernel/kexec_load_disabled",
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/kptr_restrict",
    "kernel/modules_disabled",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/perf_event_paranoid",
    "kernel/randomize_va_space",
    "kernel/unprivileged_bpf_disabled",
    "kernel/unprivileged_userns_clone",
    "kernel/yama/ptrace_scope",
    "net/ipv4/conf/all/accept_redirects",
    "net/ipv4/conf/all/rp_filter",
    "net/ipv4/ip_forward",
    "net/ipv4/tcp_syncookies",
    "user/max_user_namespaces",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)
"""Settings that hardening guides and the kubelet's `protectKernelDefaults` require; some kernels lack some."""


def collect_os_release(node: HostNode) -> HostDocument:
    """Collect the text of os-release."""
    document = HostDocument("OsReleaseFile", node.name)
    # os-release(5): the file in /etc takes precedence.
    try:
        path = node.files.find_first(("/etc/os-release", "/usr/lib/os-release"))
    except MissingFileError as error:
        document.add_missing("content", error, "/etc/os-release")
        return document
    _add_text(document, node, path)
    return document


def collect_kernel_version(node: HostNode) -> HostDocument:
    """Collect the version of the kernel."""
    document = HostDocument("KernelVersion", node.name)
    _add_text(document, node, "/proc/version")
    return document


def collect_kernel_variables(node: HostNode) -> HostDocument:
    """Collect the settings of the kernel that matter to security."""
    document = HostDocument("LinuxKernelVariables", node.name)
    settings = []
    for name in _VARIABLES:
        path = f"/proc/sys/{name}"
        try:
            value = node.files.root.read_text(path, _BYTES)
            if namespace := _NAMESPACES.get(name.partition("/")[0]):
                node.files.root.check_namespace(namespace)
        except MissingFileError:
            continue
        except HostReadError as error:
            document.add_missing(name.replace("/", "."), error, path)
            continue
        # Keys as in the node agent of Kubescape.
        settings.append({"key": posixpath.basename(path), "value": value.strip(), "source": path})
    if settings:
        document.put("kernelVariables", settings)
    elif not document.not_read:
        document.add_missing("kernelVariables", MissingFileError(), "/proc/sys")
    return document


def collect_hardening(node: HostNode) -> HostDocument:
    """Collect the loaded AppArmor profiles and the state of SELinux."""
    document = HostDocument("LinuxSecurityHardeningStatus", node.name)
    _add_module(document, node, "appArmor", "/sys/kernel/security/apparmor/profiles", "unloaded")
    _add_module(document, node, "seLinux", "/sys/fs/selinux/enforce", "not found")
    if document.data.get("seLinux") in {"0", "1"}:
        document.put("seLinux", "enforcing" if document.data["seLinux"] == "1" else "permissive")
    return document


def _add_module(document: HostDocument, node: HostNode, field: str, path: str, absent: str) -> None:
    try:
        document.put(field, node.files.root.read_text(path, _BYTES).strip() or "stopped")
    except MissingFileError as error:
        # Without the file systems of the kernel the state of its modules is unknown.
        try:
            node.files.root.get_status("/sys/kernel/security" if "security" in path else "/sys/fs")
        except HostReadError:
            document.add_missing(field, error, path)
            return
        document.put(field, absent)
    except HostReadError as error:
        document.add_missing(field, error, path)


def _add_text(document: HostDocument, node: HostNode, path: str) -> None:
    try:
        document.put("content", node.files.root.read_text(path, _BYTES))
    except HostReadError as error:
        document.add_missing("content", error, path)
