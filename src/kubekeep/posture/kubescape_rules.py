"""Judge resources by rules in Kubescape's form: each over the array of all objects that it matches.

A rule that cannot be evaluated, or says what cannot be understood, makes verdicts not evaluated, never passed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import msgspec

from kubekeep.engine.rego import RegoError, RegoVersion, evaluate
from kubekeep.library import kubescape_rules
from kubekeep.library.kubescape_rules import KubescapeControl, KubescapeRule
from kubekeep.model.control import Control, Parameter, Provider
from kubekeep.model.errors import KubekeepError
from kubekeep.model.finding import PASSED, Cause, Evidence, Reason, Status, Verdict
from kubekeep.model.json_values import as_mapping
from kubekeep.model.resource import Resource
from kubekeep.posture.index import provider_of
from kubekeep.posture.kubescape_responses import Response, ResponseError, evidence, responses
from kubekeep.posture.kubescape_scope import Scope

TIME_LIMIT: Final = 30.0
"""Seconds that one rule may take over the whole input."""

_COMPILING: Final = frozenset(
    ("rego_parse_error", "rego_compile_error", "rego_type_error", "rego_unsafe_var_error", "rego_recursion_error")
)
_Params = Mapping[str, Sequence[str]]


class ForeignRuleError(KubekeepError, ValueError):
    """A rule that somebody is writing does not compile; the message names file and line."""


class KubescapeEvaluator:
    """Controls that rules in Kubescape's form decide; see `kubekeep.posture.third_party.Judge`."""

    def __init__(
        self,
        controls: Sequence[KubescapeControl],
        *,
        params: _Params,
        provider: Provider | None = None,
        time_limit: float = TIME_LIMIT,
    ) -> None:
        """Take `controls`, with the values of parameters that are set, and the platform where it is known.

        Raises ForeignRuleError for a rule that must compile and does not.
        """
        self._foreign = controls
        self._params = params
        self._provider = provider
        self._limit = time_limit
        self.controls: tuple[Control, ...] = tuple(_with_values(item, params) for item in controls)
        for item in controls:
            for rule in item.rules if item.must_compile else ():
                _compile(rule)

    def evaluate(self, resources: Sequence[Resource]) -> Iterator[tuple[int, str, Verdict]]:
        """The verdicts on `resources`; each rule is compiled and evaluated once for all of them."""
        scope = Scope(resources)
        provider = self._provider or next((found for item in resources if (found := provider_of(item))), None)
        # A rule that serves several controls with the same values is asked once.
        asked: dict[tuple[KubescapeRule, str, Reason | None], Future[_Said]] = {}
        answers: list[list[Future[_Said]]] = []
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            for item in self._foreign:
                answers.append([])
                unset = _unset(item, self._params)
                for rule in item.rules:
                    data, reason = self._data(rule, item, provider), rule.obstacle or unset
                    key = (msgspec.structs.replace(rule, file=""), data, reason)
                    if key not in asked:
                        asked[key] = pool.submit(_ask, rule, data, scope, reason, self._limit)
                    answers[-1].append(asked[key])
            for item, futures in zip(self._foreign, answers, strict=True):
                for place, verdict in _verdicts(item, [future.result() for future in futures]):
                    yield place, item.control.slug, verdict

    def _data(self, rule: KubescapeRule, item: KubescapeControl, provider: Provider | None) -> str:
        """What the rule finds in `data`, as JSON: only the parameters that it asks for, and the platform."""
        inputs = {name: self._params[name] for name in rule.inputs if name in self._params}
        data = {
            "postureControlInputs": {**inputs, **item.fixed},
            "dataControlInputs": {"cloudProvider": provider or ""},
        }
        return msgspec.json.encode(data, order="sorted").decode()


class _Said(msgspec.Struct, frozen=True):
    """What one rule said: the resources it decides, what failed of them, or why it said nothing."""

    places: tuple[int, ...]
    failed: dict[int, list[Evidence]] = {}
    reason: Reason | None = None


def _with_values(item: KubescapeControl, params: _Params) -> Control:
    """The control as reports show it, its parameters with the values that are in force."""
    values = {
        name: Parameter(parameter.description, tuple(params.get(name, ())))
        for name, parameter in item.control.params.items()
    }
    return msgspec.structs.replace(item.control, params=values)


def _unset(item: KubescapeControl, params: _Params) -> Reason | None:
    """Why the control has nothing to compare with; None when it has."""
    names = dict.fromkeys(name for rule in item.rules for name in rule.inputs if name not in item.fixed)
    missing = [name for name in names if name not in params]
    if not missing and item.needs_parameters and names and not any(params[name] for name in names):
        missing = list(names)
    return Reason(Cause.CONFIGURATION, f"set {', '.join(missing)} in --controls-config") if missing else None


def _verdicts(item: KubescapeControl, said: Sequence[_Said]) -> Iterator[tuple[int, Verdict]]:
    """One verdict for each resource that some rule decides: failed beats not evaluated beats passed."""
    places = dict.fromkeys(place for one in said for place in (*one.places, *one.failed))
    for place in places:
        found = [piece for one in said for piece in one.failed.get(place, ())]
        unsure = next((one.reason for one in said if one.reason and place in one.places), None)
        reason = item.review if found and item.review else unsure
        if found and not item.review:
            yield place, Verdict(Status.FAILED, tuple(dict.fromkeys(found)))
        elif reason:
            yield place, Verdict(Status.NOT_EVALUATED, reason=reason)
        else:
            yield place, PASSED


def _ask(rule: KubescapeRule, data: str, scope: Scope, obstacle: Reason | None, limit: float) -> _Said:
    places = scope.of(rule)
    if obstacle or not places:
        return _Said(places, reason=obstacle)
    try:
        decided = _enumerated(rule, data, scope, places, limit)
        found = responses(_values(rule, rule.source, data, scope.array(places), limit))
        failed, lost = _failed(found, frozenset(places), scope)
    except (RegoError, ResponseError) as error:
        return _Said(places, reason=Reason(Cause.RULE_ERROR, f"{rule.name}: {error}"))
    if lost:
        text = f"{rule.name}: it fails {lost}, which is not in the input"
        return _Said(places, failed, Reason(Cause.RULE_ERROR, text))
    return _Said(decided, failed)


def _enumerated(rule: KubescapeRule, data: str, scope: Scope, places: tuple[int, ...], limit: float) -> tuple[int, ...]:
    """The places of what the rule decides: what its enumerator returns, or all without one."""
    if not rule.enumerator:
        return places
    found = responses(_values(rule, rule.enumerator, data, scope.array(places), limit))
    among, decided = frozenset(places), set[int]()
    for said in (said for item in found for said in item.objects):
        meant = scope.find(said, among)
        if not meant:
            raise ResponseError(f"its enumerator returns {_shown(said)}, which is not in the input")
        decided.update(meant)
    return tuple(sorted(decided))


def _failed(found: Iterable[Response], among: frozenset[int], scope: Scope) -> tuple[dict[int, list[Evidence]], str]:
    """The evidence by place, and the name of an object that fails and is not in the input."""
    failed: dict[int, list[Evidence]] = {}
    lost = ""
    for response in found:
        places: dict[int, None] = {}
        for said in response.objects:
            meant = scope.find(said, among)
            lost = lost or ("" if meant else _shown(said))
            places.update(dict.fromkeys(meant))
        resources = {place: scope.resources[place] for place in places}
        for place, resource in resources.items():
            others = [other for other in resources.values() if other is not resource]
            failed.setdefault(place, []).extend(evidence(response, resource, others, scope))
    return failed, lost


def _shown(said: dict[str, Any]) -> str:
    resource = Resource(said)
    return f"{resource.kind or 'an object'} {resource.name or 'without a name'}"


def _compile(rule: KubescapeRule) -> None:
    """Raises ForeignRuleError when the text of `rule` is no Rego. Bodies are only looked into when they are asked."""
    if rule.obstacle:
        return
    try:
        _values(rule, rule.source, "{}", msgspec.Raw(b"[]"), TIME_LIMIT)
    except RegoError as error:
        if error.code in _COMPILING:
            raise ForeignRuleError(str(error) if error.line else f"{rule.file}: {error}") from error
    except ResponseError as error:
        raise ForeignRuleError(f"{rule.file}: {error}") from error


def _values(rule: KubescapeRule, source: str, data: str, objects: msgspec.Raw, limit: float) -> dict[str, Any]:
    """The values of the rules in the package of `source`, by name."""
    package = kubescape_rules.package(source)
    if package is None:
        raise ResponseError("no package of plain names")
    said = {"data": msgspec.Raw(data.encode()), "input": objects, "time_limit": limit}
    rows = _query(rule, source, f"said = data.{package}", said)
    return as_mapping(rows[0]["said"]) if rows else {}


def _query(rule: KubescapeRule, source: str, query: str, options: dict[str, Any]) -> list[dict[str, Any]]:
    """Ask as Rego v1, and what is not that as v0."""
    modules = kubescape_rules.modules(rule.file, source)
    versions: tuple[RegoVersion, ...] = ("v1",) if kubescape_rules.is_modern(source) else ("v1", "v0")
    for version in versions[:-1]:
        try:
            return evaluate(modules, query, rego_version=version, **options)
        except RegoError as error:
            if error.code not in _COMPILING:
                raise
    return evaluate(modules, query, rego_version=versions[-1], **options)
