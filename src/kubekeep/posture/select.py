"""Selection of controls and frameworks by name, and of those that this input can answer.

An unknown name is an error that suggests the nearest known one; never a smaller scan.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeVar

import msgspec

from kubekeep.library.load import Library, builtin
from kubekeep.model.control import Control, Provider
from kubekeep.model.errors import KubekeepError
from kubekeep.model.finding import Cause, Reason
from kubekeep.model.framework import Framework
from kubekeep.posture.third_party import ThirdPartyEvaluator

T = TypeVar("T", Control, Framework)


class UnknownNameError(KubekeepError, ValueError):
    """No control or framework has this name."""


class Selection(msgspec.Struct, frozen=True):
    """The controls and frameworks of a scan.

    `controls` are in the library's order, those of third-party `evaluators` at the end. `set_aside` holds, by slug,
    the reasons why selected controls are not evaluated on any resource.
    """

    controls: tuple[Control, ...]
    frameworks: tuple[Framework, ...]
    params: dict[str, tuple[str, ...]]
    set_aside: dict[str, Reason]
    library: Library
    named: frozenset[str] = frozenset()
    """Slugs of the controls that were requested one by one."""
    provider: Provider | None = None
    """The managed platform, if the request or the frameworks name one."""
    evaluators: tuple[ThirdPartyEvaluator, ...] = ()
    requested_params: frozenset[str] = frozenset()
    """Names of the parameters that the request itself sets, regardless of the cluster."""

    @property
    def third_party(self) -> tuple[Control, ...]:
        """The controls of the third-party evaluators."""
        return tuple(control for evaluator in self.evaluators for control in evaluator.controls)

    @property
    def own(self) -> tuple[Control, ...]:
        """The controls of the library."""
        return self.controls[: len(self.controls) - len(self.third_party)] if self.evaluators else self.controls

    def members(self, framework: Framework) -> tuple[Control, ...]:
        """Return the selected controls that serve `framework`; "all controls" excludes third-party ones."""
        return framework.members(self.own if framework.all_controls else self.controls)


def find_frameworks(
    names: Iterable[str], library: Library | None = None, first: Iterable[Framework] = ()
) -> tuple[Framework, ...]:
    """Return the frameworks called `names`: slug, name or alias, in any case. Raises UnknownNameError.

    A framework of `first` takes precedence over one of the library with the same name.
    """
    known = (*(library or builtin()).frameworks.values(), *first)
    return _find(names, known, lambda framework: (framework.slug, framework.name, *framework.aliases), "framework")


def find_controls(
    names: Iterable[str], library: Library | None = None, first: Iterable[Control] = ()
) -> tuple[Control, ...]:
    """Return the controls called `names`: number, slug or title, in any case. Raises UnknownNameError.

    A control of `first` takes precedence over one of the library with the same name.
    """
    known = (*(library or builtin()).controls.values(), *first)
    return _find(names, known, lambda control: (control.slug, control.title, *control.ids), "control")


def select(
    frameworks: Sequence[Framework] = (),
    named: Sequence[Control] = (),
    *,
    params: Mapping[str, Sequence[str]] | None = None,
    whole_cluster: bool = False,
    provider: Provider | None = None,
    library: Library | None = None,
    evaluators: Sequence[ThirdPartyEvaluator] = (),
    excluded: AbstractSet[str] = frozenset(),
) -> Selection:
    """Select the controls of `frameworks` and those `named` one by one.

    A control that only a cluster can answer is set aside unless it is named or the input is a `whole_cluster`; one
    without a value for a required parameter is set aside too. `params` replace defaults by name. The default provider
    is that of the frameworks if they share one. Controls of `evaluators` are always selected; library controls in
    `excluded` (slugs) never.
    """
    library = library or builtin()
    named_slugs = {control.slug for control in named}
    slugs = named_slugs.union(*([control.slug for control in library.members(framework)] for framework in frameworks))
    controls = tuple([control for slug, control in library.controls.items() if slug in slugs and slug not in excluded])
    values = _values(controls, params or {})
    provider = provider or _common({framework.provider for framework in frameworks})
    third_party = tuple(control for evaluator in evaluators for control in evaluator.controls)
    set_aside: dict[str, Reason] = {}
    for control in (*controls, *third_party):
        reason = _set_aside(control, values, named_slugs, provider, whole_cluster=whole_cluster)
        if reason is not None:
            set_aside[control.slug] = reason
    return Selection(
        controls=(*controls, *third_party),
        frameworks=tuple(frameworks),
        params=values,
        set_aside=set_aside,
        library=library,
        named=frozenset(named_slugs),
        provider=provider,
        evaluators=tuple(evaluators),
    )


def _values(controls: Iterable[Control], params: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return the value of each parameter of `controls` by name: of `params`, else its default."""
    return {
        name: tuple(params.get(name, parameter.default))
        for control in controls
        for name, parameter in control.params.items()
    }


def _common(providers: AbstractSet[Provider | None]) -> Provider | None:
    return next(iter(providers)) if len(providers) == 1 else None


def _set_aside(
    control: Control,
    values: Mapping[str, tuple[str, ...]],
    named: AbstractSet[str],
    provider: Provider | None,
    *,
    whole_cluster: bool,
) -> Reason | None:
    if control.manual:
        return Reason(Cause.MANUAL, f"a person has to check it: `kubekeep explain {control.id}` says how")
    missing = [name for name, parameter in control.params.items() if parameter.required and not values[name]]
    if missing:
        return Reason(Cause.CONFIGURATION, f"set {', '.join(missing)} in --controls-config")
    needs_cluster = control.scope == "cluster" and not whole_cluster and control.slug not in named
    if needs_cluster and not control.answered_by_documents(provider):
        return Reason(Cause.NEEDS_CLUSTER, "files cannot answer it; name the control to evaluate it on them anyway")
    return None


def _key(word: str) -> str:
    return " ".join(word.casefold().replace("_", " ").split())


def _find(names: Iterable[str], known: Iterable[T], words: Callable[[T], tuple[str, ...]], noun: str) -> tuple[T, ...]:
    by_word: dict[str, T] = {}
    matches: dict[T, None] = {}
    for name in names:
        by_word = by_word or {_key(word): value for value in known for word in words(value)}
        match = by_word.get(_key(name))
        if match is None:
            near = difflib.get_close_matches(_key(name), by_word, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]}?" if near else f"; `kubekeep list {noun}s` shows them"
            raise UnknownNameError(f"no {noun} is called {name!r}{hint}")
        matches[match] = None
    return tuple(matches)
