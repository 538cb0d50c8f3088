"""Explanation of matches: all records about a vulnerability and a package, with the reason for each result."""

from __future__ import annotations

import datetime as dt

from kubekeep.model.package import Distribution, Package
from kubekeep.model.vulnerability import MatchedRecord
from kubekeep.vulnerabilities.aliases import list_equal_names
from kubekeep.vulnerabilities.matching.evaluate import Context
from kubekeep.vulnerabilities.matching.go_imports import UsedSymbols
from kubekeep.vulnerabilities.matching.match import complete_platform, evaluate_package, fetch
from kubekeep.vulnerabilities.queries import NoQuery, build_queries
from kubekeep.vulnerabilities.source import AdvisorySource


def explain_match(
    package: Package,
    name: str,
    distribution: Distribution,
    source: AdvisorySource,
    *,
    today: dt.date,
    platform: str = "",
    used_symbols: UsedSymbols | None = None,
) -> tuple[MatchedRecord, ...]:
    """Return the records about a CVE or with the id `name` that list the package; `reason` says why one does not apply."""
    queries = build_queries(package, distribution)
    if isinstance(queries, NoQuery):
        return ()
    context = Context(today, complete_platform(platform, distribution), used_symbols)
    states = source.get_states()
    known = tuple(query for query in queries if query.ecosystem in states)
    advisories = fetch([(package, known)], source)
    evaluations = evaluate_package(package, known, advisories, context)
    names_of_flaw = {name.upper()}
    for _ in range(2):
        # Records that share a name with those of the first pass are about the same flaw.
        for entry in evaluations:
            names = {alias.upper() for alias in list_equal_names(entry.record)}
            if not names.isdisjoint(names_of_flaw):
                names_of_flaw |= names
    return tuple(
        entry.describe(states[entry.query.ecosystem].origin)
        for entry in sorted(evaluations, key=lambda entry: (entry.match is None, entry.record.id))
        if not names_of_flaw.isdisjoint(text.upper() for text in (*list_equal_names(entry.record), *entry.upstream))
    )
