"""Names of scanned images, by which containers refer to them. Never opens an image."""

from __future__ import annotations

from collections.abc import Iterator

from kubekeep.model.image import Image
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.subject import Subject
from kubekeep.registry.reference import get_image_key


def list_image_keys(subject: Subject) -> Iterator[str]:
    """Yield the keys of the references by which containers may run an image: its names and digests."""
    if not isinstance(subject, Image):
        return
    facts = as_mapping(subject.object.get("image"))
    for name in (subject.name, *map(str, as_list(facts.get("names")))):
        yield get_image_key(name)
    yield from filter(None, (subject.digest, str(facts.get("indexDigest") or "")))
