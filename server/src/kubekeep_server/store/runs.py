"""Containers of workloads with the images that they run, by the digests that scans name.

A scan that reads no images names none. Its containers run the images that earlier scans named for the same references.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple, Protocol

from sqlalchemy import Connection, bindparam, delete, func, select

from kubekeep.model.submission import ContainerEntry, SubjectEntry
from kubekeep_server.store.batches import is_key, select_by_keys
from kubekeep_server.store.image_schema import runs
from kubekeep_server.store.upsert import replace_rows
from kubekeep_server.store.urgency import classify_container, is_exposed

_COLUMNS: Final = ("exposure",)


class ImageUse(NamedTuple):
    """Workloads of a source that run an image, and the highest exposure of their containers."""

    exposure: int = 0
    workloads: int = 0
    exposed_workloads: int = 0


class KnownSubject(Protocol):
    """A subject as the store has it."""

    @property
    def entry(self) -> SubjectEntry:
        """The entry of the last submission that contained it."""


class RunChanges:
    """The containers of the compared subjects of a source."""

    def __init__(self, connection: Connection, source: int) -> None:
        self._connection = connection
        self._source = source
        self._known: dict[int, list[Any]] = {}
        self._subjects: dict[int, tuple[tuple[ContainerEntry, ...], KnownSubject | None, int]] = {}

    def compare(self, key: int, entry: SubjectEntry, before: KnownSubject | None, exposure: int) -> None:
        """Note a subject with its containers. before: as in the store."""
        if entry.containers or before is not None:
            self._subjects[key] = entry.containers, before, exposure

    def remove(self, key: int, before: KnownSubject) -> None:
        """Note a subject that no longer exists."""
        self._subjects[key] = (), before, 0

    @property
    def digests(self) -> frozenset[str]:
        """Digests of the images that the containers run."""
        groups = (containers for containers, _, _ in self._subjects.values())
        return frozenset(container.digest for group in groups for container in group if container.digest)

    def write(self, images: Mapping[str, int]) -> frozenset[int]:
        """Write the rows; return the images of those that changed. images: by digest."""
        self._load()
        required = self._list_required(images)
        stored = {(key, row.container, row.image): row.exposure for key, rows in self._known.items() for row in rows}
        changed = [at for at, exposure in required.items() if stored.get(at) != exposure]
        removed = [at for at in stored if at not in required]
        self._remove(removed)
        replace_rows(self._connection, runs, _COLUMNS, [self._describe(at, exposure=required[at]) for at in changed])
        return frozenset(image for _, _, image in (*changed, *removed))

    def _list_required(self, images: Mapping[str, int]) -> dict[tuple[int, str, int], int]:
        """Return the exposure of containers by subject, name and image."""
        required: dict[tuple[int, str, int], int] = {}
        for key, (containers, before, exposure) in self._subjects.items():
            for container, image in self._resolve(key, containers, before, images):
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
        query = select(runs).where(runs.c.source == self._source, is_key(runs.c.subject))
        keys = (key for key, (_, before, _) in self._subjects.items() if before is not None)
        for row in select_by_keys(self._connection, query, keys):
            self._known.setdefault(row.subject, []).append(row)

    def _resolve(
        self,
        key: int,
        containers: Iterable[ContainerEntry],
        before: KnownSubject | None,
        images: Mapping[str, int],
    ) -> Iterator[tuple[ContainerEntry, int]]:
        """Yield the containers of a subject with their images."""
        for container in containers:
            if container.digest:
                yield container, images[container.digest]
                continue
            rows = [row for row in self._known.get(key, ()) if row.container == container.name]
            if rows and before is not None and _uses(before.entry, container):
                yield from ((container, row.image) for row in rows)


def _uses(entry: SubjectEntry, container: ContainerEntry) -> bool:
    """Return True if a subject has a container with the same name and reference."""
    return any((known.name, known.image) == (container.name, container.image) for known in entry.containers)


def load_uses(connection: Connection, source: int) -> dict[int, ImageUse]:
    """Return the images that the workloads of a source run."""
    query = select(runs.c.image, runs.c.subject, func.max(runs.c.exposure)).where(runs.c.source == source)
    workloads: dict[int, list[int]] = {}
    for image, _, exposure in connection.execute(query.group_by(runs.c.image, runs.c.subject)).all():
        workloads.setdefault(image, []).append(exposure)
    return {image: _count(exposures) for image, exposures in workloads.items()}


def _count(exposures: Iterable[int]) -> ImageUse:
    values = list(exposures)
    return ImageUse(max(values), len(values), sum(map(is_exposed, values)))
