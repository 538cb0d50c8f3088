"""Evidence in results of Kubescape: the entries of `paths` of the rules of a control. No I/O."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from kubekeep.model.finding_document import EvidenceDocument, EvidenceLocation, Suppression
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.reports.kubescape_v2.read import ControlResult, PathEntry, ReportedLocation, RuleResult
from kubekeep_server.foreign.assembly import FindingDraft
from kubekeep_server.foreign.decoding import MAX_TEXT, shorten

PASSED: Final = "passed"
FAILED: Final = "failed"
EXCEPTED: Final = "w/exceptions"
"""Sub-status of a control that passed because of exceptions."""
_NAME: Final = "Kubescape exception"
_SOURCE: Final = "Kubescape"


def add_evidence(draft: FindingDraft, control: ControlResult) -> None:
    """Add the evidence of a control that failed, or passed because of exceptions."""
    for rule in control.rules or ():
        suppression = _find_suppression(control, rule)
        if rule.status == PASSED and suppression is None:
            continue
        groups: dict[Suppression | None, list[EvidenceDocument]] = {suppression: []}
        for entries in _group_entries(rule.paths or ()):
            own = entries[0].exception
            cover = suppression if own is None else read_suppression(own)
            groups.setdefault(cover, []).append(_join(entries))
        for cover, evidence in groups.items():
            if evidence or not rule.paths:
                draft.add(evidence, cover)


def read_suppression(exception: Any) -> Suppression:
    """Return a suppression from a policy of Kubescape, or from an exception in a report of Kubekeep."""
    policy = as_mapping(exception)
    return Suppression(
        name=shorten(_read_text(policy.get("name")) or _NAME),
        source=shorten(_read_text(policy.get("source")) or _SOURCE),
        reason=shorten(_read_text(policy.get("reason")), MAX_TEXT),
        expires=_read_time(policy.get("expirationDate")),
    )


def _read_text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _read_time(value: Any) -> dt.datetime | None:
    try:
        moment = msgspec.convert(value, dt.datetime)
    except msgspec.ValidationError:
        return None
    return moment if moment.tzinfo is not None else None


def _find_suppression(control: ControlResult, rule: RuleResult) -> Suppression | None:
    """Return the exception that covers all evidence of a rule."""
    is_covered = EXCEPTED in (rule.sub_status, control.status.sub_status) and rule.status != FAILED
    if not is_covered:
        return None
    exceptions = as_list(rule.exceptions)
    return read_suppression(exceptions[0] if exceptions else None)


def _group_entries(entries: Iterable[PathEntry]) -> Iterator[list[PathEntry]]:
    """Yield the entries about one path together: each has one kind of advice."""
    groups: dict[tuple[str, str], list[PathEntry]] = {}
    for entry in entries:
        path = entry.failed or entry.review or entry.delete or (entry.fix.path if entry.fix else "")
        if path or entry.message or entry.command:
            groups.setdefault((path, entry.message), []).append(entry)
    yield from groups.values()


def _join(entries: list[PathEntry]) -> EvidenceDocument:
    first = entries[0]
    fix = next((entry.fix for entry in entries if entry.fix is not None and entry.fix.path), None)
    command = next((entry.command for entry in entries if entry.command), "")
    path = first.failed or first.review or first.delete or (fix.path if fix else "")
    is_present = any(entry.failed or entry.delete for entry in entries)
    return EvidenceDocument(
        path=shorten(path, MAX_TEXT),
        exists=is_present or fix is None,
        message=shorten(first.message or (f"fix command: {command}" if command else ""), MAX_TEXT),
        location=None if first.location is None else _read_location(first.location),
        fix=None if fix is None else shorten(_encode_fix(fix.value), MAX_TEXT),
        delete=any(entry.delete for entry in entries),
    )


def _encode_fix(value: str) -> str:
    """Return a value as JSON text: Kubescape writes texts without quotes."""
    try:
        is_json = not isinstance(msgspec.json.decode(value), str)
    except (msgspec.DecodeError, RecursionError):
        is_json = False
    return value if is_json else json.dumps(value)


def _read_location(location: ReportedLocation) -> EvidenceLocation:
    return EvidenceLocation(
        file=shorten(location.file, MAX_TEXT),
        line=location.start_line or 0,
        column=location.start_column or 0,
        end_line=location.end_line or 0,
        end_column=location.end_column or 0,
    )
