"""SARIF logs of other tools as submissions: results as findings of files.

A finding is one rule and one file, with a piece of evidence for each result, so that lines that move open and close nothing.
Each rule has a key with the name of its tool. A log says something only about the rules that its run lists and the files
that the run names: nothing else is closed, not even for files that are gone. No I/O.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from kubekeep.model.definition import FindingKind
from kubekeep.model.exception import ExceptionSource
from kubekeep.model.finding_document import EvidenceDocument, EvidenceLocation, Suppression
from kubekeep.model.fingerprint import Identity
from kubekeep.model.json_values import as_list
from kubekeep.model.repository_address import normalise_address
from kubekeep.model.scanned_source import ScannedSource, SourceRepository
from kubekeep.model.severity import Severity
from kubekeep.model.subject import NamedSubject
from kubekeep.model.submission import DefinitionEntry, EvaluatedScope, GapEntry, Submission
from kubekeep_server.foreign.assembly import (
    ReceivedReport,
    SubjectDraft,
    SubjectDrafts,
    build_submission,
    create_definition,
)
from kubekeep_server.foreign.decoding import MAX_TEXT, ForeignDocumentError, decode, shorten
from kubekeep_server.foreign.sarif_log import (
    LogicalLocation,
    Notification,
    ResultLocation,
    RuleReference,
    SarifLog,
    SarifRegion,
    SarifResult,
    SarifRule,
    SarifRun,
    add_root,
    find_path,
)

_DESCRIPTION: Final = "a SARIF log"
_VERSION: Final = "2.1.0"
_MAX_RUNS: Final = 100
_PREFIX: Final = "sarif"
_FILE: Final = "File"
_LEVELS: Final = {
    "error": Severity.HIGH,
    "warning": Severity.MEDIUM,
    "note": Severity.LOW,
    "none": Severity.UNKNOWN,
}
_DEFAULT_LEVEL: Final = "warning"
_SCORE: Final = "security-severity"
"""The property with a score from 0 to 10, as GitHub reads it."""
_KINDS: Final = {
    "vulnerability": FindingKind.VULNERABILITY,
    "secret": FindingKind.SECRET,
    "secrets": FindingKind.SECRET,
}
"""Kinds of findings by tags of rules."""
_UNDECIDED: Final = frozenset({"underReview", "rejected"})
_NOT_EVALUATED: Final = frozenset({"notApplicable", "open", "review"})
_ANALYSED: Final = frozenset({"analysisTarget", "resultFile"})
_UNLISTED: Final = "the run does not name this file"


def convert(document: bytes, source: ScannedSource | None, received: dt.datetime, checkout: str = "") -> Submission:
    """Return the submission of a log. Without a source, it is the repository in `versionControlProvenance`.

    checkout: the folder of the files when the tool ran, for tools that write absolute paths and no base of them, as
    `checkout_uri` in the API of GitHub. Raises ForeignDocumentError.
    """
    log = _decode_log(document)
    for run in log.runs:
        add_root(run, checkout)
    source = source or _find_source(log.runs)
    drafts = SubjectDrafts()
    runs = [_RunConversion(run, f"runs[{number}]", source, drafts) for number, run in enumerate(log.runs)]
    scope = tuple(sorted(frozenset[str]().union(*(run.scope for run in runs))))
    definitions = {definition.key: definition for run in runs for definition in run.describe_definitions()}
    return build_submission(
        source,
        ReceivedReport((document,), received, _find_start(log)),
        drafts.build(scope, _UNLISTED),
        definitions.values(),
        scope=EvaluatedScope(scope, is_partial=True),
        gaps=[gap for run in runs for gap in run.gaps],
    )


def _decode_log(document: bytes) -> SarifLog:
    log = decode(document, SarifLog, _DESCRIPTION)
    if log.version != _VERSION:
        raise ForeignDocumentError(f"{_DESCRIPTION} with the version {shorten(log.version)!r}: {_VERSION} is supported")
    if len(log.runs) > _MAX_RUNS:
        raise ForeignDocumentError(f"{_DESCRIPTION} may have {_MAX_RUNS} runs, and this one has {len(log.runs)}")
    return log


def _find_start(log: SarifLog) -> dt.datetime | None:
    times = (call.started for run in log.runs for call in run.invocations or () if call.started is not None)
    return next(times, None)


def _find_source(runs: Iterable[SarifRun]) -> SourceRepository:
    entries = [entry for run in runs for entry in run.provenance or ()]
    urls = sorted({url for entry in entries if (url := normalise_address(entry.url))})
    if len(urls) != 1:
        state = "several repositories" if urls else "no repository with a network address"
        raise ForeignDocumentError(f"the log names {state} in versionControlProvenance: name the repository")
    entry = next(entry for entry in entries if normalise_address(entry.url))
    return SourceRepository(shorten(urls[0]), branch=shorten(entry.branch), commit=shorten(entry.commit))


class _RunConversion:
    """Conversion of one run. position: in messages."""

    def __init__(self, run: SarifRun, position: str, source: ScannedSource, drafts: SubjectDrafts) -> None:
        self._run = run
        self._position = position
        self._source = source
        self._drafts = drafts
        self._tool = run.tool.driver.name.strip().lower()
        if not self._tool:
            raise ForeignDocumentError(f"{position}.tool.driver has no name")
        self._components = [run.tool.driver, *(run.tool.extensions or ())]
        self._rules = {rule.id: rule for part in self._components for rule in part.rules or () if rule.id}
        self._levels: dict[str, Severity] = {}
        """The highest level of the results of a rule without a score, by ID of the rule."""
        self._uncertain: set[str] = set()
        """IDs of rules that the tool could not evaluate."""
        self._unread: set[str] = set()
        """Files that the tool could not analyse."""
        self._files: dict[str, SubjectDraft] = {}
        self._known: set[tuple[str, str, tuple[tuple[str, str], ...]]] = set()
        """Rule, file and fingerprints of the results that were read: tools repeat a result for each flow through the code."""
        self.gaps: list[GapEntry] = []
        self._read_invocations()
        self.scope = frozenset() if self._has_failed else frozenset(map(self._create_key, self._list_evaluated()))
        for artifact in run.artifacts or ():
            if artifact.location is not None and (artifact.roles is None or not _ANALYSED.isdisjoint(artifact.roles)):
                self._read_file(find_path(artifact.location, run))
        for number, result in enumerate(run.results or ()):
            self._read_result(result, f"{position}.results[{number}]")

    @property
    def _has_failed(self) -> bool:
        return any(not call.is_successful for call in self._run.invocations or ())

    def describe_definitions(self) -> Iterator[DefinitionEntry]:
        """Yield the listed rules, and those of results."""
        for name in sorted({*self._rules, *self._levels}):
            yield self._define(name, self._rules.get(name) or SarifRule(name))

    def _list_evaluated(self) -> Iterator[str]:
        for name, rule in self._rules.items():
            if name not in self._uncertain and (rule.defaults is None or rule.defaults.enabled):
                yield name

    def _create_key(self, name: str) -> str:
        return shorten(f"{_PREFIX}/{self._tool}/{name}")

    def _read_invocations(self) -> None:
        if self._has_failed:
            self.gaps.append(GapEntry(shorten(f"{self._tool} did not finish: its results close nothing")))
        for call in self._run.invocations or ():
            for notification in call.notifications:
                if notification.level in ("error", "warning"):
                    self._read_notification(notification)

    def _read_notification(self, notification: Notification) -> None:
        name = "" if notification.rule is None else self._find_name(notification.rule)
        if name:
            self._uncertain.add(name)
        paths = [shorten(path) for entry in notification.locations or () if (path := self._find_path(entry))]
        if notification.level == "error":
            self._unread.update(paths)
        self.gaps.append(
            GapEntry(
                shorten(notification.message.text or notification.message.id, MAX_TEXT),
                definition=self._create_key(name) if name else "",
                location=EvidenceLocation(paths[0]) if paths else None,
            )
        )

    def _find_name(self, reference: RuleReference) -> str:
        if reference.id:
            return self._get_listed_id(reference.id)
        component = reference.component.index + 1 if reference.component is not None else 0
        rules = self._components[component].rules or [] if 0 <= component < len(self._components) else []
        return rules[reference.index].id if 0 <= reference.index < len(rules) else ""

    def _get_listed_id(self, name: str) -> str:
        """Return the ID of the rule that a hierarchical ID belongs to (§3.27.5): CA1000 for CA1000/1."""
        parent = name.rpartition("/")[0]
        return parent if name not in self._rules and parent in self._rules else name

    def _find_path(self, location: ResultLocation) -> str:
        physical = location.physical
        return find_path(physical.artifact, self._run) if physical is not None and physical.artifact is not None else ""

    def _read_file(self, path: str) -> SubjectDraft | None:
        """Return the subject of a file, on which the rules of the run were evaluated; None without a path."""
        name = shorten(path)
        if not name:
            return None
        if name not in self._files:
            origin = name if isinstance(self._source, SourceRepository) else ""
            draft = SubjectDraft(NamedSubject(_FILE, name), Identity("", _FILE, "", name), origin)
            self._files[name] = self._drafts.add(draft)
            if name not in self._unread:
                self._files[name].evaluated |= self.scope
        return self._files[name]

    def _read_result(self, result: SarifResult, position: str) -> None:
        reference = RuleReference(result.rule_id, result.rule_index)
        name = self._find_name(reference) or (self._find_name(result.rule) if result.rule is not None else "")
        if not name:
            raise ForeignDocumentError(f"{position} names no rule: it needs ruleId, or the ruleIndex of a rule")
        draft = self._find_subject(result.locations or ())
        key = self._create_key(name)
        if result.kind in _NOT_EVALUATED:
            draft.evaluated.discard(key)
            draft.skip(key, result.message.text or result.kind)
        elif result.kind == "fail" and result.state != "absent" and not self._is_known(key, draft, result):
            self._levels[name] = max(self._levels.get(name, Severity.UNKNOWN), self._rate(name, result))
            draft.fail(key).add([self._describe_evidence(name, result)], _find_suppression(result, self._tool))

    def _is_known(self, key: str, draft: SubjectDraft, result: SarifResult) -> bool:
        if not result.fingerprints:
            return False
        identity = (key, draft.key, tuple(sorted(result.fingerprints.items())))
        is_known = identity in self._known
        self._known.add(identity)
        return is_known

    def _find_subject(self, locations: Iterable[ResultLocation]) -> SubjectDraft:
        """Return the file of the first location, or the named part of it, or the source as a whole."""
        location = next(iter(locations), ResultLocation())
        draft = self._read_file(self._find_path(location))
        if draft is not None:
            return draft
        logical = next(iter(location.logical or ()), LogicalLocation(name=self._source.key, kind="source"))
        kind, name = shorten(logical.kind or "part"), shorten(logical.full_name or logical.name)
        return self._drafts.add(SubjectDraft(NamedSubject(kind, name), Identity("", kind, "", name)))

    def _rate(self, name: str, result: SarifResult) -> Severity:
        rule = self._rules.get(name)
        default = rule.defaults.level if rule is not None and rule.defaults is not None else ""
        return _LEVELS.get(result.level or default or _DEFAULT_LEVEL, Severity.UNKNOWN)

    def _describe_evidence(self, name: str, result: SarifResult) -> EvidenceDocument:
        location = next(iter(result.locations or ()), ResultLocation())
        path, text = self._find_path(location), result.message.text
        if not text and (rule := self._rules.get(name)) is not None:
            text = (rule.messages or {}).get(result.message.id, result.message).text
        region = location.physical.region if location.physical is not None else None
        return EvidenceDocument(
            message=shorten(text, MAX_TEXT), location=_describe_region(shorten(path), region) if path else None
        )

    def _define(self, name: str, rule: SarifRule) -> DefinitionEntry:
        properties = rule.properties or {}
        score = _read_score(properties.get(_SCORE))
        default = rule.defaults.level if rule.defaults is not None else ""
        level = self._levels.get(name) or _LEVELS.get(default or _DEFAULT_LEVEL, Severity.UNKNOWN)
        texts = (rule.short, rule.full)
        return create_definition(
            self._create_key(name),
            name,
            level if score is None else Severity.from_score(score),
            kind=_find_kind(properties),
            title=next((text.text for text in texts if text is not None and text.text), rule.name),
            score=score,
            remediation=rule.help.text if rule.help is not None else "",
            references=(rule.page,),
        )


def _describe_region(path: str, region: SarifRegion | None) -> EvidenceLocation:
    if region is None:
        return EvidenceLocation(path)
    return EvidenceLocation(path, region.line, region.column, region.end_line or region.line, region.end_column)


def _find_suppression(result: SarifResult, tool: str) -> Suppression | None:
    """Return the suppression of a result; None if one of them is not accepted (§3.27.23)."""
    suppressions = result.suppressions or []
    if not suppressions or any(entry.status in _UNDECIDED for entry in suppressions):
        return None
    first = suppressions[0]
    is_comment = first.kind == "inSource"
    return Suppression(
        name="suppression comment" if is_comment else "suppression",
        source=ExceptionSource.COMMENT.value if is_comment else shorten(tool),
        reason=shorten(first.justification, MAX_TEXT),
    )


def _find_kind(properties: Mapping[str, Any]) -> str:
    tags = [tag.lower() for tag in as_list(properties.get("tags")) if isinstance(tag, str)]
    return next((_KINDS[tag] for tag in tags if tag in _KINDS), FindingKind.MISCONFIGURATION)


def _read_score(value: object) -> float | None:
    """Return a score from 0 to 10; None for another value."""
    try:
        score = float(value) if isinstance(value, str | int | float) else math.nan
    except (ValueError, OverflowError):
        return None
    return score if 0 <= score <= 10 else None
