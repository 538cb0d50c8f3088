"""The SBOM of an inspected image."""

from __future__ import annotations

import json

import msgspec
import pytest
from tests.images.sbom.samples import DIGEST, create_image

from kubekeep.images.configuration import ImageConfiguration
from kubekeep.images.content import ContentProblem, ImageContent
from kubekeep.images.inspected_image import InspectedImage
from kubekeep.images.sbom.image import create_image_sbom
from kubekeep.images.sbom.write import write_sbom

IMAGE = InspectedImage("registry.example/shop:1.0", DIGEST, "linux/amd64", ImageConfiguration(), ImageContent())


def test_image() -> None:
    sample = create_image()
    content = ImageContent(sample.distribution, sample.packages, problems=(ContentProblem("a", "damaged"),))
    configuration = ImageConfiguration(created="2026-01-02T03:04:05.678Z")
    sbom = create_image_sbom(msgspec.structs.replace(IMAGE, configuration=configuration, content=content))
    assert sbom.packages == sample.packages
    document = json.loads(write_sbom(sbom, "cyclonedx"))
    assert document["metadata"]["timestamp"] == "2026-01-02T03:04:05Z"
    assert document["metadata"]["component"]["version"] == DIGEST
    assert document["compositions"][0]["aggregate"] == "incomplete"
    assert document["metadata"]["tools"]["components"][0]["name"] == "Kubekeep"


@pytest.mark.parametrize("created", [None, "", "0001-01-01T00:00:00Z"])
def test_image_without_a_time(created: str | None) -> None:
    sbom = create_image_sbom(msgspec.structs.replace(IMAGE, configuration=ImageConfiguration(created=created)))
    assert "timestamp" not in json.loads(write_sbom(sbom, "cyclonedx"))["metadata"]
    assert json.loads(write_sbom(sbom, "spdx"))["creationInfo"]["created"] == "1970-01-01T00:00:00Z"
