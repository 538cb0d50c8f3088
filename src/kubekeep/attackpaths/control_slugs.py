"""Slugs of the controls that check the fields behind an edge. Constants only; `graph.FailedControls` finds failures."""

from __future__ import annotations

from typing import Final

EXPOSURE: Final = ("external-facing", "gateway-exposure")
HOST_PORT: Final = ("host-port",)
HOST_NETWORK: Final = ("host-network",)

HOST_PROCESS: Final = ("pss-windows-host-process",)
PRIVILEGED: Final = ("privileged-container",)
CAPABILITIES: Final = ("insecure-capabilities",)
RUNTIME_SOCKET: Final = ("container-runtime-socket", "host-path")
HOST_PATH_WRITES: Final = ("host-path", "writable-host-path")
HOST_PATH_READS: Final = ("host-path",)

TOKEN: Final = ("automatic-service-account-token", "bound-service-account-token")
SECRET_VARIABLES: Final = ("secrets-in-environment",)
SECRET_MOUNTS: Final = ("secret-mounted",)

GRANTED_ROLES: Final = (
    "cluster-admin-bindings",
    "administrative-roles",
    "anonymous-bindings",
    "authenticated-group-roles",
)
WILDCARDS: Final = ("wildcard-roles",)
SECRET_READING: Final = ("reading-secrets", "secret-access-minimized")
NAMED_SECRET_READING: Final = ("secret-access-minimized",)
CREATING_PODS: Final = ("creating-pods",)
EXEC: Final = ("exec-into-containers",)
TOKENS: Final = ("service-account-token-creation",)
IMPERSONATION: Final = ("impersonation", "bind-impersonate-escalate")
ROLE_GRANTING: Final = ("bind-impersonate-escalate",)
NODE_PROXY: Final = ("node-proxy",)
WEBHOOKS: Final = ("webhook-configuration-changes",)
CERTIFICATES: Final = ("certificate-approval",)

EVIDENCE_CONTROLS: Final = tuple(
    dict.fromkeys(
        slug
        for slugs in (
            *(EXPOSURE, HOST_PORT, HOST_NETWORK, HOST_PROCESS, PRIVILEGED, CAPABILITIES, RUNTIME_SOCKET),
            *(
                HOST_PATH_WRITES,
                HOST_PATH_READS,
                TOKEN,
                SECRET_VARIABLES,
                SECRET_MOUNTS,
                GRANTED_ROLES,
                WILDCARDS,
                SECRET_READING,
                CREATING_PODS,
            ),
            *(EXEC, TOKENS, IMPERSONATION, ROLE_GRANTING, NODE_PROXY, WEBHOOKS, CERTIFICATES),
        )
        for slug in slugs
    )
)
"""All slugs of this module."""
