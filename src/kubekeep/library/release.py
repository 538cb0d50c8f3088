"""The JSON of Kubescape's release artifacts, field by field, as controls and rules of our own model.

Knows the layout only: opens no file and says nothing about whether a rule is right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from kubekeep.library import kubescape_rules
from kubekeep.library.kubescape_rules import KubescapeControl, KubescapeRule, Match
from kubekeep.library.load import LibraryError
from kubekeep.model.control import LOADED, Control, Parameter
from kubekeep.model.finding import Cause, Reason

T = TypeVar("T", bound=msgspec.Struct)
_INPUT_PATH: Final = "settings.postureControlInputs."
_REVIEWS: Final = {
    "manual review": Cause.MANUAL,
    "requires review": Cause.DECLINED,
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


class _Rule(msgspec.Struct, rename="camel"):
    name: str
    rule: str = ""
    resource_enumerator: str | None = None
    rule_language: str = "Rego"
    match: list[_Match] | None = None
    dynamic_match: list[_Match] | None = None
    attributes: dict[str, Any] | None = None
    control_config_inputs: list[_Input] | None = None
    config_inputs: list[str] | None = None


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
    rules: list[_Rule] | None = None
    rules_names: list[str] | None = None
    scanning_scope: _Scope | None = None
    fixed_input: dict[str, tuple[str, ...]] | None = None


class Part(msgspec.Struct, rename="camel"):
    """A section of a framework with the numbers of its controls."""

    id: str = ""
    name: str = ""
    sub_sections: dict[str, Part] | None = None
    controls_ids: list[str] | None = msgspec.field(name="controlsIDs", default=None)


class Release(msgspec.Struct, rename="camel"):
    """A framework with its controls, which `control` reads."""

    name: str
    controls: list[dict[str, Any]]
    description: str = ""
    version: str = ""
    sub_sections: dict[str, Part] | None = None


def decoded(content: bytes, file: Path) -> Any:
    """The JSON of `content`. Raises LibraryError with the name of `file`."""
    try:
        return msgspec.json.decode(content)
    except (ValueError, RecursionError) as error:
        raise LibraryError(f"{file}: {error}") from error


def framework(value: dict[str, Any], file: Path) -> Release:
    """The framework in `value`. Raises LibraryError."""
    if not value.get("controls"):
        raise LibraryError(f"{file}: a framework without controls; the released form has them embedded")
    return _convert(value, Release, file)


def control(value: dict[str, Any], file: Path) -> KubescapeControl:
    """The control in `value`. Raises LibraryError."""
    found = _convert(value, _Control, file)
    attributes = found.attributes or {}
    required = attributes.get("actionRequired")
    if found.rules_names and not found.rules:
        raise LibraryError(f"{file}: control {found.id} names its rules; the released form has them embedded")
    rules = tuple(
        _rule(item, f"{file}: {found.id}: {item.name}") for item in found.rules or () if not _is_past(item.attributes)
    )
    scopes = (found.scanning_scope.matches if found.scanning_scope else None) or ()
    manual = found.manual_test or found.description or "Kubescape's control says that a person has to look."
    described = Control(
        slug=f"{LOADED}{found.id.casefold()}",
        title=found.name,
        severity=min(max(found.base_score, 0.0), 10.0),
        asks=found.description or found.name,
        why="",
        fix=found.remediation or kubescape_rules.ADVICE,
        impact=found.impact,
        default_value=found.default_value,
        references=tuple(found.references or ()),
        targets=kubescape_rules.targets(rules),
        audit="" if rules else manual,
        scope="cluster" if scopes and "file" not in scopes else "file",
        params=_parameters(found.rules or (), found.fixed_input or {}),
        ids=(found.id,),
    )
    return KubescapeControl(
        control=described,
        rules=rules,
        fixed=dict(found.fixed_input or {}),
        review=_review(required),
        needs_parameters=required == "configuration",
    )


def _review(required: object) -> Reason | None:
    cause = _REVIEWS.get(required) if isinstance(required, str) else None
    return None if cause is None else Reason(cause, f"{required}: a person has to look at what the rule found")


def _is_past(attributes: Mapping[str, Any] | None) -> bool:
    """Whether a rule was for versions of Kubescape before some other; ours is as new as the newest."""
    return bool((attributes or {}).get("useUntilKubescapeVersion"))


def _parameters(rules: Iterable[_Rule], fixed: Mapping[str, object]) -> dict[str, Parameter]:
    return {
        name: Parameter(description=item.description or item.name)
        for rule in rules
        for item in rule.control_config_inputs or ()
        if (name := item.path.removeprefix(_INPUT_PATH)) not in fixed
    }


def _rule(found: _Rule, file: str) -> KubescapeRule:
    matches = (*(found.match or ()), *(found.dynamic_match or ()))
    aggregator = str((found.attributes or {}).get("resourcesAggregator") or "")
    return KubescapeRule(
        name=found.name,
        file=file,
        source=found.rule,
        enumerator=found.resource_enumerator or "",
        matches=tuple(_match(item, file) for item in matches),
        aggregator=aggregator,
        inputs=tuple(item.path.removeprefix(_INPUT_PATH) for item in found.control_config_inputs or ()),
        obstacle=_obstacle(found, aggregator),
    )


def _obstacle(found: _Rule, aggregator: str) -> Reason | None:
    if found.rule_language.casefold() != "rego":
        return Reason(Cause.RULE_ERROR, f"{found.name}: rules in {found.rule_language} are not supported")
    if aggregator not in ("", kubescape_rules.SUBJECTS, kubescape_rules.API_SERVER):
        return Reason(Cause.RULE_ERROR, f"{found.name}: the aggregator {aggregator} is not supported")
    return kubescape_rules.obstacle(found.rule) or kubescape_rules.obstacle(found.resource_enumerator or "")


def _match(found: _Match, file: str) -> Match:
    given = found.field_selector or ()
    texts = [given] if isinstance(given, str) else given
    conditions = [part.strip() for text in texts for part in text.split(",") if part.strip()]
    return Match(
        groups=_words(found.api_groups),
        versions=_words(found.api_versions),
        kinds=_words(found.resources),
        fields=tuple(_condition(part, file) for part in conditions),
    )


def _condition(text: str, file: str) -> tuple[str, bool, str]:
    parts = _SELECTOR.fullmatch(text)
    if parts is None:
        raise LibraryError(f"{file}: not a field selector: {text!r}")
    return parts[1].strip(), parts[2] != "!=", parts[3].strip()


def _words(given: Iterable[str] | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in given or ())


def _convert(value: Any, kind: type[T], file: Path) -> T:
    try:
        return msgspec.convert({key: item for key, item in value.items() if item is not None}, kind)
    except msgspec.ValidationError as error:
        name = value.get("controlID") or value.get("name") or "unnamed"
        raise LibraryError(f"{file}: {name}: {error}") from error
