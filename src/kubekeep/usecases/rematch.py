"""Rematching of the images in the state of registry scans after an update of advisories. Never reads an image or prints."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.images.layers import compute_version
from kubekeep.images.registries.selection import select_known
from kubekeep.images.registries.state import FILE, RegistryState
from kubekeep.images.registries.state_file import StateError
from kubekeep.model.assessment import Assessment, SubjectResult
from kubekeep.model.exception import AppliedException
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.location import parse_path
from kubekeep.model.text import visible
from kubekeep.vulnerabilities.database.sources import AdvisoryDatabase
from kubekeep.vulnerabilities.inventory import IndexedImage, PackageContext
from kubekeep.vulnerabilities.matching.match import match_packages
from kubekeep.vulnerabilities.package_facts import collect_facts
from kubekeep.vulnerabilities.queries import list_keys
from kubekeep.vulnerabilities.rematching import Rematch, RematchReport, compute_matching_version
from kubekeep.vulnerabilities.sqlite_inventory import SqliteInventory

_NO_STATE: Final = "run `kubekeep registry scan PATTERN --state {0}` first"
_CHANGED: Final = "the advisory database changed during the run: run the command again"


class StateRematch:
    """A match of the images of a state, and the packages that a scan of them has to compare with advisories."""

    def __init__(self, rematch: Rematch, names: Mapping[str, list[str]], outdated: set[str], database: Path) -> None:
        self._rematch = rematch
        self._names = names
        self._outdated = outdated
        self._database = database

    @property
    def packages(self) -> Mapping[str, frozenset[bytes]]:
        """Digests of the packages with vulnerabilities or without an answer, by digest of the image."""
        return self._rematch.list_results()

    def compare(self, assessment: Assessment | None = None, maximum_age: dt.timedelta | None = None) -> RematchReport:
        """Return what changed since the last match.

        assessment: of a scan of the same images, for the suppressions by VEX documents and exceptions; None without
        them. Raises StateError, also if the database is not the one that was matched any more.
        """
        if assessment is not None:
            with AdvisoryDatabase(self._database) as advisories:
                if not self._rematch.is_current(advisories):
                    raise StateError(_CHANGED)
        return self._rematch.compare(
            self._names,
            suppressions=None if assessment is None else list_suppressions(assessment),
            maximum_age=maximum_age,
            outdated=self._outdated,
        )

    def record(self) -> None:
        """Write the result, after `compare`: the next run shows the changes since this one. Raises StateError."""
        self._rematch.record()


@contextlib.contextmanager
def open_rematch(folder: Path, database: Path) -> Iterator[StateRematch]:
    """Match the packages of a state whose advisories changed since the last match; nothing is written until `record`.

    Raises StateError, MissingDatabaseError and DatabaseError.
    """
    shown = visible(str(folder))
    if not (folder / FILE).is_file():
        raise StateError(f"{shown} has no state of a scan: {_NO_STATE.format(shown)}")
    with (
        AdvisoryDatabase(database) as advisories,
        RegistryState(folder, compute_version()) as state,
        SqliteInventory(folder) as inventory,
    ):
        try:
            names = _list_names(state)
            _update(inventory, state, names)
            now = dt.datetime.now(dt.UTC)
            rematch = Rematch(inventory, advisories, version=compute_matching_version(), names=list_keys, now=now)
            rematch.match(match_packages)
            yield StateRematch(rematch, names, state.list_outdated() & names.keys(), database)
        except msgspec.MsgspecError as error:
            raise StateError(f"{visible(str(inventory.path))}: damaged: {error}; delete the file") from error


def list_suppressions(assessment: Assessment) -> dict[tuple[str, str, str], str]:
    """Return the suppressed vulnerabilities by digest of the image, id and package URL, each with the reason.

    A vulnerability that counts under one of the names of an image is not suppressed.
    """
    controls = {
        summary.definition.slug: summary.definition.ids[0]
        for summary in assessment.summaries
        if summary.definition.concerns_packages and summary.definition.ids
    }
    suppressions: dict[tuple[str, str, str], str] = {}
    open_keys: set[tuple[str, str, str]] = set()
    for result in assessment.results:
        for key, exception in _list_evidence(result, controls):
            if exception is None:
                open_keys.add(key)
            else:
                suppressions[key] = ": ".join(filter(None, (exception.name, exception.reason)))
    return {key: text for key, text in suppressions.items() if key not in open_keys}


def _list_evidence(
    result: SubjectResult, names: Mapping[str, str]
) -> Iterator[tuple[tuple[str, str, str], AppliedException | None]]:
    """Yield the key and the exception of each affected package of a resource."""
    verdicts = {slug: verdict for slug, verdict in result.verdicts.items() if slug in names and verdict.evidence}
    if not verdicts:
        return
    document = result.subject.object
    digest = str(as_mapping(document.get("image")).get("digest", ""))
    packages = as_list(document.get("packages"))
    for slug, verdict in verdicts.items():
        for evidence in verdict.evidence:
            number = parse_path(evidence.path)[1]
            purl = as_mapping(packages[number]).get("purl", "") if isinstance(number, int) else ""
            yield (digest, names[slug], str(purl)), evidence.exception


def _list_names(state: RegistryState) -> dict[str, list[str]]:
    """Return the names of all images by digest, the best one first, as in a scan."""
    named = state.list_names()
    digests = {(name.root, name.platform): digest for digest, name in named}
    names: dict[str, list[str]] = {}
    for selected in select_known(name for _, name in named):
        own = names.setdefault(digests[selected.root, selected.platform], [])
        own += [name for name in (selected.name, *selected.names[1:]) if name not in own]
    return names


def _update(inventory: SqliteInventory, state: RegistryState, names: Mapping[str, list[str]]) -> None:
    """Bring the inventory to the images of the state."""
    versions, known = state.list_versions(), inventory.list_images()
    added = [digest for digest in names if known.get(digest) != versions.get(digest)]
    images = (
        IndexedImage(
            digest=image.digest,
            packages=image.content.packages,
            context=PackageContext(image.content.distribution, image.platform),
            facts=collect_facts(image.content.packages, image.content.fixes, image.content.go_symbols),
            version=versions[image.digest],
            problems=len(image.content.problems),
        )
        for image in state.iterate_images(added)
    )
    inventory.add_images(images, list_keys)
    removed = known.keys() - names.keys()
    if removed or not known.keys().isdisjoint(added):
        inventory.remove_images(removed)
