"""The known name that a user probably meant. Knows nothing of the names."""

from __future__ import annotations

from collections.abc import Iterable


def find_similar(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """Return the known name that is most similar to `name`; None if the similarity of none, from 0 to 1, is `cutoff`."""
    import difflib  # noqa: PLC0415 - only for messages about unknown names

    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=cutoff)), None)
