"""Base images of an image: the present one, and newer tags of its repository. Never prints."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Final

import msgspec

from kubekeep.images.access.open_image import open_image
from kubekeep.images.access.options import AccessOptions
from kubekeep.images.configuration import ImageConfiguration, decode_configuration
from kubekeep.images.errors import ImageAccessError
from kubekeep.images.inspected_image import InspectedImage
from kubekeep.images.options import ImageOptions
from kubekeep.images.registries.client import RegistryClient
from kubekeep.images.registries.newer_tags import select_newer_tags
from kubekeep.registry.errors import RegistryError, RejectedArtifactError
from kubekeep.registry.reference import DEFAULT_TAG, parse_image_name
from kubekeep.sources.images.address import REGISTRY
from kubekeep.vulnerabilities.upgrades import find_base_layers

_BASE_COMMANDS: Final = ("CMD", "ENTRYPOINT")
"""Instructions that end the history of most base images."""


class PresentBase(msgspec.Struct, frozen=True):
    """The base image of an image. name: empty if only the history tells where it ends. layers: its diff ids."""

    name: str = ""
    layers: tuple[str, ...] = ()


def find_present_base(image: InspectedImage, options: ImageOptions) -> PresentBase:
    """Return the base image that an image names, read from its registry, if the image begins with its layers.

    Raises ImageAccessError and ImageContentError.
    """
    if image.base is None:
        return PresentBase()
    name = image.base.name
    # The tag may be a newer build by now; the digest is the one that the image was built from.
    reference = f"{name}@{image.base.digest}" if image.base.digest and "@" not in name else name
    with contextlib.closing(open_image(f"{REGISTRY}{reference}", options.access)) as base:
        layers = decode_configuration(base.config, base.reference).rootfs.diff_ids
    return PresentBase(name, find_base_layers(list_layers(image), layers))


def find_base_in_history(configuration: ImageConfiguration | None) -> PresentBase:
    """Return the layers before the last instruction of a base image, such as CMD, that other layers follow."""
    layers: list[str] = []
    before: tuple[str, ...] = ()
    base: tuple[str, ...] = ()
    for step in configuration.list_steps() if configuration else ():
        if step.layer:
            layers.append(step.layer)
            base = before
        elif _names_command(step.created_by):
            before = tuple(layers)
    return PresentBase("", base)


def _names_command(instruction: str) -> bool:
    text = instruction.removeprefix("/bin/sh -c #(nop) ").strip()
    return text.startswith(_BASE_COMMANDS)


def list_newer_bases(name: str, access: AccessOptions) -> Sequence[str]:
    """Return the newer tags of the repository of a base image, and the tag itself, which may be a newer build.

    Raises ImageAccessError if the registry does not list them.
    """
    reference = parse_image_name(name.partition("@")[0])
    try:
        listed = RegistryClient(access, None).list_tags(reference.registry, reference.repository)
    except (RegistryError, RejectedArtifactError) as error:
        raise ImageAccessError(f"the tags of {reference.name} cannot be listed: {error}") from error
    tag = reference.tag or DEFAULT_TAG
    return [f"{reference.name}:{other}" for other in (tag, *select_newer_tags(tag, listed.names))]


def list_layers(image: InspectedImage) -> tuple[str, ...]:
    """Return the digests (diff IDs) of the layers of an image."""
    return image.configuration.rootfs.diff_ids if image.configuration else ()
