"""What an application of Argo CD or Flux is. Never reads one."""

from __future__ import annotations

from typing import Final

import msgspec

from kubekeep.model.location import Location
from kubekeep.model.resource import Resource

ARGO: Final = "argoproj.io"
FLUX_HELM: Final = "helm.toolkit.fluxcd.io"
FLUX_KUSTOMIZE: Final = "kustomize.toolkit.fluxcd.io"
FLUX_SOURCE: Final = "source.toolkit.fluxcd.io"


class Elsewhere(msgspec.Struct, frozen=True):
    """An application whose source is not in the scanned repository: no error, and not assessed."""

    location: Location
    message: str


def is_application(resource: Resource) -> bool:
    """Whether `resource` may say what is deployed, or from where."""
    return resource.group in (ARGO, FLUX_HELM, FLUX_KUSTOMIZE, FLUX_SOURCE)
