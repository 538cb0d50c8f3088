"""Warnings about exceptions: scopes that exclude nothing, and probable mistakes in designators. Never reads controls.

An exception that matches a set of sample resources with ordinary names matches everything, however it is written: `.*`,
`[A-Z][a-z].*`, or half of the alphabet in each of two entries.
"""

from __future__ import annotations

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
    PackageSelector,
    PolicyException,
    convert_glob,
    is_glob,
    is_plain,
    matches,
)
from kubekeep.model.label_selector import NAME_LABEL, LabelSelector, selects
from kubekeep.model.resource_types import BUILTIN_TYPES, SHORT_NAMES
from kubekeep.model.similar_names import find_similar

Labels = Mapping[str, str]

_KINDS: Final = ("{}idget", "{}asketClass", "{}uverHeldPolicy")
_NAMES: Final = ("{}", "{}qzx", "{}-7", "{}q7x-probe-set", "{}zz9")
_FILES: Final = ("{}/q7.yaml", "{}qz/zz9.yml", "charts/{}/templates/probe.yaml", "{}zz/main.tf", "q/{}-7.json")
_KNOWN_KINDS: Final = {kind.casefold(): kind for kind in (*(kind for _, kind in BUILTIN_TYPES), "User", "Group")}
_ATTRIBUTES: Final = {name.casefold(): name for name in ATTRIBUTES}
_CUTOFF: Final = 0.85
"""Similarity from which a word is a probable misspelling; CiliumNetworkPolicy and NetworkPolicy are below it."""
_PATTERN_CHARACTERS: Final = re.compile(r"[\\^$*+?|\[\](){}]")
"""Characters that no object name contains."""
_SHOWN: Final = 60


def _make_sample(number: int, letter: str) -> dict[str, tuple[str, ...]]:
    """Return the values that patterns are matched with, by attribute, for one sample resource.

    Labels are not included: a label pattern requires the label to be present.
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
        # Resources in files have no cluster name.
        CLUSTER: ("",),
        CONTAINER: (_NAMES[(number + 1) % len(_NAMES)].format(letter),),
    }


_SAMPLES: Final = tuple(_make_sample(number, letter) for number, letter in enumerate(string.ascii_lowercase))


def matches_everything(key: str, pattern: str) -> bool:
    """Return True if the pattern of an attribute excludes nothing; always False for labels."""
    return all(_matches_any(resource, key, pattern) for resource in _SAMPLES)


def covers_everything(
    policy_exception: PolicyException, objects: Collection[Labels], namespaces: Mapping[str, Labels]
) -> bool:
    """Return True if the exception excludes no resource, and no package.

    objects, namespaces: labels known from the scan. A selector that only requires labels to be absent excludes nothing
    unless a known resource has such a label.
    """
    if policy_exception.packages and not any(map(_selects_any_package, policy_exception.packages)):
        return False
    if policy_exception.designators and not all(
        _matches_resource(policy_exception.designators, resource) for resource in _SAMPLES
    ):
        return False
    own = ({NAME_LABEL: name} for resource in _SAMPLES for name in resource[NAMESPACE])
    known = ({**labels, NAME_LABEL: name} for name, labels in namespaces.items())
    return _selects_all(policy_exception.objects, ({}, *objects)) and _selects_all(
        policy_exception.namespaces, (*own, *known)
    )


def _selects_any_package(selector: PackageSelector) -> bool:
    return selector.purl is None and all(
        matches_everything(PATH if key == PATH else NAME, pattern) for key, pattern in selector.patterns
    )


def _matches_resource(designators: Collection[Designator], resource: Mapping[str, tuple[str, ...]]) -> bool:
    return any(
        not designator.group and all(_matches_any(resource, key, pattern) for key, pattern in designator.patterns)
        for designator in designators
    )


def _matches_any(resource: Mapping[str, tuple[str, ...]], key: str, pattern: str) -> bool:
    return any(matches(pattern, value) for value in resource.get(key, ()))


def _selects_all(selector: LabelSelector | None, known: Collection[Labels]) -> bool:
    return selector is None or all(selects(selector, labels) for labels in known)


def find_likely_mistakes(policy_exception: PolicyException) -> Iterator[str]:
    """Yield designators that probably mean less than intended, each with a suggestion."""
    for designator in policy_exception.designators:
        for key, text in designator.attributes:
            exact = designator.exact
            message = _check_label(key) or (_check_kind(text, exact=exact) if key == KIND else "")
            if message := message or (_check_name(text) if exact else _check_pattern(key, text)):
                yield message


def _check_label(key: str) -> str:
    near = _suggest(key, _ATTRIBUTES) if key not in ATTRIBUTES else ""
    return f"{key[:_SHOWN]} is treated as a label; did you mean {near}?" if near else ""


def _check_kind(text: str, *, exact: bool) -> str:
    for word in [text] if exact else text.split("|"):
        if is_plain(word) and (near := SHORT_NAMES.get(word.lower()) or _suggest(word, _KNOWN_KINDS)):
            return f"Kubernetes has no kind {word[:_SHOWN]}; did you mean {near}?"
    return ""


def _check_name(text: str) -> str:
    return f"{text[:_SHOWN]} is treated as a name, not as a pattern" if _PATTERN_CHARACTERS.search(text) else ""


def _check_pattern(key: str, text: str) -> str:
    if key == CLUSTER and not matches(text, ""):
        return f"resources in files have no cluster name, so none matches {text[:_SHOWN]}"
    if is_glob(text):
        return f"{text[:_SHOWN]} is a regular expression; did you mean {convert_glob(text)[:_SHOWN]}?"
    if key in {KIND, NAME, NAMESPACE, CONTAINER} and is_plain(text) and "," in text:
        meant = "|".join(filter(None, map(str.strip, text.split(","))))
        return f"{text[:_SHOWN]} is one {key}; did you mean {meant[:_SHOWN]}?"
    return ""


@functools.lru_cache(maxsize=1_024)
def _suggest_key(word: str, known: tuple[str, ...]) -> str:
    return find_similar(word, known, cutoff=_CUTOFF) or ""


def _suggest(word: str, known: dict[str, str]) -> str:
    """Return the known word that word probably means, empty if there is none or word itself is known."""
    near = _suggest_key(word.casefold(), tuple(known))
    return "" if not near or known[near] == word else known[near]
