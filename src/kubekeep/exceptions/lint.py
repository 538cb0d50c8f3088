"""Whether an exception leaves out nothing, found by putting invented resources to it. Never looks at a control.

Invented resources are called as real ones are, so that what takes all of them is written to take everything, in
whatever words: `.*`, `[A-Z][a-z].*`, or half of the alphabet in each of two entries.
"""

from __future__ import annotations

import difflib
import functools
import re
import string
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from kubekeep.exceptions.policy_exception import (
    ATTRIBUTES,
    CLUSTER,
    CONTAINER,
    IDENTITY,
    KIND,
    NAME,
    NAMESPACE,
    PATH,
    Designator,
    PolicyException,
    is_glob,
    is_plain,
    matches,
    without_globs,
)
from kubekeep.model.label_selector import NAME_LABEL, LabelSelector, selects
from kubekeep.model.resource_types import BUILTIN_TYPES

Labels = Mapping[str, str]

_KINDS: Final = ("{}idget", "{}asketClass", "{}uverHeldPolicy")
_NAMES: Final = ("{}", "{}qzx", "{}-7", "{}q7x-probe-set", "{}zz9")
_FILES: Final = ("{}/q7.yaml", "{}qz/zz9.yml", "charts/{}/templates/probe.yaml", "{}zz/main.tf", "q/{}-7.json")
_KNOWN_KINDS: Final = {kind.casefold(): kind for kind in (*(kind for _, kind in BUILTIN_TYPES), "User", "Group")}
_ATTRIBUTES: Final = {name.casefold(): name for name in ATTRIBUTES}
_NEARLY: Final = 0.85
"""How alike two words are for one to be a slip of the other: CiliumNetworkPolicy is no NetworkPolicy."""
_IN_PATTERNS: Final = re.compile(r"[\\^$*+?|\[\](){}]")
"""What no name of an object has."""
_SHOWN: Final = 60


def _invented(number: int, letter: str) -> dict[str, tuple[str, ...]]:
    """What the patterns of each attribute are compared with, for one resource; one value has to match.

    A label is not among them: it has to be there, whatever it says.
    """
    kind = _KINDS[number % len(_KINDS)].format(letter.upper())
    name = _NAMES[number % len(_NAMES)].format(letter)
    namespace = _NAMES[(number + 2) % len(_NAMES)].format(letter)
    file = _FILES[number % len(_FILES)].format(letter)
    identity = f"{('', 'apps', 'qz.io')[number % 3]}/v1/{namespace}/{kind}/{name}"
    return {
        KIND: (kind,),
        NAME: (name,),
        NAMESPACE: (namespace,),
        PATH: tuple(f"{start}{file}{end}" for start in ("", "./", "/q7/") for end in ("", f":{number}")),
        IDENTITY: (identity, f"path={number}/api={identity}"),
        # Objects in files belong to no cluster that has a name.
        CLUSTER: ("",),
        CONTAINER: (_NAMES[(number + 1) % len(_NAMES)].format(letter),),
    }


_INVENTED: Final = tuple(_invented(number, letter) for number, letter in enumerate(string.ascii_lowercase))


def is_everything(key: str, pattern: str) -> bool:
    """Whether the pattern of an attribute leaves out nothing; that of a label always does."""
    return all(_takes(resource, key, pattern) for resource in _INVENTED)


def is_for_everything(
    policy_exception: PolicyException, objects: Collection[Labels], namespaces: Mapping[str, Labels]
) -> bool:
    """Whether it leaves out no resource. `objects` and `namespaces` are the labels that are known in a scan.

    A selector that only says what must not be there leaves out nothing as long as nothing known has that.
    """
    if policy_exception.designators and not all(
        _is_for(policy_exception.designators, resource) for resource in _INVENTED
    ):
        return False
    own = ({NAME_LABEL: name} for resource in _INVENTED for name in resource[NAMESPACE])
    known = ({**labels, NAME_LABEL: name} for name, labels in namespaces.items())
    return _selects_all(policy_exception.objects, ({}, *objects)) and _selects_all(
        policy_exception.namespaces, (*own, *known)
    )


def _is_for(designators: Collection[Designator], resource: Mapping[str, tuple[str, ...]]) -> bool:
    return any(
        not item.group and all(_takes(resource, key, pattern) for key, pattern in item.patterns) for item in designators
    )


def _takes(resource: Mapping[str, tuple[str, ...]], key: str, pattern: str) -> bool:
    return any(matches(pattern, value) for value in resource.get(key, ()))


def _selects_all(selector: LabelSelector | None, known: Collection[Labels]) -> bool:
    return selector is None or all(selects(selector, labels) for labels in known)


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
        if is_plain(word) and (near := _near(word, _KNOWN_KINDS)):
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
