"""Rules in Kubescape's format: matched resources, required parameters, and properties of their Rego text.

Compiles and evaluates no rules.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from kubekeep.library.load import ROOT
from kubekeep.model.control import SUBJECT, Control
from kubekeep.model.resource import is_builtin
from kubekeep.model.verdict import Cause, Reason

DEFAULT_SEVERITY: Final = 5.0
"""Severity of a control that sets none."""
DEFAULT_FIX: Final = "Change the field of each finding according to its message."
"""Fix text of a control that has none."""
SUBJECTS: Final = "subject-role-rolebinding"
API_SERVER: Final = "apiserver-pod"
ANY: Final = "*"


class RuleMatch(msgspec.Struct, frozen=True):
    """Selector of the objects that a rule evaluates, by group, version and kind: `*` or a name, case-insensitive.

    A kind may be given by its plural. `fields` are conditions (path, True for equal or False for unequal, value), all of
    which must be met.
    """

    groups: tuple[str, ...]
    versions: tuple[str, ...]
    kinds: tuple[str, ...]
    fields: tuple[tuple[str, bool, str], ...] = ()


EVERYTHING: Final = RuleMatch((ANY,), (ANY,), (ANY,))


class KubescapeRule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule: Rego that is evaluated on the array of all objects it matches."""

    name: str
    file: str
    """File name for error messages."""
    source: str
    enumerator: str = ""
    """Rego that selects, from the same array, the resources that get a verdict."""
    matches: tuple[RuleMatch, ...] = (EVERYTHING,)
    aggregator: str = ""
    inputs: tuple[str, ...] = ()
    """Names of the parameters that the rule reads."""
    obstacle: Reason | None = None
    """Reason why the rule can never be evaluated, for example network access; else None."""


class KubescapeControl(msgspec.Struct, frozen=True, kw_only=True):
    """Control with Kubescape rules. A resource fails if any of the rules reports it."""

    control: Control
    rules: tuple[KubescapeRule, ...]
    fixed_params: dict[str, tuple[str, ...]] = {}
    """Parameter values set by the control itself."""
    review_reason: Reason | None = None
    """Reason why matches need a manual review before they count as failures; else None."""
    needs_parameters: bool = False
    """True if the control cannot be evaluated when all its parameters are empty."""
    must_compile: bool = False
    """True if invalid Rego is an error before evaluation, as for files that users write."""


def list_targets(rules: Sequence[KubescapeRule]) -> tuple[str, ...]:
    """Return the targets of a control with `rules`: kinds, `group/kind` for custom resources, and RBAC subjects."""
    kinds = [
        kind if is_builtin(group) else f"{group}/{kind}"
        for rule in rules
        for match in rule.matches
        for group in match.groups
        for kind in match.kinds
        if rule.aggregator != SUBJECTS
    ]
    joined = [SUBJECT for rule in rules if rule.aggregator == SUBJECTS]
    return tuple(dict.fromkeys([*joined, *kinds]))


_TEXT: Final = r'"(?:\\.|[^"\\\n])*"?|`[^`]*`?|#[^\n]*'
"""A string or comment. A string that is not closed counts, or each of its quotes would be searched for an end again."""
_PACKAGE: Final = r"(?m)^[ \t]*package[ \t]+([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)[ \t]*(?=[\r\n;]|$)"
_NORMALIZED: Final = r"(?<![\w.])image\.parse_normalized_name(?=\s*\()"
_SIGNATURE: Final = r"(?<![\w.])cosign\.(?:verify|has_signature)\s*\("
_NETWORK: Final = r"(?<![\w.])(http\.send|net\.lookup_ip_addr)\s*\("
_CLIENT: Final = r"(?m)^[ \t]*import[ \t]+data\.kubernetes\.api\.client(?:[ \t]+as[ \t]+(\w+))?"
_QUALIFIER: Final = r"(?<![\w.])(\w+)\."
_REGO_V1: Final = r"(?m)^[ \t]*import[ \t]+rego\.v1\b|^[^\n{]*\bif\b"
_FUTURE_KEYWORDS: Final = r"(?m)^[ \t]*import[ \t]+future\.keywords\b"
_RESPONSE_SETS: Final = r"(?m)^(?:\w+[ \t]+contains\b|\w+[ \t]*\[|(?:deny|violation|warn)\b)"
_INPUT: Final = r"""\bpostureControlInputs(?:\.(\w+)|\["([^"\n]+)"\])"""


def find_package(source: str) -> str | None:
    """Return the package that `source` declares, or None. Packages in bracket notation are not recognised."""
    match = re.search(_PACKAGE, _blank_text(source))
    return match[1] if match else None


def is_modern(source: str) -> bool:
    """Return True if `source` can only be Rego v1: it uses the keyword `if` without importing it."""
    code = _blank_text(source)
    return bool(re.search(_REGO_V1, code)) and not re.search(_FUTURE_KEYWORDS, code)


def has_sets(source: str) -> bool:
    """Return True if `source` has a rule that collects responses, such as `deny contains response`."""
    return bool(re.search(_RESPONSE_SETS, _blank_text(source)))


def list_inputs(source: str) -> tuple[str, ...]:
    """Return the names of the parameters that `source` reads from `data.postureControlInputs`."""
    return tuple(dict.fromkeys(plain or quoted for plain, quoted in re.findall(_INPUT, source)))


def find_obstacle(source: str) -> Reason | None:
    """Return the reason why `source` can never be evaluated: it needs a registry, the network or the API server."""
    code = _blank_text(source)
    if re.search(_SIGNATURE, code):
        text = "verifying signatures requires the registry; use `cosign verify`"
        return Reason(Cause.NEEDS_NETWORK, text)
    call = re.search(_NETWORK, code)
    if call:
        return Reason(Cause.NEEDS_NETWORK, f"the rule calls {call[1]}; rules have no network access")
    clients = {alias or "client" for alias in re.findall(_CLIENT, code)}
    if clients and not clients.isdisjoint(re.findall(_QUALIFIER, code)):
        return Reason(Cause.NEEDS_NETWORK, "the rule calls the API server; rules have no network access")
    return None


def build_modules(file: str, source: str) -> dict[str, str]:
    """Return the Rego modules that evaluate `source`, by file: `source` itself and shims of Kubescape's own modules."""
    code, parts, end = _blank_text(source), list[str](), 0
    for call in re.finditer(_NORMALIZED, code):
        parts += [source[end : call.start()], "data.kubekeep.shims.image.parse_normalized_name"]
        end = call.end()
    needed = [ROOT / "shims" / "cautils.rego"] if "cautils" in source else []
    if parts:
        needed += [ROOT / "shims" / "image.rego", ROOT / "lib" / "image.rego"]
    return {
        file: "".join((*parts, source[end:])),
        **{f"{shim.parent.name}/{shim.name}": shim.read_text(encoding="utf-8") for shim in needed},
    }


def _blank_text(source: str) -> str:
    """Return `source` with strings and comments replaced by spaces; all offsets stay the same."""
    return re.sub(_TEXT, lambda text: re.sub(r"[^\n]", " ", text.group()), source)
