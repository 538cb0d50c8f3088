"""The expressions of one admission policy: compiled together, run on one object after another.

Knows the variables that the API server gives to them and how `variables` build on each other; never knows which
objects a policy is for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep.engine.cel.compile import Activation, LazyVariables
from kubekeep.engine.cel.failing_paths import Path, find_failing_paths
from kubekeep.engine.cel.program import CALL_BUDGET, CHECKER, CelEnvironment, CelProgram, CompileError, run_code
from kubekeep.engine.cel.types import BOOL, DYN, INT, STRING, CelType, parse_type
from kubekeep.engine.cel.values import BudgetError, CelError, UnavailableError

POLICY_BUDGET: Final = 10 * CALL_BUDGET
"""What all expressions of a policy may cost on one object."""
MAXIMUM_MESSAGE: Final = 5 * 1024

_VARIABLES: Final = "kubernetes.variables"
_REQUEST: Final = "kubernetes.AdmissionRequest"
_NAMESPACE: Final = "kubernetes.Namespace"
_STRINGS: Final = parse_type("list(string)")
_TEXTS: Final = parse_type("map(string, string)")
_TIME: Final = parse_type("timestamp")


def _fields(names: str, kind: CelType = STRING) -> dict[str, CelType]:
    return dict.fromkeys(names.split(), kind)


_OBJECTS: Final[Mapping[str, Mapping[str, CelType]]] = {
    _REQUEST: {
        **_fields("kind requestKind", ("kubernetes.GroupVersionKind",)),
        **_fields("resource requestResource", ("kubernetes.GroupVersionResource",)),
        **_fields("subResource requestSubResource name namespace operation"),
        "userInfo": ("kubernetes.UserInfo",),
        "dryRun": BOOL,
        "options": DYN,
    },
    "kubernetes.GroupVersionKind": _fields("group version kind"),
    "kubernetes.GroupVersionResource": _fields("group version resource"),
    "kubernetes.UserInfo": {
        **_fields("username uid"),
        "groups": _STRINGS,
        "extra": parse_type("map(string, list(string))"),
    },
    _NAMESPACE: {
        "metadata": ("kubernetes.NamespaceMetadata",),
        "spec": ("kubernetes.NamespaceSpec",),
        "status": ("kubernetes.NamespaceStatus",),
    },
    "kubernetes.NamespaceMetadata": {
        **_fields("name generateName namespace UID resourceVersion"),
        **_fields("labels annotations", _TEXTS),
        **_fields("creationTimestamp deletionTimestamp", _TIME),
        **_fields("deletionGracePeriodSeconds generation", INT),
        "finalizers": _STRINGS,
    },
    "kubernetes.NamespaceSpec": {"finalizers": _STRINGS},
    "kubernetes.NamespaceStatus": {"conditions": parse_type("list(kubernetes.NamespaceCondition)"), "phase": STRING},
    "kubernetes.NamespaceCondition": {**_fields("status type message reason"), "lastTransitionTime": _TIME},
}


class Denial(msgspec.Struct, frozen=True):
    """A validation that an object fails, in the words of the policy, with the places that made it fail."""

    message: str
    places: tuple[Path, ...]


class Doubt(msgspec.Struct, frozen=True):
    """An expression that has no value on an object; `unavailable` if only a cluster could tell."""

    message: str
    unavailable: bool


class Opinion(msgspec.Struct, frozen=True):
    """What a policy says of an object; nothing if a match condition leaves the object out (`matches`)."""

    matches: bool
    denials: tuple[Denial, ...] = ()
    doubts: tuple[Doubt, ...] = ()


class Check(msgspec.Struct, frozen=True):
    """One validation, as written."""

    expression: str
    message: str = ""
    message_expression: str = ""


class AdmissionProgram:
    """The compiled expressions of one policy."""

    def __init__(
        self,
        variables: Sequence[tuple[str, str]],
        conditions: Sequence[tuple[str, str]],
        checks: Sequence[Check],
        *,
        has_params: bool,
    ) -> None:
        """`variables` and `conditions` are names with expressions. Raises CompileError, which names the place."""
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
            found = _compiled(environment, f"variables.{name}", expression, None)
            self._definitions[name] = found
            fields[name] = found.type
        self._conditions = [_compiled(environment, f"matchConditions {name}", text, BOOL) for name, text in conditions]
        self._checks = [
            (
                check,
                _compiled(environment, f"validations[{place}].expression", check.expression, BOOL),
                _message(CelEnvironment(declared, objects), place, check),
            )
            for place, check in enumerate(checks)
        ]

    def judge(self, names: Mapping[str, Any], shown: Callable[[], Mapping[str, Any]] | None = None) -> Opinion:
        """What the policy says, given what `object`, `request`, `params` and the others stand for.

        `shown` are the same names without what must not be shown to people: messages are made of those.
        """
        return _Evaluation(self._definitions, names, shown or (lambda: names)).opinion(self._conditions, self._checks)


def _compiled(environment: CelEnvironment, where: str, expression: str, wanted: CelType | None) -> CelProgram:
    try:
        return environment.compile(expression.strip("\n"), wanted)
    except CompileError as error:
        raise CompileError(f"{where}: {error}") from None


def _message(environment: CelEnvironment, place: int, check: Check) -> CelProgram | None:
    if not check.message_expression:
        return None
    return _compiled(environment, f"validations[{place}].messageExpression", check.message_expression, STRING)


_Checks = Sequence[tuple[Check, CelProgram, CelProgram | None]]


class _Evaluation(LazyVariables):
    """The expressions on one object: `variables` are computed when they are asked for, once."""

    def __init__(
        self, definitions: Mapping[str, CelProgram], names: Mapping[str, Any], shown: Callable[[], Mapping[str, Any]]
    ) -> None:
        self._definitions = definitions
        self._shown = shown
        self._names = {**names, "variables": self}
        self._known: dict[str, Any] = {}
        self._left = POLICY_BUDGET

    def get(self, field: str) -> Any:
        if field not in self._known:
            try:
                self._known[field] = self.run(self._definitions[field])
            except CelError as error:
                self._known[field] = error
        value = self._known[field]
        if isinstance(value, CelError):
            raise value
        return value

    def run(self, program: CelProgram) -> Any:
        """The value of one expression. Raises CelError and BudgetError."""
        given = min(self._left, CALL_BUDGET)
        run = Activation(dict(self._names), given)
        try:
            return run_code(program.code, run)
        finally:
            self._left -= given - max(run.left, 0)

    def opinion(self, conditions: Sequence[CelProgram], checks: _Checks) -> Opinion:
        """What all expressions say together."""
        try:
            doubts = []
            for condition in conditions:
                value = self._answer(condition)
                if value is False:
                    return Opinion(matches=False)
                if isinstance(value, Doubt):
                    doubts.append(value)
            if doubts:
                return Opinion(matches=True, doubts=tuple(doubts))
            return self._judged(checks)
        except BudgetError as error:
            return Opinion(matches=True, doubts=(Doubt(str(error), unavailable=False),))

    def _judged(self, checks: _Checks) -> Opinion:
        denials, doubts = [], []
        for check, program, message in checks:
            value = self._answer(program)
            if isinstance(value, Doubt):
                doubts.append(value)
            elif value is False:
                denials.append(
                    Denial(self._text(check, message), find_failing_paths(program, self._names, self._definitions))
                )
        return Opinion(matches=True, denials=tuple(denials), doubts=tuple(doubts))

    def _answer(self, program: CelProgram) -> Any:
        try:
            return self.run(program)
        except CelError as error:
            problem = f"expression '{program.text.strip()}' resulted in error: {self._spoken(program, error)}"
            return Doubt(problem, isinstance(error, UnavailableError))

    def _spoken(self, program: CelProgram, error: CelError) -> str:
        """The text of `error`, if it says nothing that must not be shown: it is the same without that."""
        try:
            _Evaluation(self._definitions, self._shown(), self._shown).run(program)
        except BudgetError:
            pass
        except CelError as other:
            if str(other) == str(error):
                return str(error)
        return "its text could quote a secret"

    def _text(self, check: Check, expression: CelProgram | None) -> str:
        """The message, chosen as the API server chooses it."""
        made = ""
        if expression is not None:
            try:
                made = str(_Evaluation(self._definitions, self._shown(), self._shown).run(expression)).strip()
            except (CelError, BudgetError):
                made = ""
            if len(made.encode()) > MAXIMUM_MESSAGE or "\n" in made:
                made = ""
        return made or check.message.strip() or f"failed expression: {check.expression.strip()}"
