"""Evaluate rules in Kubescape's form: each rule gets the array of all objects that it matches.

A rule that cannot be evaluated, or returns an invalid response, leads to "not evaluated" verdicts, never to passes.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import msgspec

from kubekeep.engine.isolation.limits import RuleStoppedError, explain
from kubekeep.engine.isolation.queries import IsolatedQueries
from kubekeep.engine.policy_set import stop_after_error
from kubekeep.engine.rego import RegoError, RegoVersion
from kubekeep.library import kubescape_rules
from kubekeep.library.kubescape_rules import ANY, API_SERVER, SUBJECTS, KubescapeControl, KubescapeRule, RuleMatch
from kubekeep.model.control import Control, Provider
from kubekeep.model.definition import Parameter
from kubekeep.model.errors import KubekeepError
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.location import Path, has_path, parse_path
from kubekeep.model.resource import Resource
from kubekeep.model.text import json_text
from kubekeep.model.verdict import PASSED, Cause, Evidence, Reason, Status, Verdict
from kubekeep.model.workload import value_at_or
from kubekeep.posture.index import find_provider
from kubekeep.posture.third_party import ThirdPartyEvaluator

TIME_LIMIT: Final = 30.0
"""Seconds, for one rule over the whole input."""

_COMPILE_ERRORS: Final = frozenset(
    ("rego_parse_error", "rego_compile_error", "rego_type_error", "rego_unsafe_var_error", "rego_recursion_error")
)
_MAX_PROCESSES: Final = 8
"""Processes that evaluate rules at once; each may use the memory limit."""
_Params = Mapping[str, Sequence[str]]
_API_SERVERS: Final = ("apiserver", "api-server")
_RESPONSE_RULES: Final = frozenset(("deny", "violation", "warn"))
"""Names of rules that may hold only responses; any other value is an error in the rule."""
_SCALAR: Final = re.compile(r"true|false|-?(?:0|[1-9]\d*)")
_TEXT_FIELDS: Final = ("annotations", "labels")
"""Fields whose values are text even if they look like numbers or booleans."""


class KubescapeRuleError(KubekeepError, ValueError):
    """A rule under development does not compile; the message has file and line."""


class KubescapeEvaluator(ThirdPartyEvaluator):
    """Evaluator of controls with rules in Kubescape's form."""

    def __init__(
        self,
        controls: Sequence[KubescapeControl],
        *,
        params: _Params,
        provider: Provider | None = None,
        time_limit: float = TIME_LIMIT,
    ) -> None:
        """Set the values of parameters and, if known, the platform.

        Raises KubescapeRuleError for a rule that must compile and does not.
        """
        self._kubescape_controls = controls
        self._params = params
        self._provider = provider
        self._engine = _RuleEngine(time_limit)
        self._controls = tuple(_set_parameters(control, params) for control in controls)
        for control in controls:
            for rule in control.rules if control.must_compile else ():
                self._engine.compile(rule)

    @property
    def controls(self) -> tuple[Control, ...]:
        """The controls, with the effective values of their parameters."""
        return self._controls

    def evaluate(
        self,
        resources: Sequence[Resource],
        *,
        kubernetes_minor: int,  # noqa: ARG002 - these rules cannot read the version
    ) -> Iterator[tuple[int, str, Verdict]]:
        """Yield the verdicts on `resources`; each rule is compiled and evaluated once for all of them."""
        scope = KubescapeScope(resources)
        providers = (provider for resource in resources if (provider := find_provider(resource)))
        provider = self._provider or next(providers, None)
        # A rule that several controls share with the same parameters is evaluated once.
        by_rule: dict[tuple[KubescapeRule, str, Reason | None], Future[_RuleResult]] = {}
        pending: list[list[Future[_RuleResult]]] = []
        threads = min(os.cpu_count() or 1, _MAX_PROCESSES)
        with ThreadPoolExecutor(max_workers=threads) as pool, stop_after_error(self._engine.queries.stop):
            for control in self._kubescape_controls:
                pending.append([])
                unset = _explain_unset(control, self._params)
                for rule in control.rules:
                    document, reason = (
                        self._encode_data(rule, control, provider),
                        rule.obstacle or unset or self._engine.stopped.get(rule),
                    )
                    key = (msgspec.structs.replace(rule, file=""), document, reason)
                    if key not in by_rule:
                        by_rule[key] = pool.submit(_evaluate_rule, rule, document, scope, reason, self._engine)
                    pending[-1].append(by_rule[key])
            for control, futures in zip(self._kubescape_controls, pending, strict=True):
                for position, verdict in _combine_verdicts(control, [future.result() for future in futures]):
                    yield position, control.control.slug, verdict

    def _encode_data(self, rule: KubescapeRule, control: KubescapeControl, provider: Provider | None) -> str:
        """Return the rule's `data` document as JSON: only the parameters that it reads, and the platform."""
        inputs = {name: self._params[name] for name in rule.inputs if name in self._params}
        document = {
            "postureControlInputs": {**inputs, **control.fixed_params},
            "dataControlInputs": {"cloudProvider": provider or ""},
        }
        return msgspec.json.encode(document, order="sorted").decode()


class _RuleEngine:
    """Evaluation of rules in child processes, with OPA's two versions of the language."""

    def __init__(self, time_limit: float) -> None:
        self.stopped: dict[KubescapeRule, Reason] = {}
        """Rules that reached a limit when they were compiled."""
        self._limit = time_limit
        self.queries = IsolatedQueries()

    def compile(self, rule: KubescapeRule) -> None:
        """Compile a rule. Raises KubescapeRuleError if it is not Rego; rule bodies are compiled only when evaluated."""
        if rule.obstacle:
            return
        try:
            self.evaluate_package(rule, rule.source, "{}", "[]", 0)
        except RegoError as error:
            if error.code in _COMPILE_ERRORS:
                raise KubescapeRuleError(str(error) if error.line else f"{rule.file}: {error}") from error
        except ResponseError as error:
            raise KubescapeRuleError(f"{rule.file}: {error}") from error
        except RuleStoppedError as error:
            self.stopped[rule] = _explain_stopped(rule, error)

    def evaluate_package(
        self, rule: KubescapeRule, source: str, document: str, objects: str, count: int
    ) -> dict[str, Any]:
        """Return the values of the rules in the package of `source`, by name; `objects` are `count` objects as JSON.

        Evaluates as Rego v1, or as v0 if it does not compile as v1.
        """
        package = kubescape_rules.find_package(source)
        if package is None:
            raise ResponseError("no package with plain names")
        versions: tuple[RegoVersion, ...] = ("v1",) if kubescape_rules.is_modern(source) else ("v1", "v0")
        evaluate = functools.partial(
            self.queries.evaluate,
            f"{rule.name} {rule.file}",
            kubescape_rules.build_modules(rule.file, source),
            f"values = data.{package}",
            data=document,
            input=objects,
            documents=count,
            time_limit=self._limit,
        )
        for version in versions[:-1]:
            try:
                return _read_values(evaluate(rego_version=version))
            except RegoError as error:
                if error.code not in _COMPILE_ERRORS:
                    raise
        return _read_values(evaluate(rego_version=versions[-1]))


def _read_values(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return as_mapping(rows[0].get("values")) if rows else {}


def _explain_stopped(rule: KubescapeRule, error: RuleStoppedError) -> Reason:
    return Reason(Cause.RULE_ERROR, explain(rule.name, rule.file, error))


class _RuleResult(msgspec.Struct, frozen=True):
    """The result of one rule: the resources it evaluated, the evidence of failures, or the reason for no result.

    Resources are given by their positions in the input.
    """

    positions: tuple[int, ...]
    failed: dict[int, list[Evidence]] = {}
    reason: Reason | None = None


def _set_parameters(control: KubescapeControl, params: _Params) -> Control:
    """Return the control with the effective values of its parameters, for reports."""
    values = {
        name: Parameter(parameter.description, tuple(params.get(name, ())))
        for name, parameter in control.control.params.items()
    }
    return msgspec.structs.replace(control.control, params=values)


def _explain_unset(control: KubescapeControl, params: _Params) -> Reason | None:
    """Return the reason "parameters are not set"; None if all required parameters are set."""
    names = dict.fromkeys(name for rule in control.rules for name in rule.inputs if name not in control.fixed_params)
    missing = [name for name in names if name not in params]
    if not missing and control.needs_parameters and names and not any(params[name] for name in names):
        missing = list(names)
    return Reason(Cause.CONFIGURATION, f"set {', '.join(missing)} in --controls-config") if missing else None


def _combine_verdicts(control: KubescapeControl, results: Sequence[_RuleResult]) -> Iterator[tuple[int, Verdict]]:
    """Yield one verdict for each evaluated resource: failed over not evaluated over passed."""
    positions = dict.fromkeys(position for result in results for position in (*result.positions, *result.failed))
    for position in positions:
        evidence = [piece for result in results for piece in result.failed.get(position, ())]
        rule_error = next((result.reason for result in results if result.reason and position in result.positions), None)
        reason = control.review_reason if evidence and control.review_reason else rule_error
        if evidence and not control.review_reason:
            yield position, Verdict(Status.FAILED, tuple(dict.fromkeys(evidence)))
        elif reason:
            yield position, Verdict(Status.NOT_EVALUATED, reason=reason)
        else:
            yield position, PASSED


def _evaluate_rule(
    rule: KubescapeRule, document: str, scope: KubescapeScope, obstacle: Reason | None, engine: _RuleEngine
) -> _RuleResult:
    positions = scope.select(rule)
    if obstacle or not positions:
        return _RuleResult(positions, reason=obstacle)
    try:
        evaluated = _find_evaluated(rule, document, scope, positions, engine)
        values = engine.evaluate_package(rule, rule.source, document, scope.encode(positions), len(positions))
        responses = read_responses(values)
        failed, unknown = _collect_failures(responses, frozenset(positions), scope)
    except (RegoError, ResponseError) as error:
        return _RuleResult(positions, reason=Reason(Cause.RULE_ERROR, f"{rule.name}: {error}"))
    except RuleStoppedError as error:
        return _RuleResult(positions, reason=_explain_stopped(rule, error))
    if unknown:
        text = f"{rule.name}: it fails {unknown}, which is not in the input"
        return _RuleResult(positions, failed, Reason(Cause.RULE_ERROR, text))
    return _RuleResult(evaluated, failed)


def _find_evaluated(
    rule: KubescapeRule, document: str, scope: KubescapeScope, positions: tuple[int, ...], engine: _RuleEngine
) -> tuple[int, ...]:
    """Return the positions of the resources that the rule evaluates: the result of its enumerator, or all."""
    if not rule.enumerator:
        return positions
    values = engine.evaluate_package(rule, rule.enumerator, document, scope.encode(positions), len(positions))
    responses = read_responses(values)
    candidates, evaluated = frozenset(positions), set[int]()
    for content in (content for response in responses for content in response.objects):
        matches = scope.find(content, candidates)
        if not matches:
            raise ResponseError(f"its enumerator returns {_describe(content)}, which is not in the input")
        evaluated.update(matches)
    return tuple(sorted(evaluated))


def _collect_failures(
    responses: Iterable[Response], candidates: frozenset[int], scope: KubescapeScope
) -> tuple[dict[int, list[Evidence]], str]:
    """Return the evidence by position, and the name of a failing object that is not in the input, or empty text."""
    failed: dict[int, list[Evidence]] = {}
    unknown = ""
    for response in responses:
        positions: dict[int, None] = {}
        for content in response.objects:
            matches = scope.find(content, candidates)
            unknown = unknown or ("" if matches else _describe(content))
            positions.update(dict.fromkeys(matches))
        resources = {position: scope.resources[position] for position in positions}
        for position, resource in resources.items():
            others = [other for other in resources.values() if other is not resource]
            failed.setdefault(position, []).extend(list_evidence(response, resource, others, scope))
    return failed, unknown


def _describe(content: dict[str, Any]) -> str:
    resource = Resource(content)
    return f"{resource.kind or 'an object'} {resource.name or 'without a name'}"


class KubescapeScope:
    """Resources of a scan by position in the input, for rules that read arrays of objects."""

    def __init__(self, resources: Sequence[Resource]) -> None:
        """Index `resources` by kind; joined RBAC subjects are kept apart."""
        self.resources = resources
        self._positions_by_kind: dict[tuple[str, str, str], list[int]] = {}
        self._joined_positions: list[int] = []
        self._positions_by_name: dict[tuple[str, str], list[int]] = {}
        self._texts: dict[int, str] = {}
        for position, resource in enumerate(resources):
            if resource.related:
                self._joined_positions.append(position)
            else:
                kind = (resource.group.casefold(), resource.version.casefold(), resource.kind.casefold())
                self._positions_by_kind.setdefault(kind, []).append(position)
            self._positions_by_name.setdefault((resource.kind, resource.name), []).append(position)

    def select(self, rule: KubescapeRule) -> tuple[int, ...]:
        """Return the positions of the resources that `rule` matches, in the order of its matches."""
        if rule.aggregator == SUBJECTS:
            return tuple(
                position for position in self._joined_positions if self._has_parts(rule, self.resources[position])
            )
        matching = (position for match in rule.matches for position in self._find_matching(match))
        positions = tuple(dict.fromkeys(matching))
        if rule.aggregator == API_SERVER:
            return tuple(position for position in positions if _is_api_server(self.resources[position]))
        return positions

    def _has_parts(self, rule: KubescapeRule, joined: Resource) -> bool:
        return all(
            part.missing is None and any(_matches(match, part) for match in rule.matches) for part in joined.related
        )

    def _find_matching(self, match: RuleMatch) -> list[int]:
        positions = sorted(
            position
            for kind, same_kind in self._positions_by_kind.items()
            if _matches_kind(match, *kind)
            for position in same_kind
        )
        if not match.fields:
            return positions
        return [position for position in positions if _has_fields(match, self.resources[position])]

    def encode(self, positions: Iterable[int]) -> str:
        """Return the JSON array of the objects at `positions`; each object is encoded once."""
        return f"[{','.join(map(self._encode_object, positions))}]"

    def _encode_object(self, position: int) -> str:
        text = self._texts.get(position)
        if text is None:
            text = self._texts[position] = json_text(self.resources[position].object)
        return text

    def find(self, content: dict[str, Any], candidates: AbstractSet[int]) -> list[int]:
        """Return the positions in `candidates` that match `content`, an object in a response; empty if none does.

        A joined subject matches itself, or else the objects it was joined from. Files may hold several objects of one
        name: equal objects match before the others, and if none is equal, all match.
        """
        target = Resource(content)
        same_name = [
            position
            for position in self._positions_by_name.get((target.kind, target.name), ())
            if position in candidates
        ]
        matches = [position for position in same_name if _is_compatible(target, self.resources[position])]
        related = [part for part in as_list(content.get("relatedObjects")) if isinstance(part, dict)]
        if related and not matches:
            return [position for part in related for position in self._find_all(part)]
        if related:
            parts = sorted(Resource(part).identity for part in related)
            same_parts = [position for position in matches if _list_part_identities(self.resources[position]) == parts]
            matches = same_parts or matches
        equal = [position for position in matches if self.resources[position].object == content]
        return equal or matches

    def _find_all(self, content: dict[str, Any]) -> list[int]:
        target = Resource(content)
        positions = self._positions_by_name.get((target.kind, target.name), ())
        return [position for position in positions if self.resources[position].identity == target.identity]

    def find_related(self, content: dict[str, Any]) -> Resource | None:
        """Return the resource of a related object in a response; None if it is not in the input."""
        return next((self.resources[position] for position in self._find_all(content)), None)


def _is_compatible(target: Resource, resource: Resource) -> bool:
    """Return True if version and namespace are equal; empty values of `target` match any."""
    return target.api_version in ("", resource.api_version) and target.namespace in ("", resource.namespace)


def _list_part_identities(resource: Resource) -> list[str]:
    return sorted(part.identity for part in resource.related)


def _matches(match: RuleMatch, resource: Resource) -> bool:
    kind = (resource.group.casefold(), resource.version.casefold(), resource.kind.casefold())
    return _matches_kind(match, *kind) and _has_fields(match, resource)


def _matches_kind(match: RuleMatch, group: str, version: str, kind: str) -> bool:
    """Return True if `match` includes the kind; the arguments are in lower case."""
    return (
        _has_word(match.groups, {group})
        and _has_word(match.versions, {version})
        and _has_word(match.kinds, _list_spellings(kind))
    )


def _has_word(words: Iterable[str], values: AbstractSet[str]) -> bool:
    return any(word == ANY or word.casefold() in values for word in words)


def _list_spellings(kind: str) -> frozenset[str]:
    """Return a kind in lower case with the possible spellings of its plural, the resource name in the API."""
    plurals = [f"{kind}s", f"{kind}es"]
    if kind.endswith("y"):
        plurals.append(f"{kind[:-1]}ies")
    return frozenset((kind, *plurals))


def _has_fields(match: RuleMatch, resource: Resource) -> bool:
    return all(
        (str(value_at_or(resource.object, parse_path(path), "")) == value) is expected
        for path, expected, value in match.fields
    )


def _is_api_server(resource: Resource) -> bool:
    return (
        resource.kind == "Pod"
        and resource.namespace == "kube-system"
        and any(word in resource.name for word in _API_SERVERS)
    )


class ResponseError(ValueError):
    """A rule returned a value that is not a valid response."""


class _Fix(msgspec.Struct):
    path: str = ""
    value: Any = ""


class _Paths(msgspec.Struct, rename="camel"):
    failed_paths: list[str] | str | None = None
    review_paths: list[str] | str | None = None
    delete_paths: list[str] | str | None = None
    fix_paths: list[_Fix] | str | None = None


class _Related(_Paths, rename="camel"):
    object: dict[str, Any] = {}


class _Objects(msgspec.Struct, rename="camel"):
    k8s_api_objects: list[dict[str, Any]] | None = msgspec.field(name="k8sApiObjects", default=None)
    external_objects: dict[str, Any] | list[dict[str, Any]] | None = None


class Response(_Paths, rename="camel"):
    """One failure: a message, the failing objects, and paths in them."""

    alert_message: str = ""
    alert_object: _Objects = msgspec.field(default_factory=_Objects)
    related_objects: list[_Related] | None = None

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The failing objects."""
        external = self.alert_object.external_objects or []
        contents = [
            *(self.alert_object.k8s_api_objects or []),
            *([external] if isinstance(external, dict) else external),
        ]
        return [content for content in contents if content]


def read_responses(values: Mapping[str, Any]) -> list[Response]:
    """Return the responses in the values of a package. Raises ResponseError for an invalid response.

    Sets with elements without `alertObject` are intermediate results, unless their name is one of `_RESPONSE_RULES`.
    """
    responses = []
    for name, value in values.items():
        holds_responses = name in _RESPONSE_RULES
        if holds_responses and not isinstance(value, list):
            raise ResponseError(f"{name} is not a set of responses; use `{name} contains response if {{ ... }}`")
        for element in value if isinstance(value, list) else ():
            if isinstance(element, dict) and "alertObject" in element:
                responses.append(_read_response(name, element))
            elif holds_responses:
                raise ResponseError(
                    f"{name} contains a value that is not a response: expected an object with alertObject"
                )
    return responses


def _read_response(name: str, element: dict[str, Any]) -> Response:
    try:
        response = msgspec.convert(element, Response)
    except msgspec.ValidationError as error:
        raise ResponseError(f"{name}: {error}") from error
    if not response.objects:
        raise ResponseError(f"{name} names no object: {response.alert_message or 'no message'}")
    return response


def list_evidence(
    response: Response, resource: Resource, others: Sequence[Resource], scope: KubescapeScope
) -> Iterator[Evidence]:
    """Yield the evidence of `response` in `resource`.

    `others` are further resources in the same response; a path that exists only in one of them is no evidence here.
    """
    message, has_evidence = response.alert_message, False
    for piece in _read_paths(response, message):
        path = _parse_path(piece.path)
        exists = bool(path) and has_path(resource.object, path)
        if piece.fix is None and not exists and any(path and has_path(other.object, path) for other in others):
            continue
        has_evidence = True
        yield msgspec.structs.replace(piece, exists=exists, location=resource.locate(path))
    for related in response.related_objects or ():
        part = scope.find_related(related.object)
        if part is None:
            continue
        for piece in _read_paths(related, f"{message} ({part.kind} {part.name})"):
            has_evidence = True
            yield msgspec.structs.replace(piece, path="", location=part.locate(_parse_path(piece.path)), fix=None)
    if not has_evidence:
        yield Evidence(path="", exists=False, location=resource.locate(()), message=message)


def _read_paths(source: _Paths, message: str) -> Iterator[Evidence]:
    """Yield one piece of evidence for each path, with its fix if there is one."""
    fixes = source.fix_paths if isinstance(source.fix_paths, list) else []
    values = {fix.path: _encode_fix(fix) for fix in fixes if fix.path}
    deleted = _list_texts(source.delete_paths)
    paths = dict.fromkeys((*_list_texts(source.failed_paths), *_list_texts(source.review_paths), *deleted, *values))
    for path in paths:
        fix = values.get(path)
        yield Evidence(path, exists=False, fix=fix, delete=path in deleted and fix is None, message=message)


def _list_texts(value: list[str] | str | None) -> list[str]:
    return [text for text in ([value] if isinstance(value, str) else value or ()) if text]


def _encode_fix(fix: _Fix) -> str:
    """Return the value as JSON. Rules write values as text; text that looks like a number or boolean becomes one."""
    if not isinstance(fix.value, str):
        return msgspec.json.encode(fix.value).decode()
    typed = _SCALAR.fullmatch(fix.value) and not any(step in _TEXT_FIELDS for step in _parse_path(fix.path))
    return fix.value if typed else msgspec.json.encode(fix.value).decode()


def _parse_path(text: str) -> Path:
    """Return the steps of a path in a response; none for invalid text, so that it refers to the whole object."""
    try:
        return parse_path(text)
    except ValueError:
        return ()
