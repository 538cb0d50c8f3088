"""Vulnerabilities of a CycloneDX document (`vulnerabilities[]`): definitions, and the components that they affect. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple
from urllib.parse import unquote

import msgspec

from kubekeep.model.definition import FindingKind
from kubekeep.model.exception import ExceptionSource
from kubekeep.model.finding_document import Suppression
from kubekeep.model.severity import Severity
from kubekeep.model.submission import DefinitionEntry
from kubekeep_server.foreign.assembly import create_definition
from kubekeep_server.foreign.decoding import MAX_TEXT, shorten

_SUPPRESSING: Final = frozenset({"resolved", "resolved_with_pedigree", "false_positive", "not_affected"})
"""States of an analysis in which a component has the vulnerability no longer, or never had it."""
_COMPLETE: Final = frozenset({"complete", "unknown", "not_specified"})
_LINK: Final = "urn:cdx:"


class VulnerabilityRating(msgspec.Struct):
    """A rating. score: of CVSS, or another method."""

    severity: str = ""
    score: float | None = None


class Analysis(msgspec.Struct):
    """The analysis of the impact."""

    state: str = ""
    justification: str = ""
    detail: str = ""


class AffectedVersion(msgspec.Struct):
    """A version or a range of versions with its status."""

    version: str = ""
    status: str = ""


class AffectedReference(msgspec.Struct):
    """A component, by its `bom-ref` or a BOM-Link."""

    ref: str
    versions: list[AffectedVersion] | None = None


class Advisory(msgspec.Struct):
    """An advisory."""

    url: str = ""


class Alias(msgspec.Struct):
    """The identifier of the same vulnerability in another source."""

    id: str = ""


class DocumentedVulnerability(msgspec.Struct):
    """A vulnerability."""

    id: str
    references: list[Alias] | None = None
    ratings: list[VulnerabilityRating] | None = None
    description: str = ""
    recommendation: str = ""
    advisories: list[Advisory] | None = None
    analysis: Analysis | None = None
    affects: list[AffectedReference] | None = None

    @property
    def key(self) -> str:
        """The key of its definition."""
        return shorten(self.id)


class Composition(msgspec.Struct):
    """A statement about the completeness of a part of the document."""

    aggregate: str = ""
    vulnerabilities: list[str] | None = None


class VulnerabilitySection(msgspec.Struct):
    """The parts of a CycloneDX document about vulnerabilities."""

    vulnerabilities: list[DocumentedVulnerability] | None = None
    compositions: list[Composition] | None = None

    @property
    def is_complete(self) -> bool:
        """True if the document may have all vulnerabilities of its components.

        Tools that did not look for any write an empty list.
        """
        stated = (entry for entry in self.compositions or () if entry.vulnerabilities)
        return bool(self.vulnerabilities) and all(entry.aggregate in _COMPLETE for entry in stated)


class AffectedPart(NamedTuple):
    """A component that a vulnerability affects. reference: its `bom-ref`."""

    vulnerability: DocumentedVulnerability
    reference: str
    fixed_version: str


def list_affected(vulnerabilities: Iterable[DocumentedVulnerability]) -> Iterator[AffectedPart]:
    """Yield the affected components of all vulnerabilities."""
    for vulnerability in vulnerabilities:
        for affected in vulnerability.affects or ():
            reference = affected.ref
            if reference.startswith(_LINK):
                reference = unquote(reference.partition("#")[2])
            fixed = (entry.version for entry in affected.versions or () if entry.status == "unaffected")
            yield AffectedPart(vulnerability, reference, next(filter(None, fixed), ""))


def describe_vulnerability(vulnerability: DocumentedVulnerability) -> DefinitionEntry:
    """Return the definition of a vulnerability with its highest rating."""
    ratings = [(_read_severity(entry.severity), entry.score) for entry in vulnerability.ratings or ()]
    severity, score = max(ratings, key=lambda rating: (rating[0], rating[1] or 0.0), default=(Severity.UNKNOWN, None))
    aliases = dict.fromkeys(shorten(alias.id) for alias in vulnerability.references or () if alias.id)
    definition = create_definition(
        vulnerability.key,
        vulnerability.id,
        severity,
        kind=FindingKind.VULNERABILITY,
        title=vulnerability.description.partition("\n")[0],
        score=score,
        remediation=vulnerability.recommendation,
        references=(advisory.url for advisory in vulnerability.advisories or ()),
    )
    return msgspec.structs.replace(definition, aliases=tuple(aliases))


def read_analysis(vulnerability: DocumentedVulnerability) -> Suppression | None:
    """Return the suppression of a vulnerability that does not affect its components; None for an open one."""
    analysis = vulnerability.analysis
    if analysis is None or analysis.state not in _SUPPRESSING:
        return None
    reason = ": ".join(filter(None, (analysis.state.replace("_", " "), analysis.justification, analysis.detail)))
    return Suppression(
        name="CycloneDX analysis", source=ExceptionSource.STATEMENT.value, reason=shorten(reason, MAX_TEXT)
    )


def _read_severity(text: str) -> Severity:
    """Return a severity; `info` and `none` are low."""
    try:
        return Severity.LOW if text.lower() in ("info", "none") else Severity[text.upper()]
    except KeyError:
        return Severity.UNKNOWN
