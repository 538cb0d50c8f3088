"""Tests of the packing of objects."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.model.resource import PackedObject, Resource
from kubekeep.model.source import FileType, Source
from kubekeep.posture import packing
from kubekeep.posture.packing import ObjectPacker

YAML = FileType("YAML")


def build(kind: str, name: str, *, source: Source | None) -> Resource:
    content: dict[str, Any] = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}
    return Resource(content, source)


def packed(resources: list[Resource]) -> list[bool]:
    return [isinstance(resource.content, PackedObject) for resource in resources]


def test_objects_of_files_are_packed_from_the_limit_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "MAX_UNPACKED", 2)
    packer = ObjectPacker()
    resources = [
        build("ConfigMap", f"settings-{number}", source=Source("a.yaml", "/", YAML, number)) for number in range(4)
    ]
    states = []
    for resource in resources:
        packer.add(resource, derived=b"{}")
        states.append(packed(resources))
    assert states == [[False] * 4, [False] * 4, [True, True, True, False], [True] * 4]
    assert [resource.name for resource in resources] == [f"settings-{number}" for number in range(4)]
    assert isinstance(resources[3].content, PackedObject)
    assert resources[3].content.texts[1] == b"{}"


def test_objects_of_clusters_are_packed_at_once() -> None:
    resource = build("ConfigMap", "settings", source=None)
    ObjectPacker().add(resource)
    assert packed([resource]) == [True]


def test_roles_stay_unpacked() -> None:
    role = Resource({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "reader"}})
    ObjectPacker().add(role)
    assert packed([role]) == [False]
