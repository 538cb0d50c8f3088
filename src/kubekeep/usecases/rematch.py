"""Rematching of the images in the state of registry scans after an update of advisories. Never reads an image or prints."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from kubekeep.images.layers import compute_version
from kubekeep.images.package import Distribution, Package
from kubekeep.images.registries.state import FILE, RegistryState, StateError
from kubekeep.model.text import visible
from kubekeep.vulnerabilities.database.sources import AdvisoryDatabase
from kubekeep.vulnerabilities.ecosystems import NoQuery, build_queries
from kubekeep.vulnerabilities.inventory import IndexedImage, PackageContext, PackageInventory
from kubekeep.vulnerabilities.matching.match import match_packages
from kubekeep.vulnerabilities.names import normalise_name
from kubekeep.vulnerabilities.rematching import RematchReport, rematch

_NO_STATE: Final = "run `kubekeep registry scan PATTERN --state {0}` first"


def rematch_state(folder: Path, database: Path) -> RematchReport:
    """Return what changed in the images of a state since its last match with the database.

    Raises StateError, MissingDatabaseError and DatabaseError.
    """
    if not (folder / FILE).is_file():
        shown = visible(str(folder))
        raise StateError(f"{shown} has no state of a scan: {_NO_STATE.format(shown)}")
    with (
        AdvisoryDatabase(database) as advisories,
        RegistryState(folder, compute_version()) as state,
        PackageInventory(folder) as inventory,
    ):
        names = state.list_names()
        _update(inventory, state, names)
        return rematch(inventory, advisories, match_packages, today=dt.datetime.now(dt.UTC).date(), names=names)


def list_keys(package: Package, distribution: Distribution) -> Iterator[tuple[str, str]]:
    """Yield the ecosystem without a release and the normalised name of each question about a package."""
    queries = build_queries(package, distribution)
    for query in () if isinstance(queries, NoQuery) else queries:
        for name in query.names:
            yield query.ecosystem, normalise_name(query.ecosystem, name.name)


def _update(inventory: PackageInventory, state: RegistryState, names: dict[str, list[str]]) -> None:
    """Bring the inventory to the images of the state."""
    versions, known = state.list_versions(), inventory.list_images()
    removed = known.keys() - names.keys()
    if removed:
        inventory.remove_images(removed)
    added = [digest for digest in names if known.get(digest) != versions.get(digest)]
    images = (
        IndexedImage(
            digest=image.digest,
            packages=image.content.packages,
            context=PackageContext(image.content.distribution, image.platform),
            version=versions[image.digest],
        )
        for image in state.iterate_images(added)
    )
    inventory.add_images(images, list_keys)
