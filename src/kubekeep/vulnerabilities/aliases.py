"""Names of vulnerabilities: the records about the same flaw are joined. No I/O.

`aliases` are symmetric and transitive. A record of a distribution joins its single CVE. `related` never joins.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from typing import Final

from kubekeep.vulnerabilities.advisory import Advisory

_CVE: Final = re.compile(r"CVE-\d{4}-\d{4,19}")
_DISTRIBUTION_CVE: Final = re.compile(r"[A-Za-z]+-(CVE-\d{4}-\d{4,19})")
"""An id that a distribution forms from a CVE, as UBUNTU-CVE-2024-1234."""
_RANKS: Final = ("MAL-", "GHSA-", "GO-", "PYSEC-", "RUSTSEC-", "DSA-", "DLA-", "USN-", "RHSA-", "ALSA-", "RLSA-")
"""Prefixes of the best-known databases, in order."""


def is_cve(name: str) -> bool:
    """Return True for the id of a CVE."""
    return _CVE.fullmatch(name) is not None


def extract_cve(name: str) -> str:
    """Return the CVE that is, or is part of, an id of a distribution's record; empty if there is none."""
    if is_cve(name):
        return name
    match = _DISTRIBUTION_CVE.fullmatch(name)
    return match[1] if match else ""


def list_equal_names(record: Advisory) -> frozenset[str]:
    """Return the id of a record and all names of the same flaw."""
    return _list_equal_names(record.id, record.aliases, record.upstream)


@functools.lru_cache(maxsize=4096)
def _list_equal_names(identifier: str, aliases: tuple[str, ...], upstream_names: tuple[str, ...]) -> frozenset[str]:
    names = {identifier, *aliases}
    own = {extract_cve(name) for name in names}
    upstream = {extract_cve(name) or name for name in upstream_names}
    cves = {name for name in upstream if is_cve(name)}
    if len(cves) == 1 or (not cves and len(upstream) == 1):
        names |= upstream | set(upstream_names)
    return frozenset(name for name in names | own if name)


def list_upstream(record: Advisory, *, is_distribution: bool) -> tuple[str, ...]:
    """Return the flaws that a record is about. Some distributions, as AlmaLinux, state them only as related."""
    names = dict.fromkeys(extract_cve(name) or name for name in record.upstream)
    if is_distribution and not names and not record.aliases:
        names = dict.fromkeys(name for name in record.related if is_cve(name))
    return tuple(names)


def group(records: Sequence[Advisory], known: Iterable[Advisory]) -> list[list[int]]:
    """Return the indexes of the records in groups about the same flaw.

    known: all records of the package, whose aliases count although they do not apply.
    """
    parents: dict[str, str] = {}

    def find(name: str) -> str:
        while parents.setdefault(name, name) != name:
            parents[name] = parents[parents[name]]
            name = parents[name]
        return name

    for record in known:
        first = find(record.id)
        for name in list_equal_names(record):
            parents[find(name)] = find(first)
    groups: dict[str, list[int]] = {}
    for index, record in enumerate(records):
        groups.setdefault(find(record.id), []).append(index)
    return list(groups.values())


def choose_id(names: Iterable[str], record_ids: Iterable[str]) -> str:
    """Return the CVE if there is exactly one, else the id of the best-known database."""
    ordered = sorted(set(names))
    cves = [name for name in ordered if is_cve(name)]
    if len(cves) == 1:
        return cves[0]
    for prefix in _RANKS:
        for name in ordered:
            if name.startswith(prefix):
                return name
    return min(record_ids)
