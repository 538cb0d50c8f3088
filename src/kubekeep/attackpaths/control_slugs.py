"""Slugs of the controls that check the fields behind an edge. An edge lists those that fail on its resource."""

from __future__ import annotations

from typing import Final

EXPOSED: Final = ("external-facing", "gateway-exposure")
HOST_PORT: Final = ("host-port",)
HOST_NETWORK: Final = ("host-network",)

HOST_PROCESS: Final = ("pss-windows-host-process",)
PRIVILEGED: Final = ("privileged-container",)
CAPABILITIES: Final = ("insecure-capabilities",)
RUNTIME_SOCKET: Final = ("container-runtime-socket", "host-path")
HOST_PATH_WRITTEN: Final = ("host-path", "writable-host-path")
HOST_PATH_READ: Final = ("host-path",)

TOKEN: Final = ("automatic-service-account-token", "bound-service-account-token")
IN_VARIABLES: Final = ("secrets-in-environment",)
MOUNTED: Final = ("secret-mounted",)

GRANTED: Final = (
    "cluster-admin-bindings",
    "administrative-roles",
    "anonymous-bindings",
    "authenticated-group-roles",
)
WILD: Final = ("wildcard-roles",)
READING: Final = ("reading-secrets", "secret-access-minimized")
READING_NAMED: Final = ("secret-access-minimized",)
CREATING_PODS: Final = ("creating-pods",)
EXEC: Final = ("exec-into-containers",)
TOKENS: Final = ("service-account-token-creation",)
IMPERSONATION: Final = ("impersonation", "bind-impersonate-escalate")
GRANTING: Final = ("bind-impersonate-escalate",)
NODE_PROXY: Final = ("node-proxy",)
WEBHOOKS: Final = ("webhook-configuration-changes",)
CERTIFICATES: Final = ("certificate-approval",)

EVIDENCE_CONTROLS: Final = tuple(
    dict.fromkeys(
        slug
        for slugs in (
            *(EXPOSED, HOST_PORT, HOST_NETWORK, HOST_PROCESS, PRIVILEGED, CAPABILITIES, RUNTIME_SOCKET),
            *(HOST_PATH_WRITTEN, HOST_PATH_READ, TOKEN, IN_VARIABLES, MOUNTED, GRANTED, WILD, READING, CREATING_PODS),
            *(EXEC, TOKENS, IMPERSONATION, GRANTING, NODE_PROXY, WEBHOOKS, CERTIFICATES),
        )
        for slug in slugs
    )
)
"""All slugs of this module."""
