"""Public projects: every kustomization gives what real kustomize gives, and every object that Kubescape found."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from kubekeep.model.assessment import Unread
from kubekeep.model.resource import Resource
from kubekeep.sources.inputs import read
from kubekeep.sources.kustomize.build import Kustomizations
from tests.library.kubescape import FACTS, SHARED
from tests.sources.kustomize.builds import folders, plainly

CORPUS = SHARED / "corpora" / "microservices-demo"
ASSISTANT = "kustomize/components/shopping-assistant/shoppingassistantservice.yaml"

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="no corpora beside the checkout")


def test_objects_are_those_of_kustomize_and_of_kubescape() -> None:
    reader = Kustomizations()
    found = list(reader.read(folders(CORPUS)))
    assert not [item for item in found if isinstance(item, Unread)]
    ours: dict[str, list[Resource]] = {}
    for item in found:
        assert isinstance(item, Resource)
        assert item.source is not None
        ours.setdefault(item.source.path, []).append(item)
    for folder, items in ours.items():
        assert [item.object for item in items] == plainly(CORPUS / folder), folder
    # A component that needs a base: what it brings is read as the plain file it is.
    assert str((CORPUS / ASSISTANT).resolve()) not in reader.reached
    names = Counter((path, item.kind, item.name) for path, items in ours.items() for item in items)
    names += Counter(
        (ASSISTANT, item.kind, item.name) for item in read([str(CORPUS / ASSISTANT)]) if isinstance(item, Resource)
    )
    rows = [json.loads(line) for line in (FACTS / "verdicts/microservices-demo.jsonl").read_text().splitlines()]
    wanted = Counter(
        (row["path"], row["kind"], row["name"])
        for row in rows
        if row["fileType"] == "Kustomize Directory" or row["path"] == ASSISTANT
    )
    assert sum(wanted.values()) == 268
    assert wanted - names == Counter()
    # The rest are objects of Istio, for which Kubescape has no control.
    assert {kind for _, kind, _ in names - wanted} <= {"Gateway", "VirtualService", "ServiceEntry", "HTTPRoute"}


def test_every_value_leads_to_a_line_that_holds_it() -> None:
    for item in Kustomizations().read(folders(CORPUS)):
        assert isinstance(item, Resource)
        for path in _scalars(item.object, ()):
            place = item.locate(path)
            assert place is not None
            assert place.region is not None
            line = (CORPUS / place.file).read_text().splitlines()[place.region.start.line - 1]
            assert isinstance(path[-1], int) or str(path[-1]) in line or path[-1] in {"name", "value"}, (path, line)


def _scalars(value: object, path: tuple[str | int, ...]) -> list[tuple[str | int, ...]]:
    if isinstance(value, dict) and value:
        return [found for key, child in value.items() for found in _scalars(child, (*path, key))]
    if isinstance(value, list) and value:
        return [found for index, child in enumerate(value) for found in _scalars(child, (*path, index))]
    return [path]
