"""The configuration of an image (OCI image specification 1.1): settings for its containers, and the history of its layers.

Never reads a layer.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from kubekeep.images.errors import ImageContentError
from kubekeep.model.text import visible

_MOST_HISTORY: Final = 10_000
_LONGEST_STEP: Final = 4096
"""Characters of a history entry that are kept; generated commands can have megabytes."""


class ContainerSettings(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    """Defaults of containers of the image, as far as Kubekeep reads them; null counts as absent."""

    user: str | None = None
    env: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    exposed_ports: dict[str, Any] | None = None
    volumes: dict[str, Any] | None = None
    working_dir: str | None = None
    labels: dict[str, str] | None = None
    healthcheck: dict[str, Any] | None = None


class HistoryEntry(msgspec.Struct, frozen=True):
    """One step of the build: the instruction, its comment, and True if it made no layer."""

    created: str | None = None
    created_by: str | None = None
    comment: str | None = None
    empty_layer: bool | None = None


class _RootFileSystem(msgspec.Struct, frozen=True):
    diff_ids: tuple[str, ...] = ()


class ImageConfiguration(msgspec.Struct, frozen=True):
    """The parts of an image configuration that Kubekeep reads. created: in RFC 3339, empty or absent if unknown."""

    created: str | None = None
    architecture: str = ""
    os: str = ""
    variant: str | None = None
    config: ContainerSettings | None = None
    rootfs: _RootFileSystem = _RootFileSystem()
    history: Annotated[tuple[HistoryEntry, ...], msgspec.Meta(max_length=_MOST_HISTORY)] | None = None

    @property
    def settings(self) -> ContainerSettings:
        """The defaults of containers; all absent if the configuration has none."""
        return self.config or ContainerSettings()

    def list_steps(self) -> list[BuildStep]:
        """Return the build steps with the diff id of their layers. A history that misses layers is extended by them."""
        layers = list(self.rootfs.diff_ids)
        steps = []
        for entry in self.history or ():
            layer = "" if entry.empty_layer or not layers else layers.pop(0)
            created_by = (entry.created_by or "")[:_LONGEST_STEP]
            steps.append(BuildStep(created_by, layer, entry.created or "", (entry.comment or "")[:_LONGEST_STEP]))
        return [*steps, *(BuildStep("", layer) for layer in layers)]


class BuildStep(msgspec.Struct, frozen=True):
    """One step of a build. layer: the diff id of the layer that it made; empty for a step without a layer."""

    created_by: str
    layer: str = ""
    created: str = ""
    comment: str = ""


def decode_configuration(content: bytes, reference: str) -> ImageConfiguration:
    """Decode the JSON of a configuration. Raises ImageContentError with the reference for invalid content."""
    try:
        return msgspec.json.decode(content, type=ImageConfiguration)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ImageContentError(
            f"{visible(reference)}: the image configuration is not valid: {visible(str(error))}; rebuild or repair the image"
        ) from error
