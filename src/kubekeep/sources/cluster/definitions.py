"""Whether a cluster may serve other kinds than a while ago: what defines them is watched, by its metadata alone.

Tells when, never what: that is looked at by whoever is told. Who may not watch definitions is told nothing, and
nothing is missing for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Final

from kubekeep.kube.connection import KubeConnection
from kubekeep.kube.discovery import Catalogue
from kubekeep.kube.listing import ListQuery
from kubekeep.kube.watching import ListCompleted, ObjectChanged, ObjectDeleted, WatchTiming, watch_objects

DEFINITION_KINDS: Final = (
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("apiregistration.k8s.io", "APIService"),
)
"""Group and kind of what defines kinds."""


def list_definition_queries(catalogue: Catalogue) -> Iterator[ListQuery]:
    """What is watched to know when other kinds are served."""
    for group, kind in DEFINITION_KINDS:
        served = catalogue.find(group, kind)
        if served is not None:
            yield ListQuery(served=served, metadata_only=True)


class DefinitionWatch:
    """What defines kinds, as it comes, changes and goes; a thread waits for each."""

    def __init__(self, connection: KubeConnection, catalogue: Catalogue, pace: WatchTiming) -> None:
        self.changed = 0.0
        """When something has last, or was listed, which tells what went unseen; on the monotonic clock, 0 for never."""
        self._connection = connection
        self._pace = pace
        self._stopped = threading.Event()
        for query in list_definition_queries(catalogue):
            threading.Thread(target=self._follow, args=(query,), daemon=True).start()

    def stop(self) -> None:
        """Let all threads end; they do when the connection is closed."""
        self._stopped.set()

    def _follow(self, query: ListQuery) -> None:
        for event in watch_objects(self._connection, query, self._stopped, self._pace):
            if isinstance(event, ListCompleted | ObjectChanged | ObjectDeleted):
                self.changed = time.monotonic()
