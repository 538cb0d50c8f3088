"""API groups of Argo CD and Flux. No I/O."""

from __future__ import annotations

from typing import Final

ARGO: Final = "argoproj.io"
FLUX_HELM: Final = "helm.toolkit.fluxcd.io"
FLUX_KUSTOMIZE: Final = "kustomize.toolkit.fluxcd.io"
FLUX_SOURCE: Final = "source.toolkit.fluxcd.io"
