"""Image policies as text, and the parts of imported policies that cannot be evaluated. Never writes a file."""

from __future__ import annotations

import msgspec
import yaml

from kubekeep.imagepolicy.policy import ImagePolicy


class _PolicyDumper(yaml.SafeDumper):
    """Writes texts of several lines, as keys and modules in Rego, as blocks."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the library's signature
        """Write equal values twice, not as an alias."""
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_PolicyDumper.add_representer(str, _represent_text)


def format_policy(policy: ImagePolicy) -> str:
    """Return a policy as YAML."""
    text: str = yaml.dump(msgspec.to_builtins(policy), Dumper=_PolicyDumper, sort_keys=False, width=120)
    return text


def list_unevaluated(policy: ImagePolicy) -> tuple[str, ...]:
    """Return the reasons why parts of imported policies cannot be evaluated."""
    reasons: list[str] = []
    for rule in policy.combined_rules:
        reasons += filter(None, [rule.condition])
        pending = [rule.require]
        while pending:
            requirement = pending.pop(0)
            pending = [*requirement.of, *pending]
            reasons += filter(None, [requirement.not_evaluated])
            reasons += requirement.expression.not_evaluated.values() if requirement.expression else ()
    return tuple(dict.fromkeys(reasons))
