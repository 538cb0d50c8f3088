"""Whether an exception leaves out nothing, found by putting invented resources to it. Never looks at a control.

Invented resources are called as real ones are, so that what takes all of them is written to take everything, in
whatever words: `.*`, `[A-Z][a-z].*`, or half of the alphabet in each of two entries.
"""

from __future__ import annotations

import string
from collections.abc import Collection, Mapping
from typing import Final

from kubekeep.exceptions.policy_exception import (
    CLUSTER,
    CONTAINER,
    IDENTITY,
    KIND,
    NAME,
    NAMESPACE,
    PATH,
    Designator,
    PolicyException,
    matches,
)
from kubekeep.model.label_selector import NAME_LABEL, LabelSelector, selects

Labels = Mapping[str, str]

_KINDS: Final = ("{}idget", "{}asketClass", "{}uverHeldPolicy")
_NAMES: Final = ("{}", "{}qzx", "{}-7", "{}q7x-probe-set", "{}zz9")
_FILES: Final = ("{}/q7.yaml", "{}qz/zz9.yml", "charts/{}/templates/probe.yaml", "{}zz/main.tf", "q/{}-7.json")


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
