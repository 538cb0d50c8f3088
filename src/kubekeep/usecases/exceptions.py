"""Checks of exception files without a scan, and addition of an entry without changing the others.

Writes only the requested file; never scans.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kubekeep.exceptions.apply import apply_exceptions
from kubekeep.exceptions.ignore_files import ImportedRules, convert_ignore_file
from kubekeep.exceptions.kubescape_format import parse_exception
from kubekeep.exceptions.load import ExceptionsError, read_exceptions
from kubekeep.exceptions.policy_exception import InvalidExceptionError, PolicyException
from kubekeep.fixes.edits.change import Change, EditRefusedError
from kubekeep.fixes.edits.parsed_text import ParsedText
from kubekeep.fixes.edits.style import Style, format_block
from kubekeep.fixes.edits.text import edit
from kubekeep.fixes.files import TextFile
from kubekeep.model.exception import ExceptionStatus, ExceptionUse
from kubekeep.model.location import Location
from kubekeep.model.paths import display_path, error_reason
from kubekeep.model.text import visible
from kubekeep.posture.select import find_frameworks, select
from kubekeep.sinks.file import atomic
from kubekeep.sources.files import open_file

ERROR_STATUSES = frozenset(ExceptionStatus) - {ExceptionStatus.MATCHED, ExceptionStatus.UNUSED}
"""Statuses that are errors for any input."""
_MAX_BYTES = 16 << 20
"""Maximum size of an ignore file."""


def check_exceptions(policy_exceptions: Sequence[PolicyException]) -> tuple[ExceptionUse, ...]:
    """Return each exception's use without a scan; its status says if it is expired, too broad or has unknown names."""
    selection = select(find_frameworks(("allcontrols",)))
    _, uses = apply_exceptions(
        (), policy_exceptions, selection, dt.datetime.now(dt.UTC), namespaces={}, folder="/", inline=False
    )
    return uses


def build_entry(
    controls: Sequence[str],
    frameworks: Sequence[str],
    patterns: Mapping[str, str],
    reason: str,
    expires: str,
    *,
    packages: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the entry of an exception for a file.

    patterns: regular expressions by attribute of the resource (`kind`, `namespace`, `name`, `containerName`); empty ones
    match any value. expires: a date or a time in RFC 3339; empty for none. packages: package URLs; the exception then
    covers only findings about one of these packages.
    """
    attributes = {key: value for key, value in patterns.items() if value}
    owner = " ".join((*packages, *attributes.values())) or "all resources"
    entry: dict[str, Any] = {
        "name": f"{', '.join((*controls, *frameworks)) or 'all controls'} for {owner}",
        "policyType": "postureExceptionPolicy",
        "actions": ["alertOnly"],
    }
    if attributes:
        entry["resources"] = [{"designatorType": "Attributes", "attributes": attributes}]
    if packages:
        entry["packages"] = [{"purl": text} for text in packages]
    if controls or frameworks:
        policies: Sequence[dict[str, str]] = [{"controlID": name} for name in controls] or [{}]
        scopes: Sequence[dict[str, str]] = [{"frameworkName": name} for name in frameworks] or [{}]
        entry["posturePolicies"] = [{**scope, **policy} for policy in policies for scope in scopes]
    entry["reason"] = reason
    if expires:
        entry["expirationDate"] = expires
    return entry


def check_entry(entry: Mapping[str, Any], display_name: str) -> ExceptionUse:
    """Return the use of the exception that an entry describes, with warnings. Raises ExceptionsError if it has no effect."""
    try:
        exception = parse_exception(dict(entry), Location(display_name), 0)
    except InvalidExceptionError as error:
        raise ExceptionsError(visible(str(error))) from error
    use = check_exceptions([exception])[0]
    if use.status in ERROR_STATUSES:
        raise ExceptionsError(visible(use.text or "the exception has already expired"))
    return use


def add(path: str, entry: Mapping[str, Any]) -> ExceptionUse:
    """Append an entry to the list in the file at `path`, or create the file; the other entries are not changed.

    Returns the use of the exception, with warnings in its text. Raises ExceptionsError for an unsuitable file and for an
    entry without effect.
    """
    use = check_entry(entry, display_path(path))
    try:
        if os.path.lexists(path):
            # Do not edit a file that a scan would reject.
            read_exceptions(path)
            file = _read_file(path)
            text = file.encode(_append(path, file.text, entry)).decode()
        else:
            text = _append(path, "", entry)
        with atomic(Path(path)) as stream:
            stream.write(text)
    except OSError as error:
        raise ExceptionsError(f"{display_path(path)}: {visible(error_reason(error))}") from error
    return use


def append_entry(path: str, text: str, entry: Mapping[str, Any]) -> str:
    """Return the text of an exceptions file with one more entry; `path` only names it. Writes nothing.

    Raises ExceptionsError for a text that is not a single list, and for an entry without effect.
    """
    check_entry(entry, display_path(path))
    return _append(path, text, entry)


def _read_file(path: str) -> TextFile:
    try:
        return TextFile.read(path)
    except EditRefusedError as error:
        raise ExceptionsError(f"{display_path(path)}: {error}") from error


def _append(path: str, text: str, entry: Mapping[str, Any]) -> str:
    """Return the text with one more entry. Raises ExceptionsError for a text that is not a single list."""
    is_json = os.path.splitext(path)[1].lower() == ".json"  # noqa: PTH122 - the path as typed
    if not text:
        return format_entry(entry, is_json=is_json)
    display_name = display_path(path)
    parsed = ParsedText(text, is_json=is_json)
    documents = [(number, value) for number, value in enumerate(parsed.values) if value is not None]
    if not documents:
        end = "\n" if text.strip() and not text.endswith("\n") else ""
        return text + end + format_entry(entry, is_json=is_json)
    number, value = documents[0]
    if len(documents) > 1 or not isinstance(value, list):
        raise ExceptionsError(f"{display_name}: not a list of exceptions, so no exception can be added")
    edited = edit(parsed, [Change(number, (len(value),), dict(entry))])
    if edited.refused:
        raise ExceptionsError(f"{display_name}: {edited.refused[0]}")
    return edited.text


def format_entry(entry: Mapping[str, Any], *, is_json: bool) -> str:
    """Return the text of a file with one entry, as YAML or JSON."""
    return format_entries([entry], is_json=is_json)


def format_entries(entries: Sequence[Mapping[str, Any]], *, is_json: bool) -> str:
    """Return the text of a file with these entries, as YAML or JSON."""
    if is_json:
        return json.dumps(entries, indent=2, ensure_ascii=False) + "\n"
    return "".join(f"{line}\n" for line in format_block([dict(entry) for entry in entries], 0, Style(dash=0)))


def import_rules(path: str) -> ImportedRules:
    """Return the rules of an ignore file of Trivy or Grype as entries of exceptions. Raises ExceptionsError."""
    name = display_path(path)
    try:
        with open_file(path) as stream:
            content = stream.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise ExceptionsError(f"{name}: larger than {_MAX_BYTES} bytes")
        return convert_ignore_file(content.decode("utf-8-sig"), path)
    except OSError as error:
        raise ExceptionsError(f"{name}: {visible(error_reason(error))}") from error
    except UnicodeDecodeError as error:
        raise ExceptionsError(f"{name}: not UTF-8 text: {error.reason}") from error
    except InvalidExceptionError as error:
        raise ExceptionsError(f"{name}: {visible(str(error))}") from error
