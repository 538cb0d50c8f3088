"""Detection of changes in the kinds that a cluster serves, by a watch on the metadata of their definitions.

Reports the time of a change, not its content. Without permission to watch definitions nothing is reported, and there is
no coverage gap.
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
from kubekeep.model.struct_types import prepare_types

DEFINITION_KINDS: Final = (
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("apiregistration.k8s.io", "APIService"),
)
"""Group and kind of the objects that define kinds."""


def list_definition_queries(catalogue: Catalogue) -> Iterator[ListQuery]:
    """Yield the queries to watch."""
    for group, kind in DEFINITION_KINDS:
        served = catalogue.find(group, kind)
        if served is not None:
            yield ListQuery(served=served, metadata_only=True)


class DefinitionWatch:
    """Watch on definitions; one thread per query."""

    def __init__(self, connection: KubeConnection, catalogue: Catalogue, pace: WatchTiming) -> None:
        self.last_change = 0.0
        """Time of the last change or list (which may include missed changes), on the monotonic clock; 0 for never."""
        self._connection = connection
        self._pace = pace
        self._stopped = threading.Event()
        prepare_types()
        self._threads = [
            threading.Thread(target=self._follow, args=(query,), daemon=True)
            for query in list_definition_queries(catalogue)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask all threads to end; they do so after the connection is closed."""
        self._stopped.set()

    def join(self, deadline: float) -> None:
        """Wait until all threads have ended, but not longer than `deadline` on the monotonic clock."""
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _follow(self, query: ListQuery) -> None:
        for event in watch_objects(self._connection, query, self._stopped, self._pace):
            if isinstance(event, ListCompleted | ObjectChanged | ObjectDeleted):
                self.last_change = time.monotonic()
