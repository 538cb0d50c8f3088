"""The steps of an update: files, and the source of each. Fetches nothing except the list of ecosystems of a private feed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from kubekeep.ecosystems.shared.registry import index_advisories
from kubekeep.vulnerabilities.database import schema
from kubekeep.vulnerabilities.database.build import get_feed_folder
from kubekeep.vulnerabilities.database.bundle import is_feed_name
from kubekeep.vulnerabilities.database.download import Downloader, parse_url
from kubekeep.vulnerabilities.database.errors import MissingSourceError, UpdateError
from kubekeep.vulnerabilities.database.sources import list_database_files
from kubekeep.vulnerabilities.database.update import (
    EPSS,
    EPSS_NAME,
    KEV,
    KEV_NAME,
    OSV,
    EcosystemUpdate,
    UpdatedFile,
    list_feed_ecosystems,
    update_signals,
)

Step = Callable[[], UpdatedFile | None]
"""Updates a file; returns None if there is nothing to report."""

_OTHERS: Final = ("GIT", "OSS-Fuzz", "TuxCare")
"""Names in OSV that are no ecosystem of packages: their records are about commits, or about packages of ecosystems."""


def list_steps(
    downloader: Downloader,
    folder: Path,
    staging: Path,
    *,
    ecosystems: tuple[str, ...],
    source: str,
    feed: str,
    signals: Mapping[str, str],
) -> list[Step]:
    """Return the steps of an update; see `UpdateRequest` for the arguments. Raises UpdateError."""
    if feed and not is_feed_name(feed):
        raise UpdateError(f"{feed!r} is not a name of a feed: use lower-case letters, digits, dots and hyphens")
    if source:
        parse_url(source)
    targets = _list_targets(downloader, folder, ecosystems, source, feed)
    steps: list[Step] = [
        EcosystemUpdate(downloader, folder, staging, ecosystem, feed=target_feed, source=url).run
        for target_feed, ecosystem in targets
        if (url := source or _get_source(folder, target_feed, ecosystem))
    ]
    if targets and not steps:
        if feed:
            raise UpdateError(f"the feed {feed} has no source: add --source URL")
        raise MissingSourceError(
            "the database has only imported feeds, which have no source: name the ecosystems to load from OSV beside them, "
            "such as `kubekeep db update Debian PyPI`"
        )
    if not feed or any(signals.values()):
        urls, is_optional = _list_signal_urls(folder, source, signals)
        steps.append(functools.partial(update_signals, downloader, folder, staging, urls, is_optional=is_optional))
    return steps


def _list_targets(
    downloader: Downloader, folder: Path, ecosystems: tuple[str, ...], source: str, feed: str
) -> list[tuple[str, str]]:
    """Return the feed and ecosystem of each file to update."""
    if ecosystems:
        return [(feed, _complete_name(ecosystem)) for ecosystem in ecosystems]
    known = list(_list_known(folder))
    if source or feed:
        own = [(known_feed, ecosystem) for known_feed, ecosystem in known if known_feed == feed]
        return own or [(feed, ecosystem) for ecosystem in _list_available(downloader, source, feed)]
    return known or [("", ecosystem) for ecosystem in _list_common()]


def _list_known(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield (feed, ecosystem) of the files of the database."""
    for ecosystem, paths in list_database_files(folder).items():
        for path in paths:
            yield ("" if path.parent == folder else path.parent.name), ecosystem


def _list_available(downloader: Downloader, source: str, feed: str) -> Iterable[str]:
    """Return the ecosystems of a new feed, or those of a mirror that the first update loads."""
    if not source:
        raise UpdateError(f"the feed {feed} has no source: add --source URL")
    available = list_feed_ecosystems(downloader, source)
    common = _list_common()
    selected = [ecosystem for ecosystem in available if ecosystem in common]
    return available if feed else selected or available


def _get_source(folder: Path, feed: str, ecosystem: str) -> str:
    """Return the source of the last update; of files from elsewhere OSV, but "" in a private feed."""
    path = get_feed_folder(folder, feed) / schema.get_file_name(ecosystem)
    return str(schema.read_file_facts(path, schema.ADVISORIES).get("source", "")) or ("" if feed else OSV)


def _list_signal_urls(folder: Path, source: str, signals: Mapping[str, str]) -> tuple[dict[str, str], bool]:
    """Return the URLs of the files of signals, and True if they may be missing there."""
    facts = schema.read_file_facts(folder / schema.SIGNALS_FILE, schema.SIGNALS)
    public = {"kev": KEV, "epss": EPSS}
    names = {"kev": KEV_NAME, "epss": EPSS_NAME}
    urls = {}
    for kind, explicit in signals.items():
        mirror = f"{source.rstrip('/')}/{names[kind]}" if source else ""
        urls[kind] = explicit or mirror or str(facts.get(f"{kind}_source", "")) or public[kind]
    return urls, bool(source) and not any(signals.values())


def _list_common() -> list[str]:
    """Return the ecosystems of the first update: those of most container images."""
    return sorted(name for name, advisories in index_advisories().items() if advisories.is_common)


def _complete_name(ecosystem: str) -> str:
    """Return the name in OSV of an ecosystem, which users may write in any case."""
    known = (name for name, advisories in index_advisories().items() if advisories.is_in_osv)
    return next((name for name in (*known, *_OTHERS) if name.casefold() == ecosystem.casefold()), ecosystem)
