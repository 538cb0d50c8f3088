"""Settings of containers that give access to the node.

Reports only settings that are sufficient alone. All containers of a pod count except init containers, which have ended
before the pod can be reached.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from kubekeep.attackpaths import control_slugs
from kubekeep.attackpaths.claims import NodeDirectory, NodeVolumes
from kubekeep.attackpaths.graph import Draft
from kubekeep.attackpaths.objects import PodContainer, Workload
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.location import Path

_CAPABILITIES: Final = {
    "ALL": "has all capabilities",
    "SYS_ADMIN": "has CAP_SYS_ADMIN and can mount file systems of its node",
    "SYS_MODULE": "has CAP_SYS_MODULE and can load kernel modules",
    "SYS_RAWIO": "has CAP_SYS_RAWIO and can write to the memory of its node",
    "DAC_READ_SEARCH": "has CAP_DAC_READ_SEARCH and can open any file of its node by handle",
}
"""Capabilities that are sufficient alone (capabilities(7))."""
_SOCKETS: Final = (
    "/run/containerd/containerd.sock",
    "/run/cri-dockerd.sock",
    "/run/crio/crio.sock",
    "/run/docker.sock",
    "/run/docker/containerd/containerd.sock",
    "/run/docker/libcontainerd/docker-containerd.sock",
    "/run/dockershim.sock",
    "/run/k0s/containerd.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/var/snap/microk8s/common/run/containerd.sock",
)
"""Default paths of the sockets of runtimes, of the containerd that Docker starts, and in distributions of Kubernetes."""
_SOCKET_FREE: Final = "/var"
"""Folder with a socket on nodes of MicroK8s only: `/var/run` is a link to `/run`, outside a mount of `/var`."""
_EXECUTION_PATHS: Final = (
    "/bin",
    "/boot",
    "/etc/cron.d",
    "/etc/crontab",
    "/etc/init.d",
    "/etc/kubernetes",
    "/etc/ld.so.preload",
    "/etc/pam.d",
    "/etc/passwd",
    "/etc/profile.d",
    "/etc/shadow",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/systemd",
    "/lib/systemd",
    "/opt/cni/bin",
    "/proc/sys/kernel/core_pattern",
    "/root",
    "/sbin",
    "/usr/bin",
    "/usr/lib/systemd",
    "/usr/local/bin",
    "/usr/sbin",
    "/var/lib/containerd",
    "/var/lib/docker",
    "/var/lib/kubelet",
    "/var/spool/cron",
)
"""Files and folders of a node that allow code execution on the node to a process with write access."""
_CREDENTIAL_PATHS: Final = (
    "/etc/kubernetes/admin.conf",
    "/etc/kubernetes/kubelet.conf",
    "/etc/kubernetes/pki",
    "/root/.kube",
    "/root/.ssh",
    "/var/lib/kubelet/kubeconfig",
    "/var/lib/kubelet/pki",
    "/var/lib/kubelet/pods",
    "/var/lib/rancher/k3s/server",
)
"""Files and folders of a node with the credentials of its kubelet, of its pods or of an administrator."""
_HARMLESS_FOLDERS: Final = (
    "/var/lib/docker/containers",
    "/var/lib/kubelet/device-plugins",
    "/var/lib/kubelet/plugins",
    "/var/lib/kubelet/plugins_registry",
    "/var/lib/kubelet/pod-resources",
    "/var/lib/kubelet/seccomp",
)
"""Folders inside `_EXECUTION_PATHS` that node agents mount and that give no access to the node."""


def find_escapes(workload: Workload) -> Iterator[Draft]:
    """Yield the settings of `workload` that give its containers access to the node."""
    directories = _list_directories(workload)
    windows = as_mapping(as_mapping(workload.spec.get("securityContext")).get("windowsOptions"))
    for container in workload.containers:
        if as_mapping(container.context.get("windowsOptions")).get("hostProcess", windows.get("hostProcess")) is True:
            text = f"container {container.name} runs as a process of its node"
            yield Draft(text, workload.resource, container.path, control_slugs.HOST_PROCESS)
        if not _has_user_namespace(workload):
            yield from _find_by_context(workload, container)
            yield from _find_by_volumes(container, directories)


def find_claim_escapes(workload: Workload, node_volumes: NodeVolumes) -> Iterator[Draft]:
    """Yield the directories of nodes behind the claims of `workload` that give its containers access to the node.

    Pod Security admits them, because it does not read PersistentVolumes.
    """
    directories = node_volumes.list_directories(workload)
    if not _has_user_namespace(workload):
        for container in workload.containers:
            yield from _find_by_volumes(container, directories)


def _has_user_namespace(workload: Workload) -> bool:
    """Return True if root in the containers has no rights on the node (Kubernetes docs, User Namespaces)."""
    return workload.spec.get("hostUsers") is False


def _find_by_context(workload: Workload, container: PodContainer) -> Iterator[Draft]:
    path: Path = (*container.path, "securityContext")
    if container.context.get("privileged") is True:
        text = f"container {container.name} is privileged"
        yield Draft(text, workload.resource, (*path, "privileged"), control_slugs.PRIVILEGED)
        return
    added = as_list(as_mapping(container.context.get("capabilities")).get("add"))
    if not container.may_be_root:
        # Without root, added capabilities are not effective after execve (capabilities(7)).
        return
    for number, name in enumerate(str(capability).upper().removeprefix("CAP_") for capability in added):
        reason = _CAPABILITIES.get(name)
        if name == "SYS_PTRACE" and workload.spec.get("hostPID") is True:
            reason = "has CAP_SYS_PTRACE and shares the process namespace of its node"
        if reason:
            field = (*path, "capabilities", "add", number)
            yield Draft(f"container {container.name} {reason}", workload.resource, field, control_slugs.CAPABILITIES)


def _list_directories(workload: Workload) -> Mapping[str, Sequence[NodeDirectory]]:
    """Return the `hostPath` volumes of `workload`, by name."""
    directories: dict[str, Sequence[NodeDirectory]] = {}
    for number, volume in enumerate(map(as_mapping, as_list(workload.spec.get("volumes")))):
        if source := as_mapping(volume.get("hostPath")):
            field = (*workload.path, "volumes", number, "hostPath", "path")
            directories[str(volume.get("name"))] = [NodeDirectory(workload.resource, field, str(source.get("path")))]
    return directories


def _find_by_volumes(container: PodContainer, directories: Mapping[str, Sequence[NodeDirectory]]) -> Iterator[Draft]:
    if not directories or not container.may_be_root:
        # With the default file permissions of a node, only root can use these files.
        return
    for mount in map(as_mapping, as_list(container.fields.get("volumeMounts"))):
        for directory in directories.get(str(mount.get("name")), ()):
            host_path = _normalise(f"{directory.path}/{mount.get('subPath') or ''}")
            can_write = directory.can_write and mount.get("readOnly") is not True
            reason, slugs = _explain_mount(host_path, can_write=can_write)
            if reason:
                text = f"container {container.name} {reason}"
                yield Draft(text, directory.resource, directory.field, slugs, directory.assumes)


@functools.lru_cache(maxsize=1024)
def _explain_mount(folder: str, *, can_write: bool) -> tuple[str, tuple[str, ...]]:
    """Return the access that a mount of a node's `folder` gives, and the slugs of its controls; empty if harmless."""
    for socket in _SOCKETS:
        # A socket accepts commands also in a read-only mount.
        if folder != _SOCKET_FREE and _contains(folder, socket):
            if folder == socket:
                return f"mounts the container runtime socket {folder}", control_slugs.RUNTIME_SOCKET
            return f"mounts {_name_folder(folder)} with the container runtime socket", control_slugs.RUNTIME_SOCKET
    if any(_contains(harmless, folder) for harmless in _HARMLESS_FOLDERS):
        return "", ()
    if can_write and _overlaps(folder, _EXECUTION_PATHS):
        return f"mounts {_name_folder(folder)} with write access", control_slugs.HOST_PATH_WRITES
    if _overlaps(folder, _CREDENTIAL_PATHS):
        return f"mounts {_name_folder(folder)}, with credentials", control_slugs.HOST_PATH_READS
    return "", ()


def _name_folder(folder: str) -> str:
    return "the whole file system of its node" if folder == "/" else f"{folder} of its node"


def _overlaps(folder: str, paths: tuple[str, ...]) -> bool:
    """Return True if `folder` contains one of `paths` or is inside one."""
    return any(_contains(folder, path) or _contains(path, folder) for path in paths)


def _contains(folder: str, path: str) -> bool:
    """Return True if `path` is `folder` or inside it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _normalise(path: str) -> str:
    """Return a node path without double and trailing slashes; `/var/run` becomes `/run`."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if parts[:2] == ["var", "run"]:
        parts = parts[1:]
    return "/" + "/".join(parts)
