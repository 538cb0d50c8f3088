"""Packed objects: unpacking restores the object and the derived text."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kubekeep.model.resource import PackedObject, Resource, join_related, pack_object

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "wéb", "namespace": "shop", "labels": {"a": "b"}},
    "spec": {"containers": [{"name": "c", "image": "i" * 400}]},
}


@pytest.mark.parametrize("derived", [b"", b'{"containers":[]}'])
def test_object_and_derived_text_are_separated(derived: bytes) -> None:
    packed = pack_object(POD, derived=derived)
    assert packed.texts == (msgspec.json.encode(POD), derived)
    assert packed.text == msgspec.json.encode(POD)
    assert packed.decode() == POD


def test_known_text_is_reused() -> None:
    text = msgspec.json.format(msgspec.json.encode(POD))
    assert pack_object(POD, text).text == text


def test_identity_needs_no_unpacking() -> None:
    whole = Resource(POD)
    packed = whole.pack()
    assert isinstance(packed.content, PackedObject)
    assert packed.pack() is packed
    assert (packed.id, packed.label, packed.replicas) == (whole.id, whole.label, whole.replicas)
    assert packed.object == whole.object
    assert len(packed.content.data) < len(msgspec.json.encode(POD)) / 2


def test_resource_is_packed_in_place() -> None:
    resource = Resource(POD)
    resource.pack_in_place()
    assert isinstance(resource.content, PackedObject)
    assert resource.object == POD
    resource.pack_in_place(derived=b"{}")
    assert isinstance(resource.content, PackedObject)
    assert resource.content.texts == (msgspec.json.encode(POD), b"{}")
    assert resource.object == POD
    resource.pack_in_place()
    assert resource.content.texts == (msgspec.json.encode(POD), b"{}")


def test_shared_objects_are_not_packed() -> None:
    element = Resource(POD, document={"items": [POD]})
    joined = join_related({"kind": "User", "name": "jane"}, (Resource(POD),))
    for resource in (element, joined):
        resource.pack_in_place()
        assert isinstance(resource.content, dict)
    assert joined.name == "jane"
