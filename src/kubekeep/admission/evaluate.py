"""Admission policies of a cluster as controls, judged by what the API server would say of each object.

An expression that has no value on a manifest decides nothing, whatever the failure policy: the API server would see
the object with its defaults set. Never reads a file.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

import msgspec

from kubekeep.admission.match import Subject, Subjects, UnknownLabelError, is_exempt, matched
from kubekeep.admission.policy import AdmissionError, BindingSpec, ParamKind, ParamRef, Policies, Policy, ResourceRule
from kubekeep.admission.program import AdmissionProgram, Check, Denial, Doubt, Opinion
from kubekeep.engine.cel.program import CompileError
from kubekeep.engine.cel.values import UnavailableError, partial_map
from kubekeep.model.control import EVERYTHING, POLICIES, Control
from kubekeep.model.finding import PASSED, Cause, Evidence, Reason, Status, Verdict
from kubekeep.model.json_values import as_mapping
from kubekeep.model.label_selector import NAME_LABEL, get_labels, selects
from kubekeep.model.location import Path, format_path, has_path
from kubekeep.model.redaction import redact
from kubekeep.model.resource import DEFAULT_NAMESPACE, Resource, is_builtin
from kubekeep.model.resource_types import BUILTIN_TYPES

_UNKNOWN_OLD: Final = UnavailableError("oldObject: the object in the cluster is not known")
_UNKNOWN_AUTHORIZER: Final = UnavailableError("authorizer: only a cluster can tell")


class PolicyEvaluator:
    """The controls that admission policies are, and their verdicts."""

    def __init__(self, found: Policies, taken: AbstractSet[str] = frozenset()) -> None:
        """Compile every policy, under a name that is not `taken` by another control.

        Raises AdmissionError, with file and policy, for one that does not compile.
        """
        self._others = found.others
        self._compiled = [_Compiled(policy, taken) for policy in found.policies]

    @property
    def controls(self) -> tuple[Control, ...]:
        """One control a policy, in the order of names."""
        return tuple(item.control for item in self._compiled)

    def evaluate(self, resources: Sequence[Resource]) -> Iterator[tuple[int, str, Verdict]]:
        """The verdicts on the resources that a policy is for."""
        subjects = Subjects(resources, self._others)
        params = [*self._others, *resources]
        for place, resource in enumerate(resources):
            if resource.related or is_exempt(resource):
                continue
            subject = subjects.of(resource)
            for item in self._compiled:
                verdict = item.verdict(subject, subjects.namespaces.get(subject.namespace), params)
                if verdict is not None:
                    yield place, item.control.slug, verdict


class _Said(msgspec.Struct):
    """What the bindings of a policy say of an object, together."""

    evidence: list[Evidence] = []
    doubts: list[Doubt] = []
    applies: bool = False


class _Compiled:
    """A policy with its programs."""

    def __init__(self, policy: Policy, taken: AbstractSet[str]) -> None:
        self._policy = policy
        self.control = _control(policy, taken)
        spec = policy.spec
        try:
            self._program = AdmissionProgram(
                [(item.name, item.expression) for item in spec.variables],
                [(item.name, item.expression) for item in spec.match_conditions],
                [Check(item.expression, item.message, item.message_expression) for item in spec.validations],
                has_params=spec.param_kind is not None,
            )
        except CompileError as error:
            raise AdmissionError(f"{policy.where}: {error}") from None

    def verdict(self, subject: Subject, namespace: Resource | None, params: Sequence[Resource]) -> Verdict | None:
        """The verdict on `subject`; None if the policy is not for it."""
        said = _Said()
        try:
            operations = matched(self._policy.spec.match_constraints, subject)
            if operations is None:
                return None
            names = _names(subject, namespace, operations)
            for binding in self._policy.bindings or (None,):
                self._bind(binding, subject, names, params, said)
        except UnknownLabelError as error:
            return Verdict(Status.NOT_EVALUATED, reason=Reason(Cause.NEEDS_CLUSTER, str(error)))
        if not said.applies:
            return None
        if said.evidence:
            return Verdict(Status.FAILED, tuple(said.evidence))
        return self._undecided(said.doubts) if said.doubts else PASSED

    def _bind(
        self,
        binding: BindingSpec | None,
        subject: Subject,
        names: Mapping[str, Any],
        params: Sequence[Resource],
        said: _Said,
    ) -> None:
        """Add what the policy says under `binding`; without one it is for everything."""
        if (
            binding is not None
            and binding.match_resources is not None
            and matched(binding.match_resources, subject) is None
        ):
            return
        given, problem = _params(self._policy.spec.param_kind, binding, subject, params)
        if problem is not None:
            said.applies = True
            said.doubts.append(problem)
        actions = f" [{', '.join(binding.validation_actions)}]" if binding and binding.validation_actions else ""
        for value in given:
            every = {**names, "params": value.object if value else None}
            opinion = self._program.judge(every, functools.cache(functools.partial(_shown, every, subject, value)))
            said.applies = said.applies or opinion.matches
            _add(opinion, actions, subject.resource, said)

    def _undecided(self, doubts: Sequence[Doubt]) -> Verdict:
        text = "; ".join(dict.fromkeys(doubt.message for doubt in doubts))
        if all(doubt.unavailable for doubt in doubts):
            return Verdict(Status.NOT_EVALUATED, reason=Reason(Cause.NEEDS_CLUSTER, text))
        refuses = self._policy.spec.failure_policy != "Ignore"
        outcome = "would refuse the object" if refuses else "would let the object through"
        return Verdict(
            Status.NOT_EVALUATED,
            reason=Reason(
                Cause.RULE_ERROR, f"{text}; the API server {outcome}, unless its defaults make the difference"
            ),
        )


def _control(policy: Policy, taken: AbstractSet[str]) -> Control:
    name = policy.name
    while name in taken:
        name = f"policy-{name}"
    kinds = dict.fromkeys(kind for rule in policy.spec.match_constraints.resource_rules for kind in _kinds(rule))
    asks = [item.message.strip() or item.expression.strip() for item in policy.spec.validations]
    return Control(
        slug=name,
        area=POLICIES,
        title=policy.title,
        severity=policy.severity,
        asks=" ".join(asks),
        why=f"The admission policy {policy.name} of the cluster asks for it.",
        fix="Change the object so that the policy's expressions hold.",
        targets=tuple(kinds) or (EVERYTHING,),
        relates=_param_kinds(policy.spec.param_kind),
    )


def _kinds(rule: ResourceRule) -> Iterator[str]:
    """What a rule is for, as targets: its custom kinds are all of their group, as only a cluster knows their plurals."""
    plurals = {item.partition("/")[0] for item in rule.resources}
    known = {served.plural for served in BUILTIN_TYPES.values()}
    yield from (kind for (_, kind), served in BUILTIN_TYPES.items() if served.plural in plurals)
    for group in rule.api_groups:
        if group == EVERYTHING or is_builtin(group):
            yield from (EVERYTHING for _ in plurals - known)
        else:
            yield f"{group}/{EVERYTHING}"


def _param_kinds(kind: ParamKind | None) -> tuple[str, ...]:
    if kind is None:
        return ()
    group = kind.api_version.rpartition("/")[0]
    return (kind.kind if is_builtin(group) else f"{group}/{kind.kind}",)


def _names(subject: Subject, namespace: Resource | None, operations: Sequence[str]) -> dict[str, Any]:
    """What the variables of the API server stand for."""
    creates = "*" in operations or "CREATE" in operations
    resource, served = subject.resource, subject.served
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    plural = {"group": served.group, "version": resource.version, "resource": served.plural}
    request = {
        "kind": kind,
        "requestKind": kind,
        "resource": plural,
        "requestResource": plural,
        "name": str(_metadata(resource).get("name") or ""),
        "operation": "CREATE" if creates else "UPDATE",
        "dryRun": False,
        **({"namespace": subject.namespace} if subject.namespace else {}),
    }
    return {
        "object": _object(subject, resource.object),
        "oldObject": None if creates else _UNKNOWN_OLD,
        "request": partial_map("request", request, frozenset({"userInfo", "options"})),
        "namespaceObject": _namespace(subject, namespace) if served.namespaced else None,
        "authorizer": _UNKNOWN_AUTHORIZER,
        "authorizer.requestResource": _UNKNOWN_AUTHORIZER,
    }


def _shown(names: Mapping[str, Any], subject: Subject, param: Resource | None) -> dict[str, Any]:
    """The names, with nothing that a report may not show."""
    params = redact(param) if param is not None and param.kind == "Secret" else names["params"]
    return {**names, "object": _object(subject, redact(subject.resource)), "params": params}


def _object(subject: Subject, found: dict[str, Any]) -> dict[str, Any]:
    """The object, with the namespace that the API server sets if it names none."""
    metadata = found.get("metadata")
    if not subject.served.namespaced or not isinstance(metadata, dict) or metadata.get("namespace"):
        return found
    return {**found, "metadata": {**metadata, "namespace": DEFAULT_NAMESPACE}}


def _namespace(subject: Subject, namespace: Resource | None) -> dict[str, Any]:
    if namespace is None:
        about = f"namespace {subject.namespace}"
        labels = partial_map(f"{about}: labels", {NAME_LABEL: subject.namespace})
        return partial_map(
            about, {"metadata": partial_map(f"{about}: metadata", {"name": subject.namespace, "labels": labels})}
        )
    metadata = {**_metadata(namespace), "labels": dict(subject.namespace_labels)}
    return {"metadata": metadata, "spec": {}, "status": {}}


def _metadata(resource: Resource) -> dict[str, Any]:
    return as_mapping(resource.object.get("metadata"))


def _params(
    kind: ParamKind | None, binding: BindingSpec | None, subject: Subject, params: Sequence[Resource]
) -> tuple[list[Resource | None], Doubt | None]:
    """The parameter objects to evaluate with, one after another, and what keeps from finding them."""
    reference = binding.param_ref if binding else None
    if kind is None:
        return [None], None
    if reference is None:
        if binding is None:
            problem = f"the policy takes parameters of kind {kind.kind}, and no binding names one"
            return [], Doubt(problem, unavailable=True)
        return [None], None
    namespace = reference.namespace or subject.namespace
    found: list[Resource | None] = [item for item in params if _is_param(item, kind, reference, namespace)]
    if found or reference.parameter_not_found_action != "Deny":
        return found, None
    name = reference.name or "of the binding's selector"
    return [], Doubt(f"no {kind.kind} {name} in namespace {namespace} is in the input", unavailable=True)


def _is_param(item: Resource, kind: ParamKind, reference: ParamRef, namespace: str) -> bool:
    if (item.kind, item.group) != (kind.kind, kind.api_version.rpartition("/")[0]):
        return False
    # An object of a kind that lives in no namespace names none.
    if item.namespace and item.namespace != namespace:
        return False
    if reference.name:
        return item.name == reference.name
    return reference.selector is None or selects(reference.selector, get_labels(item.object))


def _add(opinion: Opinion, actions: str, resource: Resource, said: _Said) -> None:
    said.doubts += opinion.doubts
    for denial in opinion.denials:
        said.evidence += _evidence(denial, f"{denial.message}{actions}", resource)


def _evidence(denial: Denial, message: str, resource: Resource) -> Iterator[Evidence]:
    places: tuple[Path, ...] = denial.places or ((),)
    for path in places:
        yield Evidence(
            path=format_path(path),
            exists=bool(path) and has_path(resource.object, path),
            location=resource.locate(path),
            message=message,
        )
