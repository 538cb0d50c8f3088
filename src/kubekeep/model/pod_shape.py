"""The types of the pod-spec fields that security rules read, as the API server would insist on them.

A rule that compares `privileged` with true would take the text "true" for safe, though no cluster accepts such a
pod. So the shape is checked once, in C, before any rule runs. Fields that no rule depends on are not looked at.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec


class _Shape(msgspec.Struct, rename="camel", gc=False):
    """Part of a pod spec. Every field may be absent or null, which the API takes for the same."""


class _Capabilities(_Shape):
    add: list[str | None] | None = None
    drop: list[str | None] | None = None


class _SELinux(_Shape):
    type: str | None = None
    user: str | None = None
    role: str | None = None


class _Profile(_Shape):
    type: str | None = None


class _Windows(_Shape):
    host_process: bool | None = None


class _Sysctl(_Shape):
    name: str | None = None


class _Context(_Shape):
    """A security context, of a pod or of a container: what they share has the same types in both."""

    privileged: bool | None = None
    allow_privilege_escalation: bool | None = None
    read_only_root_filesystem: bool | None = None
    run_as_non_root: bool | None = None
    run_as_user: int | None = None
    run_as_group: int | None = None
    proc_mount: str | None = None
    capabilities: _Capabilities | None = None
    se_linux_options: _SELinux | None = None
    seccomp_profile: _Profile | None = None
    app_armor_profile: _Profile | None = None
    windows_options: _Windows | None = None
    sysctls: list[_Sysctl] | None = None


class _Handler(_Shape):
    host: str | None = None


class _Action(_Shape):
    http_get: _Handler | None = None
    tcp_socket: _Handler | None = None


class _Lifecycle(_Shape):
    post_start: _Action | None = None
    pre_stop: _Action | None = None


class _Port(_Shape):
    host_port: int | None = None


class _Container(_Shape):
    security_context: _Context | None = None
    ports: list[_Port] | None = None
    liveness_probe: _Action | None = None
    readiness_probe: _Action | None = None
    startup_probe: _Action | None = None
    lifecycle: _Lifecycle | None = None


class _System(_Shape):
    name: str | None = None


class _PodSpec(_Shape):
    host_network: bool | None = None
    host_pid: bool | None = msgspec.field(name="hostPID", default=None)
    host_ipc: bool | None = msgspec.field(name="hostIPC", default=None)
    host_users: bool | None = None
    os: _System | None = None
    security_context: _Context | None = None
    volumes: list[dict[str, Any]] | None = None
    containers: list[_Container] | None = None
    init_containers: list[_Container] | None = None
    ephemeral_containers: list[_Container] | None = None


_AT: Final = " - at `$"


def flaw(spec: dict[str, Any]) -> str:
    """What the API server would not read in a pod spec: `.hostPID: Expected ...`; empty if nothing."""
    try:
        msgspec.convert(spec, _PodSpec)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(_AT)
        return f"{place.rstrip('`')}: {problem}"
    return ""
