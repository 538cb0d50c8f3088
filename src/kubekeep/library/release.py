"""Converter of the JSON of Kubescape's release artifacts to controls and rules of our model.

Opens no files; does not check rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from kubekeep.library import kubescape_rules
from kubekeep.library.kubescape_rules import KubescapeControl, KubescapeRule, RuleMatch
from kubekeep.library.load import LibraryError
from kubekeep.model.control import LOADED, Control
from kubekeep.model.definition import Parameter
from kubekeep.model.verdict import Cause, Reason

T = TypeVar("T", bound=msgspec.Struct)
_INPUT_PATH: Final = "settings.postureControlInputs."
_REVIEWS: Final = {
    "manual review": Cause.MANUAL,
    "requires review": Cause.MISSING_DATA,
}
_SELECTOR: Final = re.compile(r"([^=!]+)(==|=|!=)(.*)", re.DOTALL)


class _Match(msgspec.Struct, rename="camel"):
    api_groups: list[str] | None = None
    api_versions: list[str] | None = None
    resources: list[str] | None = None
    field_selector: list[str] | str | None = None


class _Input(msgspec.Struct):
    path: str = ""
    name: str = ""
    description: str = ""


class _ReleasedRule(msgspec.Struct, rename="camel"):
    name: str
    rule: str = ""
    resource_enumerator: str | None = None
    rule_language: str = "Rego"
    match: list[_Match] | None = None
    dynamic_match: list[_Match] | None = None
    attributes: dict[str, Any] | None = None
    control_config_inputs: list[_Input] | None = None


class _Scope(msgspec.Struct):
    matches: list[str] | None = None


class _Control(msgspec.Struct, rename="camel"):
    id: str = msgspec.field(name="controlID")
    name: str
    base_score: float = kubescape_rules.DEFAULT_SEVERITY
    description: str = ""
    remediation: str = ""
    impact: str = msgspec.field(name="impact_statement", default="")
    manual_test: str = msgspec.field(name="manual_test", default="")
    default_value: str = msgspec.field(name="default_value", default="")
    references: list[str] | None = None
    attributes: dict[str, Any] | None = None
    rules: list[_ReleasedRule] | None = None
    rules_names: list[str] | None = None
    scanning_scope: _Scope | None = None
    fixed_input: dict[str, tuple[str, ...]] | None = None


class ReleasedSection(msgspec.Struct, rename="camel"):
    """Section of a framework with the numbers of its controls."""

    id: str = ""
    name: str = ""
    sub_sections: dict[str, ReleasedSection] | None = None
    controls_ids: list[str] | None = msgspec.field(name="controlsIDs", default=None)


class Release(msgspec.Struct, rename="camel"):
    """Framework with its embedded controls as raw JSON, the input of `convert_control`."""

    name: str
    controls: list[dict[str, Any]]
    description: str = ""
    version: str = ""
    sub_sections: dict[str, ReleasedSection] | None = None


def decode(content: bytes, file: Path) -> Any:
    """Decode the JSON in `content`. Raises LibraryError with the name of `file`."""
    try:
        return msgspec.json.decode(content)
    except (ValueError, RecursionError) as error:
        raise LibraryError(f"{file}: {error}") from error


def convert_framework(value: dict[str, Any], file: Path) -> Release:
    """Convert a framework. Raises LibraryError."""
    if not value.get("controls"):
        raise LibraryError(f"{file}: the framework has no embedded controls; use the released JSON")
    return _convert(value, Release, file)


def convert_control(value: dict[str, Any], file: Path) -> KubescapeControl:
    """Convert a control. Raises LibraryError."""
    released = _convert(value, _Control, file)
    attributes = released.attributes or {}
    required = attributes.get("actionRequired")
    if released.rules_names and not released.rules:
        raise LibraryError(f"{file}: control {released.id} has no embedded rules; use the released JSON")
    rules = tuple(
        _convert_rule(rule, f"{file}: {released.id}: {rule.name}")
        for rule in released.rules or ()
        if not _is_retired(rule.attributes)
    )
    scopes = (released.scanning_scope.matches if released.scanning_scope else None) or ()
    manual = released.manual_test or released.description or "The control requires a manual review."
    converted = Control(
        slug=f"{LOADED}{released.id.casefold()}",
        title=released.name,
        severity=min(max(released.base_score, 0.0), 10.0),
        asks=released.description or released.name,
        why="",
        fix=released.remediation or kubescape_rules.DEFAULT_FIX,
        impact=released.impact,
        default_value=released.default_value,
        references=tuple(released.references or ()),
        targets=kubescape_rules.list_targets(rules),
        audit="" if rules else manual,
        scope="cluster" if scopes and "file" not in scopes else "file",
        params=_list_parameters(released.rules or (), released.fixed_input or {}),
        ids=(released.id,),
    )
    return KubescapeControl(
        control=converted,
        rules=rules,
        fixed_params=dict(released.fixed_input or {}),
        review_reason=_build_review_reason(required),
        needs_parameters=required == "configuration",
    )


def _build_review_reason(required: object) -> Reason | None:
    cause = _REVIEWS.get(required) if isinstance(required, str) else None
    return None if cause is None else Reason(cause, f"{required}: the result of the rule requires a manual review")


def _is_retired(attributes: Mapping[str, Any] | None) -> bool:
    """Return True if a rule is for older versions of Kubescape only. We implement the newest version."""
    return bool((attributes or {}).get("useUntilKubescapeVersion"))


def _list_parameters(rules: Iterable[_ReleasedRule], fixed: Mapping[str, object]) -> dict[str, Parameter]:
    return {
        name: Parameter(description=config.description or config.name)
        for rule in rules
        for config in rule.control_config_inputs or ()
        if (name := config.path.removeprefix(_INPUT_PATH)) not in fixed
    }


def _convert_rule(released: _ReleasedRule, file: str) -> KubescapeRule:
    matches = (*(released.match or ()), *(released.dynamic_match or ()))
    aggregator = str((released.attributes or {}).get("resourcesAggregator") or "")
    return KubescapeRule(
        name=released.name,
        file=file,
        source=released.rule,
        enumerator=released.resource_enumerator or "",
        matches=tuple(_convert_match(match, file) for match in matches),
        aggregator=aggregator,
        inputs=tuple(config.path.removeprefix(_INPUT_PATH) for config in released.control_config_inputs or ()),
        obstacle=_find_obstacle(released, aggregator),
    )


def _find_obstacle(rule: _ReleasedRule, aggregator: str) -> Reason | None:
    if rule.rule_language.casefold() != "rego":
        return Reason(Cause.RULE_ERROR, f"{rule.name}: rules in {rule.rule_language} are not supported")
    if aggregator not in ("", kubescape_rules.SUBJECTS, kubescape_rules.API_SERVER):
        return Reason(Cause.RULE_ERROR, f"{rule.name}: the aggregator {aggregator} is not supported")
    return kubescape_rules.find_obstacle(rule.rule) or kubescape_rules.find_obstacle(rule.resource_enumerator or "")


def _convert_match(released: _Match, file: str) -> RuleMatch:
    selectors = released.field_selector or ()
    texts = [selectors] if isinstance(selectors, str) else selectors
    conditions = [part.strip() for text in texts for part in text.split(",") if part.strip()]
    return RuleMatch(
        groups=_strip_all(released.api_groups),
        versions=_strip_all(released.api_versions),
        kinds=_strip_all(released.resources),
        fields=tuple(_parse_condition(part, file) for part in conditions),
    )


def _parse_condition(text: str, file: str) -> tuple[str, bool, str]:
    parts = _SELECTOR.fullmatch(text)
    if parts is None:
        raise LibraryError(f"{file}: invalid field selector: {text!r}")
    return parts[1].strip(), parts[2] != "!=", parts[3].strip()


def _strip_all(words: Iterable[str] | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in words or ())


def _convert(value: Any, kind: type[T], file: Path) -> T:
    try:
        return msgspec.convert({key: field for key, field in value.items() if field is not None}, kind)
    except msgspec.ValidationError as error:
        name = value.get("controlID") or value.get("name") or "unnamed"
        raise LibraryError(f"{file}: {name}: {error}") from error
