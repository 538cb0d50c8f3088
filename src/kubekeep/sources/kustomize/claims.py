"""Entries of kustomizations that set values by rule: images, replicas, namespace, labels, annotations, replacements.

Each tells whether a value of the built object is its doing, mostly from the value itself, so that it is right for
fields that `configurations` add too. Never changes a value.
"""

from __future__ import annotations

import re
from typing import Any, Final

from kubekeep.model.json_values import as_mapping
from kubekeep.model.location import Path
from kubekeep.sources.kustomize.references import entries
from kubekeep.sources.kustomize.selector import chosen_by, selects
from kubekeep.sources.kustomize.shadow import equal
from kubekeep.sources.kustomize.state import Asked, State
from kubekeep.sources.kustomize.written import Spot

_LABELLED: Final = ("labels", "matchLabels", "selector")
_TOKEN: Final = re.compile(r"\[(?P<item>[^\]]*)\]|(?P<key>(?:\\.|[^.\[\]\\])+)")
_IMAGE: Final = re.compile(r"(?P<name>(?:[^/@]*/)*[^/@:]*)(?::(?P<tag>[^@]*))?(?:@(?P<digest>.*))?", re.DOTALL)


def _changed(asked: Asked) -> bool:
    """Whether the value is not what bases and patches made of it."""
    return asked.field is None or not equal(asked.field, asked.value)


class Pairs:
    """Labels, or annotations: pairs in a kustomization that are put into every object."""

    sure = True

    def __init__(self, pairs: Spot, parents: tuple[str, ...], *, templates: bool, selectors: bool) -> None:
        self._pairs = pairs
        self._parents = parents
        self._templates = templates
        self._selectors = selectors

    def apply(self, state: State) -> None:
        """Claim from now on."""
        if self._parents == _LABELLED:
            state.labels.update({key: value for key, value in self._said.items() if isinstance(value, str)})
        state.claim(self)

    @property
    def _said(self) -> dict[str, Any]:
        return as_mapping(self._pairs.value)

    def spot(self, asked: Asked, state: State) -> Spot | None:  # noqa: ARG002 - the protocol's
        """The pair, or all of them for a mapping that they made."""
        if not asked.path:
            return None
        if isinstance(asked.value, dict):
            made = asked.field is None and asked.path[-1] in self._parents and self._said.keys() & asked.value.keys()
            return self._pairs if made else None
        key = str(asked.path[-1])
        if key not in self._said or self._said[key] != asked.value:
            return None
        return self._pairs.below(key) if self._covers(asked.path) or _changed(asked) else None

    def _covers(self, path: Path) -> bool:
        parent = path[-2:-1]
        if not parent or parent[0] not in self._parents:
            return False
        in_template = path[-3:-1] == ("metadata", parent[0])
        return self._selectors or path[:1] == ("metadata",) or (self._templates and in_template)


def labels_of(pairs: Spot, *, templates: bool, selectors: bool) -> Pairs:
    """Labels, in selectors and pod templates only where the entry says so."""
    return Pairs(pairs, _LABELLED, templates=templates, selectors=selectors)


def annotations_of(pairs: Spot) -> Pairs:
    """Annotations, in pod templates too."""
    return Pairs(pairs, ("annotations",), templates=True, selectors=False)


class Namespace:
    """The namespace of a kustomization."""

    sure = True

    def __init__(self, spot: Spot) -> None:
        self._spot = spot

    def apply(self, state: State) -> None:
        """Claim, and let patches that follow know the object in its namespace."""
        if isinstance(name := self._spot.value, str):
            state.rename(**({"name": name} if state.ids[-1].kind == "Namespace" else {"namespace": name}))
            state.claim(self)

    def spot(self, asked: Asked, state: State) -> Spot | None:  # noqa: ARG002 - the protocol's
        """The entry, for the object's namespace and for others that changed to it."""
        ours = asked.path == ("metadata", "namespace") or _changed(asked)
        return self._spot if ours and asked.value == self._spot.value else None


class Replicas:
    """One entry of `replicas`."""

    sure = True

    def __init__(self, spot: Spot) -> None:
        self._spot = spot
        self._entry = as_mapping(spot.value)

    def apply(self, state: State) -> None:
        """Claim if the object has that name."""
        if any(identity.name == self._entry.get("name") for identity in state.ids):
            state.claim(self)

    def spot(self, asked: Asked, state: State) -> Spot | None:  # noqa: ARG002 - the protocol's
        """The count."""
        counted = asked.path[-1:] == ("replicas",) or _changed(asked)
        return self._spot.below("count") if counted and _is_count(self._entry.get("count"), asked.value) else None


def _is_count(count: Any, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and count == value


class Image:
    """One entry of `images`."""

    sure = True

    def __init__(self, spot: Spot) -> None:
        self._spot = spot
        self._entry = {key: str(value) for key, value in as_mapping(spot.value).items() if value not in (None, "")}

    def apply(self, state: State) -> None:
        """Claim, and let entries that follow know the new name."""
        state.claim(self)
        if name := self._entry.get("newName"):
            state.images.add(name)

    def spot(self, asked: Asked, state: State) -> Spot | None:
        """The tag, digest or name that is in the value."""
        if not isinstance(asked.value, str) or not (asked.path[-1:] == ("image",) or _changed(asked)):
            return None
        final = _IMAGE.fullmatch(asked.value)
        before = _IMAGE.fullmatch(asked.field.value) if asked.field and isinstance(asked.field.value, str) else None
        if final is None or not self._was_for(before["name"] if before else None, state):
            return None
        if final["name"] != self._entry.get("newName", final["name"]):
            return None
        key = self._key(final)
        return None if key is None else self._spot.below(key)

    def _was_for(self, name: str | None, state: State) -> bool:
        """Whether the entry is for images of that name, or for what an earlier entry made of them."""
        wanted = self._entry.get("name")
        return wanted is not None and (name is None or chosen_by(wanted, name, *state.images))

    def _key(self, final: re.Match[str]) -> str | None:
        tag, digest = self._entry.get("newTag"), self._entry.get("digest")
        if tag is not None or digest is not None:
            right = (final["tag"], final["digest"]) == (tag, digest)
            return ("newTag" if tag is not None else "digest") if right else None
        suffix = self._entry.get("tagSuffix")
        if suffix is not None:
            return "tagSuffix" if (final["tag"] or "").endswith(suffix) else None
        return "newName" if "newName" in self._entry else None


class Replacement:
    """One target of one entry of `replacements`; what it puts there comes from another object."""

    sure = False

    def __init__(self, target: Spot) -> None:
        self._target = target

    def apply(self, state: State) -> None:
        """Claim if the target is this object."""
        wanted = as_mapping(as_mapping(self._target.value).get("select"))
        if any(selects(wanted, [identity], state.texts) for identity in state.ids):
            state.claim(self)

    def spot(self, asked: Asked, state: State) -> Spot | None:  # noqa: ARG002 - the protocol's
        """The path of the field."""
        for path in entries(self._target.below("fieldPaths")):
            if isinstance(path.value, str) and _leads(path.value, asked):
                return path
        return None


def _leads(text: str, asked: Asked) -> bool:
    """Whether a field path of kustomize (`spec.containers.[name=web].image`) leads to what is asked for, or above."""
    value = asked.document
    tokens = list(_TOKEN.finditer(text))
    if not tokens or len(tokens) > len(asked.path):
        return False
    for token, step in zip(tokens, asked.path, strict=False):
        try:
            value = value[step]
        except (LookupError, TypeError):
            return False
        item, key = token["item"], token["key"]
        if key is not None:
            if key != "*" and re.sub(r"\\(.)", r"\1", key) != str(step):
                return False
        elif isinstance(step, int):
            name, _, wanted = item.partition("=")
            found = as_mapping(value).get(name) if name else value
            if str(found) != wanted:
                return False
        elif item != step:
            return False
    return True
