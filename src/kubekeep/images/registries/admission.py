"""Admission of images to reading within the budget of a run, so that each layer is read by one thread only.

Never reads a layer.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Final

from kubekeep.images.access.opened import OpenedImage
from kubekeep.images.layer_cache import LayerCache
from kubekeep.images.options import OnBytes
from kubekeep.images.registries.options import ScanBudget
from kubekeep.registry.errors import ScanStoppedError

_POLL_SECONDS: Final = 0.2


class ImageAdmission:
    """The layers that are being read, and the rest of the budget. Threads share it."""

    def __init__(self, budget: ScanBudget) -> None:
        self._budget = budget
        self._deadline = None if budget.duration is None else time.monotonic() + budget.duration
        self._condition = threading.Condition()
        self._layers: set[str] = set()
        self._in_flight = 0
        self._stopped = False
        self.bytes = 0
        """Compressed bytes of layers that were read, and of those being read."""

    def stop(self) -> None:
        """Admit no more images, and raise ScanStoppedError in the threads that read."""
        with self._condition:
            self._stopped = True
            self._condition.notify_all()

    def check(self) -> None:
        """Raise ScanStoppedError after a stop and after the time of the run."""
        if self._stopped:
            raise ScanStoppedError("stopped")
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise ScanStoppedError("not scanned: the time of --max-duration is over")

    @contextlib.contextmanager
    def admit(self, image: OpenedImage, cache: LayerCache | None, *, secrets: bool) -> Iterator[OnBytes]:
        """Wait until the layers of an image may be read, and yield the callback for their bytes.

        Raises ScanStoppedError if the budget has no room for the image. Bytes that are not read are given back in the end.
        """
        read = 0

        def count(_: str, size: int, __: int | None) -> None:
            nonlocal read
            read = size
            self.check()

        with self._condition:
            while True:
                self.check()
                missing = {
                    layer.diff_id: layer.size or 0
                    for layer in image.layers
                    if cache is None or not cache.has(layer.diff_id, secrets=secrets)
                }
                size = sum(missing.values())
                if self._layers.isdisjoint(missing) and self._has_room(size):
                    break
                self._condition.wait(_POLL_SECONDS)
            self._spend(size)
            self._layers |= missing.keys()
            self._in_flight += size
        try:
            yield count
        finally:
            with self._condition:
                self.bytes += read - size
                self._layers -= missing.keys()
                self._in_flight -= size
                self._condition.notify_all()

    def _has_room(self, size: int) -> bool:
        return not self._in_flight or self._in_flight + size <= self._budget.bytes_in_flight

    def _spend(self, size: int) -> None:
        limit = self._budget.bytes
        if limit is not None and self.bytes + size > limit:
            raise ScanStoppedError(
                f"not scanned: it needs {size:,} bytes, and --max-bytes leaves {limit - self.bytes:,}"
            )
        self.bytes += size
