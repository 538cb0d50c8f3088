"""Application of VEX documents to a report: sets the status of vulnerabilities and reports the use of each statement.

No I/O. A statement is applied only if product, component and vulnerability match; in doubt the vulnerability stays.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from kubekeep.images.sbom.identity import identify
from kubekeep.model.package import Package
from kubekeep.model.secret_text import mask_text
from kubekeep.model.vulnerability import (
    VexStatement,
    VexUse,
    VexUseState,
    Vulnerability,
    VulnerabilityReport,
)
from kubekeep.vulnerabilities.vex.document import (
    COMPONENT_NOT_PRESENT,
    ProductStatement,
    VexDocument,
    VexIdentity,
    VexStatus,
)
from kubekeep.vulnerabilities.vex.inventory import ProductInventory, TargetIndex
from kubekeep.vulnerabilities.vex.subject import VexSubject

_SHOWN: Final = 20
"""Maximum number of products of a statement that its use names."""
_OLDEST: Final = dt.datetime.min.replace(tzinfo=dt.UTC)
_CAUTION: Final = {
    VexStatus.FIXED: 0,
    VexStatus.NOT_AFFECTED: 1,
    VexStatus.UNDER_INVESTIGATION: 2,
    VexStatus.AFFECTED: 3,
}
"""Order of statuses of the same time: the last one counts."""
_APPLYING: Final = (VexUseState.APPLIED, VexUseState.OVERRULED)


def apply_vex(
    report: VulnerabilityReport, documents: Sequence[VexDocument], *, subject: VexSubject, today: dt.date
) -> VulnerabilityReport:
    """Return the report with the status of each vulnerability that a statement is about, and the use of all statements.

    The statement with the latest time counts; of several with the same time, the one that suppresses least. Statements
    from after today count only from their time on. subject: its packages default to those of the report.
    """
    if not subject.packages:
        packages = dict.fromkeys(vulnerability.package for vulnerability in report.vulnerabilities)
        subject = msgspec.structs.replace(subject, packages=tuple(packages))
    applier = _VexApplier(documents, ProductInventory(subject), today)
    vulnerabilities = tuple(map(applier.apply_to, report.vulnerabilities))
    return msgspec.structs.replace(report, vulnerabilities=vulnerabilities, vex=(*report.vex, *applier.report_uses()))


class _TrackedStatement:
    """A statement with the packages that it applies to and those whose vulnerability it decides."""

    __slots__ = ("decided", "document", "index", "is_partial", "matched", "problem", "statement")

    def __init__(self, statement: ProductStatement, document: VexDocument, end: dt.datetime, latest: str) -> None:
        """latest: the version that supersedes the document, if any."""
        self.statement = statement
        self.document = document
        self.matched: dict[str, None] = {}
        self.decided: dict[str, None] = {}
        self.is_partial = False
        self.index: TargetIndex | None = None
        self.problem = statement.flaw
        if latest:
            self.problem = f"version {latest} of the document supersedes it"
        elif statement.timestamp is not None and statement.timestamp >= end:
            self.problem = f"it is from the future: {statement.timestamp.isoformat()}"

    @property
    def is_active(self) -> bool:
        """True if the statement may decide. One with a flaw never suppresses; "affected" without advice still counts."""
        is_harmless = self.problem == self.statement.flaw and not self.statement.status.suppresses
        return not self.problem or is_harmless

    @property
    def order(self) -> tuple[dt.datetime, int]:
        """Key of which the highest decides."""
        return (self.statement.timestamp or _OLDEST, _CAUTION[self.statement.status])

    def convert(self) -> VexStatement:
        """Return the statement as vulnerabilities have it."""
        return VexStatement(
            status=self.statement.status.value,
            justification=self.statement.justification,
            text=mask_text(self.statement.text),
            author=mask_text(self.statement.supplier or self.document.author),
            origin=self.document.origin,
        )


class _VexApplier:
    """All statements of the documents by vulnerability."""

    def __init__(self, documents: Sequence[VexDocument], inventory: ProductInventory, today: dt.date) -> None:
        self._inventory = inventory
        # The clock of another time zone may be a day ahead.
        end = dt.datetime.combine(today, dt.time.min, dt.UTC) + dt.timedelta(days=2)
        newest: dict[tuple[str, str], tuple[int, ...]] = {}
        for document in documents:
            newest[document.key] = max(newest.get(document.key, ()), document.version)
        self._tracked: list[_TrackedStatement] = []
        self._by_name: dict[str, list[_TrackedStatement]] = {}
        for document in documents:
            latest = newest[document.key]
            superseding = ".".join(map(str, latest)) if document.identifier and latest > document.version else ""
            for statement in document.statements:
                tracked = _TrackedStatement(statement, document, end, superseding)
                self._tracked.append(tracked)
                for name in statement.names:
                    self._by_name.setdefault(name, []).append(tracked)

    def apply_to(self, vulnerability: Vulnerability) -> Vulnerability:
        """Return the vulnerability with the statement that decides its status."""
        package = vulnerability.package
        names = (vulnerability.id, *vulnerability.aliases, *(record.id for record in vulnerability.records))
        deciding = self._decide(names, package)
        if deciding is None and vulnerability.upstream:
            deciding = self._decide_upstream(vulnerability.upstream, package)
        if deciding is None:
            return vulnerability
        deciding.decided[identify(package)] = None
        return msgspec.structs.replace(vulnerability, vex=deciding.convert())

    def _decide(self, names: Iterable[str], package: Package) -> _TrackedStatement | None:
        """Return the latest statement about one of the names that applies to the package."""
        candidates: dict[int, _TrackedStatement] = {}
        for name in dict.fromkeys(name.upper() for name in names):
            for tracked in self._by_name.get(name, ()):
                if id(tracked) not in candidates and self._covers(tracked, package):
                    candidates[id(tracked)] = tracked
                    tracked.matched[identify(package)] = None
        active = [tracked for tracked in candidates.values() if tracked.is_active]
        return max(active, key=lambda tracked: tracked.order, default=None)

    def _decide_upstream(self, upstream: Sequence[str], package: Package) -> _TrackedStatement | None:
        """Return the most cautious of the statements about the CVEs of a record; None unless each has one."""
        deciding = [self._decide((name,), package) for name in upstream]
        statements = [tracked for tracked in deciding if tracked is not None]
        if len(statements) < len(deciding) and all(tracked.statement.status.suppresses for tracked in statements):
            for tracked in statements:
                tracked.is_partial = True
            return None
        return max(statements, key=lambda tracked: _CAUTION[tracked.statement.status])

    def _covers(self, tracked: _TrackedStatement, package: Package) -> bool:
        if tracked.index is None:
            tracked.index = self._inventory.index(tracked.statement.targets)
        return self._inventory.find_covering(tracked.index, package) is not None

    def report_uses(self) -> tuple[VexUse, ...]:
        """Return the use of each statement, in the order of the documents; of collected ones only if it applies."""
        reported = (tracked for tracked in self._tracked if tracked.matched or not tracked.document.is_collected)
        uses = ((tracked, self._report_use(tracked)) for tracked in reported)
        return tuple(use for tracked, use in uses if not tracked.document.is_collected or use.state in _APPLYING)

    def _report_use(self, tracked: _TrackedStatement) -> VexUse:
        statement = tracked.statement
        state, text = self._describe(tracked)
        labels = [target.label for target in statement.targets[:_SHOWN]]
        if len(statement.targets) > _SHOWN:
            labels.append(f"{len(statement.targets) - _SHOWN} more")
        return VexUse(
            statement=tracked.convert(),
            vulnerability=statement.vulnerability,
            state=state,
            products=tuple(labels),
            position=statement.position,
            packages=tuple(tracked.decided),
            text="; ".join(filter(None, (text, *_list_warnings(tracked)))),
        )

    def _describe(self, tracked: _TrackedStatement) -> tuple[VexUseState, str]:
        """Return the state of a statement with its reason."""
        if not tracked.is_active:
            return VexUseState.INVALID, tracked.problem
        if tracked.decided:
            return VexUseState.APPLIED, tracked.problem
        if tracked.is_partial:
            return VexUseState.UNUSED, "the vulnerability is about several CVEs, and others of them have no statement"
        if tracked.matched:
            return VexUseState.OVERRULED, "a later statement applies"
        if any(map(self._inventory.has, tracked.statement.targets)):
            return VexUseState.UNUSED, "no package of the product has this vulnerability"
        return VexUseState.OTHER_PRODUCT, _explain_mismatch(tracked.statement)


def _list_warnings(tracked: _TrackedStatement) -> list[str]:
    """Return warnings about a statement that decides, as for exceptions with a wide scope."""
    statement = tracked.statement
    if not tracked.decided or not statement.status.suppresses:
        return []
    products = dict.fromkeys(
        product for target in statement.targets[:_SHOWN] for product in (*target.context, target.component)
    )
    warnings = [
        f"{product.label} names neither a digest nor a repository: it matches any registry"
        for product in products
        if _is_any_image(product)
    ]
    if statement.justification == COMPONENT_NOT_PRESENT:
        warnings.append(f"it states {COMPONENT_NOT_PRESENT}, but the package is in the list of packages")
    return warnings


def _is_any_image(identity: VexIdentity) -> bool:
    return not identity.hashes and any(
        purl.type == "oci" and not purl.version and "repository_url" not in dict(purl.qualifiers)
        for purl in identity.purls
    )


def _explain_mismatch(statement: ProductStatement) -> str:
    """Return the reason why no product of a statement matches."""
    components = [target.component for target in statement.targets]
    if components and all(component.version_range for component in components):
        return f"its products are version ranges, which Kubekeep does not compare: {components[0].label}"
    if components and all(component.cpes and not component.purls for component in components):
        return "its products have only CPEs, which Kubekeep compares with the distribution only: add a package URL"
    return "its products are neither the scanned software nor one of its packages"
