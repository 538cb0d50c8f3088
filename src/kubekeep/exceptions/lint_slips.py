"""What an exception says that is perhaps a slip: it can be read, and means less than it looks like.

Only words of doubt: an exception is applied as it is written.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterator
from typing import Final

from kubekeep.exceptions.policy_exception import (
    ATTRIBUTES,
    CLUSTER,
    CONTAINER,
    KIND,
    NAME,
    NAMESPACE,
    PolicyException,
    is_glob,
    is_plain,
    matches,
    without_globs,
)
from kubekeep.model.resource_types import BUILTIN_TYPES

_KINDS: Final = {kind.casefold(): kind for kind in (*(kind for _, kind in BUILTIN_TYPES), "User", "Group")}
_ATTRIBUTES: Final = {name.casefold(): name for name in ATTRIBUTES}
_NEARLY: Final = 0.85
"""How alike two words are for one to be a slip of the other: CiliumNetworkPolicy is no NetworkPolicy."""
_IN_PATTERNS: Final = re.compile(r"[\\^$*+?|\[\](){}]")
"""What no name of an object has."""
_SHOWN: Final = 60


def slips(policy_exception: PolicyException) -> Iterator[str]:
    """What of its designators means less than it looks like, each with what was perhaps meant."""
    for designator in policy_exception.designators:
        for key, text in designator.attributes:
            exact = designator.exact
            told = _label(key) or (_kind(text, exact=exact) if key == KIND else "")
            if told := told or (_name(text) if exact else _pattern(key, text)):
                yield told


def _label(key: str) -> str:
    near = _near(key, _ATTRIBUTES) if key not in ATTRIBUTES else ""
    return f"{key[:_SHOWN]} is taken for a label; did you mean {near}?" if near else ""


def _kind(text: str, *, exact: bool) -> str:
    for word in [text] if exact else text.split("|"):
        if is_plain(word) and (near := _near(word, _KINDS)):
            return f"Kubernetes has no kind {word[:_SHOWN]}; did you mean {near}?"
    return ""


def _name(text: str) -> str:
    return f"{text[:_SHOWN]} is taken for a name, not for a pattern" if _IN_PATTERNS.search(text) else ""


def _pattern(key: str, text: str) -> str:
    if key == CLUSTER and not matches(text, ""):
        return f"what is in files is of no cluster, so none is called {text[:_SHOWN]}"
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
