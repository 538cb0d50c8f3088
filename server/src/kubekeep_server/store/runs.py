"""Containers of workloads with the images that they run, by the digests that scans name.

A scan that reads no images names none. Its containers run the images that earlier scans named for the same references.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, bindparam, delete, func, select

from kubekeep.model.submission import ContainerEntry, SubjectEntry
from kubekeep_server.store.batches import split
from kubekeep_server.store.image_schema import runs
from kubekeep_server.store.upsert import replace_rows
from kubekeep_server.store.urgency import classify_container, is_exposed

_COLUMNS: Final = ("exposure",)


class ImageUse(NamedTuple):
    """Workloads of a source that run an image, and the highest exposure of their containers."""

    exposure: int = 0
    workloads: int = 0
    exposed_workloads: int = 0


class RunChanges:
    """The containers of the compared subjects of a source."""

    def __init__(self, connection: Connection, source: int) -> None:
        self._connection = connection
        self._source = source
        self._known: dict[int, list[Any]] = {}
        self._entries: dict[int, tuple[SubjectEntry, SubjectEntry | None, int]] = {}

    def compare(self, key: int, entry: SubjectEntry, before: SubjectEntry | None, exposure: int) -> None:
        """Note a subject with its containers. before: the entry that the store has."""
        if entry.containers or (before is not None and before.containers):
            self._entries[key] = entry, before, exposure

    def remove(self, key: int, entry: SubjectEntry) -> None:
        """Note a subject that no longer exists."""
        if entry.containers:
            self._entries[key] = SubjectEntry(entry.key, entry.subject), entry, 0

    @property
    def digests(self) -> frozenset[str]:
        """Digests of the images that the containers run."""
        entries = (entry for entry, _, _ in self._entries.values())
        return frozenset(container.digest for entry in entries for container in entry.containers if container.digest)

    def write(self, images: Mapping[str, int]) -> bool:
        """Write the rows; return True if any changed. images: by digest."""
        self._load()
        required = self._list_required(images)
        stored = {(key, row.container, row.image): row.exposure for key, rows in self._known.items() for row in rows}
        changed = [at for at, exposure in required.items() if stored.get(at) != exposure]
        removed = [at for at in stored if at not in required]
        self._remove(removed)
        replace_rows(self._connection, runs, _COLUMNS, [self._describe(at, exposure=required[at]) for at in changed])
        return bool(changed or removed)

    def _list_required(self, images: Mapping[str, int]) -> dict[tuple[int, str, int], int]:
        """Return the exposure of containers by subject, name and image."""
        required: dict[tuple[int, str, int], int] = {}
        for key, (entry, before, exposure) in self._entries.items():
            for container, image in self._resolve(key, entry, before, images):
                at = (key, container.name, image)
                required[at] = max(required.get(at, 0), classify_container(exposure, container))
        return required

    def _remove(self, keys: Iterable[tuple[int, str, int]]) -> None:
        rows = [{f"{name}_": value for name, value in self._describe(at).items()} for at in keys]
        if rows:
            conditions = [runs.c[name] == bindparam(f"{name}_") for name in ("source", "subject", "container", "image")]
            self._connection.execute(delete(runs).where(*conditions), rows)

    def _describe(self, at: tuple[int, str, int], **values: int) -> dict[str, Any]:
        key, container, image = at
        return {"source": self._source, "subject": key, "container": container, "image": image, **values}

    def _load(self) -> None:
        query = select(runs).where(runs.c.source == self._source, runs.c.subject.in_(bindparam("keys", expanding=True)))
        for part in split(self._entries):
            for row in self._connection.execute(query, {"keys": part}):
                self._known.setdefault(row.subject, []).append(row)

    def _resolve(
        self, key: int, entry: SubjectEntry, before: SubjectEntry | None, images: Mapping[str, int]
    ) -> Iterator[tuple[ContainerEntry, int]]:
        """Yield the containers of a subject with their images."""
        unchanged = set() if before is None else {(known.name, known.image) for known in before.containers}
        for container in entry.containers:
            if container.digest:
                yield container, images[container.digest]
            elif (container.name, container.image) in unchanged:
                for row in self._known.get(key, ()):
                    if row.container == container.name:
                        yield container, row.image


def load_uses(connection: Connection, source: int) -> dict[int, ImageUse]:
    """Return the images that the workloads of a source run."""
    query = select(runs.c.image, runs.c.subject, func.max(runs.c.exposure)).where(runs.c.source == source)
    workloads: dict[int, list[int]] = {}
    for image, _, exposure in connection.execute(query.group_by(runs.c.image, runs.c.subject)):
        workloads.setdefault(image, []).append(exposure)
    return {image: _count(exposures) for image, exposures in workloads.items()}


def _count(exposures: Iterable[int]) -> ImageUse:
    values = list(exposures)
    return ImageUse(max(values), len(values), sum(map(is_exposed, values)))
