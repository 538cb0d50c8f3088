"""The findings as JSON for the script of the page: every text, resource and excerpt once, rows of numbers beside.

Never builds markup. What stands in a `<script>` element ends at `</script` and changes its meaning at `<!--`
(HTML, "restrictions for contents of script elements"), so no `<` is left in the text.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Any, Final

from kubekeep.model.exception import AppliedException
from kubekeep.model.finding import Evidence, Excerpt
from kubekeep.model.fingerprint import Identity, fingerprint
from kubekeep.model.git import Commit
from kubekeep.model.location import Location
from kubekeep.model.resource import Resource
from kubekeep.model.text import json_text, utc_text, visible
from kubekeep.reports.shared.content import Content, ControlFindings, Finding, made_by
from kubekeep.reports.shared.wording import command

_ESCAPES: Final = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
_TAB: Final = 4
_KEY: Final = 12
"""Digits of a fingerprint that are enough within one report."""


class _Once:
    """Values by number, each kept once under its key."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[Hashable, int] = {}

    def __contains__(self, key: Hashable) -> bool:
        return key in self._numbers

    def number(self, key: Hashable) -> int:
        """The number of what was added under `key`."""
        return self._numbers[key]

    def add(self, key: Hashable, value: Any) -> int:
        """Keep `value` under `key`, which is new; its number."""
        self._numbers[key] = len(self.values)
        self.values.append(value)
        return len(self.values) - 1


class _Tables:
    """The tables that rows of findings point into."""

    def __init__(self) -> None:
        self._texts = _Once()
        self._resources = _Once()
        self._excerpts = _Once()
        self._exceptions = _Once()

    def text(self, value: str) -> int:
        """The number of a text, harmless to show; 0 is the empty one."""
        if not self._texts.values:
            self._texts.add("", "")
        return self._texts.number(value) if value in self._texts else self._texts.add(value, visible(value))

    def resource(self, resource: Resource) -> int:
        """Kind, namespace, name, API version and what it is made from, and its identity for the keys of findings."""
        # By identity: hashing an object is hashing all it holds, and the assessment keeps every one alive.
        key = id(resource)
        if key in self._resources:
            return self._resources.number(key)
        texts = (resource.kind, resource.namespace, resource.name, resource.api_version, made_by(resource))
        return self._resources.add(key, [*map(self.text, texts), Identity.of(resource)])

    def identity(self, number: int) -> Identity:
        """Which object of a cluster a resource is, by its number."""
        found: Identity = self._resources.values[number][-1]
        return found

    def excerpt(self, excerpt: Excerpt | None) -> int:
        """The number of an excerpt, its first line's number and its lines; -1 for none."""
        if excerpt is None:
            return -1
        if excerpt in self._excerpts:
            return self._excerpts.number(excerpt)
        lines = [self.text(line.expandtabs(_TAB)) for line in excerpt.lines]
        return self._excerpts.add(excerpt, [excerpt.first, *lines])

    def exception(self, exception: AppliedException | None) -> int:
        """Name, source, reason, the day it ends and its place; -1 for none."""
        if exception is None:
            return -1
        if exception in self._exceptions:
            return self._exceptions.number(exception)
        expires = f"{exception.expires:%Y-%m-%d}" if exception.expires else ""
        place = str(exception.location) if exception.location else ""
        texts = (exception.name, exception.source.value, exception.reason, expires, place)
        return self._exceptions.add(exception, [*map(self.text, texts)])

    def dump(self) -> Iterator[tuple[str, list[Any]]]:
        """Each table by name; identities have served their turn."""
        yield "resources", [row[:-1] for row in self._resources.values]
        yield "excerpts", self._excerpts.values
        yield "waivers", self._exceptions.values
        yield "texts", self._texts.values or [""]


def pieces(content: Content) -> Iterator[str]:
    """The JSON text in pieces.

    An object of lists: `controls` (id, title, number of the severity), `frameworks` (name, numbers of its controls),
    `findings` and the tables of `_Tables`, `texts` last.
    """
    tables = _Tables()
    summaries = content.assessment.controls
    numbers = {item.control.slug: number for number, item in enumerate(summaries)}
    controls = [[visible(item.control.id), visible(item.control.title), int(item.control.level)] for item in summaries]
    frameworks = [
        [visible(item.framework.name), *(numbers[slug] for slug in item.controls)]
        for item in content.assessment.frameworks
    ]
    yield '{"controls":' + _safe(controls) + ',"frameworks":' + _safe(frameworks) + ',"findings":['
    comma = ""
    for row in _rows((*content.findings, *content.excepted), numbers, tables):
        yield comma + _safe(row)
        comma = ","
    yield "]"
    for name, values in tables.dump():
        yield f',"{name}":{_safe(values)}'
    yield "}"


def _safe(value: Any) -> str:
    return json_text(value).translate(_ESCAPES)


def _rows(groups: Iterable[ControlFindings], numbers: dict[str, int], tables: _Tables) -> Iterator[list[Any]]:
    for group in groups:
        control = group.summary.control
        for finding in group.findings:
            yield _row(finding, control.id, numbers[control.slug], tables)


def _row(finding: Finding, control: str, number: int, tables: _Tables) -> list[Any]:
    """Control, resource, key, file, line (0 for none), then its evidence.

    The key is what links to the finding name, and stays from scan to scan; the script tells doubles apart.
    """
    resource = tables.resource(finding.resource)
    return [
        number,
        resource,
        fingerprint(control, tables.identity(resource))[:_KEY],
        *_place(finding.place, tables),
        *(_evidence(item, finding.resource, tables) for item in finding.evidence),
    ]


def _evidence(evidence: Evidence, resource: Resource, tables: _Tables) -> list[int]:
    """Change, file, first and last line, message, setting, commit, waiver, excerpt; without the empty end."""
    location = evidence.location
    region = location.region if location else None
    setting = str(location.setting) if location and location.setting else ""
    row = [
        tables.text(command(evidence, resource)),
        *_place(location, tables),
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


def _place(location: Location | None, tables: _Tables) -> tuple[int, int]:
    if location is None:
        return 0, 0
    return tables.text(location.file), location.region.start.line if location.region else 0


def _commit(commit: Commit | None) -> str:
    if commit is None:
        return ""
    return f"{commit.hash[:10]}, {utc_text(commit.date)[:10]}, {commit.author}: {commit.subject}"
