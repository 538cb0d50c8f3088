"""Selection of controls and frameworks by name, with the reasons why some controls cannot be evaluated on this input.

An unknown name is an error that suggests a similar name; it never makes a scan smaller.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, TypeVar

import msgspec

from kubekeep.library.kubescape_names import load_kubescape_names
from kubekeep.library.load import Library, builtin
from kubekeep.model.control import Control, Provider
from kubekeep.model.definition import Definition
from kubekeep.model.errors import KubekeepError
from kubekeep.model.framework import Framework, Implication
from kubekeep.model.similar_names import find_similar, measure_similarity
from kubekeep.model.verdict import Cause, Reason
from kubekeep.posture.third_party import ThirdPartyEvaluator

T = TypeVar("T", Control, Definition, Framework)
_MOST_SUGGESTIONS: Final = 3
_SIMILAR_WORD: Final = 0.8
"""Similarity, from 0 to 1, of a misspelled word in the name of a control."""
_SHORT_NUMBER: Final = re.compile(r"[Cc]-?0*(\d{1,4})", re.ASCII)
"""A number of a control with too few or too many zeros, or without the dash."""


class UnknownNameError(KubekeepError, ValueError):
    """No control or framework has this name."""


class Selection(msgspec.Struct, frozen=True):
    """The controls and frameworks of a scan.

    `controls` are in the library's order, followed by those of third-party `evaluators`. `skip_reasons` holds, by slug,
    the reasons why selected controls are not evaluated on any resource.
    """

    controls: tuple[Control, ...]
    frameworks: tuple[Framework, ...]
    params: dict[str, tuple[str, ...]]
    skip_reasons: dict[str, Reason]
    library: Library
    requested_controls: frozenset[str] = frozenset()
    """Slugs of the controls that were requested one by one."""
    provider: Provider | None = None
    """The managed platform, if the request or the frameworks name one."""
    evaluators: tuple[ThirdPartyEvaluator, ...] = ()
    requested_params: frozenset[str] = frozenset()
    """Names of the parameters that the request itself sets, regardless of the cluster."""
    is_whole_cluster: bool = False
    """True if the input contains all resources of a cluster, except for coverage gaps."""
    listed: tuple[Definition, ...] = ()
    """Definitions of the problems that subjects list themselves, which are known after evaluation."""

    @property
    def definitions(self) -> tuple[Definition, ...]:
        """The controls and the listed definitions."""
        return (*self.controls, *self.listed)

    @property
    def third_party_controls(self) -> tuple[Control, ...]:
        """The controls of the third-party evaluators."""
        return tuple(control for evaluator in self.evaluators for control in evaluator.controls)

    @property
    def library_controls(self) -> tuple[Control, ...]:
        """The controls of the library."""
        return (
            self.controls[: len(self.controls) - len(self.third_party_controls)] if self.evaluators else self.controls
        )

    def select_members(self, framework: Framework) -> tuple[Control, ...]:
        """Return the selected controls of `framework`; a framework of all controls has no third-party controls."""
        return framework.select_members(self.library_controls if framework.all_controls else self.controls)

    def list_implications(self) -> tuple[Implication, ...]:
        """Return the controls that imply others on the same subject, with the others, which are not reported there.

        A control that was requested, or that belongs to another framework of the scan, is reported in any case.
        """
        implications: list[Implication] = []
        for framework in self.frameworks:
            others = (other for other in self.frameworks if other is not framework)
            members = (control.slug for other in others for control in self.select_members(other))
            reported = self.requested_controls.union(members)
            for implication in framework.implications:
                names = tuple(name for name in implication.implies if name not in reported)
                implications.append(msgspec.structs.replace(implication, implies=names))
        return tuple(implications)


def find_frameworks(
    names: Iterable[str], library: Library | None = None, preferred: Iterable[Framework] = ()
) -> tuple[Framework, ...]:
    """Return the frameworks called `names`: slug, name or alias, in any case. Raises UnknownNameError.

    A framework of `preferred` takes precedence over one of the library with the same name.
    """
    candidates = (*(library or builtin()).frameworks.values(), *preferred)
    return _find_by_name(
        names, candidates, lambda framework: (framework.slug, framework.name, *framework.aliases), "framework"
    )


def find_controls(
    names: Iterable[str], library: Library | None = None, preferred: Iterable[Control] = ()
) -> tuple[Control, ...]:
    """Return the controls called `names`: number, slug, title or name in Kubescape, in any case. Raises UnknownNameError.

    A control of `preferred` takes precedence over one of the library with the same name.
    """
    candidates = (*(library or builtin()).controls.values(), *preferred)
    return _find_by_name(map(_find_number, names), candidates, _list_names, "control", _suggest_controls)


def find_definition(name: str, selection: Selection) -> Definition:
    """Return the control or listed definition called `name`: number, slug or title, in any case.

    One of the scan takes precedence. Raises UnknownNameError.
    """
    candidates: tuple[Definition, ...] = (*selection.library.controls.values(), *selection.definitions)
    return _find_by_name((name,), candidates, _list_names, "control")[0]


def _list_names(definition: Definition) -> tuple[str, ...]:
    return definition.slug, definition.title, *definition.ids


def _find_number(name: str) -> str:
    """Return the number of the control with this name in Kubescape; another name unchanged. Raises UnknownNameError."""
    normalised = _normalise(name)
    numbers = [number for number, known in load_kubescape_names().items() if _normalise(known) == normalised]
    if len(numbers) > 1:
        raise UnknownNameError(f"{name!r} is the name of {len(numbers)} controls: use {_join_alternatives(numbers)}")
    return numbers[0] if numbers else name


def _suggest_controls(name: str, controls: Sequence[Control]) -> list[str]:
    """Return the slugs of the controls with all words of `name` in slug or title: most similar first, then `recommended`."""
    words = _normalise(name.replace("-", " ")).split()
    matches = []
    for control in controls:
        known = {*control.slug.split("-"), *control.title.casefold().split()}
        similarities = [measure_similarity(word, known) for word in words]
        if min(similarities, default=0) >= _SIMILAR_WORD:
            matches.append(
                (-sum(similarities), "recommended" not in control.satisfies, len(control.slug), control.slug)
            )
    return [slug for *_, slug in sorted(matches)]


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

    A control is skipped if it is manual, if a required parameter has no value, or if it needs a cluster and the input is
    no `whole_cluster`, unless the control is named. `params` replace defaults by name. The default of `provider` is the
    one that all frameworks share. Controls of `evaluators` are always selected, library controls in `excluded` (slugs)
    never.
    """
    library = library or builtin()
    named_slugs = {control.slug for control in named}
    slugs = named_slugs.union(
        *([control.slug for control in library.select_members(framework)] for framework in frameworks)
    )
    controls = tuple([control for slug, control in library.controls.items() if slug in slugs and slug not in excluded])
    values = _resolve_params(controls, params or {})
    provider = provider or _find_common_provider({framework.provider for framework in frameworks})
    third_party = tuple(control for evaluator in evaluators for control in evaluator.controls)
    skip_reasons: dict[str, Reason] = {}
    for control in (*controls, *third_party):
        reason = _find_skip_reason(control, values, named_slugs, provider, is_whole_cluster=whole_cluster)
        if reason is not None:
            skip_reasons[control.slug] = reason
    return Selection(
        controls=(*controls, *third_party),
        frameworks=tuple(frameworks),
        params=values,
        skip_reasons=skip_reasons,
        library=library,
        requested_controls=frozenset(named_slugs),
        provider=provider,
        evaluators=tuple(evaluators),
        is_whole_cluster=whole_cluster,
    )


def _resolve_params(controls: Iterable[Control], params: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return the value of each parameter of `controls` by name: from `params`, else its default."""
    return {
        name: tuple(params.get(name, parameter.default))
        for control in controls
        for name, parameter in control.params.items()
    }


def _find_common_provider(providers: AbstractSet[Provider | None]) -> Provider | None:
    return next(iter(providers)) if len(providers) == 1 else None


def _find_skip_reason(
    control: Control,
    values: Mapping[str, tuple[str, ...]],
    requested: AbstractSet[str],
    provider: Provider | None,
    *,
    is_whole_cluster: bool,
) -> Reason | None:
    if control.is_manual:
        return Reason(Cause.MANUAL, f"manual review: see `kubekeep explain {control.id}`")
    missing = [name for name, parameter in control.params.items() if parameter.required and not values[name]]
    if missing:
        return Reason(Cause.CONFIGURATION, f"set {', '.join(missing)} in --controls-config")
    needs_cluster = control.scope == "cluster" and not is_whole_cluster and control.slug not in requested
    if needs_cluster and not control.uses_only_documents(provider):
        return Reason(Cause.NEEDS_CLUSTER, "requires a live cluster; name the control to evaluate it on files")
    return None


def _normalise(word: str) -> str:
    return " ".join(word.casefold().replace("_", " ").split())


def _complete_number(name: str) -> str:
    """Return the number of a control with four digits: `C-0057` for `C-57` and `c57`; other names unchanged."""
    number = _SHORT_NUMBER.fullmatch(name.strip())
    return f"C-{int(number[1]):04}" if number else name


def _join_alternatives(names: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _suggest_none(name: str, candidates: Sequence[T]) -> list[str]:  # noqa: ARG001
    return []


def _find_by_name(
    names: Iterable[str],
    candidates: Sequence[T],
    list_words: Callable[[T], tuple[str, ...]],
    noun: str,
    suggest: Callable[[str, Sequence[T]], list[str]] = _suggest_none,
) -> tuple[T, ...]:
    by_word: dict[str, tuple[str, T]] = {}
    matches: dict[T, None] = {}
    for name in names:
        by_word = by_word or {
            _normalise(word): (word, value) for value in candidates for word in reversed(list_words(value))
        }
        match = by_word.get(_normalise(name)) or by_word.get(_normalise(_complete_number(name)))
        if match is None:
            similar = find_similar(_normalise(name), by_word, cutoff=0.5)
            suggestions = suggest(name, candidates) or ([by_word[similar][0]] if similar else [])
            hint = f"; `kubekeep list {noun}s` lists them"
            if suggestions:
                hint = f"; did you mean {_join_alternatives(suggestions[:_MOST_SUGGESTIONS])}?"
            raise UnknownNameError(f"unknown {noun} {name!r}{hint}")
        matches[match[1]] = None
    return tuple(matches)
