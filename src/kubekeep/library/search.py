"""Search of controls by words in their names and texts. Evaluates nothing."""

from __future__ import annotations

from collections.abc import Sequence

from kubekeep.library.load import builtin
from kubekeep.model.control import Control


def search_controls(words: Sequence[str]) -> list[Control]:
    """Return the controls with all words (in lower case), those with the words in their names first."""
    ranked = ((_rank(control, words), control.id, control) for control in builtin().controls.values())
    return [control for rank, _, control in sorted(ranked, key=lambda match: match[:2]) if rank]


def _rank(control: Control, words: Sequence[str]) -> int:
    """Return 1 if the names of a control have all words, 2 if its texts have them too, 0 if some word is missing."""
    names = f"{' '.join(control.ids)} {control.slug.replace('-', ' ')} {control.slug} {control.title}".casefold()
    if all(word in names for word in words):
        return 1
    texts = f"{names} {control.asks} {control.why} {control.fix}".casefold()
    return 2 if all(word in texts for word in words) else 0
