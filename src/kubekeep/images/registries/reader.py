"""Reading of the selected images of registries: in parallel, within a budget, from the state where possible.

Results come in the order of the selection. Never writes to a registry.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import enum
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Final

import msgspec

from kubekeep.images.access.open_image import open_image
from kubekeep.images.errors import ImageAccessError, NotAnImageError
from kubekeep.images.inspected_image import InspectedImage
from kubekeep.images.inspection import inspect_opened, open_layer_cache
from kubekeep.images.options import ImageOptions
from kubekeep.images.registries.admission import ImageAdmission
from kubekeep.images.registries.client import RegistryClient
from kubekeep.images.registries.options import RegistryOptions
from kubekeep.images.registries.selection import SelectedImage
from kubekeep.images.registries.state import RegistryState, RootDescription
from kubekeep.model.errors import KubekeepError
from kubekeep.model.struct_types import prepare_types
from kubekeep.registry.errors import RegistryError, RejectedArtifactError, ScanStoppedError
from kubekeep.registry.pace import RequestPace

_AHEAD: Final = 3
"""Images that wait for the evaluation, per thread: enough to keep the threads busy, few enough to keep memory flat."""
_POLL_SECONDS: Final = 0.2


class ReadState(enum.Enum):
    """Result of reading an image."""

    READ = enum.auto()
    KNOWN = enum.auto()
    """Taken from the state of an earlier run."""
    FAILED = enum.auto()
    OVER_BUDGET = enum.auto()
    ARTIFACT = enum.auto()
    DELETED = enum.auto()
    """Deleted in the registry after it was listed."""


class ReadImage(msgspec.Struct, frozen=True):
    """A selected image and its content; without content, the message is the reason."""

    selected: SelectedImage
    state: ReadState
    content: InspectedImage | None = None
    message: str = ""


class RegistryReader:
    """Reads images. `images` has the pace of requests that `pace` is."""

    def __init__(
        self,
        client: RegistryClient,
        options: RegistryOptions,
        images: ImageOptions,
        pace: RequestPace,
        state: RegistryState | None,
    ) -> None:
        self._client = client
        self._options = options
        self._admission = ImageAdmission(options.budget)
        self._images = images
        self._pace = pace
        self._state = state
        self._cache = open_layer_cache(images)

    def read(self, selection: Sequence[SelectedImage]) -> Iterator[ReadImage]:
        """Yield the images. An interrupt of the caller stops all threads; images that were read are in the state."""
        budget = self._options.budget
        prepare_types()
        executor = concurrent.futures.ThreadPoolExecutor(budget.parallel, thread_name_prefix="image")
        pending: collections.deque[Future[ReadImage]] = collections.deque()
        rest = iter(selection)
        done = 0
        try:
            while True:
                for image in rest:
                    pending.append(executor.submit(self._read, image))
                    if len(pending) >= _AHEAD * budget.parallel:
                        break
                if not pending:
                    return
                yield _wait(pending.popleft())
                done += 1
                if self._options.on_images is not None:
                    self._options.on_images(done, len(selection), self._admission.bytes)
        finally:
            self._admission.stop()
            self._pace.stop()
            executor.shutdown(cancel_futures=True)

    def _read(self, selected: SelectedImage) -> ReadImage:
        try:
            content = self._state.find_image(selected.root, selected.platform) if self._state else None
            if content is not None:
                return ReadImage(selected, ReadState.KNOWN, content)
            description = self._state.find_description(selected.root, selected.platform) if self._state else None
            if description is not None and description.is_artifact:
                return ReadImage(selected, ReadState.ARTIFACT, message=description.reason)
            self._admission.check()
            block = self._pace.explain_block(selected.registry)
            if block:
                raise ScanStoppedError(f"not scanned: {block}")  # noqa: TRY301 - handled as the limits of the budget
            return ReadImage(selected, ReadState.READ, self._inspect(selected))
        except ScanStoppedError as error:
            return ReadImage(selected, ReadState.OVER_BUDGET, message=str(error))
        except KubekeepError as error:
            return self._explain(selected, error)

    def _inspect(self, selected: SelectedImage) -> InspectedImage:
        access = msgspec.structs.replace(self._images.access, platform=selected.platform)
        with (
            open_image(selected.reference, access) as image,
            self._admission.admit(image, self._cache, secrets=True) as on_bytes,
        ):
            content = inspect_opened(image, msgspec.structs.replace(self._images, on_bytes=on_bytes), secrets=True)
        if self._state:
            self._state.put_image(selected.root, selected.platform, content)
        return content

    def _explain(self, selected: SelectedImage, error: KubekeepError) -> ReadImage:
        message = str(error).removeprefix(f"{selected.reference}: ")
        if isinstance(error.__cause__, NotAnImageError):
            if self._state:
                description = RootDescription(reason=message, is_artifact=True)
                self._state.put_description(selected.root, selected.platform, description)
            return ReadImage(selected, ReadState.ARTIFACT, message=message)
        try:
            self._admission.check()
        except ScanStoppedError as stop:
            return ReadImage(selected, ReadState.OVER_BUDGET, message=str(stop))
        block = self._pace.explain_block(selected.registry)
        if block:
            return ReadImage(selected, ReadState.OVER_BUDGET, message=f"not scanned: {block}")
        is_deleted = isinstance(error, ImageAccessError) and self._is_deleted(selected)
        return ReadImage(selected, ReadState.DELETED if is_deleted else ReadState.FAILED, message=message)

    def _is_deleted(self, selected: SelectedImage) -> bool:
        """Return True if the registry has neither the image nor its tags any more."""
        prefix = f"{selected.registry}/{selected.repository}:"
        tags = (name.removeprefix(prefix) for name in selected.names if name.startswith(prefix))
        with contextlib.suppress(RegistryError, RejectedArtifactError, ImageAccessError):
            check = self._client.check
            return not any(check(selected.registry, selected.repository, version) for version in (selected.root, *tags))
        return False


def _wait(future: Future[ReadImage]) -> ReadImage:
    """Return the result; signals are handled between short waits."""
    while not future.done():
        concurrent.futures.wait((future,), timeout=_POLL_SECONDS)
    return future.result()
