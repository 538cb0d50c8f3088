"""Newer tags of a repository with the same variant, by the numbers in their names. Never requests anything.

`3.11.4-slim` has the numbers 3.11.4 and the variant `slim`; `bookworm` has no number, and no newer tag.
"""

from __future__ import annotations

from collections.abc import Iterable

from kubekeep.images.registries.selection import split_tag


def select_newer_tags(tag: str, tags: Iterable[str]) -> list[str]:
    """Return the newest tag of each following release line, the nearest first: at most the same line, and the newest of all.

    Only tags with the same variant and as many numbers are compared, so that `12-slim` is not replaced by `13` or `12.5-slim`.
    """
    numbers, variant = split_tag(tag)
    if not numbers:
        return []
    newer: dict[tuple[int, ...], str] = {}
    for other in tags:
        other_numbers, other_variant = split_tag(other)
        if other_variant == variant and len(other_numbers) == len(numbers) and other_numbers > numbers:
            newer[other_numbers] = other
    if not newer:
        return []
    own_line = [key for key in newer if key[0] == numbers[0]]
    chosen = [max(own_line)] if own_line else []
    return [newer[key] for key in dict.fromkeys((*chosen, max(newer)))]
