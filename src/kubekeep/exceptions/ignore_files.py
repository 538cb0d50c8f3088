"""Ignore files of Trivy and Grype as entries of exceptions files. No I/O.

A rule is converted only if an exception means the same; the others are returned with the reason. Rules about
misconfigurations, secrets and licences name rules of the other tool, which Kubekeep does not have.
"""

from __future__ import annotations

import functools
import itertools
import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from kubekeep.ecosystems.shared.registry import load_ecosystems
from kubekeep.exceptions.policy_exception import (
    ALL_VULNERABILITIES,
    InvalidExceptionError,
    check_pattern,
    escape_pattern,
    names_vulnerability,
    parse_expiry,
)
from kubekeep.images.package_url import parse_package_url
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.location import line_starts
from kubekeep.sources import yaml_text
from kubekeep.sources.tree import Document, Limits, Problem

_LIMITS: Final = Limits(bytes=16 << 20, depth=64, aliased=100_000, documents=1, nodes=1_000_000)
_LINE: Final = re.compile(r"(?P<id>[A-Za-z][\w.:-]*)(?P<rest>(?:\s.*)?)")
_EXPIRY: Final = re.compile(r"\bexp:(\S+)")
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_TRIVY_LISTS: Final = ("vulnerabilities", "misconfigurations", "secrets", "licenses")
_TRIVY_KEYS: Final = frozenset({"id", "paths", "purls", "expired_at", "statement"})
_GRYPE_KEYS: Final = frozenset({"vulnerability", "include-aliases", "reason", "package"})
_GRYPE_PACKAGE_KEYS: Final = frozenset({"name", "version", "type", "location"})
_MAX_SELECTORS: Final = 1_000
_ABSENT: Final[tuple[Any, ...]] = (None, "", False, {})
"""Values of conditions that are not set."""
_GLOB_PARTS: Final = re.compile(r"\*\*/|\*\*|\\.|\[[^\]/]+\]|\{[^{}]*\}|.", re.DOTALL)
_WILDCARDS: Final = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


class SkippedRule(msgspec.Struct, frozen=True):
    """A rule that no exception can express. position: line in the file, or key with number."""

    position: str
    reason: str


class ImportedRules(msgspec.Struct, frozen=True):
    """The entries of an exceptions file that mean the same as an ignore file, and the rules without an equivalent."""

    format: str
    entries: tuple[dict[str, Any], ...]
    skipped: tuple[SkippedRule, ...]


def convert_ignore_file(text: str, path: str) -> ImportedRules:
    """Convert `.trivyignore`, `.trivyignore.yaml` or the `ignore` list of a Grype configuration.

    path: of the file, whose name reasons contain. Raises InvalidExceptionError if the file is none of these.
    """
    name = posixpath.basename(path.replace("\\", "/"))
    if not name.endswith((".yaml", ".yml")) and _is_plain(text):
        return _collect("Trivy", _convert_lines(text, name))
    document = as_mapping(_parse(text))
    if isinstance(document.get("ignore"), list):
        return _collect("Grype", _convert_rules(document["ignore"], name))
    if any(isinstance(document.get(key), list) for key in _TRIVY_LISTS):
        return _collect("Trivy", _convert_findings(document, name))
    raise InvalidExceptionError(
        "neither an ignore file of Trivy (identifiers, or a list `vulnerabilities`) nor a configuration of Grype with `ignore`"
    )


def _is_plain(text: str) -> bool:
    """Return True if each line is an identifier; a mapping of YAML has a colon behind its key."""
    lines = [line.strip() for line in text.splitlines()]
    return all(
        not line or line.startswith("#") or (_LINE.fullmatch(line) and not line.partition(" ")[0].endswith(":"))
        for line in lines
    )


def _parse(text: str) -> Any:
    for document in yaml_text.parse_documents(text, line_starts(text), _LIMITS):
        if isinstance(document, Problem):
            raise InvalidExceptionError(f"not valid YAML: {document.message}")
        if isinstance(document, Document):
            return document.value
    return None


def _collect(name: str, rules: Iterator[dict[str, Any] | SkippedRule]) -> ImportedRules:
    entries: list[dict[str, Any]] = []
    skipped: list[SkippedRule] = []
    for rule in rules:
        if isinstance(rule, SkippedRule):
            skipped.append(rule)
        else:
            entries.append(rule)
    return ImportedRules(name, tuple(entries), tuple(skipped))


def _convert_lines(text: str, name: str) -> Iterator[dict[str, Any] | SkippedRule]:
    """Convert `.trivyignore`; comments before a line, or behind it, are the reason."""
    comments: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        match = _LINE.fullmatch(stripped)
        if match is None:
            comments = [*comments, stripped.lstrip("# ")] if stripped else []
            continue
        rest, _, comment = match["rest"].partition("#")
        expiry = _EXPIRY.search(rest)
        reason = " ".join(filter(None, (*comments, comment.strip())))
        comments = []
        yield _create_entry(
            match["id"], f"line {number}", reason or f"from {name}", expires=expiry[1] if expiry else ""
        )


def _convert_findings(document: Mapping[str, Any], name: str) -> Iterator[dict[str, Any] | SkippedRule]:
    for key in _TRIVY_LISTS:
        for number, value in enumerate(as_list(document.get(key))):
            position = f"{key}[{number}]"
            rule = as_mapping(value)
            identifier = str(rule.get("id", ""))
            unknown = sorted(map(str, rule.keys() - _TRIVY_KEYS))
            if key != _TRIVY_LISTS[0]:
                yield _skip_other_rule(position, identifier)
            elif unknown:
                yield SkippedRule(position, f"unknown key {unknown[0][:60]}")
            else:
                yield _convert_finding(rule, identifier, position, name)


def _convert_finding(
    rule: Mapping[str, Any], identifier: str, position: str, name: str
) -> dict[str, Any] | SkippedRule:
    paths, purls = as_list(rule.get("paths")), as_list(rule.get("purls"))
    if not all(isinstance(text, str) for text in (*paths, *purls)) or len(paths) * len(purls) > _MAX_SELECTORS:
        return SkippedRule(position, "paths and purls are not short lists of text")
    purl_conditions = [{"purl": text} for text in purls] or [{}]
    path_conditions = [{"path": convert_path_glob(text)} for text in paths] or [{}]
    packages = [{**purl, **path} for purl, path in itertools.product(purl_conditions, path_conditions) if purl or path]
    reason = str(rule.get("statement") or "") or f"from {name}"
    return _create_entry(identifier, position, reason, expires=str(rule.get("expired_at") or ""), packages=packages)


def _convert_rules(rules: list[Any], name: str) -> Iterator[dict[str, Any] | SkippedRule]:
    """Convert the ignore rules of Grype; a condition that exceptions do not have leaves the rule out."""
    for number, value in enumerate(rules):
        rule = {str(key): entry for key, entry in as_mapping(value).items() if entry not in _ABSENT}
        yield _convert_rule(rule, f"ignore[{number}]", name)


def _convert_rule(rule: Mapping[str, Any], position: str, name: str) -> dict[str, Any] | SkippedRule:
    package = {str(key): str(entry) for key, entry in as_mapping(rule.get("package")).items() if entry not in _ABSENT}
    others = [
        *sorted(rule.keys() - _GRYPE_KEYS),
        *(f"package.{key}" for key in sorted(package.keys() - _GRYPE_PACKAGE_KEYS)),
    ]
    if others:
        return SkippedRule(position, f"exceptions have no condition {', '.join(others)[:200]}")
    package_type = package.get("type", "")
    if package_type and package_type not in _list_types():
        return SkippedRule(position, f"the package type {package_type[:60]} has no single type of package URL")
    selector = {
        "type": _list_types().get(package_type, ""),
        "name": package.get("name", ""),
        "version": escape_pattern(package.get("version", "")),
        "path": convert_path_glob(package.get("location", "")),
    }
    conditions = {key: text for key, text in selector.items() if text}
    reason = str(rule.get("reason", "")) or f"from {name}"
    packages = [conditions] if conditions else []
    return _create_entry(str(rule.get("vulnerability", "")), position, reason, packages=packages)


@functools.cache
def _list_types() -> Mapping[str, str]:
    """Return types of package URLs by Grype's types of packages, for ecosystems that have one type."""
    types = {}
    for ecosystem in load_ecosystems().values():
        if ecosystem.is_distribution:
            types.update({kind.name: kind.name for kind in ecosystem.types})
        elif len(ecosystem.types) == 1 and ecosystem.advisories and ecosystem.advisories[0].grype:
            types[ecosystem.advisories[0].grype[0]] = ecosystem.types[0].name
    return types


def _create_entry(
    identifier: str, position: str, reason: str, *, expires: str = "", packages: list[dict[str, str]] | None = None
) -> dict[str, Any] | SkippedRule:
    """Return the entry for a vulnerability; without an identifier for all vulnerabilities of the packages."""
    if identifier and not names_vulnerability(identifier):
        return _skip_other_rule(position, identifier)
    if not identifier and not packages:
        return SkippedRule(position, "it has no condition, and would cover everything")
    name = " ".join(filter(None, (identifier or "all vulnerabilities", _name(packages))))
    entry: dict[str, Any] = {"name": name, "reason": reason}
    try:
        if expires:
            entry["expirationDate"] = _convert_expiry(expires)
        if packages:
            _check_patterns(packages)
            entry["packages"] = packages
    except ValueError as error:
        return SkippedRule(position, str(error))
    entry["posturePolicies"] = [{"controlID": escape_pattern(identifier) or ALL_VULNERABILITIES}]
    return entry


def _convert_expiry(text: str) -> str:
    """Return the time at which a rule of Trivy ends: the beginning of its day. Raises ValueError."""
    moment = f"{text}T00:00:00Z" if _DAY.fullmatch(text) else text
    parse_expiry(moment)
    return moment


def _check_patterns(packages: list[dict[str, str]]) -> None:
    """Raises ValueError for an invalid package URL or pattern."""
    for package in packages:
        for key, text in package.items():
            if key == "purl":
                parse_package_url(text)
            else:
                check_pattern(text)


def _name(packages: list[dict[str, str]] | None) -> str:
    conditions = list((packages or [{}])[0].values())
    more = f" and {len(packages) - 1} more" if packages and len(packages) > 1 else ""
    return f"in {' '.join(conditions)[:200]}{more}" if conditions else ""


def _skip_other_rule(position: str, identifier: str) -> SkippedRule:
    return SkippedRule(
        position,
        f"{identifier[:80] or 'it'} is not a vulnerability: add an exception for the control that finds the same",
    )


def convert_path_glob(glob: str) -> str:
    """Return the pattern for a glob with `**`, `*`, `?`, `[...]` and `{a,b}`, without the slash at its beginning."""
    return "".join(map(_convert_part, _GLOB_PARTS.findall(glob.lstrip("/"))))


def _convert_part(part: str) -> str:
    if part in _WILDCARDS:
        return _WILDCARDS[part]
    if part.startswith("{") and len(part) > 1:
        alternatives = ("".join(map(_convert_part, _GLOB_PARTS.findall(text))) for text in part[1:-1].split(","))
        return f"(?:{'|'.join(alternatives)})"
    if part.startswith("[") and len(part) > 1:
        return f"[^{part[2:]}" if part[1] == "!" else part
    return escape_pattern(part[-1])
