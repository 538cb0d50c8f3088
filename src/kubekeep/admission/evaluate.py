"""Evaluator of admission policies as controls, with the result that the API server would have for each object.

An expression without a value on a manifest leads to "not evaluated", independent of the failure policy: the API server
would evaluate the object after setting defaults. Never reads a file.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

import msgspec

from kubekeep.admission.match import AdmissionRequest, RequestBuilder, UnknownLabelError, is_exempt, match_operations
from kubekeep.admission.policy import (
    AdmissionError,
    AdmissionPolicies,
    BindingSpec,
    ParamKind,
    ParamRef,
    Policy,
    ResourceRule,
)
from kubekeep.admission.program import AdmissionProgram, Denial, UndecidedExpression
from kubekeep.engine.cel.program import CompileError
from kubekeep.engine.cel.values import UnavailableError, create_partial_map
from kubekeep.model.control import EVERYTHING, POLICIES, Control
from kubekeep.model.json_values import as_mapping
from kubekeep.model.label_selector import NAME_LABEL, get_labels, selects
from kubekeep.model.location import Path, format_path, has_path
from kubekeep.model.redaction import redact
from kubekeep.model.resource import DEFAULT_NAMESPACE, Resource, is_builtin
from kubekeep.model.resource_types import BUILTIN_TYPES
from kubekeep.model.verdict import PASSED, Cause, Evidence, Reason, Status, Verdict
from kubekeep.posture.third_party import ThirdPartyEvaluator

_UNKNOWN_OLD: Final = UnavailableError("oldObject: the object in the cluster is not known")
_UNKNOWN_AUTHORIZER: Final = UnavailableError("authorizer: its result is known only in a cluster")


class PolicyEvaluator(ThirdPartyEvaluator):
    """Evaluator of admission policies; each policy is a control."""

    def __init__(self, policies: AdmissionPolicies, reserved_slugs: AbstractSet[str] = frozenset()) -> None:
        """Compile every policy; slugs in `reserved_slugs` belong to other controls.

        Raises AdmissionError, with file and policy, if a policy does not compile.
        """
        self._other_resources = policies.other_resources
        self._compiled = [_CompiledPolicy(policy, reserved_slugs) for policy in policies.policies]

    @property
    def controls(self) -> tuple[Control, ...]:
        """One control per policy, in the order of names."""
        return tuple(policy.control for policy in self._compiled)

    def evaluate(self, resources: Sequence[Resource], *, kubernetes_minor: int) -> Iterator[tuple[int, str, Verdict]]:
        """Yield the verdicts on the resources in scope of a policy, as in a cluster of the minor version."""
        requests = RequestBuilder(resources, self._other_resources, kubernetes_minor)
        params = [*self._other_resources, *resources]
        for position, resource in enumerate(resources):
            if resource.related or is_exempt(resource):
                continue
            request = requests.build(resource)
            for policy in self._compiled:
                verdict = policy.evaluate(request, requests.namespaces.get(request.namespace), params)
                if verdict is not None:
                    yield position, policy.control.slug, verdict


class _BindingResults(msgspec.Struct):
    """The combined results of a policy's bindings on an object."""

    evidence: list[Evidence] = []
    undecided: list[UndecidedExpression] = []
    applies: bool = False


class _CompiledPolicy:
    """A policy with its compiled expressions."""

    def __init__(self, policy: Policy, reserved_slugs: AbstractSet[str]) -> None:
        self._policy = policy
        self.control = _build_control(policy, reserved_slugs)
        spec = policy.spec
        try:
            self._program = AdmissionProgram(
                [(variable.name, variable.expression) for variable in spec.variables],
                [(condition.name, condition.expression) for condition in spec.match_conditions],
                spec.validations,
                has_params=spec.param_kind is not None,
            )
        except CompileError as error:
            raise AdmissionError(f"{policy.origin}: {error}") from None

    def evaluate(
        self, request: AdmissionRequest, namespace: Resource | None, params: Sequence[Resource]
    ) -> Verdict | None:
        """Return the verdict on the object of `request`; None if the policy does not apply to it."""
        results = _BindingResults()
        try:
            operations = match_operations(self._policy.spec.match_constraints, request)
            if operations is None:
                return None
            names = _build_names(request, namespace, operations)
            for binding in self._policy.bindings or (None,):
                self._evaluate_binding(binding, request, names, params, results)
        except UnknownLabelError as error:
            return Verdict(Status.NOT_EVALUATED, reason=Reason(Cause.NEEDS_CLUSTER, str(error)))
        if not results.applies:
            return None
        if results.evidence:
            return Verdict(Status.FAILED, tuple(results.evidence))
        return self._explain(results.undecided) if results.undecided else PASSED

    def _evaluate_binding(
        self,
        binding: BindingSpec | None,
        request: AdmissionRequest,
        names: Mapping[str, Any],
        params: Sequence[Resource],
        results: _BindingResults,
    ) -> None:
        """Add the results under `binding`; without a binding the policy applies everywhere."""
        if (
            binding is not None
            and binding.match_resources is not None
            and match_operations(binding.match_resources, request) is None
        ):
            return
        matching_params, problem = _find_params(self._policy.spec.param_kind, binding, request, params)
        if problem is not None:
            results.applies = True
            results.undecided.append(problem)
        actions = f" [{', '.join(binding.validation_actions)}]" if binding and binding.validation_actions else ""
        for param in matching_params:
            values = {**names, "params": param.object if param else None}
            build_redacted_values = functools.cache(functools.partial(_redact_names, values, request, param))
            result = self._program.evaluate(values, build_redacted_values, kubernetes_minor=request.kubernetes_minor)
            results.applies = results.applies or result.matches
            results.undecided += result.undecided
            for denial in result.denials:
                results.evidence += _list_evidence(denial, f"{denial.message}{actions}", request.resource)

    def _explain(self, undecided: Sequence[UndecidedExpression]) -> Verdict:
        text = "; ".join(dict.fromkeys(reason.message for reason in undecided))
        if all(reason.needs_cluster for reason in undecided):
            return Verdict(Status.NOT_EVALUATED, reason=Reason(Cause.NEEDS_CLUSTER, text))
        refuses = self._policy.spec.failure_policy != "Ignore"
        outcome = "would reject the object" if refuses else "would accept the object"
        return Verdict(
            Status.NOT_EVALUATED,
            reason=Reason(Cause.RULE_ERROR, f"{text}; the API server {outcome}, unless its defaults change the result"),
        )


def _build_control(policy: Policy, reserved_slugs: AbstractSet[str]) -> Control:
    name = policy.name
    while name in reserved_slugs:
        name = f"policy-{name}"
    kinds = dict.fromkeys(kind for rule in policy.spec.match_constraints.resource_rules for kind in _list_kinds(rule))
    requirements = [
        validation.message.strip() or validation.expression.strip() for validation in policy.spec.validations
    ]
    return Control(
        slug=name,
        area=POLICIES,
        title=policy.title,
        severity=policy.severity,
        asks=" ".join(requirements),
        why=f"The admission policy {policy.name} of the cluster requires it.",
        fix="Change the object so that the expressions of the policy are true.",
        targets=tuple(kinds) or (EVERYTHING,),
        relates=_list_param_kinds(policy.spec.param_kind),
    )


def _list_kinds(rule: ResourceRule) -> Iterator[str]:
    """Yield the kinds of a rule as targets.

    A custom group becomes a target for all of its kinds, because only a cluster knows their plurals.
    """
    plurals = {resource.partition("/")[0] for resource in rule.resources}
    builtin_plurals = {served.plural for served in BUILTIN_TYPES.values()}
    yield from (kind for (_, kind), served in BUILTIN_TYPES.items() if served.plural in plurals)
    for group in rule.api_groups:
        if group == EVERYTHING or is_builtin(group):
            yield from (EVERYTHING for _ in plurals - builtin_plurals)
        else:
            yield f"{group}/{EVERYTHING}"


def _list_param_kinds(kind: ParamKind | None) -> tuple[str, ...]:
    if kind is None:
        return ()
    group = kind.api_version.rpartition("/")[0]
    return (kind.kind if is_builtin(group) else f"{group}/{kind.kind}",)


def _build_names(request: AdmissionRequest, namespace: Resource | None, operations: Sequence[str]) -> dict[str, Any]:
    """Build the values of the CEL variables that the API server provides, by name."""
    creates = "*" in operations or "CREATE" in operations
    resource, served = request.resource, request.resource_type
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    plural = {"group": served.group, "version": resource.version, "resource": served.plural}
    fields = {
        "kind": kind,
        "requestKind": kind,
        "resource": plural,
        "requestResource": plural,
        "name": str(_get_metadata(resource).get("name") or ""),
        "operation": "CREATE" if creates else "UPDATE",
        "dryRun": False,
        **({"namespace": request.namespace} if request.namespace else {}),
    }
    return {
        "object": _set_default_namespace(request, resource.object),
        "oldObject": None if creates else _UNKNOWN_OLD,
        "request": create_partial_map("request", fields, frozenset({"userInfo", "options"})),
        "namespaceObject": _build_namespace(request, namespace) if served.is_namespaced else None,
        "authorizer": _UNKNOWN_AUTHORIZER,
        "authorizer.requestResource": _UNKNOWN_AUTHORIZER,
    }


def _redact_names(names: Mapping[str, Any], request: AdmissionRequest, param: Resource | None) -> dict[str, Any]:
    """Return the names without secret values, for texts in reports."""
    params = redact(param) if param is not None and param.kind == "Secret" else names["params"]
    return {**names, "object": _set_default_namespace(request, redact(request.resource)), "params": params}


def _set_default_namespace(request: AdmissionRequest, content: dict[str, Any]) -> dict[str, Any]:
    """Return the object with the namespace `default` if it is namespaced and sets none, as the API server does."""
    metadata = content.get("metadata")
    if not request.resource_type.is_namespaced or not isinstance(metadata, dict) or metadata.get("namespace"):
        return content
    return {**content, "metadata": {**metadata, "namespace": DEFAULT_NAMESPACE}}


def _build_namespace(request: AdmissionRequest, namespace: Resource | None) -> dict[str, Any]:
    if namespace is None:
        label = f"namespace {request.namespace}"
        labels = create_partial_map(f"{label}: labels", {NAME_LABEL: request.namespace})
        return create_partial_map(
            label, {"metadata": create_partial_map(f"{label}: metadata", {"name": request.namespace, "labels": labels})}
        )
    metadata = {**_get_metadata(namespace), "labels": dict(request.namespace_labels)}
    return {"metadata": metadata, "spec": {}, "status": {}}


def _get_metadata(resource: Resource) -> dict[str, Any]:
    return as_mapping(resource.object.get("metadata"))


def _find_params(
    kind: ParamKind | None, binding: BindingSpec | None, request: AdmissionRequest, params: Sequence[Resource]
) -> tuple[list[Resource | None], UndecidedExpression | None]:
    """Return the parameter objects to evaluate with, and the problem if they are missing."""
    reference = binding.param_ref if binding else None
    if kind is None:
        return [None], None
    if reference is None:
        if binding is None:
            problem = f"the policy requires parameters of kind {kind.kind}, and no binding names one"
            return [], UndecidedExpression(problem, needs_cluster=True)
        return [None], None
    namespace = reference.namespace or request.namespace
    matches: list[Resource | None] = [param for param in params if _is_param(param, kind, reference, namespace)]
    if matches or reference.parameter_not_found_action != "Deny":
        return matches, None
    name = reference.name or "of the binding's selector"
    return [], UndecidedExpression(
        f"no {kind.kind} {name} in namespace {namespace} is in the input", needs_cluster=True
    )


def _is_param(resource: Resource, kind: ParamKind, reference: ParamRef, namespace: str) -> bool:
    if (resource.kind, resource.group) != (kind.kind, kind.api_version.rpartition("/")[0]):
        return False
    # Cluster-scoped parameters have no namespace.
    if resource.namespace and resource.namespace != namespace:
        return False
    if reference.name:
        return resource.name == reference.name
    return reference.selector is None or selects(reference.selector, get_labels(resource.object))


def _list_evidence(denial: Denial, message: str, resource: Resource) -> Iterator[Evidence]:
    paths: tuple[Path, ...] = denial.paths or ((),)
    for path in paths:
        yield Evidence(
            path=format_path(path),
            exists=bool(path) and has_path(resource.object, path),
            location=resource.locate(path),
            message=message,
        )
