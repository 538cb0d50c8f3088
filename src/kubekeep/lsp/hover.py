"""Hovers: the control behind a finding, a value of a chart, a key of the configuration file. Texts only."""

# Paths are real paths as text, as documents of an editor name them:
# ruff: noqa: PTH113

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from lsprotocol import types

from kubekeep.lsp.evaluation import EvaluatedDocument
from kubekeep.lsp.findings import FileFinding
from kubekeep.model.location import Path, Setting, has_path, parse_path, value_at
from kubekeep.model.redaction import redact, redact_value
from kubekeep.model.secret_text import mask_text
from kubekeep.model.text import json_text
from kubekeep.reports.shared.urgency import describe_priority, priority_level
from kubekeep.reports.shared.wording import describe_fix
from kubekeep.sources.helm.lookup import look_up_value

_VALUE: Final = re.compile(r"(?<![\w)])\$?\.Values((?:\.[A-Za-z_]\w*)+)")
_MAX_VALUE: Final = 400
_MAX_FINDINGS: Final = 5


def describe_findings(entries: Iterable[FileFinding], find_risk: Callable[[FileFinding], str]) -> str:
    """Return the findings in Markdown: the control, the observed value, the fix with its risk, and the remediation."""
    entries = list(entries)
    texts = [_describe(entry, find_risk) for entry in entries[:_MAX_FINDINGS]]
    if len(entries) > _MAX_FINDINGS:
        texts.append(f"and {len(entries) - _MAX_FINDINGS} more findings")
    return "\n\n---\n\n".join(texts)


def _describe(entry: FileFinding, find_risk: Callable[[FileFinding], str]) -> str:
    finding, control = entry.finding, entry.finding.definition
    level = priority_level(finding)
    page = f" · [documentation]({control.page})" if control.page else ""
    head = f"**{_escape(control.title)}** · {finding.id} · {level.label} priority, severity {control.severity:g}{page}"
    facts = describe_priority(finding.priority)
    parts = [head, _escape(entry.evidence.message or finding.title) + (f" ({_escape(facts)})" if facts else "")]
    observed = _observe(entry)
    if observed:
        parts.append(observed)
    if finding.has_fix:
        parts.append(f"Fix: `{describe_fix(entry.evidence, finding.subject).replace('`', '')}`")
        if risk := find_risk(entry):
            parts.append(f"**Check first**: {_escape(risk)}")
    chapters = dict(control.chapters)
    # The texts of the library are Markdown.
    escape = _escape if control.is_user_supplied else str
    parts += [f"**{name}**: {escape(chapters[name])}" for name in ("Risk", "Remediation") if name in chapters]
    if entry.merged:
        parts.append(f"Also reported by {', '.join(entry.merged)}.")
    return "\n\n".join(parts)


def _observe(entry: FileFinding) -> str:
    """Return the observed value; empty for a resource as a whole."""
    path, resource = entry.evidence.path, entry.finding.subject
    if not path:
        return ""
    try:
        steps = parse_path(path)
    except ValueError:
        return ""
    if has_path(resource.object, steps):
        # Without secrets; only short scalars help a reader.
        content = redact(resource)
        value = value_at(content, steps) if has_path(content, steps) else "***"
        shown = (
            json_text(value)
            if not isinstance(value, dict | list)
            else f"a {'mapping' if isinstance(value, dict) else 'list'}"
        )
        text = f"Observed: `{path}` is `{mask_text(shown)[:_MAX_VALUE].replace('`', '')}`"
    else:
        text = f"Observed: `{path}` is not set"
    setting = entry.evidence.location.setting if entry.evidence.location else None
    return f"{text}, from {_escape(describe_setting(setting))}" if setting is not None else text


def describe_value(evaluated: EvaluatedDocument, line: str, column: int, unsaved: dict[str, bytes]) -> str:
    """Return the value of `.Values.x` at a column of a line in Markdown; empty if there is none.

    A text that looks like a secret is masked.
    """
    match = next((match for match in _VALUE.finditer(line) if match.start() <= column <= match.end()), None)
    project, roots = evaluated.project, evaluated.unit.roots
    if match is None or project is None or not roots:
        return ""
    key = match[1].removeprefix(".")
    path: Path = tuple(key.split("."))
    options = project.request.input.read.helm
    result = look_up_value(roots[0], evaluated.document.path, path, options, unsaved)
    if result is None:
        return f"`.Values.{key}` is not set in any values file."
    value = mask_text(json_text(_redact(path, result.value)))
    shown = value if len(value) <= _MAX_VALUE else f"{value[:_MAX_VALUE]}..."
    origin = f"\n\nSet by {_escape(describe_setting(result.setting))}" if result.setting is not None else ""
    return f"`.Values.{key}` is\n\n```json\n{shown.replace('```', '')}\n```{origin}"


def describe_setting(setting: Setting) -> str:
    """Return key, file and line of a value; the file relative to the workspace."""
    file = os.path.relpath(setting.file) if os.path.isfile(setting.file) else setting.file
    line = f":{setting.region.start.line}" if setting.region is not None else ""
    return f"{file}{line} {setting.key}"


def _redact(path: Path, value: Any) -> Any:
    """Return a value without secrets, which its key may reveal."""
    for step in reversed(path):
        value = {step: value}
    value = redact_value(value)
    return value_at(value, path) if has_path(value, path) else "***"


def create_hover(text: str, area: types.Range | None = None) -> types.Hover | None:
    """Return the hover with a text in Markdown; None without text."""
    return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, text), area) if text else None


def _escape(text: str) -> str:
    """Return a text that Markdown shows unchanged: it may quote manifests."""
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", text.strip())
