"""Findings as JSON for the script of the page: numbered tables, and rows that refer to their entries.

Builds no markup. A `<script>` element ends at `</script` and changes its meaning at `<!--` (HTML, "restrictions for
contents of script elements"); therefore every `<` is escaped.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, Final

from kubekeep.model.exception import AppliedException
from kubekeep.model.finding import Finding
from kubekeep.model.fingerprint import Identity, fingerprint
from kubekeep.model.git import Commit
from kubekeep.model.location import Location
from kubekeep.model.subject import Subject
from kubekeep.model.text import json_entries, json_text, utc_text, visible
from kubekeep.model.verdict import Evidence, Excerpt
from kubekeep.reports.html.vulnerabilities import ImagePart, VulnerabilityTables
from kubekeep.reports.shared.content import ReportContent, describe_source
from kubekeep.reports.shared.urgency import describe_priority, priority_level, sort_findings
from kubekeep.reports.shared.wording import describe_fix

_ESCAPES: Final = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
_TAB: Final = 4
"""Columns between tab stops."""
_KEY_LENGTH: Final = 12
"""Digits of a fingerprint in a link; unique enough within one report."""


class _NumberedValues:
    """Table of values that are stored once per key and numbered from 0."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[Hashable, int] = {}

    def number(self, key: Hashable, build: Callable[[], Any]) -> int:
        """Return the number of the value with the key; the first call with a key builds the value."""
        if key not in self._numbers:
            self._numbers[key] = len(self.values)
            self.values.append(build())
        return self._numbers[key]


class _Tables:
    """Tables that the rows of findings refer to by number."""

    def __init__(self) -> None:
        self._texts = _NumberedValues()
        self._resources = _NumberedValues()
        self._excerpts = _NumberedValues()
        self._exceptions = _NumberedValues()
        self._priorities = _NumberedValues()
        self.text("")

    def text(self, value: str) -> int:
        """Return the number of an escaped text; 0 is the empty text."""
        return self._texts.number(value, lambda: visible(value))

    def resource(self, resource: Subject) -> int:
        """Return the number of a resource: kind, namespace, name, API version and source, and its identity."""

        def describe() -> list[Any]:
            texts = (resource.kind, resource.namespace, resource.name, resource.api_version, describe_source(resource))
            return [*map(self.text, texts), Identity.from_subject(resource)]

        # Keyed by id(), since hashing a resource hashes its whole object; the assessment keeps every resource alive.
        return self._resources.number(id(resource), describe)

    def identity(self, number: int) -> Identity:
        """Return the identity of a resource by its number."""
        identity: Identity = self._resources.values[number][-1]
        return identity

    def excerpt(self, excerpt: Excerpt | None) -> int:
        """Return the number of an excerpt: the number of its first line, and its lines; -1 for None."""
        if excerpt is None:
            return -1
        lines = (line.expandtabs(_TAB) for line in excerpt.lines)
        return self._excerpts.number(excerpt, lambda: [excerpt.first, *map(self.text, lines)])

    def exception(self, exception: AppliedException | None) -> int:
        """Return the number of an exception: name, source, reason, end date and location; -1 for None."""
        if exception is None:
            return -1

        def describe() -> list[int]:
            expires = f"{exception.expires:%Y-%m-%d}" if exception.expires else ""
            location = str(exception.location) if exception.location else ""
            return [*map(self.text, (exception.name, exception.source.value, exception.reason, expires, location))]

        return self._exceptions.number(exception, describe)

    def priority(self, finding: Finding) -> int:
        """Return the number of a priority: its level, its score, and the facts behind it."""
        level, priority = priority_level(finding), finding.priority
        key = (level, priority.score, priority.step, priority.reasons)
        return self._priorities.number(
            key, lambda: [int(level), priority.score, self.text(describe_priority(priority))]
        )

    def dump(self) -> Iterator[tuple[str, list[Any]]]:
        """Yield each table with its name, without the identities."""
        yield "resources", [row[:-1] for row in self._resources.values]
        yield "excerpts", self._excerpts.values
        yield "exceptions", self._exceptions.values
        yield "priorities", self._priorities.values
        yield "texts", self._texts.values


def encode_findings(content: ReportContent, images: Sequence[ImagePart]) -> Iterator[str]:
    """Yield the JSON text in pieces.

    An object of lists: `controls` (ID, title, severity number), `frameworks` (name, numbers of its controls),
    `findings`, `vulnerabilities` with the tables of `VulnerabilityTables`, and the tables of `_Tables`, `texts` last.
    """
    tables = _Tables()
    summaries = content.assessment.summaries
    numbers = {summary.definition.slug: number for number, summary in enumerate(summaries)}
    controls = [
        [visible(summary.definition.id), visible(summary.definition.title), int(summary.definition.level)]
        for summary in summaries
    ]
    frameworks = [
        [visible(framework.framework.title), *(numbers[slug] for slug in framework.controls)]
        for framework in content.assessment.frameworks
    ]
    yield '{"controls":' + _safe(controls) + ',"frameworks":' + _safe(frameworks) + ',"findings":['
    yield from _escape_entries(_rows(content, numbers, tables))
    yield '],"vulnerabilities":['
    vulnerabilities = VulnerabilityTables(tables.text)
    yield from _escape_entries(vulnerabilities.list_rows(images))
    yield "]"
    for name, values in (*vulnerabilities.dump(), *tables.dump()):
        yield f',"{name}":{_safe(values)}'
    yield "}"


def _safe(value: Any) -> str:
    return json_text(value).translate(_ESCAPES)


def _escape_entries(rows: Iterable[Any]) -> Iterator[str]:
    return (text.translate(_ESCAPES) for text in json_entries(rows))


def _rows(content: ReportContent, numbers: dict[str, int], tables: _Tables) -> Iterator[list[Any]]:
    """Yield the rows of the open findings, then those of the excepted ones, the most urgent first."""
    for groups in (content.findings, content.excepted):
        for finding in sort_findings(finding for group in groups for finding in group.findings):
            yield _row(finding, numbers[finding.definition.slug], tables)


def _row(finding: Finding, number: int, tables: _Tables) -> list[Any]:
    """Return control, resource, key, file, line (0 for none), priority, then the evidence.

    The key is used in links to the finding and stable from scan to scan; the script numbers duplicates.
    """
    resource = tables.resource(finding.subject)
    return [
        number,
        resource,
        fingerprint(finding.definition.id, tables.identity(resource))[:_KEY_LENGTH],
        *_locate(finding.location, tables),
        tables.priority(finding),
        *(_evidence(evidence, finding.subject, tables) for evidence in finding.evidence),
    ]


def _evidence(evidence: Evidence, resource: Subject, tables: _Tables) -> list[int]:
    """Return change, file, lines, message, setting, commit, exception and excerpt, without trailing zeros."""
    location = evidence.location
    region = location.region if location else None
    setting = str(location.setting) if location and location.setting else ""
    row = [
        tables.text(describe_fix(evidence, resource)),
        *_locate(location, tables),
        region.end.line if region else 0,
        tables.text(evidence.message),
        tables.text(setting),
        tables.text(_commit(evidence.commit)),
        tables.exception(evidence.exception) + 1,
        tables.excerpt(evidence.excerpt) + 1,
    ]
    while row and not row[-1]:
        row.pop()
    return row


def _locate(location: Location | None, tables: _Tables) -> tuple[int, int]:
    if location is None:
        return 0, 0
    return tables.text(location.file), location.region.start.line if location.region else 0


def _commit(commit: Commit | None) -> str:
    if commit is None:
        return ""
    return f"{commit.hash[:10]}, {utc_text(commit.date)[:10]}, {commit.author}: {commit.subject}"
