"""Test cases of controls: manifests in the folder `cases` of a control, named by the expected result. Runs no case."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from kubekeep._native import YamlDocuments
from kubekeep.library.load import Library, LibraryError, read_library_text
from kubekeep.model.control import Control

_OPTION: Final = re.compile(r"^# (params|kubernetes|paths): (.*)$", re.MULTILINE)
EXPECTED: Final = ("fail", "pass", "skip")


class CaseOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings in the comments at the top of a case. Without `paths`, evidence paths are not compared."""

    params: dict[str, tuple[str, ...]] = {}
    kubernetes: Annotated[str, msgspec.Meta(pattern=r"^1\.\d+$")] = "1.37"
    """Version of Kubernetes, `1.N`. Versions that scans no longer support are allowed, because rules may refer to them."""
    paths: tuple[str, ...] | None = None

    @property
    def minor(self) -> int:
        """Minor version of Kubernetes."""
        return int(self.kubernetes.partition(".")[2])


class Case(msgspec.Struct, frozen=True):
    """One file of manifests: `fail.*` must fail, `pass.*` must pass, `skip.*` must not be evaluated or not apply.

    Comment lines at the top may set `# params: {"name": ["value"]}`, `# kubernetes: "1.30"` and
    `# paths: ["exact evidence paths"]`, each as JSON.
    """

    control: Control
    file: Path
    options: CaseOptions

    @property
    def expected(self) -> str:
        """Expected result: `fail`, `pass` or `skip`."""
        return self.file.name.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.control.slug}/{self.file.name}"


def list_cases(library: Library, controls: Iterable[Control]) -> list[Case]:
    """Return every case of `controls`, which belong to `library`. Raises LibraryError for an invalid case."""
    return [
        _read_case(control, file)
        for control in controls
        for file in sorted((library.get_folder(control) / "cases").glob("*.yaml"))
    ]


def _read_case(control: Control, file: Path) -> Case:
    try:
        comments = _OPTION.findall(read_library_text(file))
        options = {key: msgspec.json.decode(value) for key, value in comments}
        case = Case(control, file, msgspec.convert(options, CaseOptions))
    except LibraryError:
        raise
    except (ValueError, RecursionError) as error:
        raise LibraryError(f"{file}: {error}") from error
    if case.expected not in EXPECTED:
        raise LibraryError(f"{file}: the file name must begin with {' or '.join(f'{word}.' for word in EXPECTED)}")
    return case


def read_objects(case: Case) -> list[dict[str, Any]]:
    """Return the objects of the case. Raises LibraryError for invalid YAML."""
    mappings: list[dict[str, Any]] = []
    for document in YamlDocuments(read_library_text(case.file), 100, 10_000, 1_000, 1_000_000):
        if document is None:
            continue
        if len(document) != 3:
            raise LibraryError(f"{case.file}: {document[0]}")
        if isinstance(document[0], dict):
            mappings.append(document[0])
    return mappings
