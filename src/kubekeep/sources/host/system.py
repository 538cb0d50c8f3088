"""The operating system of a node: its release, its kernel with some of its settings, and its security modules.

Changes no setting.
"""

from __future__ import annotations

import posixpath
from typing import Final

from kubekeep.sources.host.document import HostDocument, HostNode
from kubekeep.sources.host.root import HostReadError, MissingFileError

_BYTES: Final = 1 << 20
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
"""Settings that guides to hardening and the kubelet's `protectKernelDefaults` ask for; kernels lack some of them."""


def collect_os_release(node: HostNode) -> HostDocument:
    """The text of os-release."""
    draft = HostDocument("OsReleaseFile", node.name)
    # os-release(5): the one below /etc comes first.
    try:
        path = node.files.find_first(("/etc/os-release", "/usr/lib/os-release"))
    except MissingFileError as error:
        draft.add_missing("content", error, "/etc/os-release")
        return draft
    _text(draft, node, path)
    return draft


def collect_kernel_version(node: HostNode) -> HostDocument:
    """The version of the kernel, as it names itself."""
    draft = HostDocument("KernelVersion", node.name)
    _text(draft, node, "/proc/version")
    return draft


def collect_kernel_variables(node: HostNode) -> HostDocument:
    """The settings of the kernel that matter to security."""
    draft = HostDocument("LinuxKernelVariables", node.name)
    found = []
    for name in _VARIABLES:
        path = f"/proc/sys/{name}"
        try:
            value = node.files.root.read_text(path, _BYTES)
        except MissingFileError:
            continue
        except HostReadError as error:
            draft.add_missing(name.replace("/", "."), error, path)
            continue
        # As the node agent of Kubescape calls them.
        found.append({"key": posixpath.basename(path), "value": value.strip(), "source": path})
    if found:
        draft.put("kernelVariables", found)
    elif not draft.not_read:
        draft.add_missing("kernelVariables", MissingFileError(), "/proc/sys")
    return draft


def collect_hardening(node: HostNode) -> HostDocument:
    """What AppArmor and SELinux do: the profiles that are loaded, and whether a policy is enforced."""
    draft = HostDocument("LinuxSecurityHardeningStatus", node.name)
    _module(draft, node, "appArmor", "/sys/kernel/security/apparmor/profiles", "unloaded")
    _module(draft, node, "seLinux", "/sys/fs/selinux/enforce", "not found")
    if draft.data.get("seLinux") in {"0", "1"}:
        draft.put("seLinux", "enforcing" if draft.data["seLinux"] == "1" else "permissive")
    return draft


def _module(draft: HostDocument, node: HostNode, field: str, path: str, absent: str) -> None:
    try:
        draft.put(field, node.files.root.read_text(path, _BYTES).strip() or "stopped")
    except MissingFileError as error:
        # Without the file systems of the kernel nothing is known of its modules.
        try:
            node.files.root.get_status("/sys/kernel/security" if "security" in path else "/sys/fs")
        except HostReadError:
            draft.add_missing(field, error, path)
            return
        draft.put(field, absent)
    except HostReadError as error:
        draft.add_missing(field, error, path)


def _text(draft: HostDocument, node: HostNode, path: str) -> None:
    try:
        draft.put("content", node.files.root.read_text(path, _BYTES))
    except HostReadError as error:
        draft.add_missing("content", error, path)
