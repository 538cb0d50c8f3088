from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, Self, TypeAlias

_Duplicate: TypeAlias = tuple[str, int, int]
_Document: TypeAlias = tuple[Any, bytes, list[_Duplicate]]
_Problem: TypeAlias = tuple[str, int]
_Path: TypeAlias = tuple[str | int, ...]

VERSION: str

class NativeRegoError(Exception): ...

class PolicySet:
    def __new__(
        cls,
        shards: Sequence[Sequence[tuple[str, str]] | bytes],
        groups: Sequence[Sequence[tuple[str, str, int]]],
        context: str,
    ) -> Self: ...
    def with_context(self, context: str) -> PolicySet: ...
    def evaluate(self, documents: Sequence[tuple[bytes, Sequence[int]]]) -> list[str | None]: ...

def compile_byte_code(modules: Sequence[tuple[str, str]], paths: Sequence[str]) -> bytes: ...
def evaluate(
    modules: Sequence[tuple[str, str]],
    query: str,
    data: str | None,
    input: str | None,
    v0: bool,
    strict: bool,
    seconds: float,
) -> str: ...

class Pattern:
    def __new__(cls, text: str) -> Self: ...
    def matches(self, text: str) -> bool: ...
    def find(self, text: str) -> str | None: ...
    def find_all(self, text: str, limit: int) -> list[str]: ...

class IgnorePatterns:
    @staticmethod
    def parse(lines: Sequence[str]) -> tuple[IgnorePatterns, list[tuple[int, str]]]: ...
    def verdict(self, path: str, is_folder: bool) -> bool | None: ...

class NativeLayerError(Exception): ...

class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...

class LayerReader:
    def __new__(
        cls,
        patterns: Sequence[tuple[str, int]],
        version_patterns: Sequence[tuple[str, str, str]],
        limits: Mapping[str, int] = ...,
    ) -> Self: ...
    def read(
        self,
        source: tuple[str, int, int | None] | _Readable,
        folder: str,
        *,
        marks: SecretMarks | None = None,
        symbols: bool = False,
        progress: Callable[[int], None] | None = None,
        links: Sequence[tuple[bytes, bytes]] = ...,
    ) -> NativeLayer: ...
    def read_folder(
        self, path: str, folder: str, *, marks: SecretMarks | None = None, symbols: bool = False
    ) -> NativeLayer: ...

class SecretMarks:
    def __new__(cls, marks: Sequence[bytes]) -> Self: ...

class NativeLayer:
    digests: tuple[str, int, str, int] | None
    paths: str
    removed: list[str]
    opaque: list[str]
    problems: list[tuple[str, str]]
    modes: list[tuple[str, int, int, int]]
    links: list[tuple[bytes, bytes]]
    symbolic_links: list[tuple[str, str]]
    file_count: int

    def file(self, index: int) -> tuple[str, list[int], bytes, str]: ...
    def candidates(self) -> list[tuple[str, bytes]]: ...
    def archives(self) -> list[tuple[str, str, bytes, list[tuple[str, bytes]], list[tuple[str, int]]]]: ...
    def executables(
        self,
    ) -> list[
        tuple[
            str,
            str,
            str,
            bytes,
            list[tuple[str, str]],
            bytes,
            list[tuple[str, str, bool]],
            list[tuple[str, list[tuple[str, list[str]]]]],
            bytes,
            bytes,
        ]
    ]: ...

class FieldCheck:
    def __new__(cls, text: bytes) -> Self: ...
    def find(
        self, document: Any, number: int, minor: int, most: int
    ) -> tuple[list[tuple[_Path, int]], list[tuple[_Path, int, str]]]: ...

class SecretFilter:
    def __new__(cls, hints: Sequence[str], shortest: int, long_word: int) -> Self: ...
    def matches(self, text: str) -> bool: ...

class Redactor:
    def __new__(
        cls,
        *,
        mask: str,
        filter: SecretFilter,
        classify: Callable[[str], int],
        looks_generated: Callable[[str], bool],
        mask_text: Callable[[str], str],
        mask_command: Callable[[list[Any], dict[Any, Any] | None], list[Any]],
    ) -> Self: ...
    def redact_object(self, object: dict[str, Any], kind: str) -> dict[str, Any]: ...
    def redact(self, value: Any) -> Any: ...

class YamlDocuments(Iterator[_Document | _Problem | None]):
    def __init__(self, text: str, depth: int, aliased: int, documents: int, nodes: int) -> None: ...
    def __iter__(self) -> YamlDocuments: ...
    def __next__(self) -> _Document | _Problem | None: ...

class Tree:
    def __init__(self) -> None: ...
    def __len__(self) -> int: ...
    def leaf(self, value: Any, start: int, end: int) -> int: ...
    def open(self, is_mapping: bool, start: int) -> int: ...
    def close(self, end: int) -> None: ...
    def finish(self) -> _Document | None: ...

def find_fields(
    numbers: array[int], document: Any, root: tuple[str | int, ...], paths: Sequence[tuple[str | int, ...]]
) -> list[tuple[int, int, bool]]: ...
def line_starts(text: str) -> bytes: ...
def json_integer(digits: str) -> int | float: ...
def pack(text: bytes) -> bytes: ...
def unpack(data: bytes) -> bytes: ...
