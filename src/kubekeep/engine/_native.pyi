from collections.abc import Sequence
from typing import Self

VERSION: str

class NativeRegoError(Exception): ...

class PolicySet:
    def __new__(
        cls, modules: Sequence[tuple[str, str]], groups: Sequence[Sequence[tuple[str, str]]], data: str
    ) -> Self: ...
    def with_data(self, data: str) -> PolicySet: ...
    def evaluate(self, documents: Sequence[tuple[bytes, Sequence[int]]]) -> list[str | None]: ...

def evaluate(
    modules: Sequence[tuple[str, str]],
    query: str,
    data: str | None,
    input: str | None,
    v0: bool,
    strict: bool,
    seconds: float,
) -> str: ...
