"""The cache of layers that a fleet shares through a registry, opened for a scan. Sends no request before the scan."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec

from kubekeep.images.access.repositories import create_keychain, create_settings, list_origins
from kubekeep.images.layers import compute_shared_version
from kubekeep.images.shared_layers import FragmentTrust, SharedLayers
from kubekeep.registry.keys import fingerprint, load_private_key, load_public_key
from kubekeep.registry.reference import parse_image_name
from kubekeep.registry.repository import OciRepository
from kubekeep.usecases.package_request import PackageRequest


class LayerCacheRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The repository of the cache, without a tag, and the keys of trusted content and of written content, in PEM.

    key: None to trust everyone who may write to the repository. folder: for caches; None without one.
    """

    repository: str
    folder: Path | None
    key: bytes | None
    sign_key: bytes | None
    read_password: Callable[[], bytes]
    writes: bool
    on_problem: Callable[[str], None]


def open_layer_cache(packages: PackageRequest, request: LayerCacheRequest) -> PackageRequest:
    """Return the request for packages with the cache. Raises KeyFileError."""
    access = packages.images.access
    reference = parse_image_name(request.repository)
    public = load_public_key(request.key) if request.key is not None else None
    private = load_private_key(request.sign_key, request.read_password) if request.sign_key is not None else None
    # Without TLS for a registry on this machine, which rarely has it.
    origin = list_origins(reference, access)[-1]
    trust = hashlib.blake2b(f"{reference.name} {fingerprint(public) if public else ''}".encode(), digest_size=16)
    layers = SharedLayers(
        OciRepository(reference, create_keychain(access), settings=create_settings(origin, access)),
        reference,
        FragmentTrust(key=public, is_trusted_registry=public is None),
        compute_shared_version(),
        local=request.folder / "shared-layers" / trust.hexdigest() if request.folder else None,
        writes=request.writes,
        writer=private,
        on_problem=request.on_problem,
    )
    return msgspec.structs.replace(packages, images=msgspec.structs.replace(packages.images, shared_layers=layers))
