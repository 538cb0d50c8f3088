"""Queries of custom rules in child processes, with the results and errors of `kubekeep.engine.rego`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kubekeep.engine.isolation import limits as rule_limits
from kubekeep.engine.isolation.limits import RuleBudget, RuleStoppedError
from kubekeep.engine.isolation.messages import Bindings, EvaluateQuery
from kubekeep.engine.isolation.process import INTERRUPTED, INVALID, RuleProcess, borrow_process
from kubekeep.engine.rego import RegoVersion, decode_bindings

_GRACE: Final = 2.0
"""Seconds in which the engine should stop by itself at its time limit."""


class IsolatedQueries:
    """The queries of one scan. Safe to use from several threads, each with a process of its own."""

    def __init__(self) -> None:
        self._limits = rule_limits.DEFAULT_LIMITS
        self._budget = RuleBudget(self._limits)
        self._busy: list[RuleProcess] = []
        self._is_stopped = False

    def stop(self) -> None:
        """Stop the processes; queries that are still to be evaluated fail."""
        self._is_stopped = True
        for process in [*self._busy]:
            process.kill()

    def evaluate(
        self,
        rule: str,
        modules: Mapping[str, str],
        query: str,
        *,
        data: str,
        input: str,
        documents: int,
        rego_version: RegoVersion,
        time_limit: float,
    ) -> list[dict[str, Any]]:
        """Evaluate a query of `rule` on an input with a number of documents, and return the bindings of its variables.

        Raises RegoError as `engine.rego.evaluate` does, and RuleStoppedError.
        """
        request = EvaluateQuery(
            seconds=self._budget.allow(rule, documents) + _GRACE,
            modules=dict(modules),
            query=query,
            data=data,
            input=input,
            is_v0=rego_version == "v0",
            time_limit=time_limit,
        )
        try:
            with self._budget.measure(rule), borrow_process(self._limits) as process:
                text = self._call(process, request)
        except RuleStoppedError:
            self._budget.add_failure()
            raise
        self._budget.use_output(rule, len(text))
        rows = decode_bindings(text)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise RuleStoppedError(INVALID)
        return rows

    def _call(self, process: RuleProcess, request: EvaluateQuery) -> str:
        self._busy.append(process)
        try:
            if self._is_stopped:
                raise RuleStoppedError(INTERRUPTED)
            return process.call(request, Bindings).text
        finally:
            self._busy.remove(process)
