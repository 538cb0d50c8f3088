"""Images that run on the node, written without a container engine and pushed by the API of the registry."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tests.cluster.builds import NodePrograms
from tests.registry_scan.fleet import CONFIG, CREATED, MANIFEST, Fleet

PAUSE: Final = "cluster/pause:1"
"""Image of pods themselves, and base of the images of tests: it has only the program `container`."""
_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
_REPOSITORY: Final = PAUSE.partition(":")[0]


class NodeImages:
    """Pushes images to the registry of a node. Their program is `container`: see its source."""

    def __init__(self, registry: str) -> None:
        self.fleet = Fleet(registry)
        manifest = self.fleet.get_manifest(*PAUSE.split(":"))
        self._program = manifest["layers"][0]

    def close(self) -> None:
        self.fleet.close()

    def push(self, repository: str, *tags: str, layers: Sequence[bytes]) -> str:
        """Push an image with uncompressed layers above that of the program; return the digest."""
        self.fleet.mount_blob(repository, self._program["digest"], _REPOSITORY)
        blobs = [self._program, *(self.fleet.push_blob(repository, layer, _LAYER) for layer in layers)]
        return _push_image(self.fleet, repository, blobs, *tags)


def push_programs(registry: str, programs: NodePrograms) -> None:
    """Push the images that every node needs."""
    fleet = Fleet(registry)
    for reference, program in ((PAUSE, programs.container), ("cluster/dns:1", programs.dns)):
        repository, _, tag = reference.partition(":")
        _push_image(fleet, repository, [fleet.push_blob(repository, _pack_program(program), _LAYER)], tag)
    fleet.close()


def _push_image(fleet: Fleet, repository: str, layers: Sequence[dict[str, Any]], *tags: str) -> str:
    """Push the configuration and the manifest of an image with uncompressed layers, which are in the registry."""
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": CREATED,
        "config": {"User": "1000", "Entrypoint": ["/program"]},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
    }
    descriptor = fleet.push_blob(repository, json.dumps(config).encode(), CONFIG)
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor, "layers": [*layers]}
    return fleet.push_manifest(repository, manifest, *tags)


def _pack_program(program: Path) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        entry = tarfile.TarInfo("program")
        content = program.read_bytes()
        entry.size, entry.mode = len(content), 0o755
        archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()
