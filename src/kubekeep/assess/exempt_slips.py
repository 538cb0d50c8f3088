"""What an exception says that is perhaps a slip: it can be read, and means less than it looks like.

Only words of doubt: an exception is applied as it is written.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterator
from typing import Final

from kubekeep.assess.kinds import BUILTIN
from kubekeep.library.exception import (
    ATTRIBUTES,
    CONTAINER,
    KIND,
    NAME,
    NAMESPACE,
    Exemption,
    is_glob,
    is_plain,
    without_globs,
)

_KINDS: Final = {kind.casefold(): kind for kind in (*(kind for _, kind in BUILTIN), "User", "Group")}
_ATTRIBUTES: Final = {name.casefold(): name for name in ATTRIBUTES}
_NEARLY: Final = 0.85
"""How alike two words are for one to be a slip of the other: CiliumNetworkPolicy is no NetworkPolicy."""
_SHOWN: Final = 60


def slips(exemption: Exemption) -> Iterator[str]:
    """What of its designators means less than it looks like, each with what was perhaps meant."""
    for designator in exemption.designators:
        for key, text in designator.attributes:
            if found := _slip(key, text, exact=designator.exact):
                yield found


def _slip(key: str, text: str, *, exact: bool) -> str:
    near = _near(key, _ATTRIBUTES) if key not in ATTRIBUTES else ""
    if near:
        return f"{key[:_SHOWN]} is taken for a label; did you mean {near}?"
    if key == KIND:
        for kind in (text,) if exact else text.split("|"):
            if is_plain(kind) and (meant := _near(kind, _KINDS)):
                return f"Kubernetes has no kind {kind[:_SHOWN]}; did you mean {meant}?"
    if exact:
        return ""
    if is_glob(text):
        return f"{text[:_SHOWN]} is a regular expression; did you mean {without_globs(text)[:_SHOWN]}?"
    if key in {KIND, NAME, NAMESPACE, CONTAINER} and is_plain(text) and "," in text:
        meant = "|".join(filter(None, map(str.strip, text.split(","))))
        return f"{text[:_SHOWN]} is one {key}; did you mean {meant[:_SHOWN]}?"
    return ""


@functools.lru_cache(maxsize=1_024)
def _near_key(word: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=_NEARLY)
    return near[0] if near else ""


def _near(word: str, known: dict[str, str]) -> str:
    """The known word that `word` is perhaps meant to be; empty for none, and for a known one."""
    near = _near_key(word.casefold(), tuple(known))
    return "" if not near or known[near] == word else known[near]
