"""The compiled expressions of one admission policy, evaluated on one object after another.

Provides the variables of the API server and composed `variables`. Does not match objects to policies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep.admission.policy import Validation
from kubekeep.engine.cel.compile import Activation, LazyVariables
from kubekeep.engine.cel.failing_paths import Path, find_failing_paths
from kubekeep.engine.cel.program import CALL_BUDGET, CHECKER, CelEnvironment, CelProgram, CompileError, run_code
from kubekeep.engine.cel.types import BOOL, DYN, INT, STRING, CelType, parse_type
from kubekeep.engine.cel.values import BudgetError, CelError, UnavailableError

POLICY_BUDGET: Final = 10 * CALL_BUDGET
"""The cost limit of all expressions of a policy on one object."""
MAXIMUM_MESSAGE: Final = 5 * 1024
_STRICT_OR_MINOR: Final = 37
"""The first minor version of Kubernetes where `or` and `orValue` of a value that is not optional are errors."""

_VARIABLES: Final = "kubernetes.variables"
_REQUEST: Final = "kubernetes.AdmissionRequest"
_NAMESPACE: Final = "kubernetes.Namespace"
_STRINGS: Final = parse_type("list(string)")
_TEXTS: Final = parse_type("map(string, string)")
_TIME: Final = parse_type("timestamp")


def _declare_fields(names: str, kind: CelType = STRING) -> dict[str, CelType]:
    return dict.fromkeys(names.split(), kind)


_OBJECTS: Final[Mapping[str, Mapping[str, CelType]]] = {
    _REQUEST: {
        **_declare_fields("kind requestKind", ("kubernetes.GroupVersionKind",)),
        **_declare_fields("resource requestResource", ("kubernetes.GroupVersionResource",)),
        **_declare_fields("subResource requestSubResource name namespace operation"),
        "userInfo": ("kubernetes.UserInfo",),
        "dryRun": BOOL,
        "options": DYN,
    },
    "kubernetes.GroupVersionKind": _declare_fields("group version kind"),
    "kubernetes.GroupVersionResource": _declare_fields("group version resource"),
    "kubernetes.UserInfo": {
        **_declare_fields("username uid"),
        "groups": _STRINGS,
        "extra": parse_type("map(string, list(string))"),
    },
    _NAMESPACE: {
        "metadata": ("kubernetes.NamespaceMetadata",),
        "spec": ("kubernetes.NamespaceSpec",),
        "status": ("kubernetes.NamespaceStatus",),
    },
    "kubernetes.NamespaceMetadata": {
        **_declare_fields("name generateName namespace UID resourceVersion"),
        **_declare_fields("labels annotations", _TEXTS),
        **_declare_fields("creationTimestamp deletionTimestamp", _TIME),
        **_declare_fields("deletionGracePeriodSeconds generation", INT),
        "finalizers": _STRINGS,
    },
    "kubernetes.NamespaceSpec": {"finalizers": _STRINGS},
    "kubernetes.NamespaceStatus": {"conditions": parse_type("list(kubernetes.NamespaceCondition)"), "phase": STRING},
    "kubernetes.NamespaceCondition": {**_declare_fields("status type message reason"), "lastTransitionTime": _TIME},
}


class Denial(msgspec.Struct, frozen=True):
    """A failed validation: the policy's message and the paths of the fields that caused it."""

    message: str
    paths: tuple[Path, ...]


class UndecidedExpression(msgspec.Struct, frozen=True):
    """An expression without a value on an object; `needs_cluster` if only a cluster has the needed data."""

    message: str
    needs_cluster: bool


class PolicyResult(msgspec.Struct, frozen=True):
    """The result of a policy on an object; empty if a match condition excludes the object (`matches`)."""

    matches: bool
    denials: tuple[Denial, ...] = ()
    undecided: tuple[UndecidedExpression, ...] = ()


class AdmissionProgram:
    """The compiled expressions of one policy."""

    def __init__(
        self,
        variables: Sequence[tuple[str, str]],
        conditions: Sequence[tuple[str, str]],
        checks: Sequence[Validation],
        *,
        has_params: bool,
    ) -> None:
        """Compile the expressions; `variables` and `conditions` are names with expressions.

        Raises CompileError with the position in the policy.
        """
        declared: dict[str, CelType] = {
            "object": DYN,
            "oldObject": DYN,
            "namespaceObject": (_NAMESPACE,),
            "request": (_REQUEST,),
            "variables": (_VARIABLES,),
            **({"params": DYN} if has_params else {}),
        }
        trusted = {**declared, "authorizer": (CHECKER,), "authorizer.requestResource": DYN}
        fields: dict[str, CelType] = {}
        objects = {**_OBJECTS, _VARIABLES: fields}
        environment = CelEnvironment(trusted, objects)
        self._definitions: dict[str, CelProgram] = {}
        for name, expression in variables:
            program = _compile(environment, f"variables.{name}", expression, None)
            self._definitions[name] = program
            fields[name] = program.type
        self._conditions = [_compile(environment, f"matchConditions {name}", text, BOOL) for name, text in conditions]
        self._checks = [
            (
                check,
                _compile(environment, f"validations[{position}].expression", check.expression, BOOL),
                _compile_message(CelEnvironment(declared, objects), position, check),
            )
            for position, check in enumerate(checks)
        ]

    def evaluate(
        self, names: Mapping[str, Any], redacted: Callable[[], Mapping[str, Any]], *, kubernetes_minor: int
    ) -> PolicyResult:
        """Evaluate the policy; `names` are the values of `object`, `request`, `params` and the other variables.

        `redacted` returns the same names without secret values, for use in messages.
        """
        lenient_or = kubernetes_minor < _STRICT_OR_MINOR
        evaluation = _Evaluation(self._definitions, names, redacted, lenient_or=lenient_or)
        return evaluation.evaluate(self._conditions, self._checks)


def _compile(environment: CelEnvironment, where: str, expression: str, expected: CelType | None) -> CelProgram:
    try:
        return environment.compile(expression.strip("\n"), expected)
    except CompileError as error:
        raise CompileError(f"{where}: {error}") from None


def _compile_message(environment: CelEnvironment, position: int, check: Validation) -> CelProgram | None:
    if not check.message_expression:
        return None
    return _compile(environment, f"validations[{position}].messageExpression", check.message_expression, STRING)


_Checks = Sequence[tuple[Validation, CelProgram, CelProgram | None]]


class _Evaluation(LazyVariables):
    """The evaluation on one object; `variables` are computed on first use, once."""

    def __init__(
        self,
        definitions: Mapping[str, CelProgram],
        names: Mapping[str, Any],
        redacted: Callable[[], Mapping[str, Any]],
        *,
        lenient_or: bool,
    ) -> None:
        self._definitions = definitions
        self._redacted = redacted
        self._lenient_or = lenient_or
        self._names = {**names, "variables": self}
        self._values: dict[str, Any] = {}
        self._remaining_budget = POLICY_BUDGET

    def get(self, field: str) -> Any:
        if field not in self._values:
            try:
                self._values[field] = self.run(self._definitions[field])
            except CelError as error:
                self._values[field] = error
        value = self._values[field]
        if isinstance(value, CelError):
            raise value
        return value

    def run(self, program: CelProgram) -> Any:
        """Return the value of one expression. Raises CelError and BudgetError."""
        budget = min(self._remaining_budget, CALL_BUDGET)
        activation = Activation(dict(self._names), budget, lenient_or=self._lenient_or)
        try:
            return run_code(program.code, activation)
        finally:
            self._remaining_budget -= budget - max(activation.remaining_budget, 0)

    def evaluate(self, conditions: Sequence[CelProgram], checks: _Checks) -> PolicyResult:
        """Return the combined result of all expressions."""
        try:
            undecided = []
            for condition in conditions:
                value = self._run_or_explain(condition)
                if value is False:
                    return PolicyResult(matches=False)
                if isinstance(value, UndecidedExpression):
                    undecided.append(value)
            if undecided:
                return PolicyResult(matches=True, undecided=tuple(undecided))
            return self._evaluate_checks(checks)
        except BudgetError as error:
            return PolicyResult(matches=True, undecided=(UndecidedExpression(str(error), needs_cluster=False),))

    def _evaluate_checks(self, checks: _Checks) -> PolicyResult:
        denials, undecided = [], []
        for check, program, message in checks:
            value = self._run_or_explain(program)
            if isinstance(value, UndecidedExpression):
                undecided.append(value)
            elif value is False:
                paths = find_failing_paths(program, self._names, self._definitions, lenient_or=self._lenient_or)
                denials.append(Denial(self._build_message(check, message), paths))
        return PolicyResult(matches=True, denials=tuple(denials), undecided=tuple(undecided))

    def _run_or_explain(self, program: CelProgram) -> Any:
        try:
            return self.run(program)
        except CelError as error:
            problem = f"expression '{program.text.strip()}' resulted in error: {self._redact_error(program, error)}"
            return UndecidedExpression(problem, isinstance(error, UnavailableError))

    def _redact_error(self, program: CelProgram, error: CelError) -> str:
        """Return the text of `error` if it has no secret value, that is, if it is the same with redacted names."""
        try:
            self._run_redacted(program)
        except BudgetError:
            pass
        except CelError as other:
            if str(other) == str(error):
                return str(error)
        return "its text could contain a secret"

    def _run_redacted(self, program: CelProgram) -> Any:
        """Return the value of an expression without secret values. Raises CelError and BudgetError."""
        evaluation = _Evaluation(self._definitions, self._redacted(), self._redacted, lenient_or=self._lenient_or)
        return evaluation.run(program)

    def _build_message(self, check: Validation, expression: CelProgram | None) -> str:
        """Return the message by the rules of the API server."""
        message = ""
        if expression is not None:
            try:
                message = str(self._run_redacted(expression)).strip()
            except (CelError, BudgetError):
                message = ""
            if len(message.encode()) > MAXIMUM_MESSAGE or "\n" in message:
                message = ""
        return message or check.message.strip() or f"failed expression: {check.expression.strip()}"
