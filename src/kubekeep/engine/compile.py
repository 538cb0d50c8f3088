"""Compilation of rules: those of the library for this process, custom ones for a child process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kubekeep.engine.policy_set import PolicySet, RuleQuery, Shard
from kubekeep.engine.rego_policies import RegoPolicySet


def compile_rules(
    shards: Sequence[Shard], groups: Sequence[Sequence[RuleQuery]], context: Mapping[str, Any]
) -> PolicySet:
    """Compile rules; those of queries with a file are custom rules. Raises ValueError, with file and line."""
    if not any(query.file for group in groups for query in group):
        return RegoPolicySet(shards, groups, context)
    # Only scans with custom rules pay for loading this.
    from kubekeep.engine.isolation.rules import isolate_custom_rules  # noqa: PLC0415

    return isolate_custom_rules(shards, groups, context)
