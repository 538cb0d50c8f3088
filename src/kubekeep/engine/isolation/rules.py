"""Policy sets whose custom rules are evaluated in a child process, one rule at a time, so that a rule that fails is known.

A rule that reaches a limit or ends the process fails on the present and all further documents; the others continue in a
new process. Rules of the library are evaluated in this process.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from kubekeep.engine.isolation import limits as rule_limits
from kubekeep.engine.isolation.limits import RuleBudget, RuleStoppedError, explain
from kubekeep.engine.isolation.messages import (
    CheckModules,
    CompileRules,
    Done,
    EvaluateRule,
    Outcomes,
    Reply,
    Request,
    RuleSource,
    SetContext,
    SetDocuments,
)
from kubekeep.engine.isolation.process import (
    INTERRUPTED,
    INVALID,
    RuleProcess,
    borrow_process,
    return_process,
    take_process,
)
from kubekeep.engine.policy_set import Outcome, PolicySet, RuleFailure, RuleQuery, Shard
from kubekeep.engine.rego_policies import RegoPolicySet, decode_outcome

R = TypeVar("R", bound=Reply)


def isolate_custom_rules(
    shards: Sequence[Shard], groups: Sequence[Sequence[RuleQuery]], context: Mapping[str, Any]
) -> IsolatedPolicySet:
    """Compile rules, custom ones in another process. Raises ValueError, with file and line."""
    custom = {query.name: query for group in groups for query in group if query.file}
    numbers = {name: number for number, name in enumerate(custom)}
    library_shards = list(shards)
    modules = [_take_modules(library_shards, query.shard) for query in custom.values()]
    library_groups = [[query for query in group if not query.file] for group in groups]
    custom_groups = [[numbers[query.name] for query in group if query.file] for group in groups]
    library = RegoPolicySet(library_shards, library_groups, context)
    return IsolatedPolicySet(library, CustomRules(list(custom.values()), modules), custom_groups, context)


def _take_modules(shards: list[Shard], number: int) -> Mapping[str, str]:
    """Return the modules of a custom rule, and leave none for this process. A custom rule has no byte code."""
    modules = shards[number]
    shards[number] = {}
    return {} if isinstance(modules, bytes) else modules


def check_modules(shards: Mapping[str, Mapping[str, str]]) -> None:
    """Compile the modules of each custom rule, by its file. Raises ValueError, with file and line or the limit."""
    limits = rule_limits.DEFAULT_LIMITS
    for file, modules in shards.items():
        try:
            with borrow_process(limits) as process:
                process.call(CheckModules(seconds=limits.seconds, modules=dict(modules)), Done)
        except RuleStoppedError as error:
            raise ValueError(f"{file}: the rule {error}") from error


class CustomRules:
    """Custom rules, each with its modules, and the process that evaluates them. Safe to use from several threads."""

    def __init__(self, queries: Sequence[RuleQuery], modules: Sequence[Mapping[str, str]]) -> None:
        """Compile each rule, from its modules. Raises ValueError, with file and line; a rule that reaches a limit is not evaluated."""
        self._limits = rule_limits.DEFAULT_LIMITS
        self._budget = RuleBudget(self._limits)
        self._lock = threading.Lock()
        self._queries = queries
        self._sources = [
            RuleSource(number, query.name, query.path, dict(sources))
            for number, (query, sources) in enumerate(zip(queries, modules, strict=True))
        ]
        self._failures: dict[int, str] = {}
        """Reasons of the rules that are no longer evaluated."""
        self._processes: list[RuleProcess] = []
        """The process; empty before the first use and after a failure."""
        self._is_compiled = self._has_documents = self._is_stopped = False
        self._context: bytes | None = None
        """The context in the process."""
        weakref.finalize(self, _return_processes, self._processes)
        for number in range(len(queries)):
            self._check(number)

    def evaluate(
        self, documents: Sequence[bytes], positions_by_rule: Mapping[int, Sequence[int]], context: bytes
    ) -> list[dict[str, Any]]:
        """Return the values of each rule on the documents at its positions, by the name of the rule."""
        outcomes: list[dict[str, Any]] = [{} for _ in documents]
        with self._lock:
            self._has_documents = False
            for number, positions in positions_by_rule.items():
                name = self._queries[number].name
                values = self._evaluate_rule(number, documents, positions, context)
                for position, value in zip(positions, values, strict=True):
                    if value is not None:
                        outcomes[position][name] = value
        return outcomes

    def stop(self) -> None:
        """Stop the process; rules that are still to be evaluated fail."""
        self._is_stopped = True
        for process in [*self._processes]:
            process.kill()

    def _check(self, number: int) -> None:
        source = self._sources[number]
        try:
            seconds = self._budget.allow(source.name, 0)
            self._call_rule(source.name, CheckModules(seconds=seconds, modules=source.modules, path=source.path), Done)
        except RuleStoppedError as error:
            self._fail(number, error)

    def _evaluate_rule(
        self, number: int, documents: Sequence[bytes], positions: Sequence[int], context: bytes
    ) -> list[Any]:
        if number not in self._failures:
            name = self._queries[number].name
            try:
                seconds = self._budget.allow(name, len(positions))
                self._prepare(documents, context)
                return self._evaluate(name, EvaluateRule(seconds=seconds, number=number, documents=list(positions)))
            except RuleStoppedError as error:
                self._fail(number, error)
        return [RuleFailure(self._failures[number])] * len(positions)

    def _prepare(self, documents: Sequence[bytes], context: bytes) -> None:
        """Give the process the rules, the context and the documents that it does not have yet. Raises RuleStoppedError."""
        seconds = self._limits.start_seconds
        if not self._is_compiled:
            rules = [source for source in self._sources if source.number not in self._failures]
            self._call(CompileRules(seconds=seconds, rules=rules), Done)
            self._is_compiled = True
        if self._context is not context:
            self._call(SetContext(seconds=seconds, context=context), Done)
            self._context = context
        if not self._has_documents:
            self._call(SetDocuments(seconds=seconds, documents=list(documents)), Done)
            self._has_documents = True

    def _evaluate(self, name: str, request: EvaluateRule) -> list[Any]:
        """Return the value of a rule on each document, None if it is empty. Raises RuleStoppedError."""
        texts = self._call_rule(name, request, Outcomes).texts
        self._budget.use_output(name, sum(len(text) for text in texts if text))
        if len(texts) != len(request.documents):
            raise RuleStoppedError(INVALID)
        try:
            return [decode_outcome(text).get(name) if text else None for text in texts]
        except (msgspec.MsgspecError, RecursionError) as error:
            raise RuleStoppedError(INVALID) from error

    def _call_rule(self, name: str, request: Request, expected: type[R]) -> R:
        """Return the reply to a request that runs a rule, and count its time. Raises RuleStoppedError and ValueError."""
        with self._budget.measure(name):
            return self._call(request, expected)

    def _call(self, request: Request, expected: type[R]) -> R:
        """Return the reply of the process, which is started if necessary. Raises RuleStoppedError and ValueError."""
        if self._is_stopped:
            raise RuleStoppedError(INTERRUPTED)
        if not self._processes:
            self._processes.append(take_process(self._limits))
        try:
            return self._processes[0].call(request, expected)
        finally:
            if not self._processes[0].is_running:
                self._processes.clear()
                self._is_compiled = self._has_documents = False
                self._context = None

    def _fail(self, number: int, cause: RuleStoppedError) -> None:
        if not self._processes:
            self._budget.add_failure()
        query = self._queries[number]
        self._failures[number] = explain(query.name, query.file, cause)


def _return_processes(processes: list[RuleProcess]) -> None:
    while processes:
        return_process(processes.pop())


class IsolatedPolicySet(PolicySet):
    """Policy set with rules of the library, evaluated here, and custom rules."""

    def __init__(
        self, library: PolicySet, custom: CustomRules, groups: Sequence[Sequence[int]], context: Mapping[str, Any]
    ) -> None:
        """Combine both; `groups` are the numbers of the custom rules in each group."""
        self._library = library
        self._custom = custom
        self._groups = groups
        self._context = msgspec.json.encode(context)

    def evaluate(self, documents: Sequence[tuple[bytes, Sequence[int]]]) -> list[Outcome]:
        """Return the outcome of each (document as JSON, group numbers), in order."""
        positions: dict[int, list[int]] = {}
        for position, (_, groups) in enumerate(documents):
            # Several groups of one document may have the same rule.
            for number in dict.fromkeys(number for group in groups for number in self._groups[group]):
                positions.setdefault(number, []).append(position)
        outcomes = self._library.evaluate(documents)
        if not positions:
            return outcomes
        custom = self._custom.evaluate([document for document, _ in documents], positions, self._context)
        return [{**outcome, **values} if values else outcome for outcome, values in zip(outcomes, custom, strict=True)]

    def with_context(self, context: Mapping[str, Any]) -> IsolatedPolicySet:
        """Return the same rules with another context."""
        return IsolatedPolicySet(self._library.with_context(context), self._custom, self._groups, context)

    def stop(self) -> None:
        """Stop the process of the custom rules."""
        self._custom.stop()
