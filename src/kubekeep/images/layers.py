"""Reading of layers: one pass over each, two at a time, and a cache for layers that were read before.

The digests of a layer are verified before a catalogue sees any of its content. Never unpacks a layer to disk and never
follows a link out of the image. A layer is read twice only if hard links in it lead to files that only the name of the link
selects, or if symbolic links of the image lead to a database of packages in it.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import hashlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import msgspec

from kubekeep import _native
from kubekeep.images.access.opened import FileRange, LayerReference, OpenedImage
from kubekeep.images.catalog.registry import load_catalogs
from kubekeep.images.cataloguing import FileSelection
from kubekeep.images.content import ContentProblem, LayerContent
from kubekeep.images.errors import ImageAccessError, ImageContentError
from kubekeep.images.exchange import LayerExchange
from kubekeep.images.layer_cache import LayerCache
from kubekeep.images.linked_databases import LinkedFile, list_linked_files
from kubekeep.model.struct_types import prepare_types

_THREADS: Final = 2
_SHA256: Final = "sha256:"

OnBytes = Callable[[int], None]
"""Receives the number of bytes of layers that were read since the last call, in any thread."""


class LayerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of reading layers.

    secrets: read what only scans need: secrets, changelogs, and the symbols of Go executables. limits: of the native
    reader, by name, where they differ from its defaults.
    """

    secrets: bool = False
    limits: dict[str, int] = {}


_DEFAULTS: Final = LayerSettings()


def read_layers(
    image: OpenedImage,
    settings: LayerSettings = _DEFAULTS,
    *,
    cache: LayerCache | None = None,
    shared: LayerExchange | None = None,
    on_bytes: OnBytes | None = None,
) -> tuple[LayerContent, ...]:
    """Return the content of all layers, lowest first. Layers in the cache, and shared ones, are not read.

    Raises ImageContentError for a layer with another digest, a damaged one and one that exceeds a limit, and
    ImageAccessError for one that cannot be opened. A layer that cannot be cached is read again by the next scan.
    """
    contents: dict[LayerReference, LayerContent] = {}
    missing: dict[LayerReference, None] = {}
    for layer in image.layers:
        content = cache.get(layer.diff_id, secrets=settings.secrets) if cache else None
        if content is None and shared is not None:
            content = shared.get(layer, secrets=settings.secrets)
        if content is not None and _is_verified(image, layer, content):
            contents[layer] = content
        else:
            missing[layer] = None
    if missing:
        reader = _ImageReader(image, settings, on_bytes)
        for layer, content in zip(missing, reader.read(tuple(missing)), strict=True):
            contents[layer] = content
            if cache is not None:
                cache.store(content, secrets=settings.secrets)
            if shared is not None:
                shared.put(content, secrets=settings.secrets)
    layers = [contents[layer] for layer in image.layers]
    linked = list_linked_files(layers)
    return tuple(_ImageReader(image, settings, None).read_linked(layers, linked) if linked else layers)


def _is_verified(image: OpenedImage, layer: LayerReference, content: LayerContent) -> bool:
    """Return True if the cached content was read from the blob that the manifest names.

    Another blob may only claim to be this layer. Raises ImageAccessError if a local blob is missing or has another size.
    """
    if image.has_files:
        image.open_layer(layer)
    return not layer.digest or not content.digest or layer.digest == content.digest


def read_folder(path: Path, settings: LayerSettings = _DEFAULTS) -> LayerContent:
    """Return the content of a folder as that of a layer without digests. Lock files are read too.

    Raises ImageAccessError if the folder cannot be listed.
    """
    selection = FileSelection(load_catalogs(), is_folder=True, secrets=settings.secrets, limits=settings.limits)
    with _temporary_folder() as folder:
        try:
            native = selection.reader.read_folder(str(path), folder, marks=selection.marks, symbols=selection.symbols)
        except OSError as error:
            raise ImageAccessError(f"cannot read the folder {path}: {error.strerror or error}") from error
        except _native.NativeLayerError as error:
            raise ImageContentError(f"cannot read the folder {path}: {error}") from error
        return selection.build_content(native)


@functools.cache
def compute_version() -> bytes:
    """Return bytes that change with the catalogues, the values of layers and the native reader, for `LayerCache`."""
    # Its size and time are enough on one machine, and are known at once.
    status = Path(_native.__file__).stat()
    return _compute_sources() + f"{status.st_size} {status.st_mtime_ns}".encode()


@functools.cache
def compute_shared_version() -> bytes:
    """Return bytes that are equal on all machines with the same build of the program, for shared layers."""
    native = hashlib.blake2b(Path(_native.__file__).read_bytes())
    return _compute_sources() + native.digest()


def _compute_sources() -> bytes:
    folder = Path(__file__).parent
    digest = hashlib.blake2b(_native.VERSION.encode())
    for path in sorted((*folder.glob("*.py"), *folder.glob("catalog/*.py"))):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.digest()


class _StoppedError(Exception):
    """Another layer could not be read, or the user stopped the program."""


class _ImageReader:
    """Reads layers of one image with two threads."""

    def __init__(self, image: OpenedImage, settings: LayerSettings, on_bytes: OnBytes | None) -> None:
        self._image = image
        self._selection = FileSelection(
            load_catalogs(), is_folder=False, secrets=settings.secrets, limits=settings.limits
        )
        self._on_bytes = on_bytes
        self._stopped = threading.Event()

    def read(self, layers: Sequence[LayerReference]) -> list[LayerContent]:
        if len(layers) == 1:
            return [self._read_layer(layers[0])]
        prepare_types()
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="layer") as executor:
            futures = [executor.submit(self._read_layer, layer) for layer in layers]
            try:
                return [future.result() for future in futures]
            except _StoppedError:
                # The layer with the reason comes later in the list.
                errors = [error for future in futures if (error := future.exception())]
                raise next(error for error in errors if not isinstance(error, _StoppedError)) from None
            finally:
                self._stopped.set()
                executor.shutdown(cancel_futures=True)

    def read_linked(self, layers: Sequence[LayerContent], files: Sequence[LinkedFile]) -> list[LayerContent]:
        """Return the layers with the records of files behind symbolic links, whose layers are read once more."""
        contents = list(layers)
        by_layer: dict[int, list[LinkedFile]] = collections.defaultdict(list)
        for file in files:
            by_layer[file.layer].append(file)
        for number, linked in by_layer.items():
            names = [(os.fsencode(file.path), os.fsencode(file.alias)) for file in linked]
            with _temporary_folder() as folder:
                native = self._read_native(self._image.layers[number], folder, names)
                read = self._selection.build_content(native)
            for file in linked:
                contents[file.record_layer] = _add_linked(contents[file.record_layer], read, file)
        return contents

    def _read_layer(self, layer: LayerReference) -> LayerContent:
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(self._stopped.set)
            content = self._read_content(layer)
            on_failure.pop_all()
        return content

    def _read_content(self, layer: LayerReference) -> LayerContent:
        with _temporary_folder() as folder:
            native = self._read_native(layer, folder, ())
            links = native.links
            if not links:
                return self._selection.build_content(native)
            linked = self._read_native(layer, folder, links)
            return _add_missing_targets(self._selection.build_content(native, linked), links)

    def _read_native(
        self, layer: LayerReference, folder: str, links: Sequence[tuple[bytes, bytes]]
    ) -> _native.NativeLayer:
        name = f"layer {layer.digest or layer.diff_id} of {self._image.reference}"
        source = self._image.open_layer(layer)
        read = functools.partial(
            self._selection.reader.read,
            folder=folder,
            marks=self._selection.marks,
            symbols=self._selection.symbols,
            progress=self._report,
            links=links,
        )
        try:
            if isinstance(source, FileRange):
                native = read((source.path, source.offset, source.size))
            else:
                with contextlib.closing(source):
                    native = read(source)
        except _native.NativeLayerError as error:
            raise ImageContentError(f"{name} cannot be read: {error}") from error
        except OSError as error:
            raise ImageAccessError(f"{name} cannot be read: {error.strerror or error}") from error
        _verify(name, layer, native)
        return native

    def _report(self, count: int) -> None:
        if self._stopped.is_set():
            raise _StoppedError
        if self._on_bytes is not None:
            self._on_bytes(count)


def _verify(name: str, layer: LayerReference, native: _native.NativeLayer) -> None:
    """Compare the digests of a layer with those of the manifest and the configuration. Raises ImageContentError."""
    digest, _, diff_id, _ = native.digests or ("", 0, "", 0)
    for expected, computed, document in (
        (layer.digest, digest, "the manifest"),
        (layer.diff_id, diff_id, "the image configuration"),
    ):
        if expected and not expected.startswith(_SHA256):
            raise ImageContentError(f"{name}: the digest {expected} in {document} is not supported; use sha256")
        if expected and expected != f"{_SHA256}{computed}":
            raise ImageContentError(
                f"{name}: its content has the digest {_SHA256}{computed}, but {document} requires {expected}; "
                "the layer is damaged or was replaced: pull or build the image again"
            )


def _add_missing_targets(content: LayerContent, links: Sequence[tuple[bytes, bytes]]) -> LayerContent:
    """Add a problem for each hard link whose target is not in the layer."""
    paths = set(content.paths.split("\n"))
    problems = [
        ContentProblem(link.decode(errors="backslashreplace"), "the target of the hard link is not in the layer")
        for target, link in links
        if target.decode(errors="backslashreplace") not in paths
    ]
    return msgspec.structs.replace(content, problems=(*content.problems, *problems))


def _add_linked(content: LayerContent, read: LayerContent, file: LinkedFile) -> LayerContent:
    """Add the records and problems of a file behind a link to the layer that they belong to."""
    records = [
        msgspec.structs.replace(record, path=file.record_path) for record in read.records if record.path == file.alias
    ]
    problems = [
        ContentProblem(file.record_path, problem.message) for problem in read.problems if problem.path == file.alias
    ]
    return msgspec.structs.replace(
        content, records=(*content.records, *records), problems=(*content.problems, *problems)
    )


@contextlib.contextmanager
def _temporary_folder() -> Iterator[str]:
    try:
        folder = tempfile.TemporaryDirectory(prefix="kubekeep-", ignore_cleanup_errors=True)
    except OSError as error:
        cause = error.strerror or str(error)
        raise ImageAccessError(
            f"cannot create a temporary folder: {cause}; set TMPDIR to a folder that can be written"
        ) from error
    with folder as name:
        yield name
