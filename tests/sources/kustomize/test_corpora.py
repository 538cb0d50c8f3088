"""Public projects: objects match kustomize, and include every object that Kubescape reports."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.resource import Resource
from kubekeep.sources.inputs import read
from kubekeep.sources.kustomize.build import Kustomizations
from tests.library.kubescape import FACTS, SHARED
from tests.sources.kustomize.builds import build_with_kustomize, list_folders

CORPUS = SHARED / "corpora" / "microservices-demo"
ASSISTANT = "kustomize/components/shopping-assistant/shoppingassistantservice.yaml"

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="no corpora beside the checkout")


def test_objects_match_kustomize_and_kubescape() -> None:
    reader = Kustomizations()
    results = list(reader.read(list_folders(CORPUS)))
    assert not [resource for resource in results if isinstance(resource, UnreadInput)]
    resources_by_folder: dict[str, list[Resource]] = {}
    for resource in results:
        assert isinstance(resource, Resource)
        assert resource.source is not None
        resources_by_folder.setdefault(resource.source.path, []).append(resource)
    for folder, resources in resources_by_folder.items():
        assert [resource.object for resource in resources] == build_with_kustomize(CORPUS / folder), folder
    # A component that needs a base: its manifest is read as a plain file.
    assert str((CORPUS / ASSISTANT).resolve()) not in reader.included_files
    names = Counter(
        (path, resource.kind, resource.name)
        for path, resources in resources_by_folder.items()
        for resource in resources
    )
    names += Counter(
        (ASSISTANT, resource.kind, resource.name)
        for resource in read([str(CORPUS / ASSISTANT)])
        if isinstance(resource, Resource)
    )
    rows = [json.loads(line) for line in (FACTS / "verdicts/microservices-demo.jsonl").read_text().splitlines()]
    expected = Counter(
        (row["path"], row["kind"], row["name"])
        for row in rows
        if row["fileType"] == "Kustomize Directory" or row["path"] == ASSISTANT
    )
    assert sum(expected.values()) == 268
    assert expected - names == Counter()
    # The rest are objects of Istio, for which Kubescape has no control.
    assert {kind for _, kind, _ in names - expected} <= {"Gateway", "VirtualService", "ServiceEntry", "HTTPRoute"}


def test_every_location_contains_its_key() -> None:
    for resource in Kustomizations().read(list_folders(CORPUS)):
        assert isinstance(resource, Resource)
        for path in _scalar_paths(resource.object, ()):
            location = resource.locate(path)
            assert location is not None
            assert location.region is not None
            line = (CORPUS / location.file).read_text().splitlines()[location.region.start.line - 1]
            assert isinstance(path[-1], int) or str(path[-1]) in line or path[-1] in {"name", "value"}, (path, line)


def _scalar_paths(value: object, path: tuple[str | int, ...]) -> list[tuple[str | int, ...]]:
    if isinstance(value, dict) and value:
        return [scalar for key, child in value.items() for scalar in _scalar_paths(child, (*path, key))]
    if isinstance(value, list) and value:
        return [scalar for index, child in enumerate(value) for scalar in _scalar_paths(child, (*path, index))]
    return [path]
