"""The SBOM of a read image."""

from __future__ import annotations

import json

import pytest
from tests.images.sbom.samples import DIGEST, create_image

from kubekeep.images.access.opened import ByteStream, FileRange, LayerReference, OpenedImage
from kubekeep.images.content import ContentProblem, ImageContent
from kubekeep.images.sbom.image import create_image_sbom
from kubekeep.images.sbom.write import write_sbom


class ConfiguredImage(OpenedImage):
    """An image without layers."""

    reference = "registry.example/shop:1.0"
    digest = DIGEST
    platform = "linux/amd64"
    layers = ()

    def __init__(self, config: bytes) -> None:
        self.config = config

    def open_layer(self, layer: LayerReference) -> FileRange | ByteStream:
        raise AssertionError(layer)


def test_image() -> None:
    sample = create_image()
    content = ImageContent(sample.distribution, sample.packages, problems=(ContentProblem("a", "damaged"),))
    sbom = create_image_sbom(ConfiguredImage(b'{"created":"2026-01-02T03:04:05.678Z","os":"linux"}'), content)
    assert sbom.packages == sample.packages
    document = json.loads(write_sbom(sbom, "cyclonedx"))
    assert document["metadata"]["timestamp"] == "2026-01-02T03:04:05Z"
    assert document["metadata"]["component"]["version"] == DIGEST
    assert document["compositions"][0]["aggregate"] == "incomplete"
    assert document["metadata"]["tools"]["components"][0]["name"] == "Kubekeep"


@pytest.mark.parametrize(
    "config", [b"", b"[]", b"{}", b'{"created":5}', b'{"created":"0001-01-01T00:00:00Z"}', b"\xff"]
)
def test_image_without_a_time(config: bytes) -> None:
    sbom = create_image_sbom(ConfiguredImage(config), ImageContent())
    assert "timestamp" not in json.loads(write_sbom(sbom, "cyclonedx"))["metadata"]
    assert json.loads(write_sbom(sbom, "spdx"))["creationInfo"]["created"] == "1970-01-01T00:00:00Z"
