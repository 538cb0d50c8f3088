"""Where Cilium keeps the settings that matter to all namespaces. Never reads them."""

from __future__ import annotations

from typing import Final

GROUP: Final = "cilium.io"
HOMES: Final = ("kube-system", "cilium")
"""The namespaces where it is installed (Cilium docs, Installation using Helm; OpenShift)."""
SETTINGS: Final = "cilium-config"
"""The ConfigMap there that says whether it drops what no policy allows."""
