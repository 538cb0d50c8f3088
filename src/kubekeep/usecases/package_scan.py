"""The place of packages of images, registries and SBOMs in the request for a scan. Values only."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping

import msgspec

from kubekeep.images.options import OnBytes
from kubekeep.images.registries.options import OnImages, RegistryOptions
from kubekeep.sources.images.address import is_image_address
from kubekeep.sources.images.address import to_address as to_image_address
from kubekeep.sources.registries.address import is_registry_address
from kubekeep.sources.registries.address import to_address as to_registry_address
from kubekeep.sources.sboms.address import is_sbom_address, to_sbom_address
from kubekeep.usecases.package_request import PackageRequest
from kubekeep.usecases.request import ScanRequest
from kubekeep.usecases.rule_selection import DEFAULT_FRAMEWORKS, IMAGE_FRAMEWORK
from kubekeep.vulnerabilities.options import VulnerabilityOptions


class PackageSource(enum.Enum):
    """Kinds of input with packages."""

    IMAGE = enum.auto()
    REGISTRY = enum.auto()
    SBOM = enum.auto()


_TO_ADDRESS = {
    PackageSource.IMAGE: to_image_address,
    PackageSource.REGISTRY: to_registry_address,
    PackageSource.SBOM: to_sbom_address,
}


def has_packages(path: str) -> bool:
    """Return True for the address of an image, of a registry or of an SBOM."""
    return is_image_address(path) or is_registry_address(path) or is_sbom_address(path)


def names_registry(paths: Iterable[str]) -> bool:
    """Return True if one of the paths is the address of a registry."""
    return any(map(is_registry_address, paths))


def request_packages(request: ScanRequest, packages: PackageRequest, source: PackageSource) -> ScanRequest:
    """Return the request for a scan whose paths are images, patterns of a registry, or SBOMs."""
    paths = tuple(map(_TO_ADDRESS[source], request.input.paths))
    scan_input = msgspec.structs.replace(request.input, paths=paths)
    return _add_packages(msgspec.structs.replace(request, input=scan_input), packages, (IMAGE_FRAMEWORK,))


def request_stored_images(
    request: ScanRequest, state: str, packages: Mapping[str, frozenset[bytes]], vulnerabilities: VulnerabilityOptions
) -> ScanRequest:
    """Return the request for a scan of the images in the state of registry scans, without their registries.

    packages: digests of the packages to compare, by digest of the image.
    """
    scan_input = msgspec.structs.replace(request.input, paths=(state,))
    registries = RegistryOptions(state=state, packages=packages)
    return request_packages(
        msgspec.structs.replace(request, input=scan_input),
        PackageRequest(registries=registries, vulnerabilities=vulnerabilities),
        PackageSource.REGISTRY,
    )


def add_packages(request: ScanRequest, packages: PackageRequest, *, workloads: bool) -> ScanRequest:
    """Return the request with the packages of addresses in it; with `workloads`, also of the images that workloads use.

    Without either, the request stays as it is. If no rule is named, the framework for images is used beside the default.
    """
    if not (workloads or any(map(has_packages, request.input.paths))):
        return request
    read = msgspec.structs.replace(request.input.read, workload_images=workloads)
    scan_input = msgspec.structs.replace(request.input, read=read)
    request = msgspec.structs.replace(request, input=scan_input)
    return _add_packages(request, packages, (*DEFAULT_FRAMEWORKS, IMAGE_FRAMEWORK))


def _add_packages(request: ScanRequest, packages: PackageRequest, frameworks: tuple[str, ...]) -> ScanRequest:
    """Return the request with the options of packages; `frameworks` are used if no rule is named."""
    read = msgspec.structs.replace(
        request.input.read,
        images=packages.images,
        registries=packages.registries,
        vulnerabilities=packages.vulnerabilities,
    )
    rules = request.rules
    if not (rules.frameworks or rules.controls):
        rules = msgspec.structs.replace(rules, frameworks=frameworks)
    return msgspec.structs.replace(request, input=msgspec.structs.replace(request.input, read=read), rules=rules)


def observe_downloads(request: ScanRequest, on_bytes: OnBytes) -> ScanRequest:
    """Return the request with an observer of the layers that are read."""
    read = request.input.read
    images = msgspec.structs.replace(read.images, on_bytes=on_bytes)
    source = msgspec.structs.replace(request.input, read=msgspec.structs.replace(read, images=images))
    return msgspec.structs.replace(request, input=source)


def observe_images(request: ScanRequest, on_images: OnImages) -> ScanRequest:
    """Return the request with an observer of the images of registries that are read."""
    read = request.input.read
    registries = msgspec.structs.replace(read.registries, on_images=on_images)
    source = msgspec.structs.replace(request.input, read=msgspec.structs.replace(read, registries=registries))
    return msgspec.structs.replace(request, input=source)
