"""Packed objects: unpacking restores the object and the derived text."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kubekeep.model.resource import PackedObject, Resource, pack_object

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
