"""Evaluation of resources with several pod templates: each rule runs once for each template.

Combines the outcomes, so that a resource has one verdict. Never selects rules and never builds a verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep.engine.policy_set import Outcome, PolicySet, RuleFailure
from kubekeep.posture.rulebook import APPLIES, VIOLATION

_encode: Final = msgspec.json.Encoder().encode
_SEVERAL: Final = b'{"workload":['


class _PodGroupDocument(msgspec.Struct):
    """A document of a resource with several pod templates; the object is absent for rules that do not read it."""

    workload: list[msgspec.Raw]
    object: msgspec.Raw = msgspec.Raw()


def encode_workload(views: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the workload of a document as JSON: empty, one view of a pod, or the list of several."""
    return _encode(views[0] if len(views) == 1 else views) if views else b""


class TemplatePolicySet(PolicySet):
    """Policy set that evaluates a document with a list of workload views once for each view."""

    def __init__(self, policies: PolicySet) -> None:
        self._policies = policies

    def evaluate(self, documents: Sequence[tuple[bytes, Sequence[int]]]) -> list[Outcome]:
        """Return the outcome of each document; those of the views of one document are combined."""
        if not any(text.startswith(_SEVERAL) for text, _ in documents):
            return self._policies.evaluate(documents)
        split = [(_split(text), groups) for text, groups in documents]
        outcomes = iter(self._policies.evaluate([(text, groups) for texts, groups in split for text in texts]))
        return [_combine([next(outcomes) for _ in texts]) for texts, _ in split]

    def with_context(self, context: Mapping[str, Any]) -> TemplatePolicySet:
        """Return the same rules with another context."""
        return TemplatePolicySet(self._policies.with_context(context))

    def stop(self) -> None:
        """Stop evaluations that run in another process."""
        self._policies.stop()


def _split(text: bytes) -> list[bytes]:
    """Return a document for each workload view of `text`, or `text` itself."""
    if not text.startswith(_SEVERAL):
        return [text]
    document = msgspec.json.decode(text, type=_PodGroupDocument)
    rest = b',"object":%b}' % bytes(document.object) if bytes(document.object) else b"}"
    return [b'{"workload":%b%b' % (bytes(view), rest) for view in document.workload]


def _combine(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the outcome for a resource from those of its pod templates."""
    if len(outcomes) == 1:
        return outcomes[0]
    names = dict.fromkeys(name for outcome in outcomes for name in outcome)
    return {name: _combine_values([outcome[name] for outcome in outcomes if name in outcome]) for name in names}


def _combine_values(values: Sequence[Any]) -> Any:
    """Combine the values of one rule: a violation of one template counts even if the rule fails for another one.

    If the rule applies to some templates, the others do not count.
    """
    parts = [value for value in values if isinstance(value, dict)]
    failures = [value for value in values if isinstance(value, RuleFailure) or not isinstance(value, dict)]
    applying = [part for part in parts if part.get(APPLIES)] or parts
    if failures and not any(part.get(VIOLATION) for part in applying):
        return failures[0]
    return {key: _join([part[key] for part in applying if key in part]) for part in applying for key in part}


def _join(values: Sequence[Any]) -> Any:
    """Return the union of sets, in their order; of other values the first one."""
    if not all(isinstance(value, list) for value in values):
        return values[0]
    return list({_encode(entry): entry for value in values for entry in value}.values())
