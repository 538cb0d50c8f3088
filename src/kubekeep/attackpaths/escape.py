"""What in a container gets its processes at the node that it runs on.

Only what is enough by itself. Containers of a pod count together, but for init containers: they have ended before
anyone can talk to the pod.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kubekeep.attackpaths import cited
from kubekeep.attackpaths.graph import Draft
from kubekeep.attackpaths.objects import Container, Workload
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.location import Path

_CAPABILITIES: Final = {
    "ALL": "has every capability",
    "SYS_ADMIN": "has CAP_SYS_ADMIN and may mount the node's file systems",
    "SYS_MODULE": "has CAP_SYS_MODULE and may load modules into the kernel",
    "SYS_RAWIO": "has CAP_SYS_RAWIO and may write to the memory of the node",
    "DAC_READ_SEARCH": "has CAP_DAC_READ_SEARCH and may open any file of the node by its handle",
}
"""Capabilities that each are enough (capabilities(7))."""
_SOCKETS: Final = (
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/cri-dockerd.sock",
    "/run/docker.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/podman/podman.sock",
)
_RUN: Final = (
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
"""Files and folders of a node where whoever may write makes the node run what he likes."""
_KEYS: Final = (
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
_HARMLESS: Final = (
    "/var/lib/docker/containers",
    "/var/lib/kubelet/device-plugins",
    "/var/lib/kubelet/plugins",
    "/var/lib/kubelet/plugins_registry",
    "/var/lib/kubelet/pod-resources",
    "/var/lib/kubelet/seccomp",
)
"""Folders below those that are not enough, and that agents of nodes mount."""


def escapes(workload: Workload) -> Iterator[Draft]:
    """What gets containers of `workload` at their node."""
    windows = as_mapping(as_mapping(workload.spec.get("securityContext")).get("windowsOptions"))
    # In a user namespace root of the container is nobody on the node (Kubernetes docs, User Namespaces).
    own_users = workload.spec.get("hostUsers") is False
    for container in workload.containers:
        if as_mapping(container.context.get("windowsOptions")).get("hostProcess", windows.get("hostProcess")) is True:
            text = f"container {container.name} runs as a process of its node"
            yield Draft(text, workload.item, container.path, cited.HOST_PROCESS)
        if not own_users:
            yield from _by_context(workload, container)
            yield from _by_volumes(workload, container)


def _by_context(workload: Workload, container: Container) -> Iterator[Draft]:
    path: Path = (*container.path, "securityContext")
    if container.context.get("privileged") is True:
        text = f"container {container.name} is privileged"
        yield Draft(text, workload.item, (*path, "privileged"), cited.PRIVILEGED)
        return
    added = [str(item).upper().removeprefix("CAP_") for item in _added(container)]
    if not container.may_be_root:
        # Without root, added capabilities are not effective in what is executed (capabilities(7)).
        return
    for number, name in enumerate(added):
        reason = _CAPABILITIES.get(name)
        if name == "SYS_PTRACE" and workload.spec.get("hostPID") is True:
            reason = "has CAP_SYS_PTRACE among the processes of its node"
        if reason:
            where = (*path, "capabilities", "add", number)
            yield Draft(f"container {container.name} {reason}", workload.item, where, cited.CAPABILITIES)


def _added(container: Container) -> list[object]:
    return as_list(as_mapping(container.context.get("capabilities")).get("add"))


def _by_volumes(workload: Workload, container: Container) -> Iterator[Draft]:
    folders = {
        str(volume.get("name")): (number, str(as_mapping(volume.get("hostPath")).get("path")))
        for number, volume in enumerate(map(as_mapping, as_list(workload.spec.get("volumes"))))
        if volume.get("hostPath")
    }
    if not folders or not container.may_be_root:
        # The files in question are those of root on any node that is not broken already.
        return
    for mount in map(as_mapping, as_list(container.fields.get("volumeMounts"))):
        number, folder = folders.get(str(mount.get("name")), (-1, ""))
        if number < 0:
            continue
        path = (*workload.path, "volumes", number, "hostPath", "path")
        whole = _plain(f"{folder}/{mount.get('subPath') or ''}")
        reason, slugs = _reach(whole, writes=mount.get("readOnly") is not True)
        if reason:
            yield Draft(f"container {container.name} {reason}", workload.item, path, slugs)


def _reach(folder: str, *, writes: bool) -> tuple[str, tuple[str, ...]]:
    """What mounting `folder` of a node gives, and the slugs of controls that ask about it; empty if nothing."""
    for socket in _SOCKETS:
        # A socket takes commands however its folder is mounted.
        if _holds(folder, socket):
            return f"reaches the container runtime by {folder}", cited.RUNTIME_SOCKET
    if any(_holds(item, folder) for item in _HARMLESS):
        return "", ()
    if writes and _touches(folder, _RUN):
        return f"writes to {folder} of its node", cited.HOST_PATH_WRITTEN
    if _touches(folder, _KEYS):
        return f"reads credentials below {folder} of its node", cited.HOST_PATH_READ
    return "", ()


def _touches(folder: str, places: tuple[str, ...]) -> bool:
    """Whether one of `places` is in `folder`, or `folder` in one of them."""
    return any(_holds(folder, place) or _holds(place, folder) for place in places)


def _holds(folder: str, path: str) -> bool:
    """Whether `path` is `folder` or lies in it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _plain(path: str) -> str:
    """A path of a node without doubled and trailing slashes; `/var/run` is where `/run` was."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if parts[:2] == ["var", "run"]:
        parts = parts[1:]
    return "/" + "/".join(parts)
