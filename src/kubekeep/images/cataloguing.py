"""Selection of files for the native reader, and the content of a layer from its result by the catalogues.

Files are hostile: an error of a catalogue becomes a problem of the file. Never opens a layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

from kubekeep import _native
from kubekeep.images.catalog.registry import Catalog
from kubekeep.images.content import (
    Archive,
    CatalogRecord,
    ContentProblem,
    DetectedSecret,
    Executable,
    FileMode,
    GoLinkedValue,
    GoVariable,
    LayerContent,
    LayerFile,
)
from kubekeep.images.linked_databases import LINKED_FOLDERS

_SECRETS_NUMBER: Final = 0
"""Number of the files that are searched for secrets; catalogues have the numbers after it."""
_LINKS_NUMBER: Final = 0xFFFF
"""Number of the folders of databases, which may be symbolic links."""
_MAX_MESSAGE: Final = 300
_MAX_PROBLEMS: Final = 1000
_PARSER_ERRORS: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
)
"""Errors of catalogues on hostile content; a ValueError has a reason for users."""
_HASH: Final = "sha256:"

_Value = TypeVar("_Value", LayerFile, Executable)


class FileSelection:
    """The compiled patterns of catalogues, for images or for folders. May be used by several threads."""

    def __init__(
        self, catalogs: Sequence[Catalog], *, is_folder: bool, secrets: bool, limits: Mapping[str, int]
    ) -> None:
        """Compile the patterns. `limits` are those of the native reader that differ from its defaults."""
        patterns: list[tuple[str, int]] = []
        self._catalogs = dict(enumerate(catalogs, _SECRETS_NUMBER + 1))
        for number, catalog in self._catalogs.items():
            globs = (
                catalog.patterns
                + (catalog.folder_patterns if is_folder else ())
                + (catalog.scan_patterns if secrets else ())
            )
            patterns += ((glob, number) for glob in globs)
        patterns += ((folder, _LINKS_NUMBER) for folder in LINKED_FOLDERS)
        self.marks = None
        self.symbols = secrets
        if secrets:
            # Imported only for scans: lists of packages need no secrets.
            from kubekeep.images.secrets import MARKS, PATTERNS  # noqa: PLC0415

            patterns += ((glob, _SECRETS_NUMBER) for glob in PATTERNS)
            self.marks = _native.SecretMarks(MARKS)
        versions = [pattern for catalog in catalogs for pattern in catalog.version_patterns]
        self.reader = _native.LayerReader(patterns, versions, limits)

    def build_content(self, native: _native.NativeLayer, linked: _native.NativeLayer | None = None) -> LayerContent:
        """Return the content of a layer from the result of the native reader.

        `linked` is the result of a second pass, with the targets of hard links under the paths of the links.
        """
        digest, size, diff_id, unpacked_size = native.digests or ("", 0, "", 0)
        cataloguer = _Cataloguer(self._catalogs)
        cataloguer.add(native)
        if linked is not None:
            cataloguer.add(linked)
        return LayerContent(
            f"{_HASH}{digest}" if digest else "",
            size,
            f"{_HASH}{diff_id}" if diff_id else "",
            unpacked_size,
            records=tuple(sorted(cataloguer.records, key=lambda record: (record.path, record.catalog))),
            paths=native.paths,
            removed=tuple(native.removed),
            opaque=tuple(native.opaque),
            modes=tuple(sorted((FileMode(*fields) for fields in native.modes), key=lambda mode: mode.path)),
            secrets=tuple(sorted(cataloguer.secrets, key=lambda secret: (secret.path, secret.line, secret.kind))),
            problems=tuple(cataloguer.problems),
            symbolic_links=tuple(sorted(native.symbolic_links)),
        )


def _build_linked_value(linked: tuple[str, list[tuple[str, list[str]]]]) -> GoLinkedValue:
    value, readers = linked
    return GoLinkedValue(value, tuple((function, tuple(texts)) for function, texts in readers))


class _Cataloguer:
    """Records, secrets and problems of the files of a layer."""

    def __init__(self, catalogs: Mapping[int, Catalog]) -> None:
        self._catalogs = catalogs
        self.records: list[CatalogRecord] = []
        self.secrets: set[DetectedSecret] = set()
        self.problems: dict[ContentProblem, None] = {}

    def add(self, native: _native.NativeLayer) -> None:
        for path, message in native.problems:
            self._add_problem(path, message)
        for index in range(native.file_count):
            self._read_file(*native.file(index))
        for fields in native.executables():
            path, go_version, go_modules, cargo, versions, go_symbols, variables, linked, *dotnet = fields
            executable = Executable(
                path,
                go_version,
                go_modules,
                cargo,
                tuple(versions),
                go_symbols,
                tuple(GoVariable(*variable) for variable in variables),
                tuple(map(_build_linked_value, linked)),
                *dotnet,
            )
            for catalog in self._catalogs.values():
                if catalog.read_executable is not None:
                    self._read(catalog.read_executable, executable)
        self._read_archives(native)
        for path, content in native.candidates():
            self._find_secrets(path, content)

    def _read_file(self, path: str, numbers: Iterable[int], content: bytes, spill: str) -> None:
        file = LayerFile(path, content, spill)
        for number in numbers:
            if number == _SECRETS_NUMBER:
                self._find_secrets(path, content)
            elif number != _LINKS_NUMBER and (read := self._catalogs[number].read) is not None:
                self._read(read, file)

    def _read(self, read: Callable[[_Value], CatalogRecord | None], value: _Value) -> None:
        try:
            record = read(value)
        except _PARSER_ERRORS as error:
            self._add_error(value.path, error)
            return
        if record is not None:
            self.records.append(record)
            if record.damage:
                self._add_problem(record.path, record.damage)

    def _read_archives(self, native: _native.NativeLayer) -> None:
        archives = [
            Archive(path, sha1, manifest, tuple(descriptors), tuple(folders))
            for path, sha1, manifest, descriptors, folders in native.archives()
        ]
        for catalog in self._catalogs.values():
            if archives and catalog.read_archives is not None:
                try:
                    self.records += catalog.read_archives(archives)
                except _PARSER_ERRORS as error:
                    self._add_error("", error)

    def _find_secrets(self, path: str, content: bytes) -> None:
        # Imported only for scans: lists of packages need no secrets.
        from kubekeep.images.secrets import find_secrets  # noqa: PLC0415

        try:
            self.secrets.update(find_secrets(path, content))
        except _PARSER_ERRORS as error:
            self._add_error(path, error)

    def _add_error(self, path: str, error: Exception) -> None:
        reason = str(error) if isinstance(error, ValueError) else ""
        self._add_problem(path, reason or f"the file cannot be read: {type(error).__name__}")

    def _add_problem(self, path: str, message: str) -> None:
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems[ContentProblem(path, " ".join(message[:_MAX_MESSAGE].split()))] = None
