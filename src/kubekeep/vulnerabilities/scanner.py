"""Assessment of images and SBOMs: packages, advisories, changelogs and VEX statements together. Never opens an image.

The advisories and the VEX repositories of the database are opened for the first assessment, and stay open.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from kubekeep.images.inspected_image import InspectedImage
from kubekeep.images.sbom.document import Sbom
from kubekeep.model.package import Package
from kubekeep.model.vulnerability import MatchedRecord, NotAssessed, VulnerabilityReport
from kubekeep.vulnerabilities.database.age import describe_old, list_old
from kubekeep.vulnerabilities.database.errors import AdvisoryInputError, DatabaseError
from kubekeep.vulnerabilities.database.open import OpenAdvisories, open_advisories
from kubekeep.vulnerabilities.database.vex_repositories.reader import has_repositories
from kubekeep.vulnerabilities.matching.explain import explain_match
from kubekeep.vulnerabilities.matching.go_imports import UsedSymbols
from kubekeep.vulnerabilities.matching.match import match_packages, plan
from kubekeep.vulnerabilities.options import VulnerabilityOptions
from kubekeep.vulnerabilities.readable_advisories import ReadableAdvisories
from kubekeep.vulnerabilities.source import AdvisorySource, SourceState
from kubekeep.vulnerabilities.vex.document import VexDocument
from kubekeep.vulnerabilities.vex.errors import VexError
from kubekeep.vulnerabilities.vex.subject import VexSubject, create_image_subject, create_sbom_subject


class VulnerabilityScanner:
    """Finds the vulnerabilities of packages with one set of advisories and VEX documents."""

    def __init__(self, options: VulnerabilityOptions) -> None:
        self._options = options
        self._now = dt.datetime.now(dt.UTC)
        self._vex_problems: list[str] = []
        self._shared_problems: dict[str, None] = {}

    @functools.cached_property
    def _source(self) -> OpenAdvisories:
        options = self._options
        paths = [*options.advisories, *([options.grype] if options.grype else [])]
        return open_advisories(Path(options.database) if options.database else None, [Path(path) for path in paths])

    @functools.cached_property
    def _repositories(self) -> Any:
        """The VEX repositories of the database; None without any."""
        folder = self._options.database
        if not (folder and has_repositories(Path(folder))):
            return None
        from kubekeep.vulnerabilities.database.vex_repositories.selection import VexRepositories  # noqa: PLC0415

        return VexRepositories(Path(folder))

    @functools.cached_property
    def _vex(self) -> tuple[VexDocument, ...]:
        if not self._options.vex:
            return ()
        from kubekeep.vulnerabilities.vex.files import load_vex_files  # noqa: PLC0415 - most scans have none

        documents: list[VexDocument] = []
        for path in self._options.vex:
            try:
                documents += load_vex_files((path,))
            except VexError as error:
                self._vex_problems.append(str(error))
        return tuple(documents)

    def _read_statements(self, statements: Iterable[tuple[str, bytes]]) -> Iterator[VexDocument]:
        for origin, content in statements:
            from kubekeep.vulnerabilities.vex.read import read_vex  # noqa: PLC0415 - most images have none

            try:
                yield read_vex(content, origin)
            except VexError as error:
                self._vex_problems.append(str(error))

    def list_problems(self) -> list[str]:
        """Return messages about VEX documents, records, ratings and exploit signals that were not read.

        A scan with any is incomplete.
        """
        problems = [*self._vex_problems, *self._shared_problems]
        if repositories := self.__dict__.get("_repositories"):
            problems += repositories.problems
        if "_source" in self.__dict__:
            problems += self._source.problems
            hidden = self._source.unread - len(self._source.problems)
            problems += [f"{hidden:,} more records could not be read"] if hidden > 0 else []
        return problems

    def close(self) -> None:
        """Close the advisories and the VEX repositories if they are open."""
        if "_source" in self.__dict__:
            self._source.close()
        if repositories := self.__dict__.get("_repositories"):
            repositories.close()

    def assess_image(
        self,
        image: InspectedImage,
        statements: Iterable[tuple[str, bytes]] = (),
        compared: Sequence[Package] | None = None,
    ) -> VulnerabilityReport:
        """Return the vulnerabilities of an image. Without usable advisories, no package is assessed.

        statements: VEX documents of verified attestations, each with its origin, beside those in files. compared: the
        packages to compare with advisories, if no advisory affects the others; None for all.
        """
        # Read for images only.
        from kubekeep.vulnerabilities.changelog import find_fixed  # noqa: PLC0415
        from kubekeep.vulnerabilities.used_symbols import ImageSymbols  # noqa: PLC0415

        content = image.content
        subject = create_image_subject(
            image.reference,
            digests=tuple(filter(None, (image.digest, image.index_digest))),
            platform=image.platform,
            distribution=content.distribution,
            packages=content.packages,
        )
        documents = (*self._vex, *self._read_statements(statements))
        fixed = find_fixed(content.packages, content.fixes)
        return self._assess(subject, documents, fixed, ImageSymbols(content.go_symbols), compared)

    def assess_sbom(self, sbom: Sbom) -> VulnerabilityReport:
        """Return the vulnerabilities of the packages in an SBOM. Without usable advisories, no package is assessed."""
        return self._assess(create_sbom_subject(sbom), self._vex, {}, None)

    def explain(
        self, package: Package, name: str, sbom: Sbom, used_symbols: UsedSymbols | None = None
    ) -> tuple[MatchedRecord, ...]:
        """Return the records about a vulnerability that name a package, with the reasons of those that do not apply.

        used_symbols: of the image, if the SBOM was made from it. Raises DatabaseError and AdvisoryInputError.
        """
        return explain_match(
            package,
            name,
            sbom.distribution,
            self._source,
            today=self._now.date(),
            platform=sbom.subject.platform,
            used_symbols=used_symbols,
        )

    def _assess(
        self,
        subject: VexSubject,
        documents: Sequence[VexDocument],
        fixed: Mapping[str, frozenset[str]],
        used_symbols: UsedSymbols | None,
        compared: Sequence[Package] | None = None,
    ) -> VulnerabilityReport:
        try:
            source = ReadableAdvisories(self._source)
            report = match_packages(
                subject.packages if compared is None else compared,
                subject.distribution,
                source,
                today=self._now.date(),
                platform=subject.platform,
                fixed_by_changelog=fixed,
                used_symbols=used_symbols,
            )
            gaps = (*_list_unreadable(subject, source), *self._list_old(subject, source))
        except (DatabaseError, AdvisoryInputError) as error:
            # The other checks of an image need no advisories.
            return VulnerabilityReport(
                not_assessed=(NotAssessed("", str(error), subject.packages, is_incomplete=True),)
            )
        report = msgspec.structs.replace(report, not_assessed=(*report.not_assessed, *gaps))
        self._shared_problems |= dict.fromkeys(source.shared_problems)
        if report.vulnerabilities and self._repositories is not None:
            documents = (*documents, *self._repositories.list_documents(subject, documents))
        if not documents:
            return report
        # Only for scans with VEX documents.
        from kubekeep.vulnerabilities.vex.apply import apply_vex  # noqa: PLC0415

        return apply_vex(report, documents, subject=subject, today=self._now.date())

    def _list_old(self, subject: VexSubject, source: AdvisorySource) -> Iterator[NotAssessed]:
        """Yield the packages whose advisories are older than the maximum age."""
        maximum = self._options.maximum_age
        if maximum is None:
            return
        states = source.get_states()
        for state in list_old(states, maximum, self._now):
            if packages := _list_compared(subject, state.ecosystem, states):
                yield NotAssessed(state.ecosystem, describe_old(state, maximum), packages, is_incomplete=True)


def _list_unreadable(subject: VexSubject, source: ReadableAdvisories) -> Iterator[NotAssessed]:
    """Yield the packages that were not compared because records of their ecosystem are damaged."""
    states = source.get_states() if source.problems else {}
    for ecosystem, problem in source.problems.items():
        yield NotAssessed(ecosystem, problem, _list_compared(subject, ecosystem, states), is_incomplete=True)


def _list_compared(subject: VexSubject, ecosystem: str, states: Mapping[str, SourceState]) -> tuple[Package, ...]:
    """Return the packages that are compared with advisories of an ecosystem."""
    return tuple(
        package
        for package in subject.packages
        if isinstance(queries := plan(package, subject.distribution, states), tuple)
        and any(query.ecosystem == ecosystem for query in queries)
    )
