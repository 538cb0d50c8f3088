"""Names of scanned images, by which containers refer to them. Never opens an image."""

from __future__ import annotations

from collections.abc import Iterator

from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.subject import Subject
from kubekeep.registry.reference import get_image_key


def list_image_keys(subject: Subject) -> Iterator[str]:
    """Yield the keys of the references by which containers may run an image: its names and digests."""
    facts = as_mapping(subject.object.get("image")) or as_mapping(subject.object.get("subject"))
    for name in (subject.name, *map(str, as_list(facts.get("names")))):
        yield get_image_key(name)
    yield from filter(None, (str(facts.get("digest") or ""), str(facts.get("indexDigest") or "")))
