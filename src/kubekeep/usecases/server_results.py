"""Results of a server for the terminal and for assistants: findings, decisions and packages in the scope of the token. Never prints."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec

from kubekeep.model.decision import DecisionScope
from kubekeep.model.errors import RequestError
from kubekeep.model.finding_key import FindingKey
from kubekeep.model.server_details import (
    CreatedDecision,
    DecisionDetails,
    DecisionDraft,
    DecisionResult,
    FindingGroup,
    PackageVersion,
    SubjectDetails,
    SubjectFinding,
)
from kubekeep.model.server_results import (
    FindingResult,
    PackageResult,
    SourceResult,
    VulnerabilityResult,
    WorkloadResult,
)
from kubekeep.uplink.changing import create_document
from kubekeep.uplink.connection import ServerConnection
from kubekeep.uplink.patience import Patience
from kubekeep.uplink.reading import MAX_PAGE, ResultReader
from kubekeep.uplink.selection import SelectedServer
from kubekeep.uplink.settings import find_shown_folder
from kubekeep.uplink.shown_findings import ShownFindings

_API: Final = "/api/v1"
_PATIENCE: Final = 30.0
_MOST_COUNTED: Final = 1_000
"""Findings that are read to count those of a list for which the server has no number."""
_SHORT: Final = re.compile(r"[1-9][0-9]{0,9}\.[0-9a-f]{6,16}")
"""Forms of `FindingKey.short`, also with fewer or more digits."""
_OPEN: Final = "open"
_EXPOSED: Final = 4
"""The lowest exposure of a workload that can be reached from outside its cluster."""
_EXPOSURES: Final = (
    (_EXPOSED, "reachable from outside"),
    (2, "power over a node or the cluster"),
    (1, "may read Secrets"),
)


class FindingSelection(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of the list of findings, as the API has them; an empty one selects all. source: numbers."""

    source: tuple[int, ...] = ()
    namespace: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    name: tuple[str, ...] = ()
    owner: tuple[str, ...] = ()
    label: tuple[str, ...] = ()
    definition: tuple[str, ...] = ()
    definition_kind: tuple[str, ...] = ()
    priority: tuple[str, ...] = ()
    severity: tuple[str, ...] = ()
    text: str = ""
    opened_since: dt.datetime | None = None
    opened_before: dt.datetime | None = None
    state: str = _OPEN
    due: str | None = None
    exposed: bool | None = None

    @property
    def has_group_totals(self) -> bool:
        """True if the server has the number of these findings by control."""
        others = msgspec.structs.replace(
            self, source=(), definition=(), definition_kind=(), priority=(), severity=(), exposed=None
        )
        return others == FindingSelection()


class FindingList(msgspec.Struct, frozen=True):
    """The first findings of a selection. total: of all; the lowest possible number unless `is_exact`."""

    findings: tuple[FindingResult, ...]
    total: int
    is_exact: bool


class FindingDetails(msgspec.Struct, frozen=True):
    """A finding with its subject. earlier: closed intervals of the same control on it. decision: on the finding."""

    key: FindingKey
    subject: SubjectDetails
    finding: SubjectFinding
    earlier: tuple[SubjectFinding, ...]
    decision: DecisionDetails | None


class ServerResults:
    """Requests to one server. Methods raise the errors of `ResultReader.read`."""

    def __init__(self, connection: ServerConnection, server: SelectedServer) -> None:
        self.address = server.access.address
        self._connection = connection
        self._token = server.token
        self._reader = ResultReader(connection, server.token, Patience(_PATIENCE))
        self._shown = ShownFindings(self.address, find_shown_folder())

    def iterate_findings(self, selection: FindingSelection, order: str = "") -> Iterator[FindingResult]:
        """Yield the findings of a selection; pages are read when they are needed."""
        parameters = {**msgspec.structs.asdict(selection), "order": order}
        return self._reader.iterate(f"{_API}/findings", FindingResult, parameters)

    def list_findings(self, selection: FindingSelection, order: str, limit: int) -> FindingList:
        """Return the first findings of a selection with the number of all. limit: at least 1."""
        rows = self.iterate_findings(selection, order)
        findings = tuple(itertools.islice(rows, limit))
        if len(findings) < limit:
            return FindingList(findings, len(findings), is_exact=True)
        if selection.has_group_totals:
            return FindingList(findings, max(len(findings), self._sum_groups(selection)), is_exact=True)
        rest = sum(1 for _ in itertools.islice(rows, _MOST_COUNTED + 1))
        return FindingList(findings, len(findings) + min(rest, _MOST_COUNTED), is_exact=rest <= _MOST_COUNTED)

    def remember(self, findings: Iterable[FindingResult]) -> None:
        """Keep the keys of findings that the user sees, for `find_finding`."""
        self._shown.add(map(get_key, findings))

    def find_finding(self, text: str) -> FindingKey:
        """Return the key of a finding. text: its key, or the short form that a list has shown. Raises RequestError."""
        key = FindingKey.parse(text)
        if key is not None:
            return key
        if not _SHORT.fullmatch(text):
            raise RequestError(
                f"{text!r} is not a finding: use the first column of `kubekeep findings list`, or `key` of its JSON"
            )
        keys = self._shown.find(text)
        if len(keys) > 1:
            raise RequestError(f"{text} is the beginning of {len(keys)} findings: use {' or '.join(map(str, keys))}")
        if not keys:
            raise RequestError(
                f"no list of {self.address} has shown the finding {text} to you: run `kubekeep findings list`, or use "
                "`key` of its JSON"
            )
        return keys[0]

    def get_finding(self, key: FindingKey) -> FindingDetails:
        """Return an open finding. Raises RequestError for a closed one."""
        subject = self._reader.read(f"{_API}/sources/{key.source}/subjects/{key.subject}", SubjectDetails, {})
        finding = next((each for each in subject.findings if _has_fingerprint(each, key.fingerprint)), None)
        if finding is None:
            raise RequestError(
                f"no open finding {key}: it was fixed, or its workload is gone; its history is at "
                f"{self.describe_workload(key.source, key.subject)}"
            )
        same = (each for each in subject.findings if each.definition.key == finding.definition.key)
        earlier = tuple(each for each in same if each.closed is not None)
        decision = None if finding.decision is None else self.get_decision(finding.decision)
        return FindingDetails(key, subject, finding, earlier, decision)

    def get_decision(self, number: int) -> DecisionDetails:
        """Return a decision."""
        return self._reader.read(f"{_API}/decisions/{number}", DecisionDetails, {})

    def iterate_decisions(self, states: Iterable[str]) -> Iterator[DecisionResult]:
        """Yield decisions, the newest first. states: empty for all."""
        return self._reader.iterate(f"{_API}/decisions", DecisionResult, {"state": tuple(states)})

    def decide(self, draft: DecisionDraft) -> DecisionDetails:
        """Make a decision and return it."""
        created = create_document(self._connection, self._token, f"{_API}/decisions", draft, CreatedDecision)
        return self.get_decision(created.id)

    def select_findings(self, keys: Sequence[FindingKey]) -> DecisionScope:
        """Return the scope of a decision on some findings of one source. Raises RequestError."""
        if len({key.source for key in keys}) > 1:
            raise RequestError("the findings are of several sources: decide on those of one source at a time")
        findings = [self.get_finding(key) for key in keys]
        return DecisionScope(
            definitions=tuple(sorted({each.finding.definition.key for each in findings})),
            sources=tuple({each.subject.source_key for each in findings}),
            fingerprints=tuple(sorted({key.fingerprint for key in keys})),
        )

    def find_sources(self, names: Iterable[str]) -> list[SourceResult]:
        """Return the sources with a name or a key; a repository has several, one for each branch. Raises RequestError."""
        matches = []
        for name in names:
            named = [each for each in self.iterate_sources(name) if each.name == name]
            rows = named or [each for each in self.iterate_sources() if each.key == name]
            if not rows:
                raise RequestError(f"no source {name!r} in the scope of your role; {self.address}/sources lists them")
            matches += rows
        return matches

    def iterate_sources(self, text: str = "") -> Iterator[SourceResult]:
        """Yield sources. text: a part of the name."""
        return self._reader.iterate(f"{_API}/sources", SourceResult, {"text": text})

    def iterate_vulnerabilities(self, **filters: Any) -> Iterator[VulnerabilityResult]:
        """Yield vulnerabilities of images, the most urgent first. filters: those of the API."""
        return self._reader.iterate(f"{_API}/vulnerabilities", VulnerabilityResult, filters)

    def iterate_affected_workloads(self, vulnerability: str) -> Iterator[WorkloadResult]:
        """Yield the containers that run an image with a vulnerability, those that can be reached first."""
        path = f"{_API}/vulnerabilities/{quote(vulnerability, safe='')}/workloads"
        return self._reader.iterate(path, WorkloadResult, {})

    def iterate_packages(self, text: str) -> Iterator[PackageResult]:
        """Yield packages of images. text: a part of the name."""
        return self._reader.iterate(f"{_API}/packages", PackageResult, {"text": text})

    def list_package_versions(self, package: PackageResult, below: str = "") -> tuple[PackageVersion, ...]:
        """Return the versions of a package in use, each compared with the version `below`."""
        parameters = {"type": package.type, "name": package.name, "below": below}
        return self._reader.read(f"{_API}/packages/versions", tuple[PackageVersion, ...], parameters)

    def iterate_package_workloads(self, version: PackageVersion) -> Iterator[WorkloadResult]:
        """Yield the containers that run an image with a version of a package, those that can be reached first."""
        return self._reader.iterate(f"{_API}/packages/workloads", WorkloadResult, {"purl": version.purls})

    def describe_workload(self, source: int, subject: str) -> str:
        """Return the address of the page of a workload."""
        return f"{self.address}/workloads/{source}/{subject}"

    def describe_finding(self, key: FindingKey) -> str:
        """Return the address of the page of a finding."""
        return f"{self.address}/findings?source={key.source}&open={key}"

    def describe_decision(self, number: int) -> str:
        """Return the address of the page of a decision."""
        return f"{self.address}/decisions?open={number}"

    def _sum_groups(self, selection: FindingSelection) -> int:
        names = ("source", "definition", "definition_kind", "priority", "severity", "exposed")
        parameters = {name: getattr(selection, name) for name in names}
        return sum(
            group.findings for group in self._reader.iterate(f"{_API}/findings/groups", FindingGroup, parameters)
        )


@contextlib.contextmanager
def open_results(server: SelectedServer) -> Iterator[ServerResults]:
    """Open the results of a server. Raises RegistryError for unreadable certificates."""
    with ServerConnection(server.access, MAX_PAGE) as connection:
        yield ServerResults(connection, server)


def get_key(finding: FindingResult) -> FindingKey:
    """Return the key of a finding of a list."""
    return FindingKey(finding.source, finding.subject, finding.fingerprint)


def _has_fingerprint(finding: SubjectFinding, fingerprint: str) -> bool:
    return finding.closed is None and finding.detail is not None and finding.detail.fingerprint == fingerprint


def is_exposed(exposure: int) -> bool:
    """Return True for the exposure of a workload that can be reached from outside its cluster."""
    return exposure >= _EXPOSED


def describe_exposure(exposure: int) -> list[str]:
    """Return the reasons behind an exposure, in words."""
    return [text for bit, text in _EXPOSURES if exposure & bit]
