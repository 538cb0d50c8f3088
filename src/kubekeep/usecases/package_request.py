"""The request for packages of images and registries: access, selection and advisories. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from kubekeep.images.access.options import AccessOptions
from kubekeep.images.access.settings import read_access_options
from kubekeep.images.options import ImageOptions
from kubekeep.images.registries.options import RegistryOptions
from kubekeep.vulnerabilities.options import VulnerabilityOptions


class PackageRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The access to images and registries, and the advisories; None to leave vulnerabilities out."""

    images: ImageOptions = ImageOptions()
    registries: RegistryOptions = RegistryOptions()
    vulnerabilities: VulnerabilityOptions | None = None


class ImageAccess(msgspec.Struct, frozen=True, kw_only=True):
    """The access to images: platform, registries and stores. folder: for caches; None without one.

    mirrors: by registry. auth_files: files with credentials, before the usual ones.
    """

    platform: str
    plain_http: bool
    registry_ca: str
    mirrors: Mapping[str, str]
    auth_files: tuple[str, ...]
    folder: Path | None
    containerd_root: str = ""
    containerd_namespace: str = AccessOptions().containerd_namespace


def request_images(access: ImageAccess) -> PackageRequest:
    """Return the request for packages of images, with the settings of this process."""
    defaults = read_access_options()
    folder = access.folder
    options = msgspec.structs.replace(
        defaults,
        platform=access.platform,
        plain_http=access.plain_http,
        registry_ca=access.registry_ca,
        mirrors=access.mirrors,
        auth_files=(*access.auth_files, *defaults.auth_files),
        containerd_root=access.containerd_root,
        containerd_namespace=access.containerd_namespace,
        manifest_cache=str(folder / "manifests") if folder else "",
    )
    return PackageRequest(images=ImageOptions(access=options, cache_folder=str(folder / "layers") if folder else ""))
