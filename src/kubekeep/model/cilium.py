"""Location of the Cilium settings that apply to all namespaces. Never reads them."""

from __future__ import annotations

from typing import Final

GROUP: Final = "cilium.io"
HOMES: Final = ("kube-system", "cilium")
"""Namespaces in which Cilium is installed (Cilium docs, Installation using Helm; OpenShift)."""
SETTINGS: Final = "cilium-config"
"""Name of the ConfigMap that sets whether traffic is dropped unless a policy allows it."""
