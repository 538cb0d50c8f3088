"""Random scans and changes of advisories: the store has the open problems of a plain model of the rules."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubekeep.model.scanned_source import SourceCluster
from tests.selection.shares import count_examples
from tests.server.advisories import AdvisoryFolder, build_image_scan, match
from tests.server.conftest import Database
from tests.server.test_images import BLOG, REBUILT, SHOP, WEB, check_images, list_problems
from tests.server.test_ingest import submit
from tests.server.test_ingest_model import empty

NAMES: Final = ("CVE-2026-1", "CVE-2026-2")
PRIVATE: Final = "CVE-1"
"""A problem that the server's advisories never name."""
SOURCES: Final = {
    "shop": (SHOP, WEB),
    "blog": (BLOG, WEB),
    "third": (SourceCluster("third"), REBUILT),
}
Scan = tuple[str, frozenset[str]]
"""Source, and the reported problems."""
Change = frozenset[str]
"""Names that the server's advisories have from now on."""


@st.composite
def steps(draw: st.DrawFn) -> list[Scan | Change]:
    """Return scans and changes; most reports have what the server's advisories have, or had."""
    reports = st.one_of(st.just(frozenset(NAMES)), st.frozensets(st.sampled_from((*NAMES, PRIVATE))))
    scans = st.tuples(st.sampled_from(sorted(SOURCES)), reports)
    changes = st.frozensets(st.sampled_from(NAMES))
    first: list[Scan | Change] = [("shop", draw(reports)), draw(changes)]
    return first + draw(st.lists(st.one_of(changes, scans), min_size=2, max_size=9))


class Model:
    """Open problems of images by the last report of each source and the advisories.

    Advisories that vanish overrule the reports of that time.
    """

    def __init__(self) -> None:
        self.reports: dict[str, frozenset[str]] = {}
        self._served: dict[str, frozenset[str]] = {}
        self._overruled: dict[str, set[tuple[str, frozenset[str]]]] = {}

    def scan(self, source: str, names: frozenset[str]) -> None:
        self.reports[source] = names

    def change(self, names: frozenset[str]) -> None:
        for digest in {SOURCES[source][1] for source in self.reports}:
            current = set(self._list_reports(digest))
            gone = self._served.get(digest, frozenset()) - names
            overruled = self._overruled.setdefault(digest, set())
            overruled |= {(name, report) for name, report in itertools.product(gone, current) if name in report}
            self._overruled[digest] = {(name, report) for name, report in overruled if report in current}
            self._served[digest] = names

    def list_open(self) -> set[str]:
        return {f"{digest[7]} {name}" for digest in (WEB, REBUILT) for name in self._list_open(digest)}

    def _list_open(self, digest: str) -> Iterator[str]:
        yield from self._served.get(digest, ())
        for report in self._list_reports(digest):
            yield from (name for name in report if (name, report) not in self._overruled.get(digest, ()))

    def _list_reports(self, digest: str) -> list[frozenset[str]]:
        return [report for source, report in self.reports.items() if SOURCES[source][1] == digest]


@settings(
    max_examples=count_examples(10, 40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps())
def test_store_has_the_problems_of_the_model(database: Database, changes: list[Scan | Change]) -> None:
    database.run(empty)
    model, advisories = Model(), frozenset[str]()
    with tempfile.TemporaryDirectory() as name:
        folder = AdvisoryFolder(Path(name))
        for day, step in enumerate(changes):
            if isinstance(step, tuple):
                source, digest = SOURCES[step[0]]
                submit(database, build_image_scan(day, *sorted(step[1]), source=source, digest=digest))
                model.scan(*step)
            else:
                # A record of the same package, so that each step is a change.
                records = [folder.build(f"OTHER-{day}", "left-pad", "npm", fixed="0.1.0")]
                records += [folder.build(name, "left-pad", "npm", fixed="2.0.0") for name in step]
                gone = advisories - step
                records += [
                    folder.build(name, "left-pad", "npm", fixed="2.0.0", withdrawn="2026-01-01T00:00:00Z")
                    for name in sorted(gone)
                ]
                folder.write(records)
                advisories = step
                match(database, folder, day)
                model.change(step)
            intervals = list_problems(database)
            assert {key for key, times in intervals.items() if times[-1][1] is None} == model.list_open()
            assert all(before[1] is not None for times in intervals.values() for before in times[:-1])
            check_images(database)
