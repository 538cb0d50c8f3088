"""Choose controls and frameworks by the names people type, and decide which can be evaluated on this input.

A name that means nothing is an error with the nearest one that does; never a smaller scan.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeVar

import msgspec

from kubekeep.library.load import Library, builtin
from kubekeep.model.control import Control, Provider
from kubekeep.model.finding import Cause, Reason
from kubekeep.model.framework import Framework
from kubekeep.posture.third_party import ThirdPartyEvaluator

T = TypeVar("T")


class UnknownNameError(ValueError):
    """No control or framework has this name."""


class Selection(msgspec.Struct, frozen=True):
    """What a scan evaluates: controls in the library's order, those of the `judges` at the end, and frameworks.

    `set_aside` says, by slug, why a chosen control is not evaluated whatever the input holds.
    """

    controls: tuple[Control, ...]
    frameworks: tuple[Framework, ...]
    params: dict[str, tuple[str, ...]]
    set_aside: dict[str, Reason]
    library: Library
    named: frozenset[str] = frozenset()
    """Slugs of the controls that were asked for one by one."""
    provider: Provider | None = None
    """The managed platform, where the request tells."""
    judges: tuple[ThirdPartyEvaluator, ...] = ()
    given: frozenset[str] = frozenset()
    """Names of the parameters that the request itself sets, whatever a cluster says."""

    @property
    def judged(self) -> tuple[Control, ...]:
        """The controls of the judges."""
        return tuple(control for judge in self.judges for control in judge.controls)

    @property
    def own(self) -> tuple[Control, ...]:
        """The controls of the library."""
        return self.controls[: len(self.controls) - len(self.judged)]

    def members(self, framework: Framework) -> tuple[Control, ...]:
        """The selected controls that serve `framework`; all controls of the library are none of the judges'."""
        controls = self.own if framework.all_controls else self.controls
        return tuple(control for control in controls if framework.has(control))


def frameworks_named(
    names: Iterable[str], library: Library | None = None, first: Iterable[Framework] = ()
) -> tuple[Framework, ...]:
    """The frameworks called `names`: slug, name or alias, in any case. Raises UnknownNameError.

    Those of `first` are known too, and are meant where one of the library has the same name.
    """
    known = {
        _key(word): framework
        for framework in (*(library or builtin()).frameworks.values(), *first)
        for word in (framework.slug, framework.name, *framework.aliases)
    }
    return tuple(dict.fromkeys(_lookup(name, known, "framework") for name in names))


def controls_named(
    names: Iterable[str], library: Library | None = None, first: Iterable[Control] = ()
) -> tuple[Control, ...]:
    """The controls called `names`: number, slug or title, in any case. Raises UnknownNameError.

    Those of `first` are known too, and are meant where one of the library has the same name.
    """
    known = {
        _key(word): control
        for control in (*(library or builtin()).controls.values(), *first)
        for word in (control.slug, control.title, *control.ids)
    }
    return tuple(dict.fromkeys(_lookup(name, known, "control") for name in names))


def select(
    frameworks: Sequence[Framework] = (),
    named: Sequence[Control] = (),
    *,
    params: Mapping[str, Sequence[str]] | None = None,
    whole_cluster: bool = False,
    provider: Provider | None = None,
    library: Library | None = None,
    judges: Sequence[ThirdPartyEvaluator] = (),
    excluded: AbstractSet[str] = frozenset(),
) -> Selection:
    """The controls of `frameworks` and those `named` one by one.

    A control that only a cluster can answer is set aside unless it was named or the input is a `whole_cluster`;
    one without a value for a required parameter is set aside too. `params` replace defaults by name. Without a
    `provider`, frameworks that are all written for one tell it. The controls of `judges` are always selected, those of the library that are
    `excluded` (slugs) never.
    """
    library = library or builtin()
    chosen = {control.slug for framework in frameworks for control in library.members(framework)}
    asked = {control.slug for control in named}
    controls = tuple(control for slug, control in library.controls.items() if slug in (chosen | asked) - excluded)
    values = _values(controls, params or {})
    provider = provider or _common({framework.provider for framework in frameworks})
    judged = tuple(control for judge in judges for control in judge.controls)
    set_aside = {}
    for control in (*controls, *judged):
        anywhere = whole_cluster or control.slug in asked or control.answered_by_documents(provider)
        reason = _set_aside(control, values, anywhere=anywhere)
        if reason is not None:
            set_aside[control.slug] = reason
    return Selection(
        controls=(*controls, *judged),
        frameworks=tuple(frameworks),
        params=values,
        set_aside=set_aside,
        library=library,
        named=frozenset(asked),
        provider=provider,
        judges=tuple(judges),
    )


def _values(controls: Iterable[Control], params: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    return {
        name: tuple(params.get(name, parameter.default))
        for control in controls
        for name, parameter in control.params.items()
    }


def _common(providers: AbstractSet[Provider | None]) -> Provider | None:
    return next(iter(providers)) if len(providers) == 1 else None


def _set_aside(control: Control, values: Mapping[str, tuple[str, ...]], *, anywhere: bool) -> Reason | None:
    if control.manual:
        return Reason(Cause.MANUAL, f"a person has to check it: `kubekeep explain {control.id}` says how")
    missing = [name for name, parameter in control.params.items() if parameter.required and not values[name]]
    if missing:
        return Reason(Cause.CONFIGURATION, f"set {', '.join(missing)} in --controls-config")
    if control.scope == "cluster" and not anywhere:
        return Reason(Cause.NEEDS_CLUSTER, "files cannot answer it; name the control to evaluate it on them anyway")
    return None


def _key(word: str) -> str:
    return " ".join(word.casefold().replace("_", " ").split())


def _lookup(name: str, known: Mapping[str, T], noun: str) -> T:
    found = known.get(_key(name))
    if found is None:
        near = difflib.get_close_matches(_key(name), known, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else f"; `kubekeep list {noun}s` shows them"
        raise UnknownNameError(f"no {noun} is called {name!r}{hint}")
    return found
