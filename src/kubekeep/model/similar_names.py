"""The known name that a user probably meant. Knows nothing of the names."""

from __future__ import annotations

from collections.abc import Iterable


def find_similar(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """Return the known name that is most similar to `name`; None if the similarity of none, from 0 to 1, is `cutoff`."""
    import difflib  # noqa: PLC0415 - only for messages about unknown names

    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=cutoff)), None)


def measure_similarity(word: str, known: Iterable[str]) -> float:
    """Return the similarity of `word` to the most similar of the known words, from 0 to 1."""
    import difflib  # noqa: PLC0415 - only for messages about unknown names

    matcher = difflib.SequenceMatcher(b=word)
    similarity = 0.0
    for other in known:
        matcher.set_seq1(other)
        if matcher.quick_ratio() > similarity:
            similarity = max(similarity, matcher.ratio())
    return similarity
